"""Leave one slice out: whether what is learnt of some slices holds for another one."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from stages.common.manifest import LABELS, observations

MOST_IMAGES, MOST_SLICES, LEAST_IMAGES = 2_000, 15, 20
"""Of all slices together, slices of a label, and images of one: more cost time, fewer tell little.
"""
LEAST_OBSERVATIONS = 5
MUCH, CHANCE, SEEN = 0.1, 0.05, 0.6
"""A fall of the accuracy that matters, the p-value below which it is no chance, and the accuracy
from which there is something that could fall."""


class LeftOut(NamedTuple):
    """How a small classifier does on slices."""

    table: pd.DataFrame
    """One row a slice and label: slice, label, images, accuracy_seen, accuracy_left_out; how many
    observations fell (right if the slice was seen, wrong if not) and rose."""
    not_checked: list[str]
    """Why labels are not in it."""


def leave_slices_out(in_use: pd.DataFrame, seed: int) -> LeftOut:
    """Return the accuracy on each slice, by classifiers that saw others of it, and that did not.

    A support vector machine (RBF kernel, scikit-learn's defaults, balanced labels) on the
    standardised features of fingerprints: unlike a linear one it can tell subjects apart. For
    `accuracy_left_out` it learns from all but the slice. For `accuracy_seen`, half of the slice is
    left out, and as many images of other slices of the label as are in the other half: both learn
    from as many images of each label. Images of one observation are never on both sides.

    Args:
        in_use: path, label, slice, cluster, features.
        seed: of what is drawn.
    """
    # Imported here: it takes a second, and this may be off.
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    parts, not_checked = _parts(in_use)
    if parts.empty:
        return LeftOut(parts, not_checked)
    drawn = _draw(in_use, parts, seed)
    features = np.stack([np.frombuffer(row, np.float32) for row in drawn["features"]])
    labels = drawn["label"].to_numpy()
    slices, sets = drawn["slice"].to_numpy(), observations(drawn).to_numpy()
    classifier = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    random = np.random.default_rng(seed)

    def right_without(left_out: np.ndarray, asked: np.ndarray) -> np.ndarray:
        if len({*labels[~left_out]}) < len(LABELS):
            return np.full(asked.sum(), np.nan)
        classifier.fit(features[~left_out], labels[~left_out])
        return np.asarray(classifier.predict(features[asked]) == labels[asked], float)

    seen, unseen = np.full(len(labels), np.nan), np.full(len(labels), np.nan)
    for name in parts["slice"].unique():
        inside = slices == name
        whole = np.isin(sets, sets[inside])
        unseen[inside] = right_without(whole, inside)
        for half in np.array_split(random.permutation(np.unique(sets[inside])), 2):
            part = np.isin(sets, half)
            others = _as_many(labels, sets, ~whole, whole & ~part, random)
            seen[part & inside] = right_without(part | others, part & inside)
    results = pd.DataFrame(
        {"slice": slices, "label": labels, "seen": seen, "left_out": unseen, "set": sets}
    ).dropna()
    keys = ["slice", "label"]
    shares = results.groupby(keys)[["seen", "left_out"]].mean().add_prefix("accuracy_").round(4)
    of_set = results.groupby([*keys, "set"])[["seen", "left_out"]].mean()
    change = np.sign(of_set["left_out"] - of_set["seen"])
    for column, sign in (("fell", -1), ("rose", 1)):
        shares[column] = (change == sign).groupby(level=keys).sum()
    table = parts.merge(shares.reset_index())
    if len(table) < len(parts):
        missing = parts[~parts["slice"].isin(table["slice"])]["slice"].iloc[0]
        not_checked.append(f"without slices such as {missing}, a label has no image left")
    return LeftOut(table, not_checked)


def _as_many(
    labels: np.ndarray,
    sets: np.ndarray,
    among: np.ndarray,
    as_in: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Return some of the images `among`, of each label about as many as are `as_in`: bool, [N].

    They are whole sets, at random, and at most half of what there is of a label.
    """
    chosen = np.zeros(len(labels), bool)
    for label in LABELS:
        of_label = among & (labels == label)
        number = min((as_in & (labels == label)).sum(), of_label.sum() // 2)
        names, sizes = np.unique(sets[of_label], return_counts=True)
        order = random.permutation(len(names))
        taken = order[: np.searchsorted(np.cumsum(sizes[order]), number, "right")]
        chosen |= np.isin(sets, names[taken]) & among
    return chosen


def _parts(in_use: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the slices to leave out: slice, label, images; and why there are none of a label."""
    sizes = in_use[in_use["slice"] != ""].groupby(["slice", "label"]).size().rename("images")
    largest = sizes[sizes >= LEAST_IMAGES].sort_values(ascending=False, kind="stable")
    parts = largest.groupby("label").head(MOST_SLICES).sort_index().reset_index()
    if sizes.empty:
        return parts, ["the images have no slices"]
    if observations(in_use).groupby(in_use["label"]).nunique().min() < LEAST_OBSERVATIONS:
        return parts.head(0), [
            f"a label has fewer than {LEAST_OBSERVATIONS} independent observations"
        ]
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

    That is where the accuracy, if it is clearly above chance on slices that were seen, falls by
    more than 0.1, on average over the slices of a label, and the sign test over the observations
    that fell and rose, one-sided, gives less than 0.05 divided by two: Bonferroni's
    correction for two labels.

    Args:
        table: what `leave_slices_out` returns.
    """
    from scipy.stats import binomtest

    if table.empty:
        return ""
    of_labels = table.groupby("label")[["accuracy_seen", "accuracy_left_out"]].mean()
    falls = of_labels["accuracy_seen"] - of_labels["accuracy_left_out"]
    label = str(falls.idxmax())
    seen = float(of_labels["accuracy_seen"][label])
    left_out = float(of_labels["accuracy_left_out"][label])
    of_label = table[table["label"] == label]
    fell = int(of_label["fell"].sum())
    changed = fell + int(of_label["rose"].sum())
    if seen < SEEN or seen - left_out <= MUCH or not changed:
        return ""
    if binomtest(fell, changed, alternative="greater").pvalue >= CHANCE / len(LABELS):
        return ""
    worst = of_label.sort_values("accuracy_left_out").iloc[0]
    return (
        f"a small classifier is right about {seen:.2f} of the {label} images of a slice that it "
        f"has seen others of, and about {left_out:.2f} of a slice that was left out (worst: "
        f"{worst['slice']}, {worst['accuracy_left_out']:.2f}): this data set tells slices apart "
        "(what images show, or what made them), not cameras from generators; see source.hold_out"
    )
