"""The figures of the report, drawn from the tables that compare makes."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcdefaults, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stages.manifest import LABELS

# A user's matplotlibrc must not change the bytes.
rcdefaults()
rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 110}
)
COLOURS = ["#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c"]


def training(curves: pd.DataFrame) -> Figure:
    """Return accuracy (above) and loss (below) over the epochs, a column for each variant."""
    variants = list(curves["variant"].unique())
    figure, axes = _axes(
        2, len(variants), (2.1 * len(variants) + 0.7, 4.2), sharex=True, sharey="row"
    )
    for number, variant in enumerate(variants):
        for split, line in (("train", ":"), ("validation", "-")):
            rows = curves[(curves["variant"] == variant) & (curves["split"] == split)]
            for row, measure in enumerate(("accuracy", "loss")):
                colour = COLOURS[number % len(COLOURS)]
                axes[row, number].plot(
                    rows["epoch"], rows[measure], line, color=colour, label=split
                )
        axes[0, number].set_title(variant)
        axes[1, number].set_xlabel("epoch")
        axes[1, number].xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("loss")
    axes[0, 0].legend(frameon=False)
    return figure


def metrics(table: pd.DataFrame) -> Figure:
    """Return a bar for each metric (but loss, which has no upper bound) and variant."""
    shares = table.drop(columns="loss")
    figure, [[axes]] = _axes(1, 1, (9, 3.6))
    width = 0.8 / len(shares)
    for number, (variant, row) in enumerate(shares.iterrows()):
        places = [place + (number - (len(shares) - 1) / 2) * width for place in range(len(row))]
        axes.bar(places, row, width, color=COLOURS[number % len(COLOURS)], label=variant)
    axes.set_xticks(range(shares.shape[1]), shares.columns)
    axes.set(ylim=(0, 1), ylabel="on the test split")
    axes.axhline(0.5, color="black", linewidth=0.5, linestyle=":")
    axes.legend(frameon=False, ncols=len(shares), loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def roc(curves: pd.DataFrame, areas: pd.Series) -> Figure:
    """Return the ROC curves of all variants; `areas` names each one's area under the curve."""
    figure, [[axes]] = _axes(1, 1, (4.6, 4.4))
    for number, (variant, rows) in enumerate(curves.groupby("variant")):
        axes.plot(
            rows["false_positive_rate"],
            rows["true_positive_rate"],
            color=COLOURS[number % len(COLOURS)],
            label=f"{variant} ({areas[variant]:.3f})",
        )
    axes.plot([0, 1], [0, 1], ":", color="black", linewidth=0.5)
    axes.set(xlabel="REAL taken for FAKE", ylabel="FAKE recognised", aspect="equal")
    axes.legend(frameon=False, loc="lower right", title="area under the curve")
    return figure


def confusion(matrices: pd.DataFrame) -> Figure:
    """Return a confusion matrix for each variant, with counts and shares of the actual label."""
    variants = list(matrices["variant"].unique())
    columns = min(5, len(variants))
    rows = math.ceil(len(variants) / columns)
    figure, all_axes = _axes(rows, columns, (2.1 * columns + 0.5, 2.3 * rows))
    for axes, variant in zip(all_axes.flat, variants, strict=False):
        of_variant = matrices[matrices["variant"] == variant]
        counts = of_variant.pivot(index="actual", columns="predicted", values="images")
        counts = counts.loc[list(LABELS), list(LABELS)]
        shares = counts.div(counts.sum(axis=1), axis=0)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row in range(2):
            for column in range(2):
                share = shares.iloc[row, column]
                text = f"{counts.iloc[row, column]}\n{share:.0%}"
                colour = "white" if share > 0.5 else "black"
                axes.text(column, row, text, ha="center", va="center", color=colour)
        axes.set_xticks([0, 1], LABELS)
        axes.set_yticks([0, 1], LABELS)
        axes.set(title=variant, xlabel="predicted", ylabel="actual")
    for axes in all_axes.flat[len(variants) :]:
        axes.set_axis_off()
    return figure


def _axes(
    rows: int, columns: int, size: tuple[float, float], **options: Any
) -> tuple[Figure, np.ndarray]:
    """Return a figure of `size` inches and its axes, [rows, columns].

    It does without pyplot, which is slow to import.
    """
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)
