"""Decide what each image of a manifest is used for: duplicates, splits and samples."""

from fractions import Fraction

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.common.command import InputError
from stages.common.manifest import LABELS, SPLITS, pixels, used
from stages.source.schema import Samples

MOST_FOLDS = 20
"""Shares of groups are rounded to a fraction with at most this denominator."""


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
    equal pixels. Such sets are drawn at random, with as much of each label, and of each group
    unless groups are kept, as is its share of train. A set that is larger than a split stays out
    of it where it can.

    Args:
        fractions: of the images in train, by the split that gets them.

    Raises:
        InputError: there are too few of them.
    """
    train = manifest[(manifest["split"] == "train") & (manifest["status"] == "used")]
    sets = pd.Series(_belonging_together(train, keep_groups), train.index)
    strata = train["label"] if keep_groups else train["label"] + "/" + train["group"]
    # A stratum of one cannot be divided: it joins the largest of its label.
    largest = strata.groupby(train["label"]).transform(lambda of_label: of_label.mode().iloc[0])
    strata = strata.where(strata.map(strata.value_counts()) > 1, largest)

    split = manifest["split"].copy()
    rest, left = train.index, 1.0
    for name, fraction in fractions.items():
        draw = _draw_sets if keep_groups else _draw
        try:
            moved = draw(strata[rest], sets[rest], fraction / left, seed)
        except ValueError:
            number, what = sets.nunique(), "groups" if keep_groups else "images"
            raise InputError(
                f"source.{name}_fraction: {number} {what} are too few to take {fraction} of them "
                f"for {name}, with some of each label on either side"
            ) from None
        split[moved] = name
        rest, left = rest.difference(moved), left - fraction
    return manifest.assign(split=split)


def _belonging_together(train: pd.DataFrame, keep_groups: bool) -> np.ndarray:
    """Return the number of the set of each image: int, [N]."""
    alike = pd.factorize(pixels(train))[0]
    if not keep_groups:
        return alike
    groups = pd.factorize(train["group"].where(train["group"] != "", train["path"]))[0]
    # Groups and pixels are the nodes of a graph, images its edges, and sets what hangs together.
    nodes = groups.max() + 1 + alike
    graph = coo_array((np.ones(len(train)), (groups, nodes)), (nodes.max() + 1,) * 2)
    return connected_components(graph, directed=False)[1][groups]


def _draw(strata: pd.Series, sets: pd.Series, fraction: float, seed: int) -> pd.Index:
    """Return the images of a share of the sets, most of which are single images."""
    # Imported here: it takes a second, and many data sets bring all splits.
    from sklearn.model_selection import train_test_split

    first = strata[~sets.duplicated()]
    size = round(fraction * len(first))
    _, drawn = train_test_split(
        sets[first.index], test_size=size, stratify=first, random_state=seed
    )
    return sets.index[sets.isin(drawn)]


def _draw_sets(strata: pd.Series, sets: pd.Series, fraction: float, seed: int) -> pd.Index:
    """Return the images of sets that together are about a share of all images."""
    from sklearn.model_selection import StratifiedGroupKFold

    share = Fraction(fraction).limit_denominator(MOST_FOLDS)
    share = max(share, Fraction(1, MOST_FOLDS))
    folds = StratifiedGroupKFold(share.denominator, shuffle=True, random_state=seed)
    parts = [part for _, part in folds.split(strata, strata, sets)]
    # A set that is larger than a fold makes its fold too large: others are nearer to the share.
    parts.sort(key=lambda part: abs(len(part) - len(strata) / share.denominator))
    return strata.index[np.concatenate(parts[: share.numerator])]


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
