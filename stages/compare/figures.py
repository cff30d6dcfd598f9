"""The figures of the report, drawn from the tables that compare makes."""

import math
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcdefaults, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from stages.common.manifest import HELD_OUT, LABELS
from stages.compare.curves import ANSWERS
from stages.evaluate.gallery import EXAMPLES, KINDS
from stages.pages.slice_table import largest

# A user's matplotlibrc must not change the bytes.
rcdefaults()
rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 110,
    }
)
COLOURS = [
    "#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c",
    "#ccb974", "#64b5cd", "#000000", "#7a9a01",
]  # fmt: skip
LETTER = 0.075
"""Inches that a letter of a name takes, about."""

LONGEST = 40
"""Letters of a slice's name."""

UNITS = {
    "JPEG": "quality",
    "blur": "sigma, pixels",
    "noise": "sigma, of 255",
    "downscale": "to a share of its size",
}
"""What the levels of each kind of perturbation are."""


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Return the figures of the report by name, from the tables behind `dvc plots`."""
    return {
        "accuracy": accuracy(tables["accuracy"]),
        "metrics": metrics(tables["metrics"]),
        "curves": curves(tables["roc"], tables["precision_recall"]),
        "reliability": reliability(tables["reliability"]),
        "robustness": robustness(tables["robustness"]),
        "confusion": confusion(tables["confusion"]),
        "slices": slices(tables["slices"]),
        "training": training(tables["training"]),
    }


def training(curves: pd.DataFrame) -> Figure:
    """Return accuracy (above) and loss (below) over the epochs, a column for each variant."""
    variants = list(curves["variant"].unique())
    figure, axes = _axes(
        2, len(variants), (2.1 * len(variants) + 0.7, 4.2), sharex=True, sharey="row"
    )
    for number, variant in enumerate(variants):
        of_variant = curves[curves["variant"] == variant]
        has_line = of_variant["epoch"].nunique() > 1
        for row, measure in enumerate(("accuracy", "loss")):
            panel = axes[row, number]
            for split, line in (("train", ":"), ("validation", "-")):
                rows = of_variant[of_variant["split"] == split]
                panel.plot(
                    rows["epoch"],
                    rows[measure],
                    f".{line}",
                    markersize=3 if has_line else 8,
                    color=_colour(number),
                    label=split,
                )
            if not has_line:  # two dots say which they are, the upper one above the lower
                points = of_variant.sort_values(measure, ascending=False)
                for point, side in zip(points.itertuples(), ("bottom", "top"), strict=True):
                    value = getattr(point, measure)
                    text = f"  {point.split} {value:.3f}"
                    panel.annotate(text, (point.epoch, value), va=side, fontsize=7)
        axes[0, number].set_title(_wrapped(str(variant), 2))
        axes[1, number].set_xlabel("epoch")
        axes[1, number].xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("loss")
    axes[0, 0].legend(frameon=False)
    return figure


def metrics(table: pd.DataFrame) -> Figure:
    """Return a bar for each metric and variant."""
    shares = table.pivot(index="variant", columns="metric", values="value")
    shares = shares.loc[table["variant"].unique(), table["metric"].unique()]
    figure, [[axes]] = _axes(1, 1, (9, 3.6))
    width = 0.8 / len(shares)
    for number, (variant, row) in enumerate(shares.iterrows()):
        places = [place + (number - (len(shares) - 1) / 2) * width for place in range(len(row))]
        axes.bar(places, row, width, color=_colour(number), label=variant)
    axes.set_xticks(range(shares.shape[1]), shares.columns)
    axes.set(ylim=(0, 1), ylabel="on the test split")
    axes.axhline(0.5, color="black", linewidth=0.5, linestyle=":")
    _legend(figure, axes)
    return figure


def accuracy(table: pd.DataFrame) -> Figure:
    """Return each variant's accuracy with its interval, the runs of a model beside each other.

    Args:
        table: variant, model, accuracy, accuracy_low, accuracy_high.
    """
    models = list(table["model"].unique())
    ordered = table.sort_values("model", key=lambda names: names.map(models.index), kind="stable")
    figure, [[axes]] = _axes(1, 1, (7, 0.9 + 0.32 * len(table)))
    places = range(len(ordered))
    for place, row in zip(places, ordered.itertuples(), strict=True):
        interval = [row.accuracy_low, row.accuracy_high]
        colour = _colour(models.index(row.model))
        axes.plot(interval, [place, place], color=colour, linewidth=1.5)
        axes.plot(row.accuracy, place, "o", color=colour, markersize=5)
    for model, rows in ordered.reset_index(drop=True).groupby("model", sort=False):
        if len(rows) > 1:
            middle, spread = rows["accuracy"].mean(), rows["accuracy"].std()
            ends = [rows.index[0] - 0.4, rows.index[-1] + 0.4]
            colour = _colour(models.index(model))
            axes.plot([middle, middle], ends, color=colour, linewidth=1)
            axes.fill_betweenx(ends, middle - spread, middle + spread, color=colour, alpha=0.2)
    axes.set_yticks(places, ordered["variant"])
    axes.invert_yaxis()
    axes.set_xlabel("accuracy on the test split")
    axes.grid(axis="x", linewidth=0.3)
    return figure


def curves(roc: pd.DataFrame, precision_recall: pd.DataFrame) -> Figure:
    """Return the ROC curves and the precision-recall curves of all variants."""
    figure, [[left, right]] = _axes(1, 2, (8.6, 4.6))
    for number, (variant, rows) in enumerate(roc.groupby("variant", sort=False)):
        left.plot(
            rows["false_positive_rate"],
            rows["true_positive_rate"],
            color=_colour(number),
            label=variant,
            zorder=-number,  # the baseline above what equals it
        )
    for number, (_, rows) in enumerate(precision_recall.groupby("variant", sort=False)):
        right.plot(rows["recall"], rows["precision"], color=_colour(number), zorder=-number)
    left.plot([0, 1], [0, 1], ":", color="black", linewidth=0.5)
    left.set(xlabel="REAL taken for FAKE", ylabel="FAKE recognised", title="ROC")
    right.set(
        xlabel="recall of FAKE",
        ylabel="precision of FAKE",
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        title="precision and recall",
    )
    _legend(figure, left)
    return figure


def reliability(table: pd.DataFrame) -> Figure:
    """Return a reliability diagram for each variant, as trained and calibrated."""
    figure, grid = _grid(table["variant"].nunique(), 2.1)
    for number, (axes, (variant, rows)) in enumerate(
        zip(grid, table.groupby("variant", sort=False), strict=False)
    ):
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.5)
        for name, line in (("as trained", ":"), ("calibrated", "-")):
            points = rows[rows["probabilities"] == name]
            axes.plot(
                points["p_fake"],
                points["share_fake"],
                line,
                marker=".",
                color=_colour(number),
                label=name,
            )
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="p_fake")
        axes.set_title(_wrapped(str(variant), 2))
    grid[0].set_ylabel("share of FAKE")
    grid[0].legend(frameon=False, loc="upper left", fontsize=7)
    return figure


def robustness(table: pd.DataFrame) -> Figure:
    """Return accuracy over the levels of each kind of perturbation, all variants in each."""
    kinds = list(table["kind"].unique())
    figure, all_axes = _axes(
        1, max(1, len(kinds)), (2.4 * max(1, len(kinds)) + 0.5, 3.2), sharey=True
    )
    for axes, kind in zip(all_axes[0], kinds, strict=False):
        of_kind = table[table["kind"] == kind]
        for number, (variant, rows) in enumerate(of_kind.groupby("variant", sort=False)):
            colour = _colour(number)
            axes.plot(
                rows["level"], rows["accuracy"], ".-", color=colour, label=variant, zorder=-number
            )
        axes.set(title=kind, xlabel=UNITS[kind])
    all_axes[0, 0].set_ylabel("accuracy")
    if kinds:
        _legend(figure, all_axes[0, 0])
    return figure


def slices(table: pd.DataFrame) -> Figure:
    """Return the accuracy on each slice (row) of each variant (column), REAL above FAKE.

    From 0.5 on numbers are black, below it they are white.
    """
    variants = list(table["variant"].unique())
    key = ["label", "slice", "split"]
    rows = largest(table[table["variant"] == variants[0]])
    wide = table.pivot(index=key, columns="variant", values="accuracy")[variants]
    numbers = [(rows["label"] == label).sum() for label in LABELS]
    columns = rows[["name", "images", "observations"]]
    rows = rows.assign(
        shown=[
            f"{_shortened(name)} ({images:,}/{clusters:,})"
            for name, images, clusters in columns.itertuples(index=False)
        ]
    )
    size = (
        0.6 * len(variants) + LETTER * rows["shown"].str.len().max() + 1.5,
        0.24 * len(rows) + LETTER * max(map(len, variants)) + 0.5,
    )
    figure, all_axes = _axes(2, 1, size, gridspec_kw={"height_ratios": numbers})
    for axes, label in zip(all_axes[:, 0], LABELS, strict=True):
        of_label = rows[rows["label"] == label]
        shares = wide.loc[pd.MultiIndex.from_frame(of_label[key])].to_numpy()
        picture = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            colour = "black" if share >= 0.5 else "white"
            axes.text(column, row, f"{share:.2f}", ha="center", va="center", color=colour)
        # A name with two dollars is no formula.
        axes.set_yticks(range(len(of_label)), of_label["shown"], parse_math=False)
        seen = (of_label["split"] != HELD_OUT).sum()
        if seen < len(of_label):
            axes.axhline(seen - 0.5, color="white", linewidth=3)
        axes.set(ylabel=label, xticks=[])
    figure.align_ylabels()
    top = all_axes[0, 0]
    top.xaxis.tick_top()
    top.set_xticks(range(len(variants)), variants, rotation=45, ha="left", rotation_mode="anchor")
    bar = figure.colorbar(picture, ax=all_axes, label="accuracy", ticks=[0, 0.5, 1])
    bar.ax.axhline(0.5, color="white")
    return figure


def gallery(variant: str, examples: pd.DataFrame) -> Figure:
    """Return the examples of a variant: image and heat map, a row for each kind."""
    figure, [[axes]] = _axes(1, 1, (2.1 * EXAMPLES, 1.5 * len(KINDS) + 0.4))
    axes.set_title(f"{variant}: where it was surest or unsure, and what spoke for its verdict")
    axes.set(xlim=(0, 2.2 * EXAMPLES), ylim=(1.5 * len(KINDS), 0), aspect="equal")
    axes.set_axis_off()
    for row, kind in enumerate(KINDS):
        of_kind = examples[examples["kind"] == kind]
        for column, example in enumerate(of_kind.to_dict("records")):
            left, top = 2.2 * column, 1.5 * row + 0.45
            axes.text(
                left, top - 0.05, f"{kind}\n{example['p_fake']:.1%} FAKE", fontsize=7, va="bottom"
            )
            for name, place in (("image", left), ("heat", left + 1.05)):
                axes.imshow(Image.open(example[name]), extent=(place, place + 1, top + 1, top))
    axes.set(xlim=(0, 2.2 * EXAMPLES), ylim=(1.5 * len(KINDS), 0))
    return figure


def confusion(matrices: pd.DataFrame) -> Figure:
    """Return a matrix of labels and answers a variant, with counts and shares of the label."""
    variants = list(matrices["variant"].unique())
    figure, grid = _grid(len(variants), 2.1)
    for axes, variant in zip(grid, variants, strict=False):
        of_variant = matrices[matrices["variant"] == variant]
        counts = of_variant.pivot(index="actual", columns="predicted", values="images")
        counts = counts.loc[list(LABELS), list(ANSWERS)]
        shares = counts.div(counts.sum(axis=1), axis=0)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            text = f"{counts.iloc[row, column]}\n{share:.0%}"
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        axes.set_xticks(range(len(ANSWERS)), ANSWERS, fontsize=7)
        axes.set_yticks(range(len(LABELS)), LABELS, fontsize=7)
        axes.set(xlabel="answer", ylabel="label")
        axes.set_title(_wrapped(variant, 1.5))
    return figure


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _shortened(name: str) -> str:
    """Return `name`, or its two ends if it is long."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[-half:]}"


