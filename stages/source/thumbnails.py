"""Small pictures for a person to look at: examples of each split and label, and look-alikes."""

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.manifest import LABELS, used
from stages.images.fingerprint import reduced, thumbnail
from stages.images.parallel import File
from stages.images.pixels import decode
from stages.images.schema import DecodeParams
from stages.source.counts import splits_of

EXAMPLES = 40
"""Images of each split and label, at most."""


def choose(manifest: pd.DataFrame, near_pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the images to show: path, split, label, is_example, in the order of the manifest.

    Examples are evenly spaced by path among the images in use, others are in `near_pairs`.
    """
    examples = manifest.index[:0]
    for split in splits_of(manifest):
        for label in LABELS:
            rows = manifest.index[used(manifest, split, label)]
            places = np.linspace(0, len(rows) - 1, min(len(rows), EXAMPLES)).round().astype(int)
            examples = examples.union(rows[places])
    alike = manifest["path"].isin(pd.concat([near_pairs["path"], near_pairs["other_path"]]))
    is_example = manifest.index.isin(examples)
    chosen = manifest[["path", "split", "label"]].assign(is_example=is_example)
    return chosen[is_example | alike].reset_index(drop=True)


def thumbnails(files: list[File], params: DecodeParams) -> list[tuple[str, Image.Image]]:
    """Return name and picture of each of `files`, those of their fingerprints."""
    return [(name, thumbnail(reduced(decode(data, params).rgb))) for name, data in files]
