"""The images of another data set that no model has learned from."""

import pandas as pd
from pydantic import Field

from stages.common.command import InputError
from stages.common.manifest import LABELS, in_words, left_out, pixels
from stages.common.params import Schema
from stages.images.find import DataSet, LabelFolders

LEARNED = "in train or validation"
REASONS = ("unreadable", "duplicate", LEARNED)
"""How the status of an image that is not used begins."""


class ExternalParams(Schema):
    """The block `external` of params.yaml."""

    path: str = Field(
        min_length=1, description="a zip, a tar or a folder; the one of source.path: none"
    )


def read(data_set: DataSet, labels: LabelFolders) -> pd.DataFrame:
    """Return the images to choose from: path, split, label and fingerprint, sorted as a manifest.

    Raises:
        InputError: the data set cannot be read, or a path names two labels or none.
    """
    images = data_set.list_images(labels).images
    if images["split"].any():
        images = images[images["split"] == "test"]
    return data_set.add_fingerprints(images, "skip", "external")


def choose(images: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return `images` with the status of each that is not to be used.

    Args:
        images: as `read` returns them.
        manifest: the images that are used in train, validation and test.
    """
    readable = images[images["status"] == "used"]
    learned = pixels(readable).isin(pixels(manifest[manifest["split"] != "test"]))
    unknown = readable[~learned]
    first = unknown["path"].groupby(pixels(unknown)).transform("first")
    copies = first[first != unknown["path"]]

    status = images["status"].copy()
    status[learned.index[learned]] = LEARNED
    status[copies.index] = "duplicate of " + copies
    return images.assign(status=status)


def prepare(data_set: DataSet, labels: LabelFolders, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the images found, see `choose`, of which some of either label are used.

    Raises:
        InputError: as `read`, or no image of a label is used.
    """
    images = choose(read(data_set, labels), manifest)
    for label in LABELS:
        here = images[images["label"] == label]
        if not (here["status"] == "used").any():
            why = f"{len(here)} found: {in_words(left_out(here, REASONS))}"
            raise InputError(
                f"{data_set.path}: no {label} image to use ({why}); images of both labels are "
                "needed, in split 'test' where folders name splits"
            )
    return images
