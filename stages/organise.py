"""Decide what each image of a manifest is used for: duplicates, splits and samples."""

import numpy as np
import pandas as pd
from pydantic import Field

from stages.command import InputError
from stages.manifest import LABELS, SPLITS
from stages.params import Schema


class Samples(Schema):
    """How many images of each split to use; null uses all."""

    train: int | None = Field(None, ge=2, description="training images to use; null: all")
    validation: int | None = Field(None, ge=2, description="validation images to use; null: all")
    test: int | None = Field(None, ge=2, description="test images to use; null: all")


def used(manifest: pd.DataFrame, split: str, label: str) -> pd.Series:
    """Return which rows are images of `split` and `label` that are used: bool."""
    return (
        (manifest["split"] == split) & (manifest["label"] == label) & (manifest["status"] == "used")
    )


def pixels(manifest: pd.DataFrame) -> pd.Series:
    """Return a key that two images share exactly when their size and all their pixels agree."""
    size = manifest["width"].astype(str) + "x" + manifest["height"].astype(str)
    return size + ":" + manifest["sha256"]


def mark_duplicates(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return `manifest` with `duplicate of ...` as the status of each image not to be used.

    The test split stays whole. An image is left out of train if it is in test or earlier in
    train, and out of validation if it is in test or in train.
    """
    readable = manifest[manifest["status"] == "used"]
    key, split, path = pixels(readable), readable["split"], readable["path"]
    first_path = {name: path[split == name].groupby(key).first() for name in SPLITS}
    train, validation = split == "train", split == "validation"
    original = pd.Series(np.nan, index=readable.index, dtype=object)
    original[train] = key[train].map(first_path["train"])
    original[original == path] = np.nan
    original[validation] = key[validation].map(first_path["train"])
    outside_test = train | validation
    in_test = key[outside_test].map(first_path["test"]).astype(object)
    original[outside_test] = in_test.fillna(original)

    status = manifest["status"].copy()
    repeated = original.dropna()
    status[repeated.index] = "duplicate of " + repeated.astype(str)
    return manifest.assign(status=status)


def carve(
    manifest: pd.DataFrame, fractions: dict[str, float], keep_groups: bool, seed: int
) -> pd.DataFrame:
    """Return `manifest` with a part of train moved to each split of `fractions`.

    What belongs together moves together: images of one group, if `keep_groups`, and images with
    equal pixels. Such sets are drawn at random, as many of each label, and of each group unless
    groups are kept, as is their share of train.

    Args:
        fractions: of the sets in train, by the split that gets them.

    Raises:
        InputError: there are too few of them.
    """
    # Imported here: it takes a second, and many data sets bring all splits.
    from sklearn.model_selection import train_test_split

    train = manifest[(manifest["split"] == "train") & (manifest["status"] == "used")]
    together = pixels(train)
    if keep_groups:
        together = train["group"].where(train["group"] != "", together)
    sets = pd.factorize(together)[0]
    real, fake = ((train["label"] == label).groupby(sets).any().astype(str) for label in LABELS)
    strata = labels = real + fake
    if not keep_groups:
        strata = labels + train["group"].groupby(sets).first()
    # A stratum of one cannot be divided: it joins those with its labels, or else the largest.
    strata = strata.where(_shared(strata), labels)
    strata = strata.where(_shared(strata), strata.mode().iloc[0])

    split = manifest["split"].copy()
    rest = strata
    for name, fraction in fractions.items():
        try:
            kept, moved = train_test_split(
                rest.index,
                test_size=round(fraction * len(strata)),
                stratify=rest,
                random_state=seed,
            )
        except ValueError as error:
            raise InputError(
                f"source.{name}_fraction: cannot take {fraction} of {len(strata)} images "
                f"or groups for {name}: {error}"
            ) from None
        split[train.index[np.isin(sets, moved)]] = name
        rest = rest[kept]
    return manifest.assign(split=split)


def _shared(strata: pd.Series) -> pd.Series:
    return strata.map(strata.value_counts()) > 1


def take_samples(manifest: pd.DataFrame, samples: Samples, seed: int) -> pd.DataFrame:
    """Return `manifest` with all but the wanted number of images of a split `not sampled`.

    Raises:
        InputError: a split has fewer images of a label than `samples` asks for.
    """
    status = manifest["status"].copy()
    for split_number, split in enumerate(SPLITS):
        wanted = getattr(samples, split)
        if wanted is None:
            continue
        for label_number, label in enumerate(LABELS):
            rows = manifest.index[used(manifest, split, label)]
            # An odd number gives REAL the one image more.
            share = (wanted + 1 - label_number) // 2
            if share > len(rows):
                raise InputError(
                    f"source.samples.{split}: {wanted} needs {share} {label} images, "
                    f"and there are {len(rows)}"
                )
            random = np.random.default_rng([seed, split_number, label_number])
            taken = random.choice(len(rows), size=share, replace=False)
            status[rows.delete(taken)] = "not sampled"
    return manifest.assign(status=status)
