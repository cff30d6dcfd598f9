"""What a network is worth in a few sentences: on images like those it learned from, and others."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from stages.common.manifest import HELD_OUT
from stages.pages.markdown import code, table, with_interval
from stages.pages.slice_table import largest, names

NAMED = 4
"""Slices that a sentence names, at most."""


def headline(
    metrics: Mapping[str, Any], slices: pd.DataFrame, sets: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return Markdown on the accuracy of a variant, never of its own test split alone.

    Args:
        metrics: what metrics/<variant>.json holds.
        slices: what plots/slices/<variant>.csv holds.
        sets: what was measured on each external data set, by name.
    """
    sentences = [
        f"It is right about **{metrics['accuracy']:.1%} of the test images** of its own data set "
        f"(95% interval {_interval(metrics, 'accuracy')})."
    ]
    if "held_out_accuracy" in metrics:
        names = list(map(code, slices.loc[slices["split"] == HELD_OUT, "slice"].unique()))
        which = _listed(names) if len(names) <= NAMED else f"{len(names)} slices"
        sentences.append(
            f"Of {metrics['held_out_images']:,} images of what it has never seen, {which}, it gets "
            f"**{metrics['held_out_accuracy']:.1%}** right "
            f"({_interval(metrics, 'held_out_accuracy')}, over "
            f"{metrics['held_out_observations']:,} independent observations): expect no more of "
            "other subjects and generators."
        )
    elif not sets:
        sentences.append(
            "No subjects or generators were held out: **expect less of others**. Name some of "
            "yours in `source.hold_out`, and this says how much less."
        )
    if sets:
        found = [f"{code(name)} {with_interval(row, 'accuracy')}" for name, row in sets.items()]
        sentences.append(f"On other data sets: {_listed(found)}.")
    return " ".join(sentences)


def held_out_table(slices: pd.DataFrame) -> str:
    """Return a Markdown table of accuracies, a row for each slice that is held out; "" for none.

    What matters most stands left, for narrow screens.
    """
    held_out = largest(slices[slices["split"] == HELD_OUT])
    if held_out.empty:
        return ""
    names_of = held_out["slice"].map(code).where(held_out["slice"] != "", names(held_out))
    rows = [
        [name, row["label"], with_interval(row, "accuracy"), row["images"], row["observations"]]
        for name, row in zip(names_of, held_out.to_dict("records"), strict=True)
    ]
    return table(["held out", "label", "accuracy", "images", "observations"], rows)


def _interval(metrics: Mapping[str, Any], name: str) -> str:
    return f"{metrics[f'{name}_low']:.1%} to {metrics[f'{name}_high']:.1%}"


def _listed(texts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
