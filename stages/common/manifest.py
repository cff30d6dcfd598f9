"""data/manifest.csv: one row an image, sorted by split, label and path."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from stages.common.command import InputError

MANIFEST = Path("data/manifest.csv")
COLUMNS = [
    "path", "split", "label", "group", "slice", "cluster", "width", "height", "sha256", "status",
]  # fmt: skip
"""`group`: what the data set says belongs together. `slice`: what an image shows, or what made it.
`cluster`: the images of one group, with equal pixels, or that look alike; they count as one
observation. "" is none; an image without a cluster stands alone."""
SPLITS = ("train", "validation", "test")
HELD_OUT = "held_out"
"""The split of slices that are never trained on, validated on or calibrated on."""
TEXTS = dict.fromkeys(("path", "group", "slice", "cluster"), str)
LABELS = ("REAL", "FAKE")
"""The place of a label is its number: REAL is 0, FAKE, the positive class, is 1."""
REASONS = ("unreadable", "duplicate", "held out", "near copy", "not sampled")
"""How the status of an image that is not used begins."""


def read_used(path: Path = MANIFEST) -> pd.DataFrame:
    """Return the rows of the images that are used, in the manifest's order.

    Raises:
        InputError: source has not written the manifest, or it is no manifest.
    """
    try:
        manifest = pd.read_csv(path, keep_default_na=False, dtype=TEXTS)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}; run `dvc repro source`") from None
    if list(manifest.columns) != COLUMNS:
        raise InputError(f"{path}: expected the columns {COLUMNS}, found {list(manifest.columns)}")
    return manifest[manifest["status"] == "used"].reset_index(drop=True)


def used(manifest: pd.DataFrame, split: str, label: str) -> pd.Series:
    """Return which rows are images of `split` and `label` that are used: bool."""
    return (
        (manifest["split"] == split) & (manifest["label"] == label) & (manifest["status"] == "used")
    )


def pixels(manifest: pd.DataFrame) -> pd.Series:
    """Return a key that two images share exactly when their size and all their pixels agree."""
    size = manifest["width"].astype(str) + "x" + manifest["height"].astype(str)
    return size + ":" + manifest["sha256"]


def observations(table: pd.DataFrame) -> pd.Series:
    """Return what each image counts as a part of: its cluster, or itself if it stands alone."""
    return table["cluster"].where(table["cluster"] != "", table["path"])


def left_out(manifest: pd.DataFrame, reasons: Iterable[str] = REASONS) -> dict[str, int]:
    """Return how many images of `manifest` are not used, by reason."""
    return {reason: int(manifest["status"].str.startswith(reason).sum()) for reason in reasons}


def in_words(numbers: dict[str, int]) -> str:
    """Return `numbers` by name as a list, such as `3 unreadable, 1 duplicate`."""
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items())
