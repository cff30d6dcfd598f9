"""figures: each shows every variant, and nothing is cut off."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from stages.compare import curves, figures
from stages.compare.styles import COLOURS, DASHES, MARKERS, style
from stages.evaluate.gallery import KINDS
from stages.pages.slice_table import marks
from stages.pages.slice_table import names as names_of
from tests.helpers import REPOSITORY

NUMBERS = [1, 12]


SLICES = [
    ("REAL", "a mountain $x_1$ and the sea far below it, seen from $y", "test"),
    ("REAL", "", "test"),
    ("REAL", "sea", "held_out"),
    ("FAKE", "", "test"),
]


def names(number: int) -> list[str]:
    return [f"variant-with-a-long-name-{place}" for place in range(number)]


def tables(variants: list[str]) -> dict[str, pd.DataFrame]:
    """Return made-up tables behind the figures, of `variants` that are two models."""
    random = np.random.default_rng(0)
    epochs = pd.DataFrame(
        {
            "variant": np.repeat(variants, 20),
            "epoch": np.tile(np.arange(20), len(variants)),
            "accuracy": random.uniform(0.5, 0.9, 20 * len(variants)),
            "loss": random.uniform(0.3, 0.7, 20 * len(variants)),
            "val_accuracy": random.uniform(0.5, 0.8, 20 * len(variants)),
            "val_loss": random.uniform(0.4, 0.8, 20 * len(variants)),
        }
    )
    images = 200
    labels = np.tile(np.arange(images) % 2, len(variants))
    logits = random.normal(labels * 2 - 1, 1.5)
    predictions = pd.DataFrame(
        {
            "variant": np.repeat(variants, images),
            "label": np.where(labels == 1, "FAKE", "REAL"),
            "logit": logits,
            "p_fake": 1 / (1 + np.exp(-logits / 2)),
            "answer": np.select([logits > 0.5, logits < -0.5], ["FAKE", "REAL"], "UNSURE"),
        }
    )
    levels = [("none", [0.0]), ("JPEG", [90.0, 75, 60, 40, 25, 10]), ("blur", [0.3, 0.6, 0.9])]
    levels += [("noise", [2.0, 4, 8, 16, 32]), ("downscale", [0.75, 0.5, 0.375])]
    robustness = pd.DataFrame(
        [
            (variant, kind, level, random.uniform(0.5, 0.8))
            for variant in variants
            for kind, of_kind in levels
            for level in of_kind
        ],
        columns=["variant", "kind", "level", "accuracy"],
    )
    metrics = ["accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"]
    shares = pd.DataFrame(
        [(variant, metric, random.uniform(0.5, 0.9)) for metric in metrics for variant in variants],
        columns=["variant", "metric", "value"],
    )
    middle = random.uniform(0.6, 0.8, len(variants))
    accuracy = pd.DataFrame(
        {
            "variant": variants,
            "accuracy": middle,
            "accuracy_low": middle - 0.03,
            "accuracy_high": middle + 0.03,
            "model": [
                variants[place % 2 if len(variants) > 1 else 0] for place in range(len(variants))
            ],
        }
    )
    slices = pd.DataFrame(
        [
            (variant, label, name, split, 1000, 20, random.uniform(0, 1))
            for variant in variants
            for label, name, split in SLICES
        ],
        columns=["variant", "label", "slice", "split", "images", "observations", "accuracy"],
    )
    return {
        "slices": slices.assign(name=names_of(slices) + marks(slices)),
        "training": curves.training(epochs),
        "roc": curves.roc(predictions),
        "precision_recall": curves.precision_recall(predictions),
        "reliability": curves.calibration(predictions),
        "confusion": curves.confusion(predictions),
        "robustness": curves.robustness(robustness),
        "metrics": shares,
        "accuracy": accuracy,
    }


def texts(figure: Figure) -> list[Text]:
    """Return what is written in `figure`."""
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def cut_off(figure: Figure) -> list[str]:
    """Return the texts of `figure` that its borders cut, but for labels of ticks outside."""
    ticks = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }
    FigureCanvasAgg(figure).draw()
    box = figure.bbox
    found = []
    for text in texts(figure):
        extent = text.get_window_extent()
        inside = (
            extent.x0 >= box.x0 - 1
            and extent.x1 <= box.x1 + 1
            and extent.y0 >= box.y0 - 1
            and extent.y1 <= box.y1 + 1
        )
        if not inside and text not in ticks:
            found.append(text.get_text())
    return found


def shown(figure: Figure) -> str:
    """Return all that is written in `figure`, one text a line."""
    return "\n".join(text.get_text().replace("\n", "") for text in texts(figure))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", NUMBERS)
def test_every_figure_shows_every_variant_and_cuts_no_name(number: int) -> None:
    variants = names(number)
    for name, panels in figures.draw(tables(variants)).items():
        assert [text for panel in panels for text in cut_off(panel)] == [], name
        lines = [line for panel in panels for line in shown(panel).splitlines()]
        times = {"slices": 2, "metrics": 0, "curves": 0, "robustness": 0}.get(name, 1)
        assert [variant for variant in variants if lines.count(variant) != times] == [], name


def looks(panel: Figure) -> list[tuple[object, object]]:
    """Return colour and marker of each line of `panel` that is a variant's own."""
    lines = panel.axes[0].get_lines()
    return [
        (line.get_color(), line.get_marker())
        for line in lines
        if line.get_marker() in MARKERS.values()
    ]


