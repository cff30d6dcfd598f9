"""What is wrong with a data set, or makes it easier than it looks, in numbers and in words."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stages.common.manifest import SPLITS, in_words, observations, pixels
from stages.images.near_copies import NearPairs
from stages.images.short_cuts import drawn, short_cuts, too_few
from stages.source.counts import LISTED
from stages.source.leave_out import leave_slices_out, much_worse
from stages.source.schema import AuditParams, Level

SPLIT_PAIRS = (("train", "test"), ("validation", "test"), ("validation", "train"))

SHORT_CUTS = {
    "size": ["width", "height"],
    "format": ["format", "mode"],
    "JPEG tables": ["luminance_table", "chrominance_table", "subsampling", "progressive"],
    "metadata": ["metadata_entries", "metadata_bytes"],
    "mean colour": ["red", "green", "blue"],
    "file size": ["file_size"],
}
"""What should not tell a photograph from a generated image, and the columns that hold it."""

NOT_CHECKED = "not_checked"
"""The finding that no key of `source.audit` sets."""
PAIR_COLUMNS = ["path", "split", "other_path", "other_split", "bits"]
WIDEST_INTERVAL = 0.1
"""Of an accuracy of 0.9 on a test split that can show something."""


class Finding(NamedTuple):
    """Something that a person should know before trusting results on this data set."""

    name: str
    """The key of `source.audit` that sets what to do about it; `not_checked` has none."""
    level: Level
    message: str


class Audit(NamedTuple):
    """All that the audit found."""

    numbers: dict[str, Any]
    findings: list[Finding]
    copies: pd.DataFrame
    """Some of the exact duplicates, those with conflicting labels first: path, first_path."""
    near_pairs: pd.DataFrame
    """The pairs that look most alike: path, split, other_path, other_split, bits."""


def audit(
    found: pd.DataFrame, manifest: pd.DataFrame, params: AuditParams, pairs: NearPairs, seed: int
) -> Audit:
    """Look for everything that `params` does not switch off.

    Args:
        found: the images as they are in the data set, with their fingerprints.
        manifest: the same images, with what each is used for.
        pairs: the images that look alike, rows of `found`.
        seed: of the folds in which short cuts are tried.
    """
    prints = found.drop(columns=["split", "group", "slice", "status"])
    in_use = manifest.loc[
        manifest["status"] == "used", ["path", "split", "group", "slice", "cluster", "status"]
    ]
    in_use = in_use.merge(prints, on="path", validate="one_to_one")
    numbers: dict[str, Any] = {"duplicates": exact_duplicates(found)}
    problems: dict[str, str] = {}

    if any(numbers["duplicates"].values()):
        problems["exact_duplicates"] = "images with equal pixels: " + _some(numbers["duplicates"])

    numbers["conflicting_labels"] = conflicting_labels(found)
    if numbers["conflicting_labels"]:
        problems["conflicting_labels"] = (
            f"{numbers['conflicting_labels']:,} different images are there both as REAL and as FAKE"
        )

    near = pd.DataFrame(columns=PAIR_COLUMNS)
    if params.near_duplicates != "off":
        numbers["near_duplicates"], near = near_duplicates(found, manifest, pairs)
        if len(near):
            problems["near_duplicates"] = (
                f"images that differ in at most {params.near_duplicate_bits} of 64 bits of their "
                "perceptual hash from one in another split: " + _some(numbers["near_duplicates"])
            )

    numbers["shared_groups"] = shared_groups(in_use)
    if numbers["shared_groups"]:
        problems["shared_groups"] = (
            f"{len(numbers['shared_groups']):,} groups have images in more than one split, "
            f"such as '{numbers['shared_groups'][0]}'"
        )

    unchecked: list[str] = []
    if params.short_cuts != "off":
        some = drawn(in_use, seed)
        numbers["short_cuts"] = short_cuts(numbers_of(some), some, seed)
        above = {
            name: accuracy
            for name, accuracy in numbers["short_cuts"].items()
            if accuracy > params.short_cut_limit
        }
        if above:
            problems["short_cuts"] = (
                "REAL and FAKE can be told apart without a look at the image: by "
                + ", ".join(f"{name} with accuracy {value:.3f}" for name, value in above.items())
                + f" (limit {params.short_cut_limit}); a model may learn that instead"
            )

        if not numbers["short_cuts"]:
            unchecked.append(f"short cuts: {too_few(in_use)}")

    if params.leave_slice_out != "off":
        left_out = leave_slices_out(in_use, seed)
        numbers["leave_slice_out"] = left_out.table.to_dict("records")
        problems["leave_slice_out"] = much_worse(left_out.table)
        unchecked += [f"leave one slice out: {reason}" for reason in left_out.not_checked]

    problems["small_test"] = small_test(in_use[in_use["split"] == "test"])

    if found["bad_metadata"].any():
        numbers["bad_metadata"] = int(found["bad_metadata"].sum())
    findings = [
        Finding(name, getattr(params, name), text) for name, text in problems.items() if text
    ]
    if unchecked:
        findings.append(Finding(NOT_CHECKED, "warn", "; ".join(unchecked)))
    return Audit(numbers, [f for f in findings if f.level != "off"], copies(found), near)


def exact_duplicates(found: pd.DataFrame) -> dict[str, int]:
    """Return how many images share size and pixels with others.

    `train_in_test` counts the images of train that are also in test, `inside_train` the copies
    in train beyond the first, and so on.
    """
    readable = found[found["status"] == "used"]
    key = pixels(readable)
    keys = {split: key[readable["split"] == split] for split in SPLITS}
    across = {f"{a}_in_{b}": int(keys[a].isin(keys[b]).sum()) for a, b in SPLIT_PAIRS}
    inside = {f"inside_{split}": int(keys[split].duplicated().sum()) for split in SPLITS}
    return across | inside


def conflicting_labels(found: pd.DataFrame) -> int:
    """Return how many different images carry both labels."""
    readable = found[found["status"] == "used"]
    return int((readable.groupby(pixels(readable))["label"].nunique() > 1).sum())


def copies(found: pd.DataFrame) -> pd.DataFrame:
    """Return images whose pixels are those of an earlier one: path, first_path, [at most 20]."""
    readable = found[found["status"] == "used"]
    same = readable.groupby(pixels(readable))
    table = pd.DataFrame(
        {
            "path": readable["path"],
            "first_path": same["path"].transform("first"),
            "conflict": same["label"].transform("nunique") > 1,
        }
    )
    table = table[table["path"] != table["first_path"]]
    table = table.sort_values("conflict", ascending=False, kind="stable").head(LISTED)
    return table[["path", "first_path"]].reset_index(drop=True)


def unreadable(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the images that cannot be decoded, and the reason: path, why, [at most 20]."""
    rows = manifest[manifest["status"].str.startswith("unreadable: ")].head(LISTED)
    why = rows["status"].str.removeprefix("unreadable: ")
    return pd.DataFrame({"path": rows["path"], "why": why})


