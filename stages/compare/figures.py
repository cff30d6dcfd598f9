"""The figures of the report, drawn from the tables that compare makes."""

import io
import math
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image

from stages.common.manifest import LABELS
from stages.compare.curves import ANSWERS
from stages.compare.styles import style
from stages.evaluate.gallery import EXAMPLES, KINDS
from stages.evaluate.reliability import BINS
from stages.pages.slice_table import largest

# A user's matplotlibrc must not change the bytes.
rcdefaults()
rcParams.update(
    {
        "font.size": 9,
        "font.sans-serif": ["DejaVu Sans"],
        "axes.titlesize": 9,
        "figure.titlesize": 9,
        "axes.labelsize": 8.5,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 110,
        "lines.markersize": 4,
        "lines.scale_dashes": False,
        "svg.fonttype": "none",
    }
)
NARROW, MIDDLE, WIDE = 1.65, 2.5, 3.4
"""Inches: two, one and one beside each other on a phone, where text keeps its size."""

LETTER = 0.075
"""Inches that a letter takes, about."""

LONGEST = 32
"""Letters of a slice's name."""

UNITS = {
    "JPEG": "quality",
    "blur": "sigma, pixels",
    "noise": "sigma, of 255",
    "downscale": "to a share of its size",
}
"""What the levels of each kind of perturbation are."""

CHANCE = {"color": "black", "linewidth": 0.7, "linestyle": ":"}
SECOND = {"color": "#767676", "linewidth": 1}
"""Of what stands beside a variant's own line in its panel."""


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, list[Figure]]:
    """Return the panels of each figure by name, from the tables behind `dvc plots`.

    Variants come in the order of the tables. A page sets as many panels beside each other as it
    is wide, and so no text shrinks.
    """
    return {
        "legend": [legend(list(tables["accuracy"]["variant"]))],
        "accuracy": [accuracy(tables["accuracy"])],
        "metrics": metrics(tables["metrics"]),
        "curves": [roc(tables["roc"]), precision_recall(tables["precision_recall"])],
        "reliability": reliability(tables["reliability"]),
        "robustness": robustness(tables["robustness"]),
        "confusion": confusion(tables["confusion"]),
        "slices": slices(tables["slices"]),
        "training": training(tables["training"]),
    }


def legend(variants: list[str]) -> Figure:
    """Return what each variant is drawn with."""
    entry = LETTER * max(map(len, variants)) + 0.6
    columns = max(1, min(len(variants), int(WIDE / entry)))
    figure = Figure(figsize=(WIDE, 0.19 * math.ceil(len(variants) / columns) + 0.1))
    lines = [Line2D([], [], label=variant, **style(n)) for n, variant in enumerate(variants)]
    figure.legend(
        handles=lines, ncols=columns, loc="center", frameon=False, handlelength=3, borderpad=0
    )
    return figure