def test_variants_differ_in_mark_as_well_as_colour_and_look_the_same_in_every_figure() -> None:
    styles = [style(number) for number in range(12)]
    for key in ("color", "marker"):
        assert len({look[key] for look in styles[:7]}) == 7
    assert len({(look["marker"], str(look["linestyle"])) for look in styles}) == 12
    expected = [(look["color"], look["marker"]) for look in styles]
    drawn = figures.draw(tables(names(12)))
    for name in ("curves", "robustness", "metrics"):
        for panel in drawn[name]:
            assert looks(panel) == expected, name
    for name in ("reliability", "training"):
        assert [look for panel in drawn[name] for look in looks(panel)] == expected, name
    assert sorted(looks(drawn["accuracy"][0])) == sorted(expected), "runs of a model together"


def test_the_charts_of_dvc_have_the_same_colours_dashes_and_markers() -> None:
    """Vega-Lite takes them in the order of the variants in the data, as these figures do."""
    for file in (REPOSITORY / ".dvc/plots").glob("*.json"):
        text = file.read_text()
        chart = json.loads(text)
        if '"shape"' in text:
            assert chart["config"]["range"] == {"category": COLOURS, "symbol": list(MARKERS)}, file
        for dash in re.findall(r'"strokeDash": ({"field": "variant".*?}})', " ".join(text.split())):
            assert json.loads(dash)["scale"]["range"] == DASHES, file


def test_figures_are_text_of_a_legible_size_and_the_same_bytes_every_time() -> None:
    first, second = (
        [
            (figures.to_svg(panel, name).decode(), panel.get_figwidth())
            for name, panels in figures.draw(tables(names(2))).items()
            for panel in panels
        ]
        for _ in range(2)
    )
    assert first == second
    for svg, inches in first:
        sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
        # A point is 4/3 pixels; 11 pixels are the least that is read.
        assert sizes and min(sizes) * 4 / 3 >= 11
        assert inches * 96 <= 328, "the width of a small phone, less its margins"


def test_runs_of_a_model_are_beside_each_other_below_its_first() -> None:
    variants = ["base", "wide", "base-2", "base-3"]
    accuracies = [0.70, 0.75, 0.72, 0.68]
    table = pd.DataFrame(
        {
            "variant": variants,
            "accuracy": accuracies,
            "accuracy_low": np.array(accuracies) - 0.03,
            "accuracy_high": np.array(accuracies) + 0.03,
            "model": ["base", "wide", "base", "base"],
        }
    )
    axes = figures.accuracy(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "base", "base-2", "base-3", "wide",
    ]  # fmt: skip
    assert axes.yaxis_inverted(), "the first is on top"
    points = [
        np.asarray(line.get_xydata())[0].tolist()
        for line in axes.get_lines()
        if line.get_marker() in MARKERS.values()
    ]
    assert points == [[0.70, 0], [0.72, 1], [0.68, 2], [0.75, 3]]
    # Mean 0.7 and deviation 0.02 of the three; one run alone has no band.
    (band,) = axes.collections
    corners = np.asarray(band.get_paths()[0].vertices)
    assert corners.min(axis=0).tolist() == pytest.approx([0.68, -0.4])
    assert corners.max(axis=0).tolist() == pytest.approx([0.72, 2.4])


