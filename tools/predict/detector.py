"""Verdicts on images of any size, from a variant that the pipeline has trained."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.command import InputError
from stages.common.manifest import LABELS
from stages.common.params import read_block
from stages.evaluate.calibrated_model import EvaluateModel
from stages.evaluate.calibration import read_calibration
from stages.evaluate.classifier import Classifier
from stages.evaluate.gallery import overlay
from stages.evaluate.schema import EvaluateParams
from stages.networks.runtime import set_up
from stages.preprocess.resize import Preprocess
from tools.predict.views import Views

MODELS = Path("models")
CURVES = Path("plots/training")

SHOWN = 256
"""The height of each panel of an explanation, in pixels, at least."""

COLOURS = {"REAL": (76, 114, 176), "FAKE": (196, 78, 82)}
"""The frames of tiles, by their verdict: red, green, blue."""


class Verdict(NamedTuple):
    """What a network says of one image."""

    verdict: str
    """REAL, or from a p_fake of the threshold on FAKE; of the whole image in the network's size."""
    p_fake: float
    """Its calibrated probability of FAKE, 0..1."""
    tiles_fake: np.ndarray
    """Which tiles would be FAKE by the same threshold: bool, [rows, columns]."""

    @property
    def tiles_disagree(self) -> bool:
        """Whether more than half of the tiles would have another verdict than the whole image."""
        against = self.tiles_fake != (self.verdict == "FAKE")
        return bool(2 * against.sum() > against.size)


class Detector:
    """One variant, ready to look at images."""

    def __init__(self, variant: str, preprocess: Preprocess):
        """Load network and calibration of `variant`.

        Raises:
            InputError: a file is damaged, or `preprocess` makes images of another size than the
                network takes.
        """
        params = read_block("evaluate", EvaluateParams)
        network = MODELS / f"{variant}.h5"
        set_up(0, params.threads, params.instruction_set)
        self.variant = variant
        classifier = Classifier(network, params.batch_size)
        expected = list(classifier.network.input_shape[1:3])
        if [preprocess.height, preprocess.width] != expected:
            raise InputError(
                f"params.yaml: preprocess.image_size: {variant} was trained on {expected}, "
                f"found {[preprocess.height, preprocess.width]}; run `dvc repro`"
            )
        self.model = EvaluateModel(classifier, read_calibration(network.with_suffix(".json")))

    @property
    def threshold(self) -> float:
        """From this p_fake on, the verdict is FAKE."""
        return self.model.calibration.threshold

    def verdicts(self, images: list[Views]) -> list[Verdict]:
        """Return a verdict on each of `images`."""
        if not images:
            return []
        wholes = self.model.predict(np.stack([image.whole for image in images]))
        size = images[0].whole.shape
        parts = self.model.predict(
            np.concatenate([image.tiles.reshape(-1, *size) for image in images])
        )
        ends = np.cumsum([math.prod(image.tiles.shape[:2]) for image in images])
        votes = np.split(parts["verdict"].to_numpy() == "FAKE", ends[:-1])
        return [
            Verdict(verdict, p_fake, vote.reshape(image.tiles.shape[:2]))
            for verdict, p_fake, vote, image in zip(
                wholes["verdict"], wholes["p_fake"], votes, images, strict=True
            )
        ]

    def explain(self, image: Views, verdict: Verdict) -> Image.Image:
        """Return a picture of why: what the network saw, Grad-CAM over it, and the tiles, if any.

        Blue frames are around tiles that count as REAL, red ones around those that count as FAKE.
        """
        heat = self.model.explain(image.whole[np.newaxis], pd.Series([verdict.verdict]))[0]
        panels = [_enlarged(image.whole), _enlarged(overlay(image.whole, heat))]
        if verdict.tiles_fake.size:
            panels.append(_enlarged(_mosaic(image.tiles, verdict.tiles_fake)))
        return _beside(panels)


def _mosaic(tiles: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Return `tiles` in their places, each in a frame that shows its verdict."""
    rows, columns, height, width, _ = tiles.shape
    frame = max(1, height // 16)
    colours = np.array([COLOURS[label] for label in LABELS], np.uint8)[fake.astype(int)]
    framed = np.empty((rows, columns, height + 2 * frame, width + 2 * frame, 3), np.uint8)
    framed[:] = colours[:, :, np.newaxis, np.newaxis]
    framed[:, :, frame:-frame, frame:-frame] = tiles
    return framed.swapaxes(1, 2).reshape(rows * framed.shape[2], columns * framed.shape[3], 3)


def _enlarged(pixels: np.ndarray) -> Image.Image:
    """Return `pixels` as a picture, a square for each, that is at least SHOWN high."""
    factor = math.ceil(SHOWN / len(pixels))
    return Image.fromarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))


def _beside(panels: list[Image.Image]) -> Image.Image:
    gap = 8
    width = sum(panel.width + gap for panel in panels) - gap
    picture = Image.new("RGB", (width, max(panel.height for panel in panels)), "white")
    left = 0
    for panel in panels:
        picture.paste(panel, (left, 0))
        left += panel.width + gap
    return picture


def trained_variants() -> list[str]:
    """Return the variants whose network and calibration are here, at least one.

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
    """Return the one of `variants` with the highest accuracy on validation after its last epoch.

    The test split is no basis for it: what it measures would be no measurement any more. Where the
    curves that would tell are not here, it is the first one.
    """

    def accuracy(variant: str) -> float:
        try:
            return float(pd.read_csv(CURVES / f"{variant}.csv")["val_accuracy"].iloc[-1])
        except (OSError, KeyError, IndexError, ValueError):
            return -1.0

    return max(variants, key=accuracy)
