"""The images of another data set that no model has learned from."""

import pandas as pd

from stages.common.command import InputError
from stages.common.manifest import in_words, left_out, pixels
from stages.images.find import DataSet, Found
from stages.images.schema import LabelFolders, SplitFolders, TableParams

LEARNED = "in train or validation"
REASONS = ("unreadable", "duplicate", LEARNED)
"""How the status of an image that is not used begins."""


def read(
    data_set: DataSet,
    labels: LabelFolders,
    splits: SplitFolders | None,
    table: TableParams | None,
    groups: str | None,
) -> pd.DataFrame:
    """Return the images to choose from: path, split, label and fingerprint, sorted as a manifest.

    Of a data set with splits these are the images of test, or where there are none of validation,
    or else of train: where it was used before, others measured on the same ones.

    Args:
        table, groups: those of the own data set, which count if this one has them, too.

    Raises:
        InputError: the data set cannot be read, or a path names two labels or none.
    """
    images, passed_over = data_set.list_images(labels, splits, table, groups, elsewhere=True)
    named = [split for split in ("test", "validation", "train") if split in set(images["split"])]
    if named:
        images = images[images["split"] == named[0]]
    return data_set.add_fingerprints(Found(images, passed_over), "skip", "external").images


def choose(images: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return `images` with the status of each that is not to be used.

    Args:
        images: as `read` returns them.
        manifest: the images that are used.
    """
    readable = images[images["status"] == "used"]
    learned = pixels(readable).isin(
        pixels(manifest[manifest["split"].isin(["train", "validation"])])
    )
    unknown = readable[~learned]
    first = unknown["path"].groupby(pixels(unknown)).transform("first")
    copies = first[first != unknown["path"]]

    status = images["status"].copy()
    status[learned.index[learned]] = LEARNED
    status[copies.index] = "duplicate of " + copies
    return images.assign(status=status)


def prepare(
    data_set: DataSet,
    labels: LabelFolders,
    splits: SplitFolders | None,
    table: TableParams | None,
    groups: str | None,
    manifest: pd.DataFrame,
) -> pd.DataFrame:
    """Return the images found, see `choose`, of which some are used, if of one label alone.

    Raises:
        InputError: as `read`, or no image is used.
    """
    images = choose(read(data_set, labels, splits, table, groups), manifest)
    if not (images["status"] == "used").any():
        why = f"{len(images)} found: {in_words(left_out(images, REASONS))}"
        raise InputError(f"{data_set.path}: no image to use ({why})")
    return images