def test_what_is_fitted_at_once_is_two_points_with_their_values() -> None:
    """The upper one's words stand above those of the lower one, so that they do not overlap."""
    epochs = pd.DataFrame(
        {"variant": ["own"] * 2 + ["frozen"], "epoch": [0, 1, 0], "accuracy": [0.5, 0.6, 1.0]}
    ).assign(loss=[0.7, 0.6, 0.001], val_accuracy=[0.4, 0.5, 0.952], val_loss=[0.9, 0.8, 0.104])
    panels = figures.training(curves.training(epochs))
    of_own, of_frozen = (
        [
            (text.get_text(), text.get_verticalalignment())
            for axes in panel.axes
            for text in axes.texts
        ]
        for panel in panels
    )
    assert of_own == []
    assert of_frozen == [
        ("train\n1.000", "bottom"), ("validation\n0.952", "top"),
        ("validation\n0.104", "bottom"), ("train\n0.001", "top"),
    ]  # fmt: skip
    assert cut_off(panels[1]) == []


def test_a_matrix_of_answers_has_a_row_for_unsure() -> None:
    cells = [("REAL", "REAL", 3), ("REAL", "FAKE", 1), ("REAL", "UNSURE", 4)]
    cells += [("FAKE", "REAL", 0), ("FAKE", "FAKE", 1), ("FAKE", "UNSURE", 1)]
    table = pd.DataFrame(cells, columns=["actual", "predicted", "images"])
    (panel,) = figures.confusion(table.assign(variant="a"))
    (axes,) = panel.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["REAL", "FAKE"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["REAL", "FAKE", "UNSURE"]
    found = [text.get_text() for text in axes.texts]
    assert found == ["3\n38%", "0\n0%", "1\n12%", "1\n50%", "4\n50%", "1\n50%"]


def test_robustness_starts_from_the_unchanged_images() -> None:
    table = pd.DataFrame(
        [
            ("b", "none", 0.0, 0.9),
            ("b", "JPEG", 90.0, 0.8),
            ("b", "JPEG", 10.0, 0.6),
            ("a", "none", 0.0, 0.7),
            ("a", "JPEG", 90.0, 0.65),
            ("a", "JPEG", 10.0, 0.5),
        ],
        columns=["variant", "kind", "level", "accuracy"],
    )
    (panel,) = figures.robustness(curves.robustness(table))
    (axes,) = panel.axes
    lines = [np.asarray(line.get_ydata()).tolist() for line in axes.get_lines()]
    assert lines == [[0.9, 0.8, 0.6], [0.7, 0.65, 0.5], [0.5, 0.5]], "b, a and chance"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none", "90", "10"]


def test_slices_are_a_matrix_with_those_held_out_last() -> None:
    rows = [("REAL", "", "test", 500, 20), ("FAKE", "a", "test", 1000, 999)]
    rows += [("FAKE", "sd", "held_out", 60, 60)]
    shares = {"b": [0.9, 0.5, 0.25], "a": [0.8, 0.7, 0.499]}
    table = pd.DataFrame(
        [
            (variant, *row, share)
            for variant, found in shares.items()
            for row, share in zip(rows, found, strict=True)
        ],
        columns=["variant", "label", "slice", "split", "images", "observations", "accuracy"],
    )
    real, fake = figures.slices(table.assign(name=["all", "a", "sd, held out"] * 2))
    for panel, expected, written in (
        (real, [[0.9, 0.8]], ["all"]),
        (fake, [[0.5, 0.7], [0.25, 0.499]], ["a", "sd, held out"]),
    ):
        (axes,) = panel.axes
        assert [label.get_text() for label in axes.get_xticklabels()] == ["b", "a"]
        found = [np.asarray(picture.get_array()).tolist() for picture in axes.get_images()]
        assert found == [[row] for row in expected]
        assert {picture.get_clim() for picture in axes.get_images()} == {(0, 1)}
        assert [text.get_text() for text in axes.texts[: len(written)]] == written
    colours = {text.get_text(): text.get_color() for text in fake.axes[0].texts[2:]}
    assert colours == {".50": "white", ".70": "black", ".25": "white"}


def test_slices_read_in_grey() -> None:
    """The luminance (Rec. 709) rises with the accuracy, so that grey tells them apart, too."""
    real, _ = figures.slices(tables(names(1))["slices"])
    colours = real.axes[0].get_images()[0].cmap(np.linspace(0, 1, 20))[:, :3]
    assert (np.diff(colours @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_the_thirty_largest_slices_of_a_label_are_drawn() -> None:
    rows = [("base", "REAL", f"{n:02}", "test", n, n, 0.5, f"{n:02}") for n in range(1, 36)]
    rows += [("base", "FAKE", "", "test", 9, 9, 0.5, "all")]
    columns = ["variant", "label", "slice", "split", "images", "observations", "accuracy", "name"]
    real, _ = figures.slices(pd.DataFrame(rows, columns=columns))
    assert [text.get_text() for text in real.axes[0].texts[:30]] == [
        f"{n:02}" for n in range(6, 36)
    ]


def test_without_perturbations_no_figure_is_drawn() -> None:
    table = pd.DataFrame(
        [("a", "none", 0.0, 0.7)], columns=["variant", "kind", "level", "accuracy"]
    )
    assert figures.robustness(curves.robustness(table)) == []


def test_below_each_reliability_diagram_is_the_number_of_images_in_each_bin() -> None:
    cells = [
        ("as trained", 0.1, 0.0, 9),
        ("calibrated", 0.25, 0.0, 1),
        ("calibrated", 0.75, 0.5, 2),
    ]
    columns = ["probabilities", "p_fake", "share_fake", "images"]
    (panel,) = figures.reliability(pd.DataFrame(cells, columns=columns).assign(variant="a"))
    bars = [bar.get_path().get_extents(bar.get_patch_transform()) for bar in panel.axes[1].patches]
    assert [(bar.x0 + bar.x1) / 2 for bar in bars] == pytest.approx([0.25, 0.75])
    assert [bar.height for bar in bars] == [1, 2]


def test_the_gallery_shows_each_example_with_its_heat_and_fewer_where_there_are_fewer(
    tmp_path: Path,
) -> None:
    counts = (4, 1, 0, 1, 0, 1)
    kinds = [kind for kind, count in zip(KINDS, counts, strict=True) for _ in range(count)]
    examples = pd.DataFrame({"kind": kinds, "p_fake": np.linspace(0, 1, 7)})
    random = np.random.default_rng(0)
    for column in ("image", "heat"):
        files = [tmp_path / f"{number}-{column}.png" for number in range(7)]
        for file in files:
            pixels = random.integers(0, 256, (32, 32, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(file)
        examples[column] = list(map(str, files))
    figure = figures.gallery(names(1)[0], examples)
    written = [text.get_text() for text in texts(figure)]
    assert any(names(1)[0] in text for text in written)
    captions = [text for text in written if "% FAKE" in text]
    assert [caption.split("\n")[0] for caption in captions] == kinds
    assert captions[0] == "true REAL\n0.0% FAKE"
    assert captions[-1] == "unsure FAKE\n100.0% FAKE"
    assert cut_off(figure) == []
    images = figure.axes[0].get_images()
    places = [tuple(round(value, 2) for value in image.get_extent()) for image in images]
    assert len(set(places)) == 14
    # The image of each pair is left of its heat map, and both are as they were saved.
    for number in range(7):
        image, heat = images[2 * number : 2 * number + 2]
        assert image.get_extent()[1] < heat.get_extent()[0]
        for found, column in ((image, "image"), (heat, "heat")):
            expected = np.asarray(Image.open(examples[column][number]))
            np.testing.assert_array_equal(found.get_array(), expected)
    figure.savefig(tmp_path / "gallery.png")


def test_no_example_at_all_is_an_empty_gallery() -> None:
    empty = pd.DataFrame({"kind": [], "p_fake": [], "image": [], "heat": []})
    assert figures.gallery("base", empty).axes[0].get_images() == []
