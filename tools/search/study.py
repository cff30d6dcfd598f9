"""A search as a study of Optuna: what is kept of it, how it goes on, and what comes next.

What is tried follows from the seed, from the logical index of a trial and from what came of those
before it. So a search of one worker that was killed and goes on finds what it would have found.
"""

import hashlib
import json
import socket
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import psutil
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, NopPruner, PercentilePruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from stages.common.command import InputError
from stages.configure.search import SearchParams
from tools.programs import in_one_line

LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn", "pillow", "optuna")
CODE = ("stages/common", "stages/networks", "stages/train", "tools/search")
OWN = 0
"""The logical index of the variant as it is."""
GRACE = 5
"""Seconds after which the lock of a killed process is taken away; to write takes milliseconds."""
TRIES = 5
"""How often a database is tried, a second after the last time."""
BEGINS = 60
"""Seconds in which a trial that has begun says who works on it."""
SAYS = 60
"""Seconds between two words of a worker that it lives."""
STALE = 600
"""Seconds without a word after which a worker on another machine is taken for dead."""
BEST = 25.0
"""Percentage of the finished trials that one must be among, or it is stopped."""
FIRST = 5
"""Trials that are finished before one is stopped, and epochs before that of each."""
PACE = ("recipe", "conv_layers", "epochs", "schedule")
"""What decides how soon a network learns: batch normalisation and a cosine pay late."""


