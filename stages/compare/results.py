"""What train and evaluate wrote about each variant, in one table."""

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from stages.common.command import InputError
from stages.common.manifest import TEXTS, observations


def read_metrics(variants: list[str], folder: Path) -> pd.DataFrame:
    """Return what `folder`/<variant>.json holds, one row a variant, one column a metric.

    Raises:
        InputError: a variant has not been evaluated.
    """
    rows = []
    for variant in variants:
        file = folder / f"{variant}.json"
        _require(file)
        rows.append(json.loads(file.read_text()))
    return pd.DataFrame(rows, index=pd.Index(variants, name="variant"))


def read_sets(
    variants: list[str], sets: Collection[str], folder: Path
) -> dict[str, dict[str, dict[str, float]]]:
    """Return what `folder`/<variant>/<set>.json holds, by variant and by set.

    Raises:
        InputError: a variant has not been measured on a set.
    """
    found: dict[str, dict[str, dict[str, float]]] = {variant: {} for variant in variants}
    for variant in variants:
        for name in sets:
            file = folder / variant / f"{name}.json"
            _require(file)
            found[variant][name] = json.loads(file.read_text())
    return found


def read_tables(variants: list[str], folder: Path) -> pd.DataFrame:
    """Return the tables `folder`/<variant>.csv below each other, with a column `variant` first.

    Raises:
        InputError: a variant has not been trained or evaluated.
    """
    tables = {}
    for variant in variants:
        file = folder / f"{variant}.csv"
        _require(file)
        tables[variant] = pd.read_csv(file, keep_default_na=False, dtype=TEXTS)
    return pd.concat(tables, names=["variant"]).reset_index("variant")


def _require(file: Path) -> None:
    if not file.exists():
        pull = "dvc pull train evaluate"
        raise InputError(f"{file}: missing; run `{pull}` to fetch it, or `dvc repro` to make it")


def is_right(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return whether each variant (column) is right about each test image (row, sorted by path).

    An image counts as FAKE from a p_fake of 0.5 on, as in the metric `accuracy`.

    Raises:
        InputError: the variants were measured on different images.
    """
    right = (predictions["p_fake"] >= 0.5) == (predictions["label"] == "FAKE")
    table = predictions.assign(right=right).pivot(index="path", columns="variant", values="right")
    if table.isna().any(axis=None):
        variant = table.columns[table.isna().any()][0]
        raise InputError(
            f"data/predictions: {variant} was measured on other images than the rest; "
            "run `dvc repro evaluate`"
        )
    return table[predictions["variant"].unique()].astype(bool)


def same_networks(predictions: pd.DataFrame) -> dict[str, str]:
    """Return the variants whose log-odds are those of an earlier one to the last digit, and it."""
    wide = predictions.pivot(index="path", columns="variant", values="logit")
    first: dict[tuple[float, ...], str] = {}
    found = {}
    for variant in predictions["variant"].unique():
        earlier = first.setdefault(tuple(wide[variant]), variant)
        if earlier != variant:
            found[variant] = earlier
    return found


def clusters_of(predictions: pd.DataFrame, images: pd.Index) -> np.ndarray:
    """Return the name of the cluster (str, [N]) of each of the `images`, test images by path."""
    rows = predictions.drop_duplicates("path")
    return observations(rows).set_axis(rows["path"]).loc[images].to_numpy()
