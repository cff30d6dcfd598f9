"""Refuse a fall of metrics against a revision: exit with 1 if one is larger than allowed.

The block `gate` of params.yaml names the metrics, of metrics/ and metrics/robustness/, or of an
external set (`accuracy_on_<set>`), and the largest fall allowed of each; of loss, Brier score, ECE,
accuracy_lost and unlike, a rise is the fall. `beyond_interval`: no fall whose 95% paired interval
leaves out 0; for accuracy, roc_auc, average_precision and brier_score_calibrated, which come from
the predictions alone. In a fresh clone, this fetches what that takes of the workspace:

    dvc pull data/manifest.csv evaluate

Prints a line for each check that failed, and one for all that are in order. Variants that only one
of the two has are named, not checked; if nothing could be checked, it exits with 1, too.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from stages.common.command import InputError, command_line, run
from stages.common.params import PARAMS_FILE, nearest, read_block
from stages.compare.schema import BEYOND_INTERVAL, GateParams
from stages.pages.markdown import table
from tools.review import revisions
from tools.review.revisions import Revision

PAIRED = (*revisions.MEANS, *revisions.RANKINGS)
"""The metrics that `beyond_interval` takes: those that come from the predictions alone."""
LESS_IS_BETTER = ("loss", "validation_loss", "brier", "ece", "accuracy_lost")
"""What the names of such metrics start with."""
OK, FAILED, NOT_CHECKED = "ok", "failed", "not checked"


class Check(NamedTuple):
    """One metric of one variant, and what came of it."""

    result: str
    variant: str
    metric: str
    old: float | None
    new: float | None
    fall: float | None
    tolerance: str
    why: str = ""


def tolerances(params: GateParams, known: list[str]) -> dict[str, float | str]:
    """Return the largest fall allowed by metric.

    Args:
        known: the names of all metrics.

    Raises:
        InputError: a metric is unknown, or `beyond_interval` cannot be asked of it.
    """
    allowed = dict(params.__pydantic_extra__)
    for metric, tolerance in allowed.items():
        where = f"{PARAMS_FILE}: gate.{metric}"
        if not known:
            raise InputError(f"{revisions.METRICS}: holds no metrics; run `dvc repro`")
        if metric not in known:
            raise InputError(f"{where}: unknown metric; did you mean '{nearest(metric, known)}'?")
        if tolerance == BEYOND_INTERVAL and metric not in PAIRED:
            paired = f"{', '.join(PAIRED[:-1])} and {PAIRED[-1]}"
            raise InputError(
                f"{where}: '{BEYOND_INTERVAL}' is for {paired} only; name the largest fall "
                "allowed instead"
            )
    return allowed


def fall_of(metric: str, old: float, new: float) -> float:
    """Return by how much a metric, which has six digits, got worse; below 0: better."""
    fall = new - old if _less_is_better(metric) else old - new
    return round(fall, 6)


def _less_is_better(metric: str) -> bool:
    # What is held out or of another set should be found unlike.
    return metric.startswith(LESS_IS_BETTER) or metric == "unlike"


def check(old: Revision, new: Revision, variant: str, metric: str, tolerance: float | str) -> Check:
    """Return whether `metric` of a variant that both have fell by more than allowed."""
    before, after = (side.metrics.get(variant, {}).get(metric) for side in (old, new))
    if before is None or after is None:
        # There is nothing to fall from, or it was lost.
        result = NOT_CHECKED if before is None else FAILED
        side = old.name if before is None else new.name
        why = f"{variant} has no {metric} in {side}"
        return Check(result, variant, metric, before, after, None, str(tolerance), why)
    fall = fall_of(metric, before, after)
    if tolerance != BEYOND_INTERVAL:
        result = FAILED if fall > float(tolerance) else OK
        return Check(result, variant, metric, before, after, fall, str(tolerance))
    if fall <= 0:
        return Check(OK, variant, metric, before, after, fall, BEYOND_INTERVAL)
    try:
        rise = revisions.difference(revisions.pair(old, new, variant), metric)
    except InputError as error:
        # A fall that nothing is known of is not allowed.
        return Check(
            FAILED, variant, metric, before, after, fall, BEYOND_INTERVAL, str(error).rstrip(".")
        )
    # The interval of the fall; where less is better, a rise is one.
    low, high = (rise.low, rise.high) if _less_is_better(metric) else (-rise.high, -rise.low)
    result = FAILED if low > 0 else OK
    interval = f"{BEYOND_INTERVAL} ({low:.3f} to {high:.3f})"
    return Check(result, variant, metric, before, after, fall, interval)


def check_all(old: Revision, new: Revision, allowed: dict[str, float | str]) -> list[Check]:
    """Return the checks of all variants that both have."""
    return [
        check(old, new, variant, metric, tolerance)
        for variant in new.configs
        if variant in old.configs
        for metric, tolerance in allowed.items()
    ]


def passes(checks: list[Check]) -> bool:
    """Return whether none failed, of at least one: to rename every variant is no way through."""
    results = {row.result for row in checks}
    return FAILED not in results and OK in results


def to_markdown(old: Revision, new: Revision, checks: list[Check]) -> str:
    """Return what failed, as a table and why, then in a line what is in order, and what is left."""
    header = ["failed", "metric", old.name, new.name, "fall", "tolerance"]
    rows = [
        [
            row.variant,
            row.metric,
            *("" if value is None else f"{value:.6f}" for value in (row.old, row.new, row.fall)),
            row.tolerance,
        ]
        for row in checks
        if row.result == FAILED
    ]
    alone = {
        "Added, not checked": [name for name in new.configs if name not in old.configs],
        "Removed, not checked": [name for name in old.configs if name not in new.configs],
    }
    paragraphs = [table(header, rows)] if rows else []
    paragraphs += [f"Failed: {row.why}." for row in checks if row.why and row.result == FAILED]
    paragraphs.append(_in_order([row.fall for row in checks if row.result == OK], len(checks)))
    paragraphs += [f"Not checked: {row.why}." for row in checks if row.result == NOT_CHECKED]
    paragraphs += [f"{word}: {', '.join(names)}." for word, names in alone.items() if names]
    return "\n\n".join(paragraphs)


def _in_order(falls: list[float | None], checks: int) -> str:
    """Return a sentence on the checks that did not fail, of so many."""
    if not checks:
        return "Nothing to check."
    better = sum(fall is not None and fall < 0 for fall in falls)
    worse = sum(fall is not None and fall > 0 for fall in falls)
    parts = {
        "better": better,
        "unchanged": len(falls) - better - worse,
        "worse by no more than allowed": worse,
    }
    told = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
    return f"In order: {len(falls)} of {checks} checks" + f" ({told})" * bool(told) + "."


def main() -> None:
    parser = command_line("tools.gate", __doc__)
    parser.add_argument("revision", nargs="?", metavar="REV", help="default: the main branch")
    revision = parser.parse_args().revision
    params = read_block("gate", GateParams)
    old = revisions.read_commit(*revisions.find(revision))
    new = revisions.read(revisions.WORKSPACE, Path())
    known = {
        name: None for side in (new, old) for metrics in side.metrics.values() for name in metrics
    }
    allowed = tolerances(params, list(known))
    checks = check_all(old, new, allowed)
    # In one piece: a reader such as `head` may be gone by the second.
    sys.stdout.write(to_markdown(old, new, checks) + "\n")
    sys.exit(bool(allowed) and not passes(checks))


if __name__ == "__main__":
    run(main)
