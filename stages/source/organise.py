"""Decide what each image of a manifest is used for: duplicates, splits and samples."""

from fractions import Fraction

import numpy as np
import pandas as pd

from stages.common.command import InputError
from stages.common.manifest import HELD_OUT, LABELS, SPLITS, observations, pixels, used
from stages.images.near_copies import NearPairs
from stages.source.schema import Samples

LARGE = 0.1
"""A cluster of a larger share of a split is weighed by its images, so that shares are met."""
MOST_FOLDS = 20
"""Shares of groups are rounded to a fraction with at most this denominator."""


def mark_duplicates(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return `manifest` with `duplicate of ...` as the status of each image not to be used.

    The test split and what is held out stay whole. An image is left out of train if it is in one of
    them or earlier in train, and out of validation if it is in one of them or in train.
    """
    readable = manifest[manifest["status"] == "used"]
    key, split, path = pixels(readable), readable["split"], readable["path"]
    kept = split.isin(["test", HELD_OUT])
    train, validation = split == "train", split == "validation"
    first_path = {
        name: path[rows].groupby(key).first() for name, rows in (("train", train), ("kept", kept))
    }
    original = pd.Series(np.nan, index=readable.index, dtype=object)
    original[train] = key[train].map(first_path["train"])
    original[original == path] = np.nan
    original[validation] = key[validation].map(first_path["train"])
    outside = train | validation
    in_kept = key[outside].map(first_path["kept"]).astype(object)
    original[outside] = in_kept.fillna(original)

    status = manifest["status"].copy()
    repeated = original.dropna()
    status[repeated.index] = "duplicate of " + repeated.astype(str)
    return manifest.assign(status=status)


def mark_held_out(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return `manifest` with `held out with ...` as the status of images not to be used.

    These are images of train and validation in one cluster with an image that is held out.
    """
    held_out = manifest[(manifest["split"] == HELD_OUT) & (manifest["cluster"] != "")]
    first = held_out.groupby("cluster")["path"].first()
    learned = manifest["split"].isin(["train", "validation"]) & (manifest["status"] == "used")
    partner = manifest["cluster"].where(learned).map(first)
    return manifest.assign(
        status=manifest["status"].where(partner.isna(), "held out with " + partner.astype(str))
    )


def mark_near_copies(manifest: pd.DataFrame, pairs: NearPairs) -> pd.DataFrame:
    """Return `manifest` with `near copy of ...` as the status of images not to be used.

    These are images of train and validation that look like an image of test.

    Args:
        pairs: of rows of `manifest`.
    """
    key, in_use = pixels(manifest), manifest["status"] == "used"
    test = in_use & (manifest["split"] == "test")
    in_test = manifest["path"][test].groupby(key).first()
    one, other = (key.iloc[side] for side in (pairs.first, pairs.second))
    alike = pd.Series([*other, *one], [*one, *other]).map(in_test).dropna()
    partner = key.map(alike.groupby(level=0).first())
    near = in_use & manifest["split"].isin(["train", "validation"]) & partner.notna()
    return manifest.assign(
        status=manifest["status"].mask(near, "near copy of " + partner.astype(str))
    )


def carve(manifest: pd.DataFrame, fractions: dict[str, float], seed: int) -> pd.DataFrame:
    """Return `manifest` with a part of train moved to each split of `fractions`.

    The images of a cluster move together. Clusters are drawn at random, with as much of each
    label, and of each slice unless there are large clusters, as is its share of train. A cluster
    that is larger than a split stays out of it where it can.

    Args:
        fractions: of the images in train, by the split that gets them.

    Raises:
        InputError: there are too few of them.
    """
    train = manifest[(manifest["split"] == "train") & (manifest["status"] == "used")]
    sets = observations(train)
    largest = sets.value_counts().max()
    grouped = largest > max(1, LARGE * min(fractions.values()) * len(train))
    split = manifest["split"].copy()
    rest, left = train.index, 1.0
    for name, fraction in fractions.items():
        draw = _draw_groups if grouped else _draw
        try:
            moved = draw(train.loc[rest], sets[rest], fraction / left, seed)
        except ValueError:
            number = sets.nunique()
            what = "clusters" if number < len(train) else "images"
            raise InputError(
                f"source.{name}_fraction: {number} {what} are too few to take {fraction} of them "
                f"for {name}, with some of each label on either side"
            ) from None
        split[moved] = name
        rest, left = rest.difference(moved), left - fraction
    return manifest.assign(split=split)


def _draw(images: pd.DataFrame, sets: pd.Series, fraction: float, seed: int) -> pd.Index:
    """Return the images of a share of the sets, most of which are single images."""
    # Imported here: it takes a second, and many data sets bring all splits.
    from sklearn.model_selection import train_test_split

    first = images[~sets.duplicated()]
    size = round(fraction * len(first))
    strata = _strata(first, min(size, len(first) - size))
    _, drawn = train_test_split(
        sets[first.index], test_size=size, stratify=strata, random_state=seed
    )
    return sets.index[sets.isin(drawn)]


def _strata(images: pd.DataFrame, most: int) -> pd.Series:
    """Return label and slice of each of `images`, or the label alone where those are too many."""
    strata = images["label"] + "/" + images["slice"]
    # A stratum of one cannot be divided: it joins the largest of its label.
    largest = strata.groupby(images["label"]).transform(lambda of_label: of_label.mode().iloc[0])
    strata = strata.where(strata.map(strata.value_counts()) > 1, largest)
    return strata if strata.nunique() <= most else images["label"]


def _draw_groups(images: pd.DataFrame, sets: pd.Series, fraction: float, seed: int) -> pd.Index:
    """Return the images of sets that together are about a share of all images."""
    from sklearn.model_selection import StratifiedGroupKFold

    share = Fraction(fraction).limit_denominator(MOST_FOLDS)
    share = max(share, Fraction(1, MOST_FOLDS))
    folds = StratifiedGroupKFold(share.denominator, shuffle=True, random_state=seed)
    parts = [part for _, part in folds.split(sets, images["label"], sets)]
    # A set that is larger than a fold makes its fold too large: others are nearer to the share.
    parts.sort(key=lambda part: abs(len(part) - len(sets) / share.denominator))
    return sets.index[np.concatenate(parts[: share.numerator])]


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
