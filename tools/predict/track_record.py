"""How often a model's answers were right, for readers without statistics."""

from collections.abc import Mapping
from pathlib import Path

from stages.common.arrays import OWN
from stages.common.command import InputError
from stages.common.files import read_json
from stages.common.params import read_value

METRICS = Path("metrics")
SETS = METRICS / "sets"
UNKNOWN = "How often they were right is not known here: `dvc pull` brings `metrics/`."
NOT_MEASURED = (
    "On other kinds of pictures nobody has measured it: expect fewer right answers there."
)
FEW = 100
"""Answers below which their number says more than a share of 100."""


def track_record(variant: str) -> list[str]:
    """Return a sentence on the test pictures of the data set, then one on each kind of others.

    Others are those that were held out, and external data sets; the sentence says so where there
    are none. Where metrics/ lacks what would tell, one sentence says that.
    """
    try:
        own = read_json(SETS / variant / f"{OWN}.json")
        metrics = read_json(METRICS / f"{variant}.json")
        sets = {name: read_json(SETS / variant / f"{name}.json") for name in read_value("external")}
    except InputError:
        return [UNKNOWN]
    found = [_in_words(own, "test pictures of its own data set")]
    if "held_out_accuracy" in metrics:
        held_out = {name.removeprefix("held_out_"): value for name, value in metrics.items()}
        found.append(_in_words(held_out, "pictures of kinds that it has never seen"))
    found += [_in_words(row, f"pictures of the data set `{name}`") for name, row in sets.items()]
    return found if len(found) > 1 else [*found, NOT_MEASURED]


def _in_words(metrics: Mapping[str, float], which: str) -> str:
    """Return how many pictures were answered, and how many answers were right."""
    answered = round(metrics["images"] * metrics["answered"])
    start = f"Of {metrics['images']:,} {which}, it answered {answered:,}"
    if "accuracy_answered" not in metrics:
        return f"{start}."
    share, of = metrics["accuracy_answered"], min(answered, FEW)
    right = round(share * of) if share == 1 else min(round(share * of), of - 1)
    ends = [metrics.get(f"accuracy_answered_{end}") for end in ("low", "high")]
    low, high = (round(100 * end) if end is not None else None for end in ends)
    likely = f" (likely {low} to {high} of 100)" if low is not None else ""
    return f"{start}: **{right} of {of}** answers were right{likely}."
