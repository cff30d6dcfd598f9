"""ranking: the comparison as a table that a terminal has room for."""

import copy
import json

import pytest

from tests.helpers import REPOSITORY
from tools.ranking import in_lines

REPORT = json.loads((REPOSITORY / "reports/comparison.json").read_text())


def test_a_line_for_each_variant_best_on_validation_first() -> None:
    header, *lines = in_lines(REPORT).splitlines()[:-1]
    assert header.split() == [
        "variant", "validation", "accuracy", "verdict", "differs", "from", "base", "in",
    ]  # fmt: skip
    validation = {v: row["metrics"]["validation_accuracy"] for v, row in REPORT["variants"].items()}
    expected = sorted(validation, key=lambda variant: -validation[variant])
    assert [line.split()[0] for line in lines] == expected
    sgd = next(line for line in lines if line.startswith("sgd "))
    assert sgd.endswith("optimizer sgd, learning_rate 0.01")
    # What fits of what small differs in, and how much does not.
    assert lines[0].endswith(" and 13 more")


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("name", ["s", "small", "small-with-a-name-of-many-words-2"])
def test_no_line_is_longer_than_a_terminal_is_wide(name: str, held_out: bool) -> None:
    report = copy.deepcopy(REPORT)
    report["variants"][name] = copy.deepcopy(report["variants"]["small"])
    for row in report["variants"].values() if held_out else ():
        row["metrics"] |= {f"held_out_accuracy{end}": 0.5 for end in ("", "_low", "_high")}
    text = in_lines(report)
    assert max(map(len, text.splitlines())) <= 100
    assert ("held out" in text) == held_out
    assert name[:9] in text and name[-9:] in text
