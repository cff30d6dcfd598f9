"""The best trials once more, with other folds and other seeds: what was good, and not only lucky.

The best of many noisy numbers looks better than what it measures. So the best few are trained again
and these numbers count; each is compared with the variant itself, fold by fold.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy import stats

from stages.common.command import InputError
from stages.configure.search import SearchParams
from tools.search.study import OWN, here, index_of, outcomes, value_of


class Interval(NamedTuple):
    """A mean, and its 95% interval."""

    mean: float
    low: float
    high: float


class Confirmed(NamedTuple):
    """A trial that was trained again."""

    number: int
    """Its logical index; 0 is the variant itself."""
    found: float
    """What the search found."""
    folds: list[float]
    """What each fold gave, time after time."""
    beyond: Interval | None
    """How much more it is than what the variant gave on the same folds, or less for a loss."""
    why: str = ""
    """Why it failed this time, if it did."""

    @property
    def mean(self) -> float:
        return float(np.mean(self.folds)) if self.folds else math.nan


def best(study: Study, number: int) -> list[FrozenTrial]:
    """Return the best trials that were not stopped, the variant itself apart."""
    trials = [trial for trial in outcomes(study)[1:] if trial.state == TrialState.COMPLETE]
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    return sorted(trials, key=lambda trial: sign * value_of(trial))[:number]


def require_own(study: Study) -> None:
    """Refuse a variant that cannot be trained as it is: nothing could be compared with it.

    Raises:
        InputError: trial 0 has failed.
    """
    first = outcomes(study)[:1]
    if first and (why := first[0].user_attrs.get("why")):
        raise InputError(f"trial 0, which is the variant itself, has failed: {why}")


def enqueue(confirmation: Study, study: Study, search: SearchParams) -> None:
    """Enqueue what is to be trained again and was not yet, the variant itself first."""
    there = {trial.user_attrs.get("of") for trial in confirmation.get_trials()}
    trials = study.get_trials(deepcopy=False)
    for trial in [outcomes(study)[OWN], *best(study, search.confirm.best)]:
        of = index_of(trial, trials)
        if of not in there:
            confirmation.enqueue_trial(trial.params, here() | {"of": of})


def confirmed(
    confirmations: Sequence[Study], study: Study, search: SearchParams, ratio: float
) -> list[Confirmed]:
    """Return what came of the variant itself, and then of the best trials, the best first.

    Args:
        confirmations: one for each time; the variant itself has not failed in any.
        ratio: as `corrected_interval` takes it.
    """
    again = [{t.user_attrs.get("of"): t for t in outcomes(one)} for one in confirmations]
    sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
    trials, rows = study.get_trials(deepcopy=False), []
    for trial in [outcomes(study)[OWN], *best(study, search.confirm.best)]:
        of = index_of(trial, trials)
        whys = [one[of].user_attrs["why"] for one in again if "why" in one[of].user_attrs]
        if whys:
            rows.append(Confirmed(of, value_of(trial), [], None, whys[0]))
            continue
        own, folds = (
            [value for one in again for value in one[number].user_attrs["folds"]]
            for number in (OWN, of)
        )
        differences = [sign * (a - b) for a, b in zip(folds, own, strict=True)]
        beyond = corrected_interval(differences, ratio) if of != OWN else None
        rows.append(Confirmed(of, value_of(trial), folds, beyond))
    return rows[:1] + sorted(rows[1:], key=lambda row: (bool(row.why), -sign * row.mean))


def corrected_interval(differences: Sequence[float], ratio: float) -> Interval:
    """Return the mean of `differences` over folds with its 95% interval by Student's t.

    Folds share most of what they train on, so that their differences vary less than those of
    independent samples would: the corrected resampled t-test of Nadeau and Bengio, Inference for
    the generalization error, Machine Learning 52, 2003, with 1/n + `ratio` in place of 1/n.

    Args:
        ratio: images that a fold is measured on, for each that it is trained on; 0 where all are
            measured on the same images, and the interval says what another seed would change.
    """
    number, mean = len(differences), float(np.mean(differences))
    if number < 2:
        return Interval(mean, -math.inf, math.inf)
    error = np.std(differences, ddof=1) * math.sqrt(1 / number + ratio)
    half = float(stats.t.ppf(0.975, number - 1) * error)
    return Interval(mean, mean - half, mean + half)
