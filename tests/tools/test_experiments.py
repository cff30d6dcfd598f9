"""experiments: of one variant what differs, in lines that a terminal has room for."""

from typing import Any

import pytest

from tools.experiments import in_lines


def row(name: str | None, **values: Any) -> dict[str, Any]:
    """Return what DVC says of an experiment on the commit `main`, with these values of sgd."""
    metrics = {"validation_accuracy": 0.687075, "accuracy": 0.685, "roc_auc": 0.75, "loss": 0.6}
    of_sgd = {f"metrics/sgd.json:{metric}": value for metric, value in metrics.items()}
    config = {f"configs/sgd.yaml:{key}": value for key, value in values.items()}
    others = {"metrics/base.json:accuracy": 0.9, "configs/base.yaml:seed": len(config)}
    return {"Experiment": name, "rev": "main", **of_sgd, **others, **config, "source.seed": 1.0}


def test_of_one_variant_only_what_differs_is_shown() -> None:
    rows = [row(None, epochs=20.0, seed=1.0), row("rate-2", epochs=5.0, seed=1.0)]
    rows[1] |= {"source.seed": 2.0, "data/manifest.csv": "f00d"}
    assert [line.split() for line in in_lines(rows, "sgd").splitlines()] == [
        ["experiment", "validation_accuracy", "accuracy", "roc_auc", "epochs", "source.seed"],
        ["main", "0.687075", "0.685", "0.75", "20", "1"],
        ["rate-2", "0.687075", "0.685", "0.75", "5", "2"],
    ]


@pytest.mark.parametrize("parameters", [1, 5, 50])
def test_no_line_is_longer_than_a_terminal_is_wide(parameters: int) -> None:
    names = [f"augmentation.spoil.kind_{number}" for number in range(parameters)]
    rows = [row(name * 9, **dict.fromkeys(names, [name] * 9)) for name in ("first", "second")]
    lines = in_lines(rows, "sgd").splitlines()
    assert max(map(len, lines)) <= 120
    assert "kind_0" in lines[0]
    assert (f"{parameters - 2} more parameters differ" in lines[-1]) == (parameters > 2)
