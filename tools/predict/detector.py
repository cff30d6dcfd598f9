"""Answers about images of any size, from a variant that the pipeline has trained."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.command import InputError
from stages.common.files import read_json
from stages.common.params import read_block
from stages.evaluate.calibrated_model import EvaluateModel
from stages.evaluate.classifier import Classifier
from stages.evaluate.conformal import UNSURE, ConformalSets, fitting
from stages.evaluate.decision import bounds, read_decision
from stages.evaluate.schema import EvaluateParams
from stages.networks.runtime import set_up
from stages.preprocess.views import Preprocess
from tools.predict.explanation import explanation
from tools.predict.pictures import Views
from tools.predict.rows import in_words

MODELS = Path("models")
METRICS = Path("metrics")


class Answer(NamedTuple):
    """What a network says of one image."""

    answer: str
    """REAL, FAKE or UNSURE."""
    why: str
    """Why it is UNSURE, in words; "" where it is not."""
    p_fake: float
    """The calibrated probability of FAKE, 0..1."""
    leaning: str
    """REAL or FAKE: the answer, or where it is UNSURE, the verdict."""
    views: int
    """How many views of the image the network looked at."""
    views_disagree: bool
    """Whether some of them speak for REAL, and some for FAKE."""


class Detector:
    """One variant, ready to look at images."""

    def __init__(self, variant: str, preprocess: Preprocess):
        """Load network and decision of `variant`.

        Raises:
            InputError: a file is damaged, or `preprocess` makes images of another size than the
                network takes, or not the views that it looks at.
        """
        params = read_block("evaluate", EvaluateParams)
        network = MODELS / f"{variant}.h5"
        set_up(0, params.threads, params.instruction_set)
        self.variant, self.kinds = variant, preprocess.kinds
        classifier = Classifier(network, params.batch_size)
        expected = list(classifier.network.inputs[0].shape[1:3])
        if [preprocess.height, preprocess.width] != expected:
            raise InputError(
                f"params.yaml: preprocess.image_size: {variant} was trained on {expected}, "
                f"found {[preprocess.height, preprocess.width]}; run `dvc repro`"
            )
        self.views = len(classifier.places(self.kinds))
        self.model = EvaluateModel(classifier, read_decision(network.with_suffix(".json")))

    @property
    def images(self) -> int:
        """How many images fill a batch of the network with their views."""
        return max(1, self.model.classifier.filled // self.views)

    def limits(self) -> str:
        """Return from which p_fake on the answer is FAKE, and up to which REAL, in words."""
        real, fake = bounds(self.model.decision)
        return ", ".join(
            [
                "never REAL" if np.isinf(real) else f"REAL up to a p_fake of {real:.3g}",
                "never FAKE" if np.isinf(fake) else f"FAKE from {fake:.3g} on",
            ]
        )

    def answers(self, images: list[Views]) -> list[Answer]:
        """Return what the network says of each of `images`, whatever others there are."""
        if not images:
            return []
        pixels = np.stack([image.pixels for image in images])
        rows, by_view = self.model.predict_by_view(pixels, self.kinds)
        disagree = (by_view.min(1) < 0) & (by_view.max(1) > 0)
        return [
            Answer(
                answer,
                why,
                p_fake,
                verdict if answer == UNSURE else answer,
                self.views,
                bool(apart),
            )
            for answer, why, p_fake, verdict, apart in zip(
                rows["answer"],
                reasons(rows, self.model.decision.sets),
                rows["p_fake"],
                rows["verdict"],
                disagree,
                strict=True,
            )
        ]

    def explain(self, name: str, image: Views, answer: Answer) -> Image.Image:
        """Return a picture of why: the first view that the network looks at, and Grad-CAM over it.

        Args:
            name: of the image, for the caption.
            answer: what the network says of it.
        """
        said = f"{in_words(answer.answer, answer.why)}; p_fake {answer.p_fake:.3f}"
        return explanation(*self.heat(image, answer), name, said, answer.leaning)

    def heat(self, image: Views, answer: Answer) -> tuple[np.ndarray, np.ndarray]:
        """Return the first view that the network looks at, and what in it speaks for its leaning.

        These are uint8, [height, width, 3], and 0..1, [height, width], by Grad-CAM.
        """
        shown, heat = self.model.explain(
            image.pixels[np.newaxis], pd.Series([answer.leaning]), self.kinds
        )
        return shown[0], heat[0]


def reasons(predictions: pd.DataFrame, sets: ConformalSets) -> list[str]:
    """Return why each answer is UNSURE, in words; "" where it is REAL or FAKE.

    Args:
        predictions: what `EvaluateModel.predict` returned.
    """
    labels = fitting(predictions["logit"].to_numpy(), sets).sum(1)
    why = np.where(labels == 2, "both fit", "neither fits")
    why = np.where(predictions["unlike"], "unlike what it learned from", why)
    return np.where(predictions["answer"] == UNSURE, why, "").tolist()


def trained_variants() -> list[str]:
    """Return the variants whose network and decision are here, at least one.

    Raises:
        InputError: there is none.
    """
    found = sorted(path.stem for path in MODELS.glob("*.h5") if path.with_suffix(".json").exists())
    if not found:
        raise InputError(
            f"{MODELS}: no model is here; run `dvc repro`, or `dvc pull train evaluate`"
        )
    return found


def best_on_validation(variants: list[str]) -> str:
    """Return the one of `variants` with the highest accuracy on validation.

    The test split is no basis for it: what it measures would be no measurement any more. Where the
    metrics that would tell are not here, it is the first one.
    """

    def accuracy(variant: str) -> float:
        try:
            return float(read_json(METRICS / f"{variant}.json")["validation_accuracy"])
        except (InputError, KeyError):
            return -1.0

    return max(variants, key=accuracy)