def _wrapped(name: str, width: float) -> str:
    """Return `name` in lines of at most `width` inches."""
    return textwrap.fill(name, int(width / LETTER))


def _legend(figure: Figure, axes: Any) -> None:
    """Add the labels of `axes` below `figure`, which grows by as many lines as they take."""
    handles, labels = axes.get_legend_handles_labels()
    entry = LETTER * max(map(len, labels)) + 0.55
    columns = max(1, min(len(labels), int(figure.get_figwidth() / entry)))
    figure.set_figheight(figure.get_figheight() + 0.19 * math.ceil(len(labels) / columns))
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=columns)


def _grid(number: int, size: float) -> tuple[Figure, list[Any]]:
    """Return a figure with `number` square axes of `size` inches, at most five in a row."""
    columns = min(5, number)
    rows = math.ceil(number / columns)
    figure, all_axes = _axes(rows, columns, (size * columns + 0.5, (size + 0.3) * rows))
    for axes in all_axes.flat[number:]:
        axes.set_axis_off()
    return figure, list(all_axes.flat[:number])


def _axes(
    rows: int, columns: int, size: tuple[float, float], **options: Any
) -> tuple[Figure, np.ndarray]:
    """Return a figure of `size` inches and its axes, [rows, columns].

    It does without pyplot, which is slow to import.
    """
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)
