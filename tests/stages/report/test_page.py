"""report: what goes into the page, by itself; test_browser.py opens the page."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.common.command import InputError
from stages.evaluate.gallery import KINDS, write_gallery
from stages.report import page
from tests.helpers import png, run_stage


def cells(markdown: str) -> list[list[str]]:
    """Return the rows of a Markdown table, without the line below its header."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]
    return [rows[0], *rows[2:]]


def test_pictures_are_inside_the_page_and_headings_stand_deeper() -> None:
    picture = png(np.zeros((1, 1, 3), np.uint8))
    text = "# Data\n\n![seen](data/a.png)\n\n| a |\n| --- |\n| 1 |\n"
    html = page.to_html(text, {"data/a.png": picture}, level=1)
    assert "<h2>Data</h2>" in html
    encoded = base64.b64encode(picture).decode()
    assert f'src="data:image/png;base64,{encoded}"' in html
    assert 'alt="seen"' in html
    assert "<td>1</td>" in html
    assert '<div class="scroll" tabindex="0"><table>' in html, "the keyboard reaches what scrolls"


def test_an_inline_figure_keeps_the_ids_that_it_refers_to() -> None:
    svg = '<?xml version="1.0"?>\n<svg width="9pt"><g id="line2d_1"><use xlink:href="#m12ab"/></g>'
    svg += '<path id="m12ab"/></svg>'
    element = page.inline(svg)
    assert element.startswith('<svg aria-hidden="true" width="9pt"><g><use')
    assert 'id="m12ab"' in element


def test_what_a_file_name_holds_is_text() -> None:
    html = page.to_html("`<script>alert(1)</script>` <b>bold</b>")
    assert "<script>" not in html
    assert "<b>" not in html


def test_parameters_that_differ_have_a_row_each_and_only_those() -> None:
    variants: dict[str, Any] = {
        "base": {"differs_in": {}},
        "sgd": {"differs_in": {"optimizer": "sgd", "learning_rate": 0.01}},
        "slow": {"differs_in": {"learning_rate": 0.0001, "input_size": None}},
    }
    assert cells(page.differing_parameters(variants)) == [
        ["parameter", "sgd", "slow"],
        ["`optimizer`", "sgd", ""],
        ["`learning_rate`", "0.01", "0.0001"],
        ["`input_size`", "", "none"],
    ]
    alone: dict[str, Any] = {"base": {"differs_in": {}}}
    assert "same parameters" in page.differing_parameters(alone)


def test_every_metric_of_every_variant_is_in_the_table() -> None:
    variants: dict[str, Any] = {
        "base": {
            "metrics": {"accuracy": 0.7, "held_out_images": 1200},
            "robustness": {"accuracy_perturbed": 0.6},
        },
        "sgd": {"metrics": {"accuracy": 0.65}, "robustness": {"accuracy_perturbed": None}},
    }
    assert cells(page.all_metrics(variants)) == [
        ["metric", "base", "sgd"],
        ["`accuracy`", "0.7000", "0.6500"],
        ["`held_out_images`", "1,200", ""],
        ["`accuracy_perturbed`", "0.6000", ""],
    ]


def test_perturbed_accuracies_have_the_unchanged_images_once() -> None:
    levels = [("JPEG", "none", 0.7), ("JPEG", "90", 0.69), ("blur", "none", 0.7)]
    levels += [("blur", "1.5", 0.5)]
    table = pd.DataFrame(
        [(variant, *row) for variant in ("sgd", "base") for row in levels],
        columns=["variant", "kind", "level", "accuracy"],
    )
    assert cells(page.perturbed(table)) == [
        ["perturbation", "sgd", "base"],
        ["none", "0.700", "0.700"],
        ["JPEG 90", "0.690", "0.690"],
        ["blur 1.5", "0.500", "0.500"],
    ]
    assert page.perturbed(table.head(0)) == "No perturbations are asked for."


def test_the_gallery_names_each_kind_even_without_an_example(tmp_path: Path) -> None:
    examples = pd.DataFrame(
        {"kind": ["true FAKE"], "path": ["a"], "label": ["FAKE"], "p_fake": [0.9]}
    )
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    write_gallery(tmp_path / "base", examples, pixels, np.zeros((1, 4, 4), np.float32))
    shown = dict(page.gallery(tmp_path / "base"))
    assert list(shown) == list(KINDS)
    assert [len(found) for found in shown.values()] == [0, 1, 0, 0, 0, 0]
    assert shown["true FAKE"][0]["heat"].startswith("data:image/png;base64,")


def test_large_pictures_are_scaled_down_and_small_ones_keep_their_pixels(tmp_path: Path) -> None:
    for side, shown_side, is_tiny in ((32, 32, True), (100, 100, False), (224, 112, False)):
        examples = pd.DataFrame({"kind": ["true FAKE"]})
        pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3)).astype(np.uint8)
        write_gallery(tmp_path / f"{side}", examples, pixels, np.zeros((1, side, side)))
        (example,) = dict(page.gallery(tmp_path / f"{side}"))["true FAKE"]
        encoded = base64.b64decode(example["image"].split(",")[1])
        assert Image.open(io.BytesIO(encoded)).size == (shown_side, shown_side)
        assert example["is_tiny"] == is_tiny
        if side == shown_side:
            assert encoded == (tmp_path / f"{side}/00-image.png").read_bytes()


def test_what_is_missing_is_named(workspace: Path) -> None:
    with pytest.raises(InputError, match=r"^data/audit/copies\.csv: No such file"):
        run_stage("report")
