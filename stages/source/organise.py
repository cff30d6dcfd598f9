"""Decide what each image of a manifest is used for: duplicates, splits and samples."""

from collections.abc import Collection
from fractions import Fraction

import numpy as np
import pandas as pd

from stages.common.command import InputError
from stages.common.manifest import HELD_OUT, LABELS, SPLITS, observations, pixels, used
from stages.images.near_copies import NearPairs
from stages.source.schema import Samples

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


def mark_near_copies(
    manifest: pd.DataFrame, pairs: NearPairs, unseen: Collection[str]
) -> pd.DataFrame:
    """Return `manifest` with `near copy of ...` as the status of images not to be used.

    These are images of train and validation that look like one in a split of `unseen`.

    Args:
        pairs: of rows of `manifest`.
    """
    in_use = (manifest["status"] == "used").to_numpy()
    learned = in_use & manifest["split"].isin(["train", "validation"]).to_numpy()
    kept = in_use & manifest["split"].isin(unseen).to_numpy()
    status, path = manifest["status"].to_numpy(object, copy=True), manifest["path"].to_numpy()
    for ours, theirs in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        near = learned[ours] & kept[theirs]
        status[ours[near]] = "near copy of " + path[theirs[near]]
    return manifest.assign(status=status)


def carve(manifest: pd.DataFrame, fractions: dict[str, float], seed: int) -> pd.DataFrame:
    """Return `manifest` with a part of train moved to each split of `fractions`.

    The images of a cluster move together. Clusters are drawn at random, with as much of each
    label, and of each slice unless there are groups, as is its share of train. A group that is
    larger than a split stays out of it where it can.

    Args:
        fractions: of the images in train, by the split that gets them.

    Raises:
        InputError: there are too few of them.
    """
    train = manifest[(manifest["split"] == "train") & (manifest["status"] == "used")]
    sets = observations(train)
    grouped = (train["group"] != "").any()
    split = manifest["split"].copy()
    rest, left = train.index, 1.0
    for name, fraction in fractions.items():
        draw = _draw_groups if grouped else _draw
        try:
            moved = draw(train.loc[rest], sets[rest], fraction / left, seed)
        except ValueError:
            number, what = sets.nunique(), "groups" if grouped else "images"
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
