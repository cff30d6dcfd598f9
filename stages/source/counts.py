"""How many images of each split, label and group there are, and why others are left out."""

from typing import Any

import pandas as pd

from stages.common.manifest import HELD_OUT, LABELS, SPLITS, left_out, observations

LISTED = 20
"""Rows of a table that could be as long as the data set."""


def count(
    found: pd.DataFrame, manifest: pd.DataFrame, passed_over: dict[str, int]
) -> dict[str, Any]:
    """Return how many images were found and are in use, by split, label and group.

    Args:
        found: the images as they are in the data set.
        manifest: the same images, with what each is used for.
        passed_over: how many files are no images, by what they are.
    """
    in_use = manifest[manifest["status"] == "used"]
    groups = in_use["group"][in_use["group"] != ""].value_counts()
    largest = sorted(groups.index, key=lambda name: (-groups[name], name))[:LISTED]
    return {
        "found": _by_label(found),
        "used": _by_label(in_use),
        "left_out": left_out(manifest),
        "passed_over": passed_over,
        "observations": {
            split: int(observations(in_use[in_use["split"] == split]).nunique())
            for split in splits_of(in_use)
        },
        "groups": {
            "number": len(groups),
            "images_without": int((in_use["group"] == "").sum()),
            "largest": {name: _by_label(in_use[in_use["group"] == name]) for name in largest},
        },
    }


def slices(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return how many images of each slice are in use: slice, label, and a column for each split.

    Without slices it is empty.
    """
    in_use = manifest[(manifest["status"] == "used") & (manifest["slice"] != "")]
    numbers = in_use.groupby(["slice", "label", "split"]).size().unstack(fill_value=0)
    return numbers.reindex(columns=splits_of(manifest), fill_value=0).reset_index()


def splits_of(table: pd.DataFrame) -> list[str]:
    """Return the splits, with that of slices that are held out if there are such."""
    return [*SPLITS, *[HELD_OUT] * bool((table["split"] == HELD_OUT).any())]


def _by_label(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    return {
        split: {
            label: int(((table["split"] == split) & (table["label"] == label)).sum())
            for label in LABELS
        }
        for split in splits_of(table)
    }
