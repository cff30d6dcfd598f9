"""gate: which falls it refuses."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.common.command import InputError
from stages.common.params import validate
from stages.compare.schema import GateParams
from tests.helpers import REPOSITORY, Project
from tools.gate import Check, check, check_all, fall_of, passes, to_markdown, tolerances
from tools.review.revisions import Revision

KNOWN = ["accuracy", "roc_auc", "loss", "accuracy_perturbed"]


def revision(name: str, metrics: dict[str, dict[str, float]], **p_fake: list[float]) -> Revision:
    """Return a revision with `metrics` by variant, and the p_fake of images that are all FAKE."""
    predictions = {
        variant: pd.DataFrame(
            {
                "path": [f"{number}.png" for number in range(len(values))],
                "label": "FAKE",
                "cluster": "",
                "p_fake": values,
                "verdict": "FAKE",
                "answer": "FAKE",
            }
        )
        for variant, values in p_fake.items()
    }
    configs: dict[str, Any] = {variant: {} for variant in metrics}
    return Revision(name, {}, configs, metrics, predictions, None, {}, {})


@pytest.mark.parametrize(
    ("metric", "old", "new", "fall"),
    [
        ("accuracy", 0.75, 0.73, 0.02),
        ("accuracy", 0.7, 0.73, -0.03),
        ("loss_calibrated", 0.5, 0.6, 0.1),
        ("brier_score", 0.2, 0.1, -0.1),
        ("ece_calibrated", 0.1, 0.3, 0.2),
        ("accuracy_lost", 0.1, 0.2, 0.1),
        ("accuracy_perturbed", 0.6, 0.5, 0.1),
        ("answered", 0.6, 0.5, 0.1),
        ("unlike", 0.1, 0.2, 0.1),
        ("held_out_unlike", 0.2, 0.1, 0.1),
    ],
)
def test_a_fall_is_a_change_for_the_worse(metric: str, old: float, new: float, fall: float) -> None:
    assert fall_of(metric, old, new) == fall


@pytest.mark.parametrize(("tolerance", "result"), [(0.02, "ok"), (0.019, "failed"), (1, "ok")])
def test_a_fall_of_the_tolerance_is_allowed(tolerance: float, result: str) -> None:
    """0.75 - 0.73 is a little more than 0.02 in floats."""
    old = revision("main", {"base": {"roc_auc": 0.75}})
    new = revision("workspace", {"base": {"roc_auc": 0.73}})
    assert check(old, new, "base", "roc_auc", tolerance).result == result


def test_beyond_the_interval_is_refused() -> None:
    """Of 40 images one more is wrong: the interval holds 0. Of 40, ten more: it does not."""
    old = revision("main", {"base": {"accuracy": 1.0}}, base=[0.9] * 40)
    for wrong, result in ((1, "ok"), (10, "failed")):
        metrics = {"base": {"accuracy": 1 - wrong / 40}}
        new = revision("workspace", metrics, base=[0.1] * wrong + [0.9] * (40 - wrong))
        found = check(old, new, "base", "accuracy", "beyond_interval")
        assert (found.result, found.fall) == (result, wrong / 40)
        assert found.tolerance.startswith("beyond_interval (")


def test_a_fall_that_cannot_be_paired_is_refused_and_a_rise_is_not() -> None:
    old = revision("main", {"base": {"accuracy": 0.8}})
    new = revision("workspace", {"base": {"accuracy": 0.7}}, base=[0.9])
    found = check(old, new, "base", "accuracy", "beyond_interval")
    assert found.result == "failed"
    assert "the predictions of base of main" in found.why
    assert check(new, old, "base", "accuracy", "beyond_interval").result == "ok"


def test_a_metric_that_one_side_lacks() -> None:
    old, new = revision("main", {"base": {}}), revision("workspace", {"base": {"roc_auc": 0.7}})
    assert check(old, new, "base", "roc_auc", 0.1).result == "not checked"
    lost = check(new, old, "base", "roc_auc", 0.1)
    assert (lost.result, lost.why) == ("failed", "base has no roc_auc in main")


def test_variants_of_one_side_are_named_and_pass() -> None:
    old = revision("main", {"base": {"roc_auc": 0.7}, "gone": {"roc_auc": 0.7}})
    new = revision("workspace", {"base": {"roc_auc": 0.7}, "wide": {"roc_auc": 0.1}})
    checks = check_all(old, new, {"roc_auc": 0.02})
    assert [(row.variant, row.result) for row in checks] == [("base", "ok")]
    text = to_markdown(old, new, checks)
    assert text == (
        "In order: 1 of 1 checks (1 unchanged).\n\n"
        "Added, not checked: wide.\n\nRemoved, not checked: gone."
    )


def test_what_failed_stands_first_and_what_is_in_order_is_a_line() -> None:
    before = {"accuracy": 0.7, "roc_auc": 0.7, "loss": 0.4, "accuracy_perturbed": 0.6}
    after = {"accuracy": 0.8, "roc_auc": 0.6, "loss": 0.41, "accuracy_perturbed": 0.6}
    old, new = revision("main", {"base": before}), revision("workspace", {"base": after})
    checks = check_all(old, new, dict.fromkeys(KNOWN, 0.05))
    table, in_order = to_markdown(old, new, checks).split("\n\n")
    assert table.splitlines() == [
        "| failed | metric | main | workspace | fall | tolerance |",
        "| --- | --- | --- | --- | --- | --- |",
        "| base | roc_auc | 0.700000 | 0.600000 | 0.100000 | 0.05 |",
    ]
    assert in_order == (
        "In order: 3 of 4 checks (1 better, 1 unchanged, 1 worse by no more than allowed)."
    )


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"acuracy": 0.1}, "params.yaml: gate.acuracy: unknown metric; did you mean 'accuracy'?"),
        (
            {"accuracy_perturbed": "beyond_interval"},
            "params.yaml: gate.accuracy_perturbed: 'beyond_interval' is for accuracy, "
            "brier_score_calibrated, roc_auc and average_precision only; name the largest "
            "fall allowed instead",
        ),
        *(
            (
                {"accuracy": value},
                "params.yaml: gate.accuracy: must be a number from 0 on or 'beyond_interval', "
                f"found {value!r}",
            )
            for value in (-0.1, float("nan"), float("inf"), True, "interval", None, [1])
        ),
        ([1], "params.yaml: gate: must be keys and values, found [1]"),
    ],
)
def test_a_wrong_block_gets_one_sentence(block: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        tolerances(validate(GateParams, block, "params.yaml: gate"), KNOWN)
    assert str(error.value) == message


def test_no_metrics_at_all_are_named() -> None:
    with pytest.raises(InputError, match="metrics: holds no metrics; run `dvc repro`"):
        tolerances(validate(GateParams, {"accuracy": 0.1}, "gate"), [])


@pytest.mark.slow
def test_the_exit_status_tells(tmp_path: Path) -> None:
    """In a folder with Git alone: what DVC keeps is not needed for a fall in numbers."""
    project = Project(tmp_path)
    project.init()
    for folder in ("configs", "metrics/robustness"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "params.yaml").write_text("gate: {roc_auc: 0.02, accuracy_lost: 0.1}\n")
    (tmp_path / "configs/base.yaml").write_text("epochs: 1\n")
    (tmp_path / "metrics/base.json").write_text('{"roc_auc": 0.8}')
    lost = tmp_path / "metrics/robustness/base.json"
    lost.write_text('{"accuracy_lost": 0.1}')
    project.commit()
    statuses = []
    for value in (0.0, 0.2, 0.21):
        lost.write_text(json.dumps({"accuracy_lost": value}))
        result = project.run(
            "python", "-m", "tools.gate", check=False, env={"PYTHONPATH": str(REPOSITORY)}
        )
        statuses.append(result.returncode)
        assert result.stderr == ""
    assert statuses == [0, 0, 1]
    row = "| base | accuracy_lost | 0.100000 | 0.210000 | 0.110000 | 0.1 |"
    assert row in result.stdout


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (["ok", "not checked"], True),
        (["ok", "failed"], False),
        (["not checked"], False),
        ([], False),
    ],
)
def test_what_could_not_be_checked_at_all_does_not_pass(results: list[str], expected: bool) -> None:
    rows = [Check(result, "base", "accuracy", 0.7, 0.7, 0.0, "0.1") for result in results]
    assert passes(rows) == expected


def test_of_brier_scores_a_rise_beyond_the_interval_is_refused() -> None:
    """Forty images, each a little further off: no resample of them is better."""
    sides = [
        revision(name, {"base": {"brier_score_calibrated": score}}, base=[p] * 40)
        for name, p, score in (("main", 0.9, 0.01), ("workspace", 0.8, 0.04))
    ]
    found = check(sides[0], sides[1], "base", "brier_score_calibrated", "beyond_interval")
    assert (found.result, found.tolerance) == ("failed", "beyond_interval (0.030 to 0.030)")
    back = check(sides[1], sides[0], "base", "brier_score_calibrated", "beyond_interval")
    assert back.result == "ok"
