"""The test images that two revisions of a model call by different names, with pictures."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.arrays import PROCESSED, load_split, read
from stages.common.command import InputError
from stages.common.files import naming, replacing
from stages.common.manifest import observations
from stages.compare.summary import p_in_words
from stages.evaluate.statistics import holm, sign_flip_test
from stages.pages.markdown import table
from tools.review.revisions import Revision

SHOWN = 8
"""Images of each variant, at most."""
SIDE = 64
"""Pixels of the shorter side of an image, at least."""
GAP = 4


def changed_verdicts(paired: pd.DataFrame) -> pd.DataFrame:
    """Return the images with another verdict, that with the largest change of p_fake first."""
    changed = paired[paired["verdict"] != paired["verdict_old"]]
    order = (changed["p_fake"] - changed["p_fake_old"]).abs()
    return changed.loc[order.sort_values(ascending=False, kind="stable").index]


def verdict_tests(paired: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a variant with changed verdicts: wrong and right ones, and Holm's p.

    That p-value is of the exact sign-flip test that the verdicts are right equally often.
    """
    rows = []
    for variant, both in paired.items():
        right, right_before = _right(both)
        if (right != right_before).any():
            clusters = observations(both).to_numpy()
            wrong_now, right_now = (right_before & ~right).sum(), (right & ~right_before).sum()
            p_value = sign_flip_test(right, right_before, clusters)
            rows.append([variant, int(wrong_now), int(right_now), len(both), p_value])
    table = pd.DataFrame(rows, columns=["variant", "wrong", "right", "images", "p"])
    return table.assign(p=holm(list(table["p"])))


def contact_sheet(images: np.ndarray) -> np.ndarray:
    """Return `images` (uint8, [N, height, width, 3], N > 0) side by side, with white between.

    Small ones are enlarged by a whole number, so that each pixel stays one colour.
    """
    factor = -(-SIDE // min(images.shape[1:3]))
    large = images.repeat(factor, axis=1).repeat(factor, axis=2)
    _, height, width, _ = large.shape
    sheet = np.full((height, len(large) * (width + GAP) - GAP, 3), 255, np.uint8)
    for number, image in enumerate(large):
        left = number * (width + GAP)
        sheet[:, left : left + width] = image
    return sheet


def _right(paired: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the new and the old verdict of each image are its label: bool, [N]."""
    label = paired["label"].to_numpy()
    return paired["verdict"].to_numpy() == label, paired["verdict_old"].to_numpy() == label


def verdicts_section(
    old: Revision, paired: Mapping[str, pd.DataFrame], pictures: Path, link: str | None = None
) -> list[str]:
    """Return paragraphs on the changed verdicts, none if there are none; write their pictures.

    Args:
        link: the address of a page that has the pictures, to name in their place.
    """
    changed = {
        variant: rows for variant, both in paired.items() if len(rows := changed_verdicts(both))
    }
    if not changed:
        return []
    counts = [
        [row["variant"], row["wrong"], row["right"], row["images"], p_in_words(row["p"])]
        for row in verdict_tests(paired).to_dict("records")
    ]
    return [
        "## Changed verdicts",
        f"Each at the model's own threshold, {old.name} → workspace. p: exact sign-flip test over "
        "the independent observations, after Holm's correction over these variants.",
        table(["variant", "right → wrong", "wrong → right", "test images", "p"], counts),
        *_pictures(changed, {name: len(rows) for name, rows in paired.items()}, pictures, link),
    ]


def _pictures(
    changed: Mapping[str, pd.DataFrame],
    images_of: Mapping[str, int],
    folder: Path,
    link: str | None,
) -> list[str]:
    if not (PROCESSED / "test").exists():
        return [f"No pictures: run `dvc pull {PROCESSED / 'test'}` first."]
    try:
        images = load_split("test").images
    except InputError as error:
        return [f"No pictures: {error}."]
    paragraphs = []
    for variant, rows in changed.items():
        if images_of[variant] != len(images):
            paragraphs.append(f"No pictures of {variant}: {PROCESSED / 'test'} has other images.")
            continue
        shown = rows.head(SHOWN)
        path = folder / f"{variant}.png"
        with replacing(path) as file, naming(path):
            sheet = contact_sheet(read(images, shown.index.to_numpy()))
            Image.fromarray(sheet).save(file, "PNG")
        captions = [
            f"{number}. {row['label']}, {row['p_fake_old']:.2f} → {row['p_fake']:.2f}"
            for number, row in enumerate(shown.to_dict("records"), start=1)
        ]
        paragraphs += [
            f"[{path.name}]({link})"
            if link
            else f"![{variant}]({Path(os.path.relpath(path)).as_posix()})",
            f"{variant}, those whose p_fake changed most, from the left; label, old → new p_fake: "
            + "; ".join(captions)
            + ".",
        ]
    return paragraphs
