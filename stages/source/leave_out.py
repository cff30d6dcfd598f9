"""Leave one slice out: whether what is learnt of some slices holds for another one."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from stages.common.manifest import LABELS, observations

MOST_IMAGES, MOST_SLICES, LEAST_IMAGES = 3_000, 30, 20
"""Of all slices together, slices, and images of a slice: more cost time, fewer tell little."""
FOLDS = 5
MUCH, CHANCE = 0.1, 0.05
"""A fall of the accuracy that matters, and the p-value below which it is no chance."""


class LeftOut(NamedTuple):
    """How a small classifier does on slices."""

    table: pd.DataFrame
    """One row a slice and label: slice, label, images, accuracy_random, accuracy_left_out."""
    not_checked: list[str]
    """Why labels are not in it."""


def leave_slices_out(in_use: pd.DataFrame, seed: int) -> LeftOut:
    """Return the accuracy on each slice, by classifiers that saw others of it, and that did not.

    A support vector machine (RBF kernel, scikit-learn's defaults, balanced labels) on the
    standardised features of fingerprints: unlike a linear one it can tell subjects apart.
    `accuracy_random` is that of five-fold cross-validation, `accuracy_left_out` that of training on
    all but the slice, in whichever label it is. Images of one observation are never on both sides.

    Args:
        in_use: path, label, slice, cluster, features.
        seed: of the images drawn, and of the folds.
    """
    # Imported here: it takes a second, and this may be off.
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    parts, not_checked = _parts(in_use)
    if parts.empty:
        return LeftOut(parts.assign(accuracy_random=[], accuracy_left_out=[]), not_checked)
    drawn = _draw(in_use, parts, seed)
    features = np.stack([np.frombuffer(row, np.float32) for row in drawn["features"]])
    labels = drawn["label"].to_numpy()
    slices, sets = drawn["slice"].to_numpy(), observations(drawn).to_numpy()
    classifier = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    right = cross_val_predict(classifier, features, labels, groups=sets, cv=folds) == labels
    right_left_out = np.full(len(labels), np.nan)
    for name in parts["slice"].unique():
        inside = slices == name
        train = ~np.isin(sets, sets[inside])
        if len(set(labels[train])) < len(LABELS):
            continue
        classifier.fit(features[train], labels[train])
        right_left_out[inside] = classifier.predict(features[inside]) == labels[inside]
    shares = (
        pd.DataFrame({"slice": slices, "label": labels})
        .assign(accuracy_random=right, accuracy_left_out=right_left_out)
        .groupby(["slice", "label"], as_index=False)
        .mean()
        .dropna()
        .round(4)
    )
    return LeftOut(parts.merge(shares), not_checked)


def _parts(in_use: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the slices to leave out: slice, label, images; and why there are none of a label."""
    sizes = in_use[in_use["slice"] != ""].groupby(["slice", "label"]).size().rename("images")
    parts = sizes[sizes >= LEAST_IMAGES].nlargest(MOST_SLICES).sort_index().reset_index()
    if sizes.empty:
        return parts, ["the images have no slices"]
    if observations(in_use).groupby(in_use["label"]).nunique().min() < FOLDS:
        return parts.head(0), [f"a label has fewer than {FOLDS} independent observations"]
    number = parts["label"].value_counts().reindex(list(LABELS), fill_value=0)
    few = number[number < 2]
    reasons = [
        f"slices of {label} with {LEAST_IMAGES} images or more: {found} (2 needed)"
        for label, found in few.items()
    ]
    return parts[~parts["label"].isin(few.index)].reset_index(drop=True), reasons


def _draw(in_use: pd.DataFrame, parts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return at most `MOST_IMAGES`: as many of each of `parts`, and of the rest of a label."""
    part = in_use[["slice", "label"]].merge(parts.reset_index(), how="left")["index"]
    strata = in_use["label"] + part.fillna(-1).astype(int).astype(str).to_numpy()
    most = MOST_IMAGES // (len(parts) + len(LABELS))
    return in_use.sample(frac=1, random_state=seed).groupby(strata).head(most).sort_index()


def much_worse(table: pd.DataFrame) -> str:
    """Return what to say of slices on which it goes much worse once they are left out; "" if none.

    That is where the accuracy falls by more than 0.1, on average over the slices of a label, and
    Student's t-test on the falls of all slices, one-sided, gives less than 0.05: slices, not
    images, are the sample, as images of a slice fall together.

    Args:
        table: what `leave_slices_out` returns.
    """
    from scipy.stats import ttest_1samp

    if table.empty:
        return ""
    fall = table["accuracy_random"] - table["accuracy_left_out"]
    label = fall.groupby(table["label"]).mean().idxmax()
    of_label = table[table["label"] == label]
    if fall[of_label.index].mean() <= MUCH:
        return ""
    # Equal falls have no variance, and p is 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        if not ttest_1samp(fall, 0, alternative="greater").pvalue < CHANCE:
            return ""
    seen, left_out = of_label[["accuracy_random", "accuracy_left_out"]].mean()
    worst = of_label.sort_values("accuracy_left_out").iloc[0]
    return (
        f"a small classifier is right about {seen:.2f} of the {label} images of a slice that it "
        f"has seen others of, and about {left_out:.2f} of a slice that was left out (worst: "
        f"{worst['slice']}, {worst['accuracy_left_out']:.2f}): this data set tells slices apart "
        "(what images show, or what made them), not cameras from generators; see source.hold_out"
    )
