"""data/manifest.csv: one row an image, sorted by split, label and path."""

from pathlib import Path

import pandas as pd

from stages.command import InputError

MANIFEST = Path("data/manifest.csv")
COLUMNS = ["path", "split", "label", "group", "width", "height", "sha256", "status"]
SPLITS = ("train", "validation", "test")
LABELS = ("REAL", "FAKE")
"""The place of a label is its number: REAL is 0, FAKE, the positive class, is 1."""


def read_used(path: Path = MANIFEST) -> pd.DataFrame:
    """Return the rows of the images that are used, in the manifest's order.

    Raises:
        InputError: source has not written the manifest, or it is no manifest.
    """
    try:
        manifest = pd.read_csv(path, keep_default_na=False, dtype={"group": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}; run `dvc repro source`") from None
    if list(manifest.columns) != COLUMNS:
        raise InputError(f"{path}: expected the columns {COLUMNS}, found {list(manifest.columns)}")
    return manifest[manifest["status"] == "used"].reset_index(drop=True)
