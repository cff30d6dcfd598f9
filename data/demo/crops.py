"""Cut the REAL images of each split, and the views the generators learn from.

In: photos/, photos.csv. Out: crops/{train,validation,test}.npy (REAL images of the archive) and
crops/learn.npy (views of the training photographs), all uint8 [N, S, S, 3]; crops/*_photo.npy holds
each image's photograph, as its row in photos.csv sorted by id.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from common import SPLITS, class_counts, read_params, read_photos, save_arrays
from views import cut_views


def open_photo(folder: Path, name: str) -> Image.Image:
    """Open one fetched photograph as RGB."""
    (path,) = folder.glob(f"{name}.*")
    return Image.open(path).convert("RGB")


def shares(total: int, parts: int) -> list[int]:
    """Split ``total`` into ``parts`` whole numbers that differ by one at most."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def cut_all(folder: Path, images: dict, crops: dict) -> dict[str, np.ndarray]:
    """Return the arrays of the module's docstring, by name."""
    photos = read_photos()
    rng = np.random.default_rng(crops["seed"])
    arrays: dict[str, np.ndarray] = {}
    jobs = [(split, split) for split in SPLITS] + [("learn", "train")]
    for name, split in jobs:
        rows = [index for index, row in enumerate(photos) if row["split"] == split]
        wanted = shares(class_counts(images[split])["REAL"], len(rows))
        if name == "learn":
            wanted = [crops["views"]] * len(rows)
        views = [
            cut_views(open_photo(folder, photos[row]["id"]), count, rng, crops)
            for row, count in zip(rows, wanted, strict=True)
        ]
        order = rng.permutation(sum(wanted))
        arrays[name] = np.concatenate(views)[order]
        arrays[f"{name}_photo"] = np.repeat(rows, wanted).astype(np.int32)[order]
    return arrays


def main() -> None:
    """Parse the command line and cut."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path("photos"), help="folder to read")
    parser.add_argument("--out", type=Path, default=Path("crops"), help="folder to write")
    args = parser.parse_args()
    images, crops = read_params("images", "crops")
    save_arrays(args.out, cut_all(args.photos, images, crops))


if __name__ == "__main__":
    main()
