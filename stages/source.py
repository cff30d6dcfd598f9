"""source: find every image of the data set and decide what it is used for.

In:  the zip, tar or folder that `source.path` names.
Out: data/manifest.csv, one row an image, and reports/data.json, the counts.

No image is copied. The manifest says where each one lies, which split and label it belongs to,
and whether it is used or why not.
"""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from tqdm import tqdm

from stages.archive import read_files
from stages.command import InputError, command_line, run
from stages.files import replacing
from stages.manifest import COLUMNS, LABELS, MANIFEST, SPLITS
from stages.params import Schema, read_block
from stages.pixels import decode

REPORT = Path("reports/data.json")
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


class Samples(Schema):
    """How many images of each split to use; null uses all."""

    train: int | None = Field(None, ge=2, description="training images to use; null: all")
    validation: int | None = Field(None, ge=2, description="validation images to use; null: all")
    test: int | None = Field(None, ge=2, description="test images to use; null: all")


class SourceParams(Schema):
    """The block `source` of params.yaml."""

    path: str = Field(
        min_length=1, description="a zip, a tar or a folder with train|validation|test/REAL|FAKE"
    )
    validation_fraction: float = Field(
        gt=0, lt=1, description="share of train used for validation where the data set has none"
    )
    duplicates: Literal["drop", "report", "error"] = Field(
        description="images with equal pixels: leave them out, only count them, or stop"
    )
    samples: Samples = Field(description="how many images of each split to use, half of each label")
    seed: int = Field(ge=0, lt=2**32, description="seed of the validation split and of the samples")


class Images:
    """The images of a data set: `read` finds them, `organise` decides what each is used for."""

    def __init__(self, params: SourceParams):
        self.params = params

    def read(self) -> pd.DataFrame:
        """Return the manifest as found: one row an image, sorted, every status `used`.

        Raises:
            InputError: the archive or an image cannot be read, or a path names no split or label.
        """
        total, files = read_files(Path(self.params.path))
        rows, seen = [], set()
        for path, data in tqdm(files, total=total, desc="source", unit=" images", disable=None):
            split, label = _split_and_label(path)
            image = decode(data, f"{self.params.path}: {path}")
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            if path in seen:
                raise InputError(f"{self.params.path}: {path}: twice in the archive")
            seen.add(path)
            rows.append((path, split, label, _group(path), *image.size, digest, "used"))
        table = pd.DataFrame(rows, columns=COLUMNS)
        return table.sort_values(["split", "label", "path"], ignore_index=True)

    def organise(self, found: pd.DataFrame) -> pd.DataFrame:
        """Return the manifest with duplicates, validation split and samples decided.

        Raises:
            InputError: duplicates are not allowed, a split lacks a label or is too small.
        """
        self._require_labels(found, ("train", "test"))
        manifest = _mark_duplicates(found, self.params.duplicates)
        if "validation" not in set(manifest["split"]):
            manifest = _carve_validation(
                manifest, self.params.validation_fraction, self.params.seed
            )
        manifest = _take_samples(manifest, self.params.samples, self.params.seed)
        self._require_labels(manifest, SPLITS)
        return manifest.sort_values(["split", "label", "path"], ignore_index=True)

    def _require_labels(self, manifest: pd.DataFrame, splits: tuple[str, ...]) -> None:
        for split in splits:
            for label in LABELS:
                if not _used(manifest, split, label).any():
                    raise InputError(
                        f"{self.params.path}: no {label} image to use in split '{split}'; "
                        "each of train, validation and test needs images of both labels"
                    )


def _split_and_label(path: str) -> tuple[str, str]:
    """Return the split and the label that the folders of `path` name."""
    folders = PurePosixPath(path).parts[:-1]
    splits = [name for name in folders if name in SPLITS]
    labels = [name for name in folders if name in LABELS]
    if len(splits) != 1 or len(labels) != 1:
        raise InputError(
            f"{path}: expected one folder of {'|'.join(SPLITS)} and one of {'|'.join(LABELS)} "
            f"in its path, found {splits + labels or 'none'}"
        )
    return splits[0], labels[0]


def _group(path: str) -> str:
    """Return the CIFAR-10 class that CIFAKE's file names carry: none is airplane, (2) automobile.

    Source: the data set's page, https://www.kaggle.com/datasets/birdy654/cifake-real-and-ai-generated-synthetic-images
    """
    match = re.fullmatch(r"\d+(?: \((\d+)\))?", PurePosixPath(path).stem)
    number = int(match[1] or 1) if match else 0
    return CIFAR10_CLASSES[number - 1] if 1 <= number <= len(CIFAR10_CLASSES) else ""


