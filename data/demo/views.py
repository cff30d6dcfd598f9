"""Cut square views out of photographs."""

import numpy as np
from PIL import Image

KERNEL = Image.Resampling.BICUBIC


def contrast(images: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the grey values.

    images: uint8 [N, H, W, 3]. Returns float64 [N], in grey levels (0..255).
    """
    grey = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return grey.std(axis=(1, 2))


def cut_view(photo: Image.Image, rng: np.random.Generator, crops: dict) -> np.ndarray:
    """Cut a random square from a photograph and scale it down.

    The side is drawn log-uniformly between the smallest one allowed and the shorter side of the
    photograph, so that close views and whole scenes are equally likely. Returns uint8 [S, S, 3].
    """
    width, height = photo.size
    longest = min(width, height)
    shortest = min(longest, max(crops["smallest_side"], crops["smallest_share"] * longest))
    side = float(np.exp(rng.uniform(np.log(shortest), np.log(longest))))
    left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
    size = crops["size"]
    view = photo.resize((size, size), KERNEL, box=(left, top, left + side, top + side))
    return np.asarray(view)


def cut_views(photo: Image.Image, count: int, rng: np.random.Generator, crops: dict) -> np.ndarray:
    """Return ``count`` views that have enough contrast: uint8 [count, S, S, 3]."""
    views: list[np.ndarray] = []
    for _ in range(50 * count + 1000):
        if len(views) == count:
            break
        view = cut_view(photo, rng, crops)
        if contrast(view[None])[0] >= crops["min_contrast"]:
            views.append(view)
    if len(views) < count:
        raise SystemExit(f"found {len(views)} of {count} views with crops.min_contrast; lower it")
    size = crops["size"]
    return np.stack(views) if views else np.zeros((0, size, size, 3), np.uint8)
