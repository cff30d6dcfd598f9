"""study: what a search finds does not tell whether it was stopped on the way."""

import math
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.study import Study
from optuna.trial import Trial, TrialState, create_trial

from stages.common.command import InputError
from stages.configure.search import Range, SearchParams
from tests.helpers import default_block
from tools.search.space import suggest
from tools.search.study import (
    here,
    index_of,
    next_index,
    note_end,
    open_study,
    outcomes,
    repeat_unfinished,
    storage,
)

SPACE: dict[str, Any] = {
    "recipe": [None, "vgg"],
    "x": Range(low=0.0, high=1.0),
    "y": Range(low=0.01, high=1.0, log=True),
}
TRIALS = 25


@pytest.fixture
def search() -> SearchParams:
    return default_block("search", SearchParams)


def objective(trial: Trial, killed_at: int | None = None) -> float:
    """Stands for a training of ten epochs, in which a recipe learns late; some fail."""
    values = suggest(trial, SPACE)
    if values["x"] > 0.97:
        trial.set_user_attr("why", "the loss is not finite")
        raise InputError
    final = 1 - (values["x"] - 0.3) ** 2 - abs(math.log(values["y"]))
    late = values["recipe"] == "vgg"
    for epoch in range(10):
        if epoch == killed_at:
            raise KeyboardInterrupt
        trial.report(final + late - (9 - epoch) * (1 if late else 0.1), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return final + late


def run(study: Study, kills: dict[int, int]) -> None:
    """Do what is left; a trial in `kills` is killed at an epoch, once for each call."""
    repeat_unfinished(study)
    while True:
        trials = study.get_trials()
        waits = any(trial.state == TrialState.WAITING for trial in trials)
        if not waits and next_index(trials) >= TRIALS:
            return
        if not waits:
            study.enqueue_trial({}, here())
        study.optimize(
            lambda trial: objective(trial, kills.get(len(study.trials) - 1)),
            n_trials=1,
            catch=(InputError,),
        )


def what_was_tried(study: Study) -> list[Any]:
    return [
        (trial.params, trial.state, trial.value, trial.intermediate_values)
        for trial in outcomes(study)
    ]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_killed_search_finds_what_one_finds_that_was_not(
    tmp_path: Path, search: SearchParams
) -> None:
    whole = open_study("whole", storage(str(tmp_path / "whole")), search, prune=True)
    run(whole, {})
    states = [trial.state for trial in outcomes(whole)]
    assert len(states) == TRIALS
    assert {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL} == set(states)

    # The number of the trial, and the epoch: 6 repeats 5, and is killed itself.
    kills = {0: 3, 5: 0, 6: 9, 17: 4, 27: 1}
    for _ in kills:
        killed = open_study("killed", storage(str(tmp_path / "killed")), search, prune=True)
        with pytest.raises(KeyboardInterrupt):
            run(killed, kills)
    killed = open_study("killed", storage(str(tmp_path / "killed")), search, prune=True)
    run(killed, kills)
    assert len(killed.trials) == TRIALS + len(kills)
    assert what_was_tried(killed) == what_was_tried(whole)


def test_only_what_nobody_works_on_is_done_again(tmp_path: Path, search: SearchParams) -> None:
    study = open_study("some", storage(str(tmp_path / "some")), search, prune=False)
    now = here()
    gone = now | {"worker": [socket.gethostname(), now["worker"][1], 0.0]}
    elsewhere = now | {"worker": ["another", 1, 0.0]}
    for attrs in (now, gone, elsewhere, elsewhere | {"seen": now["seen"] - 4000}):
        study.enqueue_trial({"x": 0.5}, attrs)
        study.ask()
    assert repeat_unfinished(study) == 2
    assert repeat_unfinished(study) == 0, "they wait already"
    trials = study.get_trials()
    states = [trial.state for trial in trials]
    running, failed = TrialState.RUNNING, TrialState.FAIL
    assert states == [running, failed, running, failed, TrialState.WAITING, TrialState.WAITING]
    assert [index_of(trial, trials) for trial in trials] == [0, 1, 2, 3, 1, 3]
    assert next_index(trials) == 4


def test_what_learns_late_is_compared_with_its_like(tmp_path: Path, search: SearchParams) -> None:
    study = open_study("late", storage(str(tmp_path / "late")), search, prune=True)
    recipes = CategoricalDistribution(["null", '"vgg"'])

    def add(recipe: str, *values: float) -> None:
        study.add_trial(
            create_trial(
                params={"recipe": recipe},
                distributions={"recipe": recipes},
                value=values[-1],
                intermediate_values=dict(enumerate(values)),
            )
        )

    def is_stopped(value: float) -> bool:
        study.enqueue_trial({"recipe": '"vgg"'}, here())
        trial = study.ask()
        trial.suggest_categorical("recipe", recipes.choices)
        trial.report(value, 5)
        return trial.should_prune()

    for _ in range(20):
        add("null", *[0.8] * 10)
    for value in (0.5, 0.5, 0.5, 0.6):
        add('"vgg"', *[value] * 10)
    assert not is_stopped(0.1), "only four of its like have ended"
    add('"vgg"', *[0.5] * 10)
    # Of 0.5, 0.5, 0.5, 0.5, 0.6 the best quarter begins at 0.5.
    assert is_stopped(0.49)
    assert not is_stopped(0.5)


def test_a_lock_that_a_killed_process_held_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search: SearchParams
) -> None:
    monkeypatch.chdir(tmp_path)
    file = "search/base/trials.journal"
    open_study("one", storage(file), search, prune=True).enqueue_trial({"x": 0.5}, here())
    Path(f"{file}.lock").touch()
    again = open_study("one", storage(file), search, prune=True)
    again.enqueue_trial({"x": 0.7}, here())
    assert len(again.trials) == 2


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nosuch://x", "nosuch://x: cannot be used as Optuna's storage: "),
        ("sqlite:////no/such/folder/x.db", "sqlite:////no/such/folder/x.db: cannot be used as"),
        ("nosuch://me:secret@host/x", r"nosuch://me:\*\*\*@host/x: cannot be used as"),
    ],
)
def test_a_storage_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, place: str, said: str
) -> None:
    monkeypatch.setattr("tools.search.study.TRIES", 1)
    with pytest.raises(InputError, match=said) as error:
        storage(place)
    assert "secret" not in str(error.value)