def _pixels(table: pd.DataFrame) -> pd.Series:
    """Return a key that two images share exactly when their size and all their pixels agree."""
    return table["width"].astype(str) + "x" + table["height"].astype(str) + ":" + table["sha256"]


def _mark_duplicates(found: pd.DataFrame, policy: str) -> pd.DataFrame:
    """Return `found` with a status for each image that must not be used.

    The test split stays whole. An image is left out of train if it is in test or earlier in
    train, and out of validation if it is in test or in train.
    """
    key = _pixels(found)
    first_path = {
        split: found["path"][found["split"] == split].groupby(key).first() for split in SPLITS
    }
    train, validation = found["split"] == "train", found["split"] == "validation"
    original = pd.Series(np.nan, index=found.index, dtype=object)
    original[train] = key[train].map(first_path["train"])
    original[original == found["path"]] = np.nan
    original[validation] = key[validation].map(first_path["train"])
    outside_test = train | validation
    original[outside_test] = key[outside_test].map(first_path["test"]).fillna(original)

    copies = key.duplicated()
    if policy == "error" and copies.any():
        example = found[key == key[copies].iloc[0]]["path"]
        raise InputError(
            f"source.duplicates: {example.iloc[1]} has the pixels of {example.iloc[0]}, "
            f"and so on, {copies.sum()} in all; set it to 'drop' to leave such images out"
        )
    repeated = original.notna()
    if policy == "report":
        return found
    status = found["status"].mask(repeated, "duplicate of " + original.fillna("").astype(str))
    return found.assign(status=status)


def _carve_validation(manifest: pd.DataFrame, fraction: float, seed: int) -> pd.DataFrame:
    """Return `manifest` with `fraction` of train moved to validation, by label and group.

    Where a group has a single image, by label alone.
    """
    # Imported here: it takes a second, and most data sets bring a validation split.
    from sklearn.model_selection import train_test_split

    train = manifest[(manifest["split"] == "train") & (manifest["status"] == "used")]
    strata = train["label"] + "/" + train["group"]
    if strata.value_counts().min() < 2:
        strata = train["label"]  # a group of one image cannot be divided
    try:
        _, chosen = train_test_split(
            train.index,
            test_size=fraction,
            stratify=strata,
            random_state=seed,
        )
    except ValueError as error:
        raise InputError(
            f"source.validation_fraction: cannot take {fraction} of {len(train)} training images "
            f"for validation: {error}"
        ) from None
    split = manifest["split"].mask(manifest.index.isin(chosen), "validation")
    return manifest.assign(split=split)


def _take_samples(manifest: pd.DataFrame, samples: Samples, seed: int) -> pd.DataFrame:
    """Return `manifest` with all but the wanted number of images of a split 'not sampled'."""
    status = manifest["status"].copy()
    for split_number, split in enumerate(SPLITS):
        wanted = getattr(samples, split)
        if wanted is None:
            continue
        for label_number, label in enumerate(LABELS):
            rows = manifest.index[_used(manifest, split, label)]
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


def _used(manifest: pd.DataFrame, split: str, label: str) -> pd.Series:
    return (
        (manifest["split"] == split) & (manifest["label"] == label) & (manifest["status"] == "used")
    )


def count(found: pd.DataFrame, manifest: pd.DataFrame) -> dict[str, Any]:
    """Return how many images were found and are used, and how many share their pixels.

    `train_in_test` counts the images of train that are also in test, `inside_train` the copies
    in train beyond the first, and so on.
    """
    key = _pixels(found)
    keys = {split: key[found["split"] == split] for split in SPLITS}
    duplicates = {
        f"{split}_in_{other}": int(keys[split].isin(keys[other]).sum())
        for split, other in (("train", "test"), ("validation", "test"), ("validation", "train"))
    }
    inside = {f"inside_{split}": int(keys[split].duplicated().sum()) for split in SPLITS}
    return {
        "found": _count_labels(found),
        "used": _count_labels(manifest[manifest["status"] == "used"]),
        "duplicates": duplicates | inside,
    }


def _count_labels(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    return {
        split: {
            label: int(((table["split"] == split) & (table["label"] == label)).sum())
            for label in LABELS
        }
        for split in SPLITS
    }


def main() -> None:
    command_line("stages.source", __doc__).parse_args()
    images = Images(read_block("source", SourceParams))
    found = images.read()
    manifest = images.organise(found)
    counts = count(found, manifest)
    with replacing(MANIFEST) as manifest_file, replacing(REPORT) as report_file:
        manifest.to_csv(manifest_file, index=False, lineterminator="\n")
        report_file.write_text(json.dumps(counts, indent=2) + "\n")
    for split, labels in counts["used"].items():
        print(f"{split}: {labels['REAL']} REAL, {labels['FAKE']} FAKE")


if __name__ == "__main__":
    run(main)
