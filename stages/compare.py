"""compare: put all variants side by side.

In:  configs/, and what train and evaluate wrote about each variant in it.
Out: reports/comparison.md, reports/figures/*.png and the tables behind them, plots/all/*.csv.

The files in configs/ say which variants there are: a removed one may have left files elsewhere.
"""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from stages import figures
from stages.command import InputError, command_line, run
from stages.files import replacing
from stages.manifest import LABELS
from stages.params import Schema, nearest, read_block, read_yaml

COMPARISON = Path("reports/comparison.md")
FIGURES = Path("reports/figures")
TABLES = Path("plots/all")


class CompareParams(Schema):
    """The block `compare` of params.yaml."""

    baseline: str = Field(description="the variant that the others are measured against")


def read_metrics(variants: list[str]) -> pd.DataFrame:
    """Return one row a variant, one column a metric.

    Raises:
        InputError: a variant has not been evaluated.
    """
    rows = []
    for variant in variants:
        file = Path("metrics") / f"{variant}.json"
        _require(file, variant)
        rows.append(json.loads(file.read_text()))
    return pd.DataFrame(rows, index=pd.Index(variants, name="variant"))


def read_tables(variants: list[str], folder: Path) -> pd.DataFrame:
    """Return the tables `folder`/<variant>.csv below each other, with a column `variant` first.

    Raises:
        InputError: a variant has not been trained or evaluated.
    """
    tables = {}
    for variant in variants:
        file = folder / f"{variant}.csv"
        _require(file, variant)
        tables[variant] = pd.read_csv(file)
    return pd.concat(tables, names=["variant"]).reset_index("variant")


def _require(file: Path, variant: str) -> None:
    if not file.exists():
        raise InputError(f"{file}: missing; run `dvc repro evaluate@{variant}`")


def long_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Return training curves with a row for each variant, split and epoch (counted from 1)."""
    splits = {"train": "", "validation": "val_"}
    parts = [
        pd.DataFrame(
            {
                "variant": curves["variant"],
                "split": split,
                "epoch": curves["epoch"] + 1,
                "accuracy": curves[f"{prefix}accuracy"],
                "loss": curves[f"{prefix}loss"],
            }
        )
        for split, prefix in splits.items()
    ]
    return pd.concat(parts, ignore_index=True)


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the number of test images for each variant, actual label and predicted label."""
    predicted = (predictions["p_fake"] >= 0.5).map({False: "REAL", True: "FAKE"})
    counts = predictions.groupby(["variant", "label", predicted]).size()
    every = pd.MultiIndex.from_product(
        [predictions["variant"].unique(), LABELS, LABELS], names=["variant", "actual", "predicted"]
    )
    return counts.reindex(every, fill_value=0).rename("images").reset_index()


def describe_changes(configs: dict[str, dict[str, Any]], baseline: str) -> dict[str, str]:
    """Return for each variant in what its configuration differs from the baseline's."""
    base = _flatten(configs[baseline])
    changes = {}
    for variant, config in configs.items():
        flat = _flatten(config)
        # A key that only the baseline has belongs to a list that is longer there.
        keys = [*flat, *(key for key in base if key not in flat)]
        different = [key for key in keys if flat.get(key) != base.get(key)]
        changes[variant] = ", ".join(f"{key} {flat.get(key, 'none')}" for key in different)
    return changes


def _flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(config, dict):
        items = list(config.items())
    elif isinstance(config, list):
        items = list(enumerate(config))
    else:
        return {prefix: config}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def to_markdown(metrics: pd.DataFrame, changes: dict[str, str], baseline: str) -> str:
    """Return the comparison as a Markdown table, best accuracy first."""
    ordered = metrics.sort_values("accuracy", ascending=False, kind="stable")
    header = ["variant", f"differs from {baseline} in", *metrics.columns, f"accuracy - {baseline}"]
    lines = [header, ["---", "---", *["---:"] * (len(header) - 2)]]
    for variant, row in ordered.iterrows():
        difference = row["accuracy"] - metrics.loc[baseline, "accuracy"]
        lines.append(
            [
                str(variant),
                changes[str(variant)] or "nothing",
                *(f"{value:.4f}" for value in row),
                "" if variant == baseline else f"{difference:+.4f}",
            ]
        )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        f"# Comparison of {len(metrics)} variants\n\n"
        "Measured on the test split. Precision, recall and F1 are means over both labels, weighted "
        "by their images.\nOne training run each: a small difference may be chance.\n\n"
        f"{table}\n"
    )


def main() -> None:
    command_line("stages.compare", __doc__).parse_args()
    baseline = read_block("compare", CompareParams).baseline
    configs = {file.stem: read_yaml(file) for file in sorted(Path("configs").glob("*.yaml"))}
    variants = list(configs)
    if baseline not in configs:
        raise InputError(
            f"params.yaml: compare.baseline: no variant '{baseline}'; "
            f"did you mean '{nearest(baseline, variants)}'?"
        )
    metrics = read_metrics(variants)
    curves = long_curves(read_tables(variants, Path("plots/training")))
    roc = read_tables(variants, Path("plots/roc"))
    matrices = confusion(read_tables(variants, Path("data/predictions")))
    long_metrics = metrics.reset_index().melt("variant", var_name="metric")
    markdown = to_markdown(metrics, describe_changes(configs, baseline), baseline)

    tables = {"training": curves, "roc": roc, "confusion": matrices, "metrics": long_metrics}
    with ExitStack() as stack:
        for name, table in tables.items():
            file = stack.enter_context(replacing(TABLES / f"{name}.csv"))
            table.to_csv(file, index=False, lineterminator="\n")
        folder = stack.enter_context(replacing(FIGURES))
        folder.mkdir()
        figures.training(curves).savefig(folder / "training.png")
        figures.metrics(metrics).savefig(folder / "metrics.png")
        figures.roc(roc, metrics["roc_auc"]).savefig(folder / "roc.png")
        figures.confusion(matrices).savefig(folder / "confusion.png")
        stack.enter_context(replacing(COMPARISON)).write_text(markdown)
    print(markdown)


if __name__ == "__main__":
    run(main)