def metadata_warning(found: pd.DataFrame) -> str:
    """Return a sentence on the images of `found` with metadata that cannot be read."""
    paths = found["path"][found["bad_metadata"]]
    return (
        f"images with metadata that cannot be read: {len(paths):,}, such as {paths.iloc[0]}; "
        "they count as if they had none"
    )


def near_duplicates(
    found: pd.DataFrame, manifest: pd.DataFrame, pairs: NearPairs
) -> tuple[dict[str, int], pd.DataFrame]:
    """Return how many images of a split look like one of another, and the most alike pairs.

    Images with equal pixels are not counted: those are exact duplicates.

    Args:
        found: path, width, height, sha256 of all images; `pairs` are of its rows.
        manifest: what each of them is used for.
    """
    keys = pixels(found).to_numpy()
    paired = pd.Series(keys).isin({*keys[pairs.first], *keys[pairs.second]}).to_numpy()
    in_use = found.loc[paired, ["path"]].assign(pixels=keys[paired])
    in_use = in_use.merge(manifest.loc[manifest["status"] == "used", ["path", "split"]], on="path")
    first = in_use.groupby(["pixels", "split"])["path"].first().unstack()
    first = first.reindex(columns=list(SPLITS))
    alike = pd.DataFrame(
        {
            "one": np.concatenate([keys[pairs.first], keys[pairs.second]]),
            "other": np.concatenate([keys[pairs.second], keys[pairs.first]]),
            "bits": np.concatenate([pairs.bits, pairs.bits]),
        }
    )
    counts: dict[str, int] = {}
    tables = []
    for split, other in SPLIT_PAIRS:
        here, there = first[split].dropna(), first[other].dropna()
        both = alike[alike["one"].isin(here.index) & alike["other"].isin(there.index)]
        for name, key in ((split, "one"), (other, "other")):
            rows = in_use[in_use["split"] == name]
            counts[f"{name}_like_{other if name == split else split}"] = int(
                rows["pixels"].isin(both[key]).sum()
            )
        paths = {"path": both["one"].map(here), "split": split}
        paths |= {"other_path": both["other"].map(there), "other_split": other}
        tables.append(pd.DataFrame(paths | {"bits": both["bits"]}, columns=PAIR_COLUMNS))
    table = pd.concat(tables).sort_values(["bits", "path", "other_path"], kind="stable")
    return counts, table.head(LISTED).reset_index(drop=True)


def shared_groups(in_use: pd.DataFrame) -> list[str]:
    """Return the groups that have images in more than one split, sorted."""
    grouped = in_use[in_use["group"] != ""]
    splits = grouped.groupby("group")["split"].nunique()
    return sorted(splits.index[splits > 1])


def numbers_of(in_use: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns of each of `SHORT_CUTS` as numbers: float, [N, any]."""
    texts = {name: pd.factorize(in_use[name], sort=True)[0] for name in ("format", "mode")}
    table = in_use.assign(**texts)
    return {name: table[columns].to_numpy(float) for name, columns in SHORT_CUTS.items()}


def small_test(test: pd.DataFrame) -> str:
    """Return what to say of a test split that can show nothing; "" if it can.

    That is where the 95% interval (Wilson, 1927) of an accuracy of 0.9 is wider than 0.1, for as
    many images as there are observations, or fewer where these differ in size: Kish's effective
    sample size (Survey sampling, 1965).

    Args:
        test: the images of the split in use: path, cluster.
    """
    # Imported here: it takes a second, where nothing else needs it.
    from statsmodels.stats.proportion import proportion_confint

    sizes = observations(test).value_counts()
    number = len(test) ** 2 / (sizes**2).sum()
    low, high = proportion_confint(0.9 * number, number, method="wilson")
    if high - low <= WIDEST_INTERVAL:
        return ""
    as_good_as = f", as good as {number:.0f} of equal size" if round(number) < len(sizes) else ""
    return (
        f"the test split has {len(sizes):,} independent observations ({len(test):,} images)"
        f"{as_good_as}: at an accuracy of 0.9, its 95% interval would reach from {low:.2f} to "
        f"{high:.2f}"
    )


def _some(numbers: dict[str, int]) -> str:
    return in_words({name: number for name, number in numbers.items() if number})
