"""What to set in params.yaml for a data set, and why."""

from typing import Any, NamedTuple

import pandas as pd

from stages.common.manifest import LABELS
from stages.source.leave_out import LEAST_IMAGES
from tools.start.survey import Survey
from tools.start.words import Row

PHOTOGRAPHS, NETWORK = 128, 224
"""Pixels: the median shorter side from which on images are photographs, and height and width of
what most pretrained networks were trained on."""
ALIGNED = {"shorter_side": 256, "jpeg_quality": 90}
"""A little more than NETWORK pixels, so that crops differ; and what most JPEG files have."""


FOR_PHOTOGRAPHS: dict[str, Any] = {
    "preprocess.align": ALIGNED,
    "preprocess.image_size": [NETWORK, NETWORK],
    "preprocess.aspect": "crop",
    "preprocess.whole": True,
    "preprocess.crops": 2,
    "variants": {
        "photo": {"recipe": "photo"},
        "photo-small": {"recipe": "photo-small"},
        "small": {"recipe": "small", "input_size": [32, 32]},
    },
    "evaluate.batch_size": 32,
    "robustness.samples": 20,
    "compare.baseline": "small",
}
WHY_FOR_PHOTOGRAPHS = [
    (
        "align",
        f"each image is first scaled to a shorter side of {ALIGNED['shorter_side']} pixels, and "
        f"saved as JPEG of quality {ALIGNED['jpeg_quality']}: then neither size nor compression "
        "tells the labels apart, and what is learned holds better for new subjects",
    ),
    (
        "image_size",
        f"these are photographs: networks see each whole image at {NETWORK} pixels, as pretrained "
        "ones expect, and 2 crops that are not scaled again, where generators leave finer traces",
    ),
    (
        "aspect",
        "crop takes the middle of the whole image: if it were stretched, or got borders, its shape "
        "could tell the labels apart",
    ),
    (
        "cost",
        "32 views a step fit into memory, and 20 test images show what JPEG files, blur, noise "
        "and scaling do",
    ),
    (
        "variants",
        "photo uses a pretrained network, photo-small has one of its own at 64 pixels; small, at "
        "32 pixels, is the baseline that says what these are worth",
    ),
]


class Proposal(NamedTuple):
    """Values by name, such as `source.path`, block by block; and why."""

    values: dict[str, Any]
    reasons: list[Row]


def propose(survey: Survey, configs: dict[str, dict[str, Any]]) -> Proposal:
    """Return what to set for the images of `survey`.

    Args:
        configs: the variants that there are, complete.
    """
    sizes = survey.images[["height", "width"]]
    values, why = FOR_PHOTOGRAPHS, WHY_FOR_PHOTOGRAPHS
    if sizes.min(axis=1).median() < PHOTOGRAPHS:
        values, why = _for_small_images(sizes, configs)
    reasons = [("hold_out", _why_hold_out(survey)), *why]
    gone = [name for name in configs if name not in values.get("variants", configs)]
    if gone:
        title, text = reasons.pop()
        text += f"; they replace {', '.join(gone)}, which `git checkout params.yaml`"
        reasons.append((title, f"{text} brings back"))
    source = {"source.path": survey.params.path, "source.hold_out": survey.hold_out}
    return Proposal({**source, **values}, reasons)


def _for_small_images(
    sizes: pd.DataFrame, configs: dict[str, dict[str, Any]]
) -> tuple[dict[str, Any], list[Row]]:
    """Return values, and why. Variants that need crops or larger images do not stay.

    Args:
        sizes: height and width of each image.
    """
    middle = int(sizes.min(axis=1).median())
    one_size = sizes.nunique().max() == 1
    size = sizes.iloc[0].tolist() if one_size else [middle, middle]
    size = [min(max(side, 8), 1024) for side in size]
    values: dict[str, Any] = {
        "preprocess.align": None,
        "preprocess.image_size": size,
        "preprocess.aspect": "stretch",
        "preprocess.whole": True,
        "preprocess.crops": 0,
        "evaluate.batch_size": 250,
        "robustness.samples": 1000,
    }
    what = "their own size" if one_size else "the middle one of their sizes"
    why = [("image_size", f"these are small: networks see each whole image, at {what}")]
    largest = max(max(config["input_size"] or [0]) for config in configs.values())
    if largest > min(size) or any(config["views"] != "whole" for config in configs.values()):
        values |= {"variants": {"small": {"recipe": "small"}}, "compare.baseline": "small"}
        why.append(("variants", "small, because the present ones need larger images"))
    return values, why


def _why_hold_out(survey: Survey) -> str:
    images = survey.images[survey.images["slice"].isin(survey.hold_out)]
    sizes = images[["label", "slice"]].value_counts().to_dict()
    held_out = " and ".join(
        f"{name} ({sizes[label, name]:,} {label})"
        for name in survey.hold_out
        for label in LABELS
        if (label, name) in sizes
    )
    lacking = [label for label in LABELS if label not in set(images["label"])]
    none = (
        f"no slice of {' or '.join(lacking)}: that takes one of {LEAST_IMAGES} images or more that "
        "is not the largest, and others in each split"
    )
    honest = (
        f"{held_out}: never trained on, only measured. The accuracy on them is the honest one: "
        "what to expect on subjects and generators that a model has not seen"
    )
    return "; ".join([honest] * bool(held_out) + [none] * bool(lacking))