def test_a_trial_whose_process_ends_twice_has_failed(tmp_path: Path, search: SearchParams) -> None:
    study = open_study("ends", storage(str(tmp_path / "ends")), search, prune=False)
    pid = here()["worker"][1]
    for number, whys in enumerate([[], ["its process ended twice, perhaps for want of memory"]]):
        study.enqueue_trial({"x": 0.5}, here()) if not number else repeat_unfinished(study)
        study.ask()
        assert not note_end(study, pid + 1), "another process"
        assert note_end(study, pid)
        assert not note_end(study, pid), "it trains nothing any more"
        assert [t.user_attrs["why"] for t in outcomes(study) if "why" in t.user_attrs] == whys
    assert repeat_unfinished(study) == 0
    assert len(outcomes(study)) == 1


def test_a_process_that_has_ended_and_was_not_waited_for_is_dead(
    tmp_path: Path, search: SearchParams
) -> None:
    process = subprocess.Popen(["sleep", "60"])
    started = psutil.Process(process.pid).create_time()
    study = open_study("some", storage(str(tmp_path / "some")), search, prune=False)
    worker = [socket.gethostname(), process.pid, started]
    study.enqueue_trial({"x": 0.5}, here() | {"worker": worker})
    study.ask()
    assert repeat_unfinished(study) == 0
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert repeat_unfinished(study) == 1
    process.wait()