def training(curves: pd.DataFrame) -> list[Figure]:
    """Return for each variant accuracy (above) and loss (below) over the epochs."""
    figures = []
    for number, (variant, rows) in enumerate(curves.groupby("variant", sort=False)):
        figure, axes = _panel(NARROW, 3.1, 2)
        has_line = rows["epoch"].nunique() > 1
        for panel, measure in zip(axes, ("accuracy", "loss"), strict=True):
            for split, look in (("train", SECOND), ("validation", style(number))):
                points = rows[rows["split"] == split]
                often = max(1, len(points) // 5)
                marker = {} if has_line else {"marker": "o"}
                panel.plot(
                    points["epoch"], points[measure], label=split, markevery=often, **marker | look
                )
            if not has_line:  # two dots say which they are, the upper one above the lower
                points = rows.sort_values(measure, ascending=False)
                for point, side in zip(points.itertuples(), ("bottom", "top"), strict=True):
                    value = getattr(point, measure)
                    text = f"{point.split}\n{value:.3f}"
                    panel.annotate(
                        text,
                        (point.epoch, value),
                        (0, 4 if side == "bottom" else -4),
                        textcoords="offset points",
                        ha="center",
                        va=side,
                    )
                panel.margins(y=0.8)
            else:
                all_values = curves[measure]
                room = 0.05 * (all_values.max() - all_values.min())
                panel.set_ylim(all_values.min() - room, all_values.max() + room)
            panel.set_ylabel(measure)
            panel.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes[0].axhline(0.5, **CHANCE)
        figure.suptitle(_wrapped(str(variant)))
        axes[1].set_xlabel("epoch")
        figures.append(figure)
    return figures


def metrics(table: pd.DataFrame) -> list[Figure]:
    """Return a panel for each metric, with a point for each variant, the first on top."""
    figures = []
    for metric, rows in table.groupby("metric", sort=False):
        figure, [axes] = _panel(NARROW, 0.7 + 0.16 * len(rows))
        for number, value in enumerate(rows["value"]):
            axes.plot(value, number, **style(number) | {"markersize": 5})
        axes.axvline(0.5, **CHANCE)
        axes.set(xlim=(-0.03, 1.03), ylim=(len(rows) - 0.5, -0.5), xticks=[0, 0.5, 1], yticks=[])
        figure.suptitle(str(metric))
        figures.append(figure)
    return figures


def accuracy(table: pd.DataFrame) -> Figure:
    """Return each variant's accuracy with its interval, the runs of a model beside each other.

    Args:
        table: variant, model, accuracy, accuracy_low, accuracy_high.
    """
    models = list(table["model"].unique())
    ordered = table.assign(number=range(len(table))).sort_values(
        "model", key=lambda names: names.map(models.index), kind="stable"
    )
    figure, [axes] = _panel(WIDE, 0.6 + 0.25 * len(table))
    places = range(len(ordered))
    for place, row in zip(places, ordered.to_dict("records"), strict=True):
        look = style(row["number"])
        interval = [row["accuracy_low"], row["accuracy_high"]]
        axes.plot(interval, [place, place], **look | {"marker": ""})
        axes.plot(row["accuracy"], place, **look | {"markersize": 6})
    for _, rows in ordered.reset_index(drop=True).groupby("model", sort=False):
        if len(rows) > 1:
            middle, spread = rows["accuracy"].mean(), rows["accuracy"].std()
            ends = [rows.index[0] - 0.4, rows.index[-1] + 0.4]
            axes.plot([middle, middle], ends, **SECOND)
            axes.fill_betweenx(ends, middle - spread, middle + spread, color="black", alpha=0.1)
    axes.axvline(0.5, **CHANCE)
    axes.set_yticks(places, ordered["variant"])
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("accuracy on the test split")
    axes.grid(axis="x", linewidth=0.3)
    return figure


def roc(table: pd.DataFrame) -> Figure:
    """Return the ROC curves of all variants."""
    return _curves(table, "ROC", "REAL taken for FAKE", "FAKE recognised", ([0, 1], [0, 1]))


def precision_recall(table: pd.DataFrame) -> Figure:
    """Return the precision-recall curves of all variants; where all is called FAKE, is chance."""
    chance = table["precision"].iloc[-1]
    words = ("precision and recall", "recall of FAKE", "precision of FAKE")
    return _curves(table, *words, ([0, 1], [chance, chance]))


def _curves(
    table: pd.DataFrame, title: str, xlabel: str, ylabel: str, chance: tuple[list[float], ...]
) -> Figure:
    """Return a curve for each variant: the second column of `table` is x, the third y, or 0..1."""
    figure, [axes] = _panel(WIDE, 3.2)
    for number, (_, rows) in enumerate(table.groupby("variant", sort=False)):
        x, y = rows.iloc[:, 1], rows.iloc[:, 2]
        # The first of equal curves lies above the others.
        axes.plot(x, y, **style(number), markevery=(0.03 * number, 0.3), zorder=3 - number / 100)
    axes.plot(*chance, **CHANCE)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel=xlabel, ylabel=ylabel, title=title)
    return figure


def reliability(table: pd.DataFrame) -> list[Figure]:
    """Return a reliability diagram for each variant, above the number of images in each bin."""
    figures = []
    for number, (variant, rows) in enumerate(table.groupby("variant", sort=False)):
        figure, [axes, below] = _panel(NARROW, 2.5, 2, height_ratios=[3, 1], sharex=True)
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.5)
        for name, look in (("as trained", SECOND), ("calibrated", style(number))):
            points = rows[rows["probabilities"] == name]
            axes.plot(points["p_fake"], points["share_fake"], label=name, **look)
        below.bar(points["p_fake"], points["images"], 0.8 / BINS, color=look["color"])
        axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1], ylabel="share of FAKE")
        below.set(xlim=(-0.03, 1.03), xticks=[0, 0.5, 1], xlabel="p_fake", ylabel="images")
        below.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        figure.suptitle(_wrapped(str(variant)))
        figures.append(figure)
    return figures


def robustness(table: pd.DataFrame) -> list[Figure]:
    """Return accuracy over the levels of each kind of perturbation, all variants in each."""
    low, high = table["accuracy"].min(), table["accuracy"].max()
    figures = []
    for kind, of_kind in table.groupby("kind", sort=False):
        figure, [axes] = _panel(MIDDLE, 2.5)
        for number, (_, rows) in enumerate(of_kind.groupby("variant", sort=False)):
            axes.plot(rows["level"], rows["accuracy"], **style(number), zorder=3 - number / 100)
        axes.axhline(0.5, **CHANCE)
        axes.set(title=kind, xlabel=UNITS[str(kind)], ylabel="accuracy")
        axes.set_ylim(min(low, 0.5) - 0.02, high + 0.02)
        figures.append(figure)
    return figures


