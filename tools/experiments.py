"""Print the experiments on this commit, of one variant: three metrics, and parameters that differ.

Of its own parameters these are the values that it was trained with, wherever params.yaml has them.
Lines have at most 120 letters; those of `dvc exp show`, with each value of each variant, 500.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import dvc.api
from dvc.exceptions import DvcException

from stages.common.command import InputError, command_line, run
from stages.common.params import PARAMS_FILE, read_yaml
from stages.configure.check import BLOCKS, MODELS, check
from tools.programs import in_one_line
from tools.ranking import aligned

METRICS = ("validation_accuracy", "accuracy", "roc_auc")
WIDTH = 120
"""The most columns of a line."""
CELL = 24
"""The most letters of a cell; a longer text loses its end."""


def in_lines(rows: Sequence[Mapping[str, Any]], variant: str) -> str:
    """Return experiments as a table for a terminal, at most `WIDTH` columns wide.

    Args:
        rows: what `dvc.api.exp_show` returned: the workspace, the commit, its experiments.
    """
    blocks = "|".join(block for block in BLOCKS if block not in MODELS)
    asked = re.compile(rf"configs/{variant}\.yaml:(.+)|(?:params\.yaml:)?((?:{blocks})\..+)")
    columns = {"experiment": [row["Experiment"] or row["rev"] for row in rows]}
    for metric in METRICS:
        # DVC leaves the file out where no other has such a metric.
        columns[metric] = [
            row.get(f"metrics/{variant}.json:{metric}", row.get(metric)) for row in rows
        ]
    left = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(key) for row in rows]
        if (found := asked.fullmatch(key)) and len(set(map(repr, values))) > 1:
            left[found[1] or found[2]] = values
    lines = _table(columns)
    for name in list(left):
        wider = _table(columns := {**columns, name: left[name]})
        if len(wider[0]) > WIDTH:
            break
        lines = wider
        del left[name]
    if left:
        lines.append(f"{len(left)} more parameters differ: `dvc exp show --only-changed` has them.")
    return "\n".join(line.rstrip() for line in lines)


def _table(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    cells = [[name, *map(_text, values)] for name, values in columns.items()]
    return aligned([list(row) for row in zip(*cells, strict=True)])


def _text(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= CELL else f"{text[: CELL - 2]}.."


def main() -> None:
    parser = command_line("tools.experiments", __doc__)
    parser.add_argument("variant", help="a name in params.yaml")
    variant = parser.parse_args().variant
    known = list(check(read_yaml(PARAMS_FILE)))
    if variant not in known:
        raise InputError(f"variant: none is called {variant!r}; there are {', '.join(known)}")
    try:
        rows = dvc.api.exp_show()
    except DvcException as error:
        raise InputError(in_one_line(str(error))) from None
    print(in_lines(rows, variant))


if __name__ == "__main__":
    run(main)