def origin(*parts: object) -> str:
    """Return a hash of what decides what a trial gives: `parts`, code and libraries."""
    digest = hashlib.sha256(json.dumps(parts).encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for folder in CODE:
        for file in sorted(Path(folder).glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def storage(place: str) -> BaseStorage:
    """Return where trials are kept: the database of a URL, or else a file, Optuna's journal.

    Raises:
        InputError: it cannot be opened.
    """
    for _ in range(TRIES):
        try:
            if "://" in place:
                return get_storage(place)
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            # Optuna's usual lock, a link, is never let go of where a process was killed that had it
            # and the path is relative.
            lock = JournalFileOpenLock(place, grace_period=GRACE)
            return JournalStorage(JournalFileBackend(place, lock))
        except DBAPIError as error:
            # Of several machines that find a database empty, one makes its tables.
            why = error
            time.sleep(1)
        except Exception as error:  # whatever a driver raises
            raise unusable(place, error) from None
    raise unusable(place, why)


def unusable(place: str, why: Exception) -> InputError:
    """Return what to say of a storage that cannot be used; no password is in it."""
    said = in_one_line(str(why))
    with suppress(ArgumentError):  # a file, or no URL at all
        url = make_url(place)
        place = url.render_as_string(hide_password=True)
        said = said.replace(str(url.password), "***") if url.password else said
    return InputError(f"{place}: cannot be used as Optuna's storage: {said}")


def index_of(trial: FrozenTrial, trials: list[FrozenTrial]) -> int:
    """Return the logical index of `trial`: its place among those that did not repeat another."""
    if "again" in trial.user_attrs:
        return int(trial.user_attrs["again"])
    return next_index(trials[: trial.number])


def next_index(trials: list[FrozenTrial]) -> int:
    """Return the logical index of the trial after all of `trials`, by number."""
    return sum(not trial.user_attrs.keys() & {"again", "surplus"} for trial in trials)


class SeededByIndex(BaseSampler):
    """Tree-structured Parzen estimators, seeded for each trial by seed and logical index.

    Bergstra, Bardenet, Bengio and Kégl, Algorithms for hyper-parameter optimization, 2011.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.sampler = TPESampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        index = index_of(trial, study.get_trials(deepcopy=False))
        seed = np.random.SeedSequence([self.seed, index]).generate_state(1)
        self.sampler = TPESampler(seed=int(seed[0]))

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        return self.sampler.sample_independent(study, trial, name, distribution)


class PruneAmongAlike(BasePruner):
    """Stops what is not among the best so far of the trials that learn at the same pace.

    Hyperband does not suit: what it stops follows from a trial's number, and a trial that repeats
    one has another.
    """

    def __init__(self) -> None:
        self.pruner = PercentilePruner(BEST, n_startup_trials=FIRST, n_warmup_steps=FIRST)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        return self.pruner.prune(_Alike(study, trial), trial)  # type: ignore[arg-type]


class _Alike(NamedTuple):
    """Of a study, the trials that learn at the pace of one."""

    study: Study
    trial: FrozenTrial

    @property
    def direction(self) -> StudyDirection:
        return self.study.direction

    def get_trials(self, **options: Any) -> list[FrozenTrial]:
        trials = self.study.get_trials(**options)
        return [trial for trial in trials if self._pace(trial) == self._pace(self.trial)]

    @staticmethod
    def _pace(trial: FrozenTrial) -> list[Any]:
        return [trial.params.get(key) for key in PACE]


def open_study(name: str, kept: BaseStorage, search: SearchParams, prune: bool) -> Study:
    """Return the study `name`, a new one if there is none."""
    return optuna.create_study(
        storage=kept,
        study_name=name,
        direction="maximize" if search.metric == "accuracy" else "minimize",
        load_if_exists=True,
        sampler=SeededByIndex(search.seed),
        pruner=PruneAmongAlike() if prune else NopPruner(),
    )


def here() -> dict[str, Any]:
    """Return what a trial says of who works on it: this process, and that it lives now."""
    process = psutil.Process()
    worker = [socket.gethostname(), process.pid, process.create_time()]
    return {"worker": worker, "seen": time.time()}


def repeat_unfinished(study: Study) -> int:
    """Enqueue again, with its values, what a worker that is gone left unfinished; return how many.

    What failed for a reason of its own is finished.
    """
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.RUNNING and not _lives(trial):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    trials = study.get_trials(deepcopy=False)
    latest = _latest(trials)
    gone = [
        trial
        for trial in latest.values()
        if trial.state == TrialState.FAIL and "why" not in trial.user_attrs
    ]
    for trial in gone:
        values = trial.system_attrs.get("fixed_params", {}) | trial.params
        attrs = here() | {"again": index_of(trial, trials)}
        if "of" in trial.user_attrs:
            attrs["of"] = trial.user_attrs["of"]
        study.enqueue_trial(values, attrs)
    return len(gone)


def note_end(study: Study, pid: int) -> bool:
    """Note that the process `pid` of this machine ended by itself, as where memory is short.

    A trial whose process ends a second time has failed, or it would be begun for ever.

    Returns:
        Whether it was at a trial.
    """
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        worker = trial.user_attrs.get("worker", [])[:2]
        if trial.state == TrialState.RUNNING and worker == [socket.gethostname(), pid]:
            same = [t for t in trials if identity(t, trials) == identity(trial, trials)]
            is_second = any("ended" in t.user_attrs for t in same)
            what = {"why": "its process ended twice, perhaps for want of memory"}
            for name, value in (what if is_second else {"ended": True}).items():
                Trial(study, trial._trial_id).set_user_attr(name, value)
            study.tell(trial.number, state=TrialState.FAIL)
            return True
    return False


def identity(trial: FrozenTrial, trials: list[FrozenTrial]) -> int:
    """Return what a trial and those that repeat it have in common: of one that confirms another,
    the logical index of that; or else its own.
    """
    return int(trial.user_attrs["of"]) if "of" in trial.user_attrs else index_of(trial, trials)


def _lives(trial: FrozenTrial) -> bool:
    if not trial.user_attrs.keys() >= {"worker", "seen"}:  # it has just begun, or never did
        assert trial.datetime_start
        return bool(time.time() - trial.datetime_start.timestamp() < BEGINS)
    host, pid, started = trial.user_attrs["worker"]
    if host != socket.gethostname():
        return bool(time.time() - trial.user_attrs["seen"] < STALE)
    try:
        process = psutil.Process(pid)
        is_there = process.status() != psutil.STATUS_ZOMBIE
        return is_there and bool(process.create_time() == started)
    except psutil.NoSuchProcess:
        return False


def value_of(trial: FrozenTrial) -> float:
    """Return what a trial gave."""
    assert trial.value is not None
    return trial.value


def outcomes(study: Study) -> list[FrozenTrial]:
    """Return what came of each trial, by logical index: of one that was repeated, the last."""
    trials = study.get_trials(deepcopy=False)
    latest = _latest(trials)
    return [latest[key] for key in sorted(latest)]


def _latest(trials: list[FrozenTrial]) -> dict[int, FrozenTrial]:
    """Return the last of each trial and those that repeat it, by what they have in common."""
    return {identity(trial, trials): trial for trial in trials if "surplus" not in trial.user_attrs}