def slices(table: pd.DataFrame) -> list[Figure]:
    """Return for each label the accuracy on each slice (row) of each variant (column).

    A slice's name stands above its row. From 0.5 on numbers are black, below it they are white.
    """
    variants = list(table["variant"].unique())
    key = ["label", "slice", "split"]
    rows = largest(table[table["variant"] == variants[0]])
    wide = table.pivot(index=key, columns="variant", values="accuracy")[variants]
    figures = []
    for label in LABELS:
        of_label = rows[rows["label"] == label]
        if of_label.empty:
            continue
        top = LETTER * max(map(len, variants))
        figure, [axes] = _panel(WIDE, 0.4 * len(of_label) + top + 0.3)
        shares = wide.loc[pd.MultiIndex.from_frame(of_label[key])].to_numpy()
        for row, name in enumerate(of_label["name"]):
            # A name with two dollars is no formula.
            axes.text(-0.5, row - 0.06, _shortened(name), va="bottom", parse_math=False)
        for row, of_slice in enumerate(shares):
            place = (-0.5, len(variants) - 0.5, row + 0.45, row)
            axes.imshow(of_slice[np.newaxis], cmap="cividis", vmin=0, vmax=1, extent=place)
        for (row, column), share in np.ndenumerate(shares):
            colour = "black" if share >= 0.5 else "white"
            text = f"{share:.2f}".removeprefix("0")
            axes.text(column, row + 0.225, text, ha="center", va="center", color=colour)
        axes.set(xlim=(-0.5, len(variants) - 0.5), ylim=(len(of_label) - 0.5, -0.5))
        axes.set(aspect="auto", yticks=[], title=label)
        axes.spines[:].set_visible(False)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.set_xticks(range(len(variants)), variants, rotation=90)
        figures.append(figure)
    return figures


def gallery(variant: str, examples: pd.DataFrame) -> Figure:
    """Return the examples of a variant: image and heat map, a row for each kind."""
    figure = Figure(figsize=(2.1 * EXAMPLES, 1.5 * len(KINDS) + 0.9), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"{variant}: where it was surest or unsure, and what spoke for its verdict")
    axes.set(xlim=(0, 2.2 * EXAMPLES), ylim=(1.5 * len(KINDS), 0), aspect="equal")
    axes.set_axis_off()
    for row, kind in enumerate(KINDS):
        of_kind = examples[examples["kind"] == kind]
        for column, example in enumerate(of_kind.to_dict("records")):
            left, top = 2.2 * column, 1.5 * row + 0.45
            axes.text(left, top - 0.05, f"{kind}\n{example['p_fake']:.1%} FAKE", va="bottom")
            for name, place in (("image", left), ("heat", left + 1.05)):
                axes.imshow(Image.open(example[name]), extent=(place, place + 1, top + 1, top))
    axes.set(xlim=(0, 2.2 * EXAMPLES), ylim=(1.5 * len(KINDS), 0))
    figure.colorbar(
        ScalarMappable(cmap="inferno"),
        ax=axes,
        location="bottom",
        label="heat: how much a place spoke for the verdict, 1 is the most in its image",
        ticks=[0, 0.5, 1],
        aspect=60,
    )
    return figure


def confusion(matrices: pd.DataFrame) -> list[Figure]:
    """Return for each variant a matrix of answers and labels: counts and shares of the label."""
    figures = []
    for variant, of_variant in matrices.groupby("variant", sort=False):
        figure, [axes] = _panel(NARROW, 1.75)
        counts = of_variant.pivot(index="predicted", columns="actual", values="images")
        counts = counts.loc[list(ANSWERS), list(LABELS)]
        shares = counts / counts.sum()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            text = f"{counts.to_numpy()[row, column]:,}\n{share:.0%}"
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        axes.set_xticks(range(len(LABELS)), LABELS)
        axes.set_yticks(range(len(ANSWERS)), ANSWERS)
        axes.set(xlabel="label", ylabel="answer")
        figure.suptitle(_wrapped(str(variant)))
        figures.append(figure)
    return figures


def to_svg(figure: Figure, name: str) -> bytes:
    """Return `figure` as an SVG file whose text is text, with the same bytes every time.

    Its ids hold `name` as a salt, so that figures can share a page.
    """
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    return file.getvalue()


def _shortened(name: str) -> str:
    """Return `name`, or its two ends if it is long."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[-half:]}"


def _wrapped(name: str) -> str:
    """Return `name` in lines that a narrow panel holds."""
    return textwrap.fill(name, int(NARROW / LETTER))


def _panel(width: float, height: float, rows: int = 1, **options: Any) -> tuple[Figure, list[Any]]:
    """Return a figure of `width` and `height` inches and its axes, one below the other.

    It does without pyplot, which is slow to import.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, 1, squeeze=False, **options)[:, 0])
