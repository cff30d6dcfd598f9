"""reports/data.md and its pictures: the audit of the data set, for a person to read."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

import pandas as pd
from PIL import Image

from stages.common.manifest import LABELS, TEXTS, in_words
from stages.pages.markdown import code, table

CELL, GAP = 96, 4
"""Pixels of a picture's place on a sheet, and between two of them."""
COLUMNS = 8
LISTED = 60
"""Slices of both labels on the page."""
NO_IMAGES = {"litter": "hidden or left by a system"}
"""What the audit calls files that are no images, in the reader's words."""


class Shown(NamedTuple):
    """What `source` writes to data/audit: tables of some images, and thumbnails."""

    copies: pd.DataFrame
    """Images whose pixels are those of an earlier one: path, first_path."""
    near_pairs: pd.DataFrame
    """The pairs that look most alike: path, split, other_path, other_split, bits."""
    unreadable: pd.DataFrame
    """Images that cannot be decoded: path, why."""
    slices: pd.DataFrame
    """Images in use: slice, label, and a column for each split; none without slices."""
    thumbnails: pd.DataFrame
    """The images that have a picture: path, split, label, is_example."""
    pictures: dict[str, Image.Image]
    """By path."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what is in `folder`."""
        tables = {
            name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False, dtype=TEXTS)
            for name in ("copies", "near_pairs", "unreadable", "slices", "thumbnails")
        }
        paths = tables["thumbnails"]["path"]
        pictures = {}
        for number, path in enumerate(paths):
            with Image.open(folder / f"{number:03}.png") as picture:
                pictures[path] = picture.copy()
        return cls(**tables, pictures=pictures)


