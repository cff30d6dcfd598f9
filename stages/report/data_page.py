"""reports/data.md and its pictures: the audit of the data set, for a person to read."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from stages.audit import Audit
from stages.counts import LISTED, in_words
from stages.manifest import LABELS, SPLITS
from stages.markdown import code, table
from stages.organise import used
from stages.parallel import File
from stages.pixels import DecodeParams, decode

CELL = 96
"""Pixels of a picture's longer side."""
COLUMNS, ROWS = 8, 5
Pictures = dict[str, Image.Image]


def sheet_paths(manifest: pd.DataFrame, split: str, label: str) -> list[str]:
    """Return the paths of the images on a contact sheet: evenly spaced among those in use."""
    paths = manifest["path"][used(manifest, split, label)]
    places = np.linspace(0, len(paths) - 1, min(len(paths), COLUMNS * ROWS)).round().astype(int)
    return paths.iloc[places].tolist()


def thumbnails(files: list[File], params: DecodeParams) -> list[tuple[str, Image.Image]]:
    """Return name and picture of each of `files`, at most `CELL` pixels wide and high.

    Small images are enlarged by a whole number, so that each pixel stays a square.
    """
    return [(name, _fit(decode(data, params).rgb)) for name, data in files]


def _fit(image: Image.Image) -> Image.Image:
    factor = CELL // max(image.size)
    if factor >= 1:
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    return ImageOps.contain(image, (CELL, CELL))


def contact_sheet(images: Iterable[Image.Image], columns: int = COLUMNS) -> Image.Image:
    """Return `images` side by side, `columns` in a row, on white."""
    images = list(images)
    step = CELL + 4
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (min(columns, len(images)) * step, rows * step), "white")
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        sheet.paste(
            image,
            (
                column * step + (step - image.width) // 2,
                row * step + (step - image.height) // 2,
            ),
        )
    return sheet


def pictures(
    manifest: pd.DataFrame, near_pairs: pd.DataFrame, shown: dict[str, Image.Image]
) -> Pictures:
    """Return the pictures of the page by file name: a sheet for each split and label, and pairs.

    Args:
        shown: the thumbnails of `wanted_paths`, by path.
    """
    sheets = {
        f"{split}-{label}.png": contact_sheet(
            shown[path] for path in sheet_paths(manifest, split, label)
        )
        for split in SPLITS
        for label in LABELS
    }
    pairs = {
        f"pair-{number:02}.png": contact_sheet([shown[str(row.path)], shown[str(row.other_path)]])
        for number, row in enumerate(near_pairs.itertuples(), start=1)
    }
    return sheets | pairs


def wanted_paths(manifest: pd.DataFrame, near_pairs: pd.DataFrame) -> set[str]:
    """Return the paths of all images that `pictures` shows."""
    on_sheets = {
        path for split in SPLITS for label in LABELS for path in sheet_paths(manifest, split, label)
    }
    return on_sheets.union(*(near_pairs[side] for side in ("path", "other_path")))


def page(source: str, manifest: pd.DataFrame, counts: dict[str, Any], result: Audit) -> str:
    """Return the audit as Markdown; pictures are in the folder `data` beside it."""
    return (
        "\n\n".join(
            [
                f"# The data set: {code(source)}",
                "Written by the stage `source`. `dvc pull reports/data` fetches the pictures.",
                "## Findings",
                _findings(result),
                "## Images",
                _counts(counts),
                *_unreadable(manifest, counts),
                "## Groups",
                _groups(counts["groups"]),
                "## Exact duplicates",
                _duplicates(result),
                "## Near duplicates",
                _near_duplicates(result),
                "## Short cuts",
                _short_cuts(result.numbers),
                "## What the images look like",
                "Images in use, evenly spaced by path.",
                *(
                    f"{split}, {label}:\n\n![{split}, {label}](data/{split}-{label}.png)"
                    for split in SPLITS
                    for label in LABELS
                ),
            ]
        )
        + "\n"
    )


