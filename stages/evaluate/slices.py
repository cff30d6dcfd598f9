"""How a network does on each slice: what images show, or what made them."""

import pandas as pd

from stages.common.manifest import HELD_OUT, LABELS, observations
from stages.evaluate.statistics import accuracy_interval


def by_slice(images: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy on each slice, with its interval, a row a label and slice.

    Columns: label, slice ("": images without one), split, images, observations, accuracy,
    accuracy_low, accuracy_high (0..1). Sorted by label; those held out are last of theirs, and of
    the others the images without a slice.

    Args:
        images: path, split (test or held_out), label, slice, cluster, and whether the network is
            right about it: correct, bool.
    """
    rows = []
    for (label, name, split), of_slice in images.groupby(["label", "slice", "split"]):
        clusters = observations(of_slice)
        accuracy = accuracy_interval(of_slice["correct"].to_numpy(), clusters.to_numpy())
        rows.append(
            {
                "label": label,
                "slice": name,
                "split": split,
                "images": len(of_slice),
                "observations": clusters.nunique(),
                "accuracy": round(accuracy.mean, 6),
                "accuracy_low": round(accuracy.low, 6),
                "accuracy_high": round(accuracy.high, 6),
            }
        )
    table = pd.DataFrame(rows)
    order = pd.DataFrame(
        {
            "label": table["label"].map(LABELS.index),
            "is_held_out": table["split"] == HELD_OUT,
            "is_rest": table["slice"] == "",
            "slice": table["slice"],
        }
    )
    return table.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)
