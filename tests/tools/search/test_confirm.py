"""confirm: intervals are those of the paper."""

import math

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from stages.common.command import InputError
from stages.configure.search import SearchParams
from tests.helpers import default_block
from tools.search.confirm import Interval, best, confirmed, corrected_interval, enqueue, require_own

SEARCH = default_block("search", SearchParams, confirm={"best": 2, "times": 1})


def test_the_interval_is_nadeau_and_bengios() -> None:
    """By hand: a mean of 0.02, a variance of 0.0001; of two degrees of freedom, t is 4.302653."""
    found = corrected_interval([0.01, 0.03, 0.02], ratio=0.5)
    half = 4.302653 * math.sqrt(0.0001 * (1 / 3 + 1 / 2))
    assert found == pytest.approx(Interval(0.02, 0.02 - half, 0.02 + half), abs=1e-6)


def test_one_difference_has_no_interval() -> None:
    assert corrected_interval([0.1], ratio=0.5) == Interval(0.1, -math.inf, math.inf)


@pytest.mark.parametrize(
    ("direction", "values", "again", "expected"),
    [
        (
            StudyDirection.MAXIMIZE,
            [0.5, 0.9, 0.7, 0.8],
            {1: 0.6, 3: 0.85},
            [(0, 0.5), (3, 0.85), (1, 0.6)],
        ),
        (
            StudyDirection.MINIMIZE,
            [0.5, 0.1, 0.7, 0.3],
            {1: 0.45, 3: 0.2},
            [(0, 0.5), (3, 0.2), (1, 0.45)],
        ),
    ],
)
def test_the_best_are_trained_again_and_that_decides(
    direction: StudyDirection,
    values: list[float],
    again: dict[int, float],
    expected: list[tuple[int, float]],
) -> None:
    study = optuna.create_study(direction=direction)
    for value in values:
        study.add_trial(create_trial(value=value))
    study.add_trial(create_trial(state=TrialState.PRUNED, value=values[1]))
    assert [trial.number for trial in best(study, 2)] == [1, 3]
    confirmation = optuna.create_study(direction=direction)
    for _ in range(2):
        enqueue(confirmation, study, SEARCH)
    waiting = [trial.user_attrs["of"] for trial in confirmation.trials]
    assert waiting == [0, 1, 3], "once each"
    for of in waiting:
        trial = confirmation.ask()
        value = (again | {0: 0.5})[of]
        trial.set_user_attr("folds", [value, value])
        confirmation.tell(trial, value)
    rows = confirmed([confirmation], study, SEARCH, ratio=0.5)
    assert [(row.number, row.mean) for row in rows] == expected
    assert rows[0].beyond is None
    assert rows[1].beyond
    assert rows[1].beyond.mean == pytest.approx(abs(expected[1][1] - 0.5)), "better, not more"
    assert rows[1].found == values[3]


def test_what_fails_when_it_is_trained_again_stands_last_with_its_reason() -> None:
    study, confirmation = optuna.create_study(), optuna.create_study()
    for value in (0.5, 0.1, 0.2):
        study.add_trial(create_trial(value=value))
    enqueue(confirmation, study, SEARCH)
    for folds in ([0.5], [], [0.3]):
        trial = confirmation.ask()
        trial.set_user_attr(*(("folds", folds) if folds else ("why", "the loss is not finite")))
        state = TrialState.COMPLETE if folds else TrialState.FAIL
        confirmation.tell(trial, folds[0] if folds else None, state)
    rows = confirmed([confirmation], study, SEARCH, ratio=0.5)
    assert [(row.number, row.why) for row in rows] == [
        (0, ""), (2, ""), (1, "the loss is not finite"),
    ]  # fmt: skip


def test_a_variant_that_cannot_be_trained_is_named() -> None:
    study = optuna.create_study()
    require_own(study)
    why = {"why": "no pixels are left"}
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=why))
    with pytest.raises(InputError, match="the variant itself, has failed: no pixels are left"):
        require_own(study)
