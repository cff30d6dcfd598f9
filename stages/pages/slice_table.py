"""Accuracy by slice, as a page shows it: the largest slices, by name.

Tables of slices are as plots/slices/<variant>.csv, which `evaluate` writes.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stages.common.manifest import HELD_OUT, LABELS
from stages.pages.markdown import code, printable, table, with_interval

MOST = 30
"""Slices of a label on a page."""


def names(slices: pd.DataFrame) -> pd.Series:
    """Return what each slice is called.

    Images without one are `other`, or `all` where no image of their label has one.
    """
    is_rest = slices["slice"] == ""
    rest = np.where(is_rest.groupby(slices["label"]).transform("all"), "all", "other")
    return slices["slice"].map(printable).where(~is_rest, rest)


def marks(slices: pd.DataFrame) -> pd.Series:
    """Return what stands behind the name of each slice: whether it is held out."""
    return slices["split"].map({HELD_OUT: ", held out"}).fillna("")


def largest(slices: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `slices` to show: of a label at most 30, held out or else the largest."""
    by_size = slices.sort_values(["split", "images"], ascending=[True, False], kind="stable")
    return by_size.groupby("label").head(MOST).sort_index()


def rest_in_words(slices: pd.DataFrame) -> str:
    """Return a sentence on the slices that `largest` leaves out; "" if it leaves out none."""
    rest = slices.drop(index=largest(slices).index)
    parts = [
        f"{len(rows):,} of {label} with {rows['images'].sum():,} images"
        for label in LABELS
        if len(rows := rest[rest["label"] == label])
    ]
    return f"Not shown are the smallest slices: {', '.join(parts)}." if parts else ""


def slice_table(slices: Mapping[str, pd.DataFrame]) -> str:
    """Return a Markdown table with a row a slice, and a column of accuracies for each heading.

    Args:
        slices: tables of the same slices, by heading.
    """
    first = next(iter(slices.values()))
    cells = first["slice"].map(code).where(first["slice"] != "", names(first)) + marks(first)
    shown = largest(first.assign(cell=cells))
    accuracies = [found.loc[shown.index].to_dict("records") for found in slices.values()]
    rows = [
        [
            *(row[column] for column in ("cell", "label", "images", "observations")),
            *(with_interval(found, "accuracy") for found in of_all),
        ]
        for row, *of_all in zip(shown.to_dict("records"), *accuracies, strict=True)
    ]
    return table(["slice", "label", "images", "observations", *slices], rows)
