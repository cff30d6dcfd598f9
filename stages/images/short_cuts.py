"""Whether something that should not matter tells photographs from generated images."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stages.common.manifest import LABELS, observations

EVERYTHING = "all of these"
FOLDS, LEAST_IN_FOLD = 5, 5
"""Of the cross-validation: folds, and images of each label in each of them."""
MOST_IMAGES = 20_000
"""More images change the accuracy in the third decimal."""


def short_cuts(
    tried: Mapping[str, np.ndarray], images: pd.DataFrame, seed: int
) -> dict[str, float]:
    """Return the balanced accuracy of telling the labels apart by each of `tried`, and by all.

    Cross-validated in five folds, with a decision tree of at most 16 leaves: enough for a rule that
    a network could pick up in passing. 0.5 is chance. Empty where a label has too few images.

    Args:
        tried: numbers of each image by what they tell of: float, [N, any].
        images: path, label, group, cluster of each, N rows.
        seed: of the folds.
    """
    # Imported here: it takes a second, and the audit of short cuts may be off.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    labels = images["label"].map(LABELS.index).to_numpy()
    sets, grouped = observations(images), (images["group"] != "").any()
    of_label = [sets[labels == number] for number in range(len(LABELS))]
    if min(map(len, of_label)) < FOLDS * LEAST_IN_FOLD:
        return {}
    folds: StratifiedKFold | StratifiedGroupKFold
    if grouped:
        if min(part.nunique() for part in of_label) < FOLDS:
            return {}
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    else:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    tree = DecisionTreeClassifier(
        max_leaf_nodes=16, min_samples_leaf=5, class_weight="balanced", random_state=seed
    )
    divided = list(folds.split(labels, labels, sets if grouped else None))
    everything = {EVERYTHING: np.column_stack(list(tried.values()))}
    return {
        name: round(
            float(
                cross_val_score(
                    tree, numbers, labels, cv=divided, scoring="balanced_accuracy"
                ).mean()
            ),
            4,
        )
        for name, numbers in {**tried, **everything}.items()
    }


def drawn(images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return at most `MOST_IMAGES` rows of `images`, in their order."""
    if len(images) <= MOST_IMAGES:
        return images
    chosen = np.random.default_rng(seed).choice(len(images), MOST_IMAGES, replace=False)
    return images.iloc[np.sort(chosen)]


def too_few(images: pd.DataFrame) -> str:
    """Return why `short_cuts` returns nothing of `images`."""
    least = images["label"].value_counts().reindex(list(LABELS), fill_value=0).min()
    if least < FOLDS * LEAST_IN_FOLD:
        return f"{least} images a label are too few ({FOLDS * LEAST_IN_FOLD} needed)"
    return f"a label has fewer than {FOLDS} groups"
