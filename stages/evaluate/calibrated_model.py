"""A trained network together with its calibration."""

import numpy as np
import pandas as pd

from stages.common.manifest import LABELS
from stages.evaluate.calibration import Calibration, probabilities
from stages.evaluate.classifier import Classifier
from stages.evaluate.grad_cam import heat_maps


class EvaluateModel:
    """A trained and calibrated network, which predicts and explains itself."""

    def __init__(self, classifier: Classifier, fitted: Calibration):
        """Take a network, and the calibration that was fitted for it."""
        self.classifier, self.calibration = classifier, fitted

    def predict(self, images: np.ndarray) -> pd.DataFrame:
        """Return logit, p_fake and verdict of `images` (uint8, [N, height, width, 3])."""
        logits = self.classifier.logits(images)
        p_fake = probabilities(logits, self.calibration.temperature)
        verdicts = np.where(p_fake >= self.calibration.threshold, "FAKE", "REAL")
        return pd.DataFrame({"logit": logits, "p_fake": p_fake, "verdict": verdicts})

    def explain(self, images: np.ndarray, verdicts: pd.Series) -> np.ndarray:
        """Return heat maps (float32, [N, height, width], 0..1) of what speaks for `verdicts`."""
        return heat_maps(self.classifier.network, images, verdicts.map(LABELS.index).to_numpy())
