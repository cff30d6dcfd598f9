"""What the steps of the demo data set share: parameters, the photo table, class sizes."""

import csv
from pathlib import Path

import numpy as np
import yaml

SPLITS = ("train", "validation", "test")
CLASSES = ("REAL", "FAKE")
GENERATOR = {"train": "a", "validation": "a", "test": "b"}  # which one draws the FAKE of a split


def read_params(*sections: str) -> tuple:
    """Return the named sections of params.yaml, in the order asked for."""
    with open("params.yaml", encoding="utf-8") as stream:
        params = yaml.safe_load(stream)
    return tuple(params[name] for name in sections)


def read_photos() -> list[dict[str, str]]:
    """Return the rows of photos.csv, sorted by id."""
    with open("photos.csv", newline="", encoding="utf-8") as stream:
        return sorted(csv.DictReader(stream), key=lambda row: row["id"])


def class_counts(total: int) -> dict[str, int]:
    """Return how many of ``total`` images are REAL and how many FAKE."""
    return {"REAL": total - total // 2, "FAKE": total // 2}


def save_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as .npy files into a folder: unlike .npz, no time stamp gets into the bytes."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in sorted(arrays.items()):
        np.save(folder / f"{name}.npy", array)
