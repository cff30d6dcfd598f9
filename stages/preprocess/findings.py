"""What a person should know of the arrays: what one size does, and what still gives labels away."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from stages.common.arrays import first_view, load_folder, read
from stages.images.features import BANDS, colour_and_texture
from stages.images.short_cuts import drawn, short_cuts
from stages.preprocess.schema import PreprocessParams

AT_A_TIME = 256
"""Images that are read at a time."""
LEAST_KEPT = 0.1
"""Share of its pixels that the median image should keep."""
MOST_DISTORTED = 0.1
"""How much wider or higher the median image may become."""


def findings(used: pd.DataFrame, params: PreprocessParams) -> list[dict[str, str]]:
    """Return what the size and `aspect` do to the images: name, level, message of each finding.

    Args:
        used: the manifest's images in use: width, height.
    """
    sizes = used[["width", "height"]].to_numpy(float)
    height, width = params.image_size
    scales = np.array([width, height]) / sizes
    if params.aspect == "crop":
        scales = scales.max(1, keepdims=True).repeat(2, 1)
    elif params.aspect == "pad":
        scales = scales.min(1, keepdims=True).repeat(2, 1)
    # What lies outside of the crop is lost, too; enlarging adds no pixels.
    inside = np.minimum(1, np.array([width, height]) / (scales * sizes))
    kept = (np.minimum(1, scales) * inside).prod(1)
    stretched = np.exp(np.abs(np.log(scales[:, 0] / scales[:, 1])))
    found = {}
    place = _median(kept)
    if kept[place] < LEAST_KEPT:
        found["few_pixels"] = (
            f"half of the images keep {kept[place]:.1%} of their pixels or less: "
            f"{_becomes(sizes[place], params)}; see preprocess.image_size"
        )
    place = _median(stretched)
    if stretched[place] > 1 + MOST_DISTORTED:
        found["distorted"] = (
            f"half of the images are distorted by {stretched[place] - 1:.0%} or more: "
            f"{_becomes(sizes[place], params)}; see preprocess.aspect"
        )
    return [{"name": name, "level": "warn", "message": text} for name, text in found.items()]


def what_is_left(folders: Mapping[str, Path], used: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return how well mean colour and spectrum of what networks see tell the labels apart.

    Of the first view of each image in train and validation, see `stages.images.short_cuts`.

    Args:
        folders: that of each split, as they are written.
        used: the manifest's images in use.
    """
    parts = []
    for split in ("train", "validation"):
        rows = used[used["split"] == split]
        parts.append(rows.assign(place=range(len(rows))))
    images = drawn(pd.concat(parts, ignore_index=True), seed)
    found = []
    for split in ("train", "validation"):
        rows = images[images["split"] == split]
        arrays = load_folder(folders[split], "preprocess").images
        for start in range(0, len(rows), AT_A_TIME):
            places = rows["place"].to_numpy()[start : start + AT_A_TIME]
            found.append(colour_and_texture(read(first_view(arrays), places)))
    numbers = np.concatenate(found)
    tried = {"mean colour": numbers[:, :3], "spectrum": numbers[:, -BANDS:]}
    return short_cuts(tried, images, seed)


def _median(values: np.ndarray) -> int:
    """Return the place of the lower median of `values`."""
    return int(np.argsort(values, kind="stable")[(len(values) - 1) // 2])


def _becomes(size: np.ndarray, params: PreprocessParams) -> str:
    height, width = params.image_size
    return f"{size[0]:.0f}x{size[1]:.0f} becomes {width}x{height}"
