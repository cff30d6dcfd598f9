"""What in the arrays still tells the labels apart, though it should not matter."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from stages.common.arrays import load_folder, read
from stages.images.features import BANDS, colour_and_texture
from stages.images.short_cuts import drawn, short_cuts

MOST_BYTES = 4_000_000
"""Of views that are looked at together; their spectrum takes twenty times as much."""


def array_short_cuts(
    folders: Mapping[str, Path], used: pd.DataFrame, seed: int
) -> dict[str, float]:
    """Return how well colour and spectrum of what networks see tell the labels apart.

    Of train and validation, and of one view of each kind: mean colour and spectrum of it, and of
    all of these together, see `stages.images.short_cuts`.

    Args:
        folders: that of each split, as they are written.
        used: the manifest's images in use.
        seed: of the folds, and of what is drawn of many images.
    """
    parts = []
    for split in ("train", "validation"):
        rows = used[used["split"] == split]
        parts.append(rows.assign(place=range(len(rows))))
    images = drawn(pd.concat(parts, ignore_index=True), seed)
    found: dict[str, list[np.ndarray]] = {}
    for split in ("train", "validation"):
        arrays, _, views = load_folder(folders[split], "preprocess")
        of_split = images.loc[images["split"] == split, "place"].to_numpy()
        size = max(1, MOST_BYTES // math.prod(arrays.shape[-3:]))
        for start in range(0, len(of_split), size):
            places = of_split[start : start + size]
            for kind in dict.fromkeys(views):
                chosen = places if arrays.ndim == 4 else (places, views.index(kind))
                found.setdefault(kind, []).append(colour_and_texture(read(arrays, chosen)))
    tried = {}
    for kind, numbers in found.items():
        of_kind = np.concatenate(numbers)
        tried[f"mean colour ({kind})"] = of_kind[:, :3]
        tried[f"spectrum ({kind})"] = of_kind[:, -BANDS:]
    return short_cuts(tried, images, seed)
