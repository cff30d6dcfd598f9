"""reports/index.html: everything on one page."""

import base64
import io
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_it import MarkdownIt
from PIL import Image

from stages.compare.summary import (
    MODELS_NOTE,
    SETS_NOTE,
    best_held_out,
    best_in_words,
    by_validation,
    choice_note,
    details_table,
    has_held_out,
    has_seeds,
    in_plain_words,
    models_table,
    runs_note,
    runs_table,
    same_in_words,
    sets_table,
    slices_note,
    slices_table,
    verdicts_in_words,
)
from stages.evaluate.gallery import KINDS, read_gallery
from stages.pages.markdown import code, table
from stages.pages.templates import render

TEMPLATE = Path(__file__).with_name("report.html.jinja")
LARGEST = 112
"""Pixels of the longer side of a picture in the gallery, so that the page stays small."""
PIXELS = 64
"""Pixels of a side up to which a picture is shown pixel by pixel, and not smoothed."""


def data_uri(png: bytes) -> str:
    """Return a PNG file as an address that holds all of it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def to_html(markdown: str, pictures: Mapping[str, bytes] | None = None, level: int = 0) -> str:
    """Return `markdown` as HTML, with its pictures inside; a table too wide scrolls by itself.

    Args:
        pictures: PNG files, by the address that the text has for them.
        level: how much deeper its headings are to stand.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{int(token.tag[1:]) + level}"
        for child in token.children or []:
            if child.type == "image":
                child.attrs["src"] = data_uri((pictures or {})[str(child.attrs["src"])])
                child.attrs["loading"] = "lazy"
    html = str(parser.renderer.render(tokens, parser.options, {}))
    html = re.sub(r"\([-+.\d]+ to [-+.\d]+\)", r'<span class="interval">\g<0></span>', html)
    # The keyboard scrolls what has the focus.
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    return html.replace("</table>", "</table></div>")


def inline(svg: str) -> str:
    """Return an SVG file of Matplotlib as an element of a page.

    The ids of its groups go: other figures have the same ones, and nothing refers to them.
    """
    element = svg[svg.index("<svg ") :].replace("<svg ", '<svg aria-hidden="true" ', 1)
    return re.sub(r' id="[a-z0-9A-Z]+(_\d+)+"', "", element)


def differing_parameters(variants: Mapping[str, Any]) -> str:
    """Return a Markdown table: a row for each parameter that is not the same for all variants.

    An empty cell means the baseline's value, or that a network has no use for one.
    """
    keys = dict.fromkeys(key for row in variants.values() for key in row["differs_in"])
    if not keys:
        return "All variants have the same parameters."
    others = [name for name, row in variants.items() if row["differs_in"]]
    rows = [
        [
            code(key),
            *(in_plain_words(variants[name]["differs_in"].get(key, "")) for name in others),
        ]
        for key in keys
    ]
    return table(["parameter", *others], rows)


def all_metrics(variants: Mapping[str, Any]) -> str:
    """Return a Markdown table: a row for each metric, a column for each variant."""
    rows = []
    for part in ("metrics", "robustness"):
        for name in dict.fromkeys(name for row in variants.values() for name in row[part]):
            found = [row[part].get(name) for row in variants.values()]
            rows.append([code(name), *map(_number, found)])
    return table(["metric", *variants], rows)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def perturbed(robustness: pd.DataFrame) -> str:
    """Return a Markdown table of accuracies: a row for each perturbation, a column a variant."""
    if robustness.empty:
        return "No perturbations are asked for."
    names = (robustness["kind"] + " " + robustness["level"]).where(
        robustness["level"] != "none", "none"
    )
    wide = robustness.assign(name=names).drop_duplicates(["variant", "name"])
    wide = wide.pivot(index="name", columns="variant", values="accuracy")
    wide = wide.loc[names.unique(), robustness["variant"].unique()]
    rows = [
        [str(name), *(f"{value:.3f}" for value in values)]
        for name, *values in wide.itertuples(name=None)
    ]
    return table(["perturbation", *map(str, wide.columns)], rows)


def gallery(folder: Path) -> list[tuple[str, list[dict[Any, Any]]]]:
    """Return the examples in `folder` by kind, each with its pictures in it.

    `is_tiny` says of each whether its pixels are to be seen one by one.
    """
    examples: list[dict[Any, Any]] = read_gallery(folder).to_dict("records")
    for example in examples:
        with Image.open(example["image"]) as picture:
            example["is_tiny"] = max(picture.size) <= PIXELS
        for name in ("image", "heat"):
            example[name] = data_uri(_small(Path(example[name]).read_bytes()))
    return [(kind, [e for e in examples if e["kind"] == kind]) for kind in KINDS]


def _small(png: bytes) -> bytes:
    """Return a PNG file as it is, or scaled down if it is large."""
    picture = Image.open(io.BytesIO(png))
    if max(picture.size) <= LARGEST:
        return png
    picture.thumbnail((LARGEST, LARGEST))
    small = io.BytesIO()
    picture.save(small, "PNG")
    return small.getvalue()


def page(
    report: Mapping[str, Any],
    robustness: pd.DataFrame,
    galleries: Path,
    figures: Path,
    data_page: str,
    data_pictures: Mapping[str, bytes],
) -> str:
    """Return the page as HTML, with all pictures in it.

    Args:
        report: what reports/comparison.json holds.
        robustness: the table plots/all/robustness.csv, its levels as texts.
        galleries: the folder with the examples of each variant.
        figures: the folder with the figures of the comparison.
        data_page: what reports/data.md holds.
        data_pictures: the pictures in it, PNG files by address.

    Raises:
        OSError: a picture is missing.
    """
    variants = by_validation(report["variants"])
    drawn: dict[str, list[str]] = defaultdict(list)
    for file in sorted(figures.glob("*.svg")):
        drawn[file.stem.partition("-")[0]].append(inline(file.read_text("utf-8")))
    return render(
        TEMPLATE,
        words=verdicts_in_words(report),
        images=report["test_images"],
        best=to_html(best_in_words(report)),
        held_out=to_html(best_held_out(report)),
        baseline=next(iter(report["variants"])),
        variants=list(variants),
        runs=to_html(runs_table(report)),
        has_held_out=has_held_out(report),
        details=to_html(details_table(report)),
        same=same_in_words(report),
        choice_note=choice_note(report),
        runs_note=runs_note(report),
        models=to_html(models_table(report)) if has_seeds(report) else "",
        models_note=MODELS_NOTE,
        sets=to_html(sets_table(report)),
        sets_note=SETS_NOTE,
        slices=to_html(slices_table(report)),
        slices_note=slices_note(report),
        parameters=to_html(differing_parameters(variants)),
        metrics=to_html(all_metrics(variants)),
        perturbed=to_html(perturbed(robustness)),
        figures=drawn,
        galleries={
            variant: gallery(galleries / variant)
            for variant, row in variants.items()
            if not row["comparison"]["same_network_as"]
        },
        kinds=KINDS,
        audit=to_html(data_page, data_pictures, level=1),
    )
