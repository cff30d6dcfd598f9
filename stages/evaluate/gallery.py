"""The images that say most about a network: where it was surest, and where most wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from PIL import Image

from stages.common.manifest import observations
from stages.evaluate.conformal import UNSURE

EXAMPLES = 4
"""Of each kind, at most."""

KINDS = {
    "true REAL": ("REAL", "REAL"),
    "true FAKE": ("FAKE", "FAKE"),
    "false REAL": ("FAKE", "REAL"),
    "false FAKE": ("REAL", "FAKE"),
    "unsure REAL": ("REAL", UNSURE),
    "unsure FAKE": ("FAKE", UNSURE),
}
"""Label and answer of each kind: a false REAL is called REAL and is FAKE."""


def choose(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `predictions` that are shown, with a column `kind` first.

    Of each kind these are the ones whose answer the network was surest of: the right ones are its
    surest, the wrong ones its worst; where it was unsure, they lean most to the wrong label. The
    index says which row of `predictions` each one was. Of images of one cluster, which look alike,
    a kind has the first.

    Args:
        predictions: path, cluster, label (REAL or FAKE), answer, and `logit`, the log-odds of FAKE.
    """
    chosen = []
    for kind, (label, answer) in KINDS.items():
        rows = predictions[(predictions["label"] == label) & (predictions["answer"] == answer)]
        is_like_real = answer == "REAL" or (answer == UNSURE and label == "FAKE")
        rows = rows.sort_values("logit", ascending=is_like_real, kind="stable")
        rows = rows[~observations(rows).duplicated()]
        chosen.append(rows.head(EXAMPLES).assign(kind=kind))
    table = pd.concat(chosen)
    return table[["kind", *predictions.columns]]


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return `image` (uint8, [height, width, 3]) under the colours of `heat` (0..1).

    The hotter a place, the less of the image is seen: dark violet over orange to bright yellow.
    """
    colours = colormaps["inferno"](heat)[..., :3] * 255
    weight = 0.75 * heat[..., np.newaxis]
    return np.rint(image * (1 - weight) + colours * weight).astype(np.uint8)


def write_gallery(
    folder: Path, examples: pd.DataFrame, images: np.ndarray, heat: np.ndarray
) -> None:
    """Write `examples` as a table, and of each its image and its heat map over it.

    Args:
        images: uint8, [N, height, width, 3].
        heat: float, [N, height, width], 0..1.
    """
    folder.mkdir()
    examples.to_csv(folder / "examples.csv", index=False, float_format="%.9g", lineterminator="\n")
    for number, (image, hot) in enumerate(zip(images, heat, strict=True)):
        Image.fromarray(image).save(folder / f"{number:02}-image.png")
        Image.fromarray(overlay(image, hot)).save(folder / f"{number:02}-heat.png")


def read_gallery(folder: Path) -> pd.DataFrame:
    """Return the table that `write_gallery` wrote, with the files of each `image` and `heat`."""
    examples = pd.read_csv(folder / "examples.csv")
    for column in ("image", "heat"):
        files = [str(folder / f"{number:02}-{column}.png") for number in range(len(examples))]
        examples[column] = files
    return examples
