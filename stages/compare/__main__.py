"""compare: put all variants side by side.

In:  configs/, and what train and evaluate wrote about each variant in it.
Out: reports/comparison.md for people and reports/comparison.json for programs, the figures in
     reports/figures, and the tables behind `dvc plots`, plots/all/*.csv.

The files in configs/ say which variants there are: a removed one may have left files elsewhere.
"""

import json
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from stages.common.command import command_line, run
from stages.common.files import naming, replacing
from stages.common.params import read_block, read_value, read_yaml
from stages.compare import curves, figures
from stages.compare.comparison import compare_models, compare_runs, models_of
from stages.compare.results import (
    clusters_of,
    is_right,
    read_metrics,
    read_sets,
    read_tables,
    same_networks,
)
from stages.compare.schema import CompareParams
from stages.compare.summary import by_validation, describe_models, to_json, to_markdown
from stages.evaluate.gallery import read_gallery
from stages.pages.slice_table import marks, names

COMPARISON = Path("reports/comparison.md")
NUMBERS = Path("reports/comparison.json")
FIGURES = Path("reports/figures")
GALLERY = Path("plots/gallery")
TABLES = Path("plots/all")
SHARES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
}
"""The metrics that are drawn, and what they are called: from 0 to 1, the more the better."""


def main() -> None:
    command_line("stages.compare", __doc__).parse_args()
    baseline = read_block("compare", CompareParams).baseline
    configs = {file.stem: read_yaml(file) for file in sorted(Path("configs").glob("*.yaml"))}
    variants = sorted(configs, key=lambda variant: variant != baseline)
    metrics = read_metrics(variants, Path("metrics"))
    robustness = read_metrics(variants, Path("metrics/robustness"))
    sets = read_sets(variants, sorted(read_value("external")), Path("metrics/sets"))
    predictions = read_tables(variants, Path("data/predictions"))
    models = models_of(configs, baseline)
    correct = is_right(predictions)
    clusters = clusters_of(predictions, correct.index)
    of_models = compare_models(correct, clusters, models)
    same = same_networks(predictions)
    runs = compare_runs(correct, clusters, models, of_models, same)
    changes = describe_models(configs, baseline)
    slices = read_tables(variants, Path("plots/slices"))
    numbers = to_json(clusters, changes, metrics, robustness, sets, slices, runs, of_models)
    report = json.loads(numbers)
    markdown = to_markdown(report)

    # Every table below has the variants in the order of those in the report.
    variants = list(by_validation(report["variants"]))
    predictions = read_tables(variants, Path("data/predictions"))
    slices = read_tables(variants, Path("plots/slices"))
    metrics = metrics.loc[variants]
    tables = {
        "training": curves.training(read_tables(variants, Path("plots/training"))),
        "roc": curves.roc(predictions),
        "precision_recall": curves.precision_recall(predictions),
        "reliability": curves.calibration(predictions),
        "confusion": curves.confusion(predictions),
        "robustness": curves.robustness(read_tables(variants, Path("plots/robustness"))),
        "slices": slices.assign(name=names(slices) + marks(slices)),
        "metrics": metrics[list(SHARES)]
        .rename(columns=SHARES)
        .reset_index()
        .melt("variant", var_name="metric"),
        "accuracy": metrics[["accuracy", "accuracy_low", "accuracy_high"]]
        .assign(model=pd.Series(models))
        .reset_index(),
    }
    with ExitStack() as stack:
        for name, table in tables.items():
            file = stack.enter_context(replacing(TABLES / f"{name}.csv"))
            with naming(TABLES / f"{name}.csv"):
                table.to_csv(file, index=False, lineterminator="\n")
        folder = stack.enter_context(replacing(FIGURES))
        with naming(FIGURES):
            (folder / "gallery").mkdir(parents=True)
            for name, panels in figures.draw(tables).items():
                for number, panel in enumerate(panels, start=1):
                    file_name = f"{name}-{number:02}.svg"
                    (folder / file_name).write_bytes(figures.to_svg(panel, file_name))
            for variant in variants:
                gallery = read_gallery(GALLERY / variant)
                figures.gallery(variant, gallery).savefig(folder / "gallery" / f"{variant}.png")
        for path, text in ((COMPARISON, markdown), (NUMBERS, numbers)):
            file = stack.enter_context(replacing(path))
            with naming(path):
                file.write_text(text)
    print(f"{COMPARISON}: {report['words']}")


if __name__ == "__main__":
    run(main)
