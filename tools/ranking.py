"""Print what the comparison found: a row a variant, best on validation first, in 100 columns.

It reads reports/comparison.json, which `dvc repro` writes. All metrics of a variant, a line each,
are in metrics/<variant>.json.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.common.command import InputError, command_line, run
from stages.common.files import read_json
from stages.compare.summary import by_validation, has_held_out, in_yaml

NUMBERS = Path("reports/comparison.json")
WIDTH = 100
"""The most columns of a line."""
NAME = 20
"""The most letters of a variant's name; a longer one loses its middle."""


def in_lines(report: Mapping[str, Any]) -> str:
    """Return the comparison as a table for a terminal, at most `WIDTH` columns wide.

    Args:
        report: what reports/comparison.json holds.
    """
    held_out = has_held_out(report)
    baseline, variants = next(iter(report["variants"])), by_validation(report["variants"])
    measured = ["accuracy", *["held_out_accuracy"] * held_out]
    rows = [["variant", "validation", "accuracy", *["held out"] * held_out, "verdict"]]
    for variant, row in variants.items():
        metrics = row["metrics"]
        rows.append(
            [
                _short(variant),
                f"{metrics['validation_accuracy']:.3f}",
                *(
                    f"{metrics[name]:.3f} ({metrics[f'{name}_low']:.3f} to "
                    f"{metrics[f'{name}_high']:.3f})"
                    for name in measured
                ),
                row["comparison"]["verdict"],
            ]
        )
    lines = aligned(rows)
    header, left = f"differs from {_short(baseline)} in", WIDTH - len(lines[0]) - 2
    if left >= len(header):
        changes = [_fitting(row["differs_in"], left) for row in variants.values()]
        lines = [f"{line}  {text}" for line, text in zip(lines, [header, *changes], strict=True)]
    note = (
        f"Choose by validation. Brackets: 95% intervals over {report['test_observations']:,} "
        "independent observations."
    )
    return "\n".join([*(line.rstrip() for line in lines), note])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row of cells, all of the same width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def _short(name: str) -> str:
    kept = (NAME - 1) // 2
    return name if len(name) <= NAME else f"{name[:kept]}..{name[-kept:]}"


def _fitting(changes: Mapping[str, Any], width: int) -> str:
    """Return those of `changes` that fit into `width` letters, and how many more there are."""
    shown, named = f"{len(changes)} values" * bool(changes), list[str]()
    for name, value in changes.items():
        trial = [*named, f"{name} {in_yaml(value)}"]
        more = len(changes) - len(trial)
        text = ", ".join(trial) + f" and {more} more" * bool(more)
        if len(text) <= width:
            shown, named = text, trial
    return shown


def main() -> None:
    command_line("tools.ranking", __doc__).parse_args()
    report = read_json(NUMBERS)
    if "variants" not in report:
        raise InputError(f"{NUMBERS}: holds no comparison; run `dvc repro`")
    print(in_lines(report))


if __name__ == "__main__":
    run(main)
