"""What bringing images to one size does to them that a person should know."""

import numpy as np
import pandas as pd

from stages.preprocess.schema import PreprocessParams

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


def _median(values: np.ndarray) -> int:
    """Return the place of the lower median of `values`."""
    return int(np.argsort(values, kind="stable")[(len(values) - 1) // 2])


def _becomes(size: np.ndarray, params: PreprocessParams) -> str:
    height, width = params.image_size
    return f"{size[0]:.0f}x{size[1]:.0f} becomes {width}x{height}"
