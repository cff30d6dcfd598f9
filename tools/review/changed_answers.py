"""The test images to which two revisions of a model give another answer, with pictures."""

import os
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.arrays import PROCESSED, first_view, load_split, read
from stages.common.command import InputError
from stages.common.files import naming, replacing
from stages.common.manifest import observations
from stages.compare.summary import p_in_words
from stages.evaluate.conformal import UNSURE
from stages.evaluate.statistics import holm, sign_flip_test
from stages.pages.markdown import table
from tools.review.revisions import Revision

SHOWN = 8
"""Images of each variant, at most."""
SIDE = 64
"""Pixels of the shorter side of an image, at least."""
GAP = 4
RIGHT, WRONG = "right", "wrong"
CHANGES = list(permutations((RIGHT, WRONG, UNSURE), 2))
"""What an answer was, and what it became."""


def changed_answers(paired: pd.DataFrame) -> pd.DataFrame:
    """Return the images with another answer, that with the largest change of p_fake first."""
    changed = paired[paired["answer"] != paired["answer_old"]]
    order = (changed["p_fake"] - changed["p_fake_old"]).abs()
    return changed.loc[order.sort_values(ascending=False, kind="stable").index]


def answer_tests(paired: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a variant with changed answers: how they changed, and Holm's p.

    Columns: variant; a number of images for each of `CHANGES`; images, all of them; right and
    right_old, to how many of these the answer is right; p, of the exact sign-flip test that it is
    right equally often. UNSURE is not right.
    """
    rows: list[dict[str, Any]] = []
    for variant, both in paired.items():
        if not len(changed_answers(both)):
            continue
        before, after = (_kinds(both, column) for column in ("answer_old", "answer"))
        right, right_old = after == RIGHT, before == RIGHT
        clusters = observations(both).to_numpy()
        rows.append(
            {"variant": variant}
            | {
                f"{was} → {now}": int(((before == was) & (after == now)).sum())
                for was, now in CHANGES
            }
            | {"images": len(both), "right": int(right.sum()), "right_old": int(right_old.sum())}
            | {"p": sign_flip_test(right, right_old, clusters)}
        )
    table = pd.DataFrame(rows)
    return table.assign(p=holm(list(table["p"]))) if rows else table


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


def _kinds(paired: pd.DataFrame, column: str) -> np.ndarray:
    """Return whether each answer in `column` is right, wrong or UNSURE: texts, [N]."""
    answers = paired[column].to_numpy()
    kinds = np.where(answers == paired["label"].to_numpy(), RIGHT, WRONG)
    return np.where(answers == UNSURE, UNSURE, kinds)


def answers_section(
    old: Revision, paired: Mapping[str, pd.DataFrame], pictures: Path, link: str | None = None
) -> list[str]:
    """Return paragraphs on the changed answers, none if there are none; write their pictures.

    Args:
        link: the address of a page that has the pictures, to name in their place.
    """
    changed = {
        variant: rows for variant, both in paired.items() if len(rows := changed_answers(both))
    }
    if not changed:
        return []
    columns = [f"{was} → {now}" for was, now in CHANGES]
    counts = [
        [row["variant"], *(row[column] for column in columns), row["images"], p_in_words(row["p"])]
        for row in answer_tests(paired).to_dict("records")
    ]
    return [
        "## Changed answers",
        f"REAL, FAKE or UNSURE, {old.name} → workspace. p: exact sign-flip test over the "
        "independent observations that as many answers are right, which UNSURE is not; after "
        "Holm's correction over these variants.",
        table(["variant", *columns, "test images", "p"], counts),
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
        images = first_view(load_split("test").images)
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
            f"{number}. {row['label']}, {row['answer_old']} {row['p_fake_old']:.2f} → "
            f"{row['answer']} {row['p_fake']:.2f}"
            for number, row in enumerate(shown.to_dict("records"), start=1)
        ]
        paragraphs += [
            f"[{path.name}]({link})"
            if link
            else f"![{variant}]({Path(os.path.relpath(path)).as_posix()})",
            f"{variant}, those whose p_fake changed most, from the left; label, old → new answer "
            "and p_fake: " + "; ".join(captions) + ".",
        ]
    return paragraphs