def contact_sheet(images: Iterable[Image.Image]) -> Image.Image:
    """Return `images` side by side, `COLUMNS` in a row, on white."""
    images = list(images)
    step = CELL + GAP
    rows = -(-len(images) // COLUMNS)
    sheet = Image.new("RGB", (min(COLUMNS, len(images)) * step, rows * step), "white")
    for number, image in enumerate(images):
        row, column = divmod(number, COLUMNS)
        left, top = column * step, row * step
        sheet.paste(image, (left + (step - image.width) // 2, top + (step - image.height) // 2))
    return sheet


def data_pictures(shown: Shown) -> dict[str, bytes]:
    """Return the pictures of the page: a sheet for each split and label, and pairs.

    They are PNG files, by the address that the page has for them.
    """
    examples = shown.thumbnails[shown.thumbnails["is_example"]]
    sheets = {
        f"{split}-{label}": rows["path"]
        for (split, label), rows in examples.groupby(["split", "label"])
    }
    pairs = {
        f"pair-{number:02}": pair
        for number, pair in enumerate(
            zip(shown.near_pairs["path"], shown.near_pairs["other_path"], strict=True), start=1
        )
    }
    return {
        f"data/{name}.png": _png(contact_sheet(shown.pictures[path] for path in paths))
        for name, paths in (sheets | pairs).items()
    }


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def data_page(source: str, audit: dict[str, Any], shown: Shown, left: dict[str, float]) -> str:
    """Return the audit as Markdown; pictures are in the folder `data` beside it.

    Args:
        source: the path of the data set.
        audit: what reports/data.json holds; its findings may be joined by others.
        left: what data/processed/short_cuts.json holds.
    """
    return (
        "\n\n".join(
            [
                f"# The data set: {code(source)}",
                "The stage `source` found it, and `report` wrote it. "
                "`dvc pull reports/data` fetches the pictures.",
                "## Findings",
                _findings(audit["findings"]),
                "## Images",
                _counts(audit),
                *_unreadable(audit["left_out"]["unreadable"], shown.unreadable),
                "## Groups",
                _groups(audit["groups"]),
                *_slices(shown.slices),
                "## Exact duplicates",
                _duplicates(audit, shown.copies),
                "## Near duplicates",
                _near_duplicates(audit, shown.near_pairs),
                "## Short cuts",
                _short_cuts(audit),
                "## Short cuts that are left",
                _left(left),
                "## Leave one slice out",
                _leave_slice_out(audit),
                "## What the images look like",
                "Images in use, evenly spaced by path.",
                *(
                    f"{split}, {label}:\\\n![{split}, {label}](data/{split}-{label}.png)"
                    for split, labels in audit["used"].items()
                    for label, number in labels.items()
                    if number
                ),
            ]
        )
        + "\n"
    )


def _findings(findings: list[dict[str, str]]) -> str:
    if not findings:
        return "None."
    return "\n".join(f"- **{f['name'].replace('_', ' ')}**: {f['message']}" for f in findings)


def _counts(audit: dict[str, Any]) -> str:
    rows = [
        [
            split,
            *(found[label] for label in LABELS),
            *(audit["used"].get(split, {}).get(label, 0) for label in LABELS),
            audit["observations"].get(split, 0),
        ]
        for split, found in audit["found"].items()
    ]
    no_images = {NO_IMAGES.get(kind, kind): number for kind, number in audit["passed_over"].items()}
    header = ["split", *LABELS, *(f"{label} in use" for label in LABELS), "observations in use"]
    text = (
        table(header, rows)
        + "\n\nThe images of a cluster (a group, equal pixels, or images that look alike) are one "
        "observation, and so is an image that stands alone."
        + f"\n\nImages left out: {in_words(audit['left_out'])}. "
        f"Files that are no images: {in_words(no_images)}."
    )
    if "bad_metadata" in audit:
        text += (
            f"\n\nImages with metadata that cannot be read: {audit['bad_metadata']:,}; "
            "they count as if they had none."
        )
    return text


def _unreadable(number: int, some: pd.DataFrame) -> list[str]:
    if not number:
        return []
    cells = [[code(path), why] for path, why in zip(some["path"], some["why"], strict=True)]
    more = _and_more(number - len(some), "in data/manifest.csv")
    return ["## Unreadable images", table(["path", "why"], cells) + more]


def _groups(groups: dict[str, Any]) -> str:
    if not groups["number"]:
        return "The images have no groups."
    # Only the groups that have images held out name that split.
    splits = dict.fromkeys(split for found in groups["largest"].values() for split in found)
    rows = [
        [
            code(name),
            *(found.get(split, {}).get(label, 0) for split in splits for label in LABELS),
        ]
        for name, found in groups["largest"].items()
    ]
    header = ["group", *(f"{split} {label}" for split in splits for label in LABELS)]
    more = groups["number"] - len(rows)
    return (
        f"{groups['number']:,} groups, and {groups['images_without']:,} images without one; "
        "images in use:\n\n" + table(header, rows) + _and_more(more, "in data/manifest.csv")
    )


def _slices(slices: pd.DataFrame) -> list[str]:
    if slices.empty:
        return []
    splits = slices.columns[2:]
    shown = slices.loc[slices[splits].sum(axis=1).nlargest(LISTED).index].sort_index()
    rows = [[code(name), *numbers] for name, *numbers in shown.itertuples(index=False)]
    return [
        "## Slices",
        "Images in use, by what they show or what made them: as `source.slice_pattern` or a table "
        "of the data set says, or else the folder below the label's or the file names of CIFAKE.",
        table(["slice", *slices.columns[1:]], rows)
        + _and_more(len(slices) - len(rows), "in data/manifest.csv"),
    ]


def _duplicates(audit: dict[str, Any], copies: pd.DataFrame) -> str:
    rows = [[name.replace("_", " "), n] for name, n in audit["duplicates"].items()]
    text = (
        "Images whose size and pixels are those of another, as they are in the data set.\n\n"
        + table(["where", "images"], rows)
        + f"\n\n{audit['conflicting_labels']:,} different images carry both labels."
    )
    if copies.empty:
        return text
    some = [[code(str(cell)) for cell in row] for row in copies.to_numpy()]
    return text + "\n\n" + table(["some of them", "the same as"], some)


def _near_duplicates(audit: dict[str, Any], pairs: pd.DataFrame) -> str:
    if "near_duplicates" not in audit:
        return "Not looked for."
    rows = [[name.replace("_", " "), n] for name, n in audit["near_duplicates"].items()]
    text = (
        "Images in use that look like one of another split, by their perceptual hashes "
        "(pHash, 64 bits).\n\n" + table(["where", "images"], rows)
    )
    if pairs.empty:
        return text
    cells = [
        [
            f"![pair {number}](data/pair-{number:02}.png)",
            f"{row.split}: {code(str(row.path))}",
            f"{row.other_split}: {code(str(row.other_path))}",
            row.bits,
        ]
        for number, row in enumerate(pairs.itertuples(), start=1)
    ]
    header = ["the most alike", "left", "right", "bits that differ"]
    return text + "\n\n" + table(header, cells)


def _short_cuts(audit: dict[str, Any]) -> str:
    if "short_cuts" not in audit:
        return "Not looked for."
    return (
        "How often a small decision tree tells REAL from FAKE without a look at what the image "
        "shows (balanced accuracy in five-fold cross-validation; 0.5 is chance).\n\n"
        + _accuracies(audit["short_cuts"])
    )


def _left(left: dict[str, float]) -> str:
    return (
        "How often such a tree tells them apart by mean colour and spectrum of what networks see: "
        "one view of each kind of the images for training and validation, as `preprocess` makes "
        "it. What it finds, networks can learn, too; `preprocess.align` takes away what size and "
        "compression tell.\n\n" + _accuracies(left)
    )


def _accuracies(found: dict[str, float]) -> str:
    rows = [[name, f"{value:.3f}"] for name, value in found.items()]
    return table(["by", "accuracy"], rows) if rows else "Too few images to tell."


def _leave_slice_out(audit: dict[str, Any]) -> str:
    if "leave_slice_out" not in audit:
        return "Not looked for."
    if not audit["leave_slice_out"]:
        return "Not possible: the findings say why."
    rows = [
        [code(row["slice"]), row["label"], row["images"]]
        + [f"{row[name]:.3f}" for name in ("accuracy_seen", "accuracy_left_out")]
        for row in audit["leave_slice_out"]
    ]
    return (
        "How often a small classifier (a support vector machine on layout, colour, texture and "
        "spectrum) is right about the images of a slice: of one of which it has seen the other "
        "half, and of one that was left out of its training, with as many images.\n\n"
        + table(["slice", "label", "images", "others seen", "left out"], rows)
    )


def _and_more(number: int, where: str) -> str:
    return f"\n\nand {number:,} more, {where}" if number > 0 else ""