def _findings(result: Audit) -> str:
    if not result.findings:
        return "None."
    return "\n".join(f"- **{f.name.replace('_', ' ')}**: {f.message}" for f in result.findings)


def _counts(counts: dict[str, Any]) -> str:
    rows = [
        [split, label, counts["found"][split][label], counts["used"][split][label]]
        for split in SPLITS
        for label in LABELS
    ]
    return (
        table(["split", "label", "in the data set", "in use"], rows)
        + f"\n\nImages left out: {in_words(counts['left_out'])}. "
        f"Files passed over: {in_words(counts['passed_over'])}."
    )


def _unreadable(manifest: pd.DataFrame, counts: dict[str, Any]) -> list[str]:
    if not counts["left_out"]["unreadable"]:
        return []
    rows = manifest[manifest["status"].str.startswith("unreadable: ")].head(LISTED)
    cells = [
        [code(str(row.path)), str(row.status).removeprefix("unreadable: ")]
        for row in rows.itertuples()
    ]
    more = counts["left_out"]["unreadable"] - len(rows)
    return [
        "## Unreadable images",
        table(["path", "why"], cells) + _and_more(more, "in data/manifest.csv"),
    ]


def _groups(groups: dict[str, Any]) -> str:
    if not groups["number"]:
        return "The images have no groups."
    rows = [
        [code(name), *(found[split][label] for split in SPLITS for label in LABELS)]
        for name, found in groups["largest"].items()
    ]
    header = ["group", *(f"{split} {label}" for split in SPLITS for label in LABELS)]
    more = groups["number"] - len(rows)
    return (
        f"{groups['number']:,} groups, and {groups['images_without']:,} images without one; "
        "images in use:\n\n" + table(header, rows) + _and_more(more, "in data/manifest.csv")
    )


def _duplicates(result: Audit) -> str:
    rows = [[name.replace("_", " "), n] for name, n in result.numbers["duplicates"].items()]
    text = (
        "Images whose size and pixels are those of another, as they are in the data set.\n\n"
        + table(["where", "images"], rows)
        + f"\n\n{result.numbers['conflicting_labels']:,} different images carry both labels."
    )
    if result.copies.empty:
        return text
    some = [[code(str(cell)) for cell in row] for row in result.copies.to_numpy()]
    return text + "\n\n" + table(["some of them", "the same as"], some)


def _near_duplicates(result: Audit) -> str:
    if "near_duplicates" not in result.numbers:
        return "Not looked for."
    rows = [[name.replace("_", " "), n] for name, n in result.numbers["near_duplicates"].items()]
    text = (
        "Images in use that look like one of another split, by their perceptual hashes "
        "(pHash, 64 bits).\n\n" + table(["where", "images"], rows)
    )
    if result.near_pairs.empty:
        return text
    pairs = [
        [
            f"![pair {number}](data/pair-{number:02}.png)",
            f"{row.split}: {code(str(row.path))}",
            f"{row.other_split}: {code(str(row.other_path))}",
            row.bits,
        ]
        for number, row in enumerate(result.near_pairs.itertuples(), start=1)
    ]
    header = ["the most alike", "left", "right", "bits that differ"]
    return text + "\n\n" + table(header, pairs)


def _short_cuts(numbers: dict[str, Any]) -> str:
    if "short_cuts" not in numbers:
        return "Not looked for."
    if not numbers["short_cuts"]:
        return "Too few images to tell."
    rows = [[name, f"{value:.3f}"] for name, value in numbers["short_cuts"].items()]
    return (
        "How often a small decision tree tells REAL from FAKE without a look at what the image "
        "shows (balanced accuracy in five-fold cross-validation; 0.5 is chance).\n\n"
        + table(["by", "accuracy"], rows)
    )


def _and_more(number: int, where: str) -> str:
    return f"\n\nand {number:,} more, {where}" if number > 0 else ""
