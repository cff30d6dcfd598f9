"""A trained network together with its calibration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.common.arrays import WHOLE, first_view
from stages.common.manifest import LABELS
from stages.evaluate.calibration import probabilities
from stages.evaluate.classifier import Classifier, mean_over_views
from stages.evaluate.conformal import answers
from stages.evaluate.decision import Decision
from stages.evaluate.grad_cam import heat_maps
from stages.evaluate.unlike import distances


class EvaluateModel:
    """A trained and calibrated network, which predicts and explains itself."""

    def __init__(self, classifier: Classifier, decision: Decision):
        """Take a network, and what was fitted for it on validation."""
        self.classifier, self.decision = classifier, decision

    def predict(self, images: np.ndarray, views: Sequence[str] = (WHOLE,)) -> pd.DataFrame:
        """Return what the network says of `images`, see `Classifier.logits`, a row an image.

        Columns: logit; p_fake (0..1); verdict, REAL or FAKE by the threshold; unlike, whether the
        image is unlike those that the network learned from; answer, REAL, FAKE or UNSURE.
        """
        return self.predict_by_view(images, views)[0]

    def predict_by_view(
        self, images: np.ndarray, views: Sequence[str] = (WHOLE,)
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Return what `predict` does, and the log-odds of each view: float32, [N, V]."""
        by_view = self.classifier.logits_by_view(images, views)
        logits = mean_over_views(by_view)
        p_fake = probabilities(logits, self.decision.temperature)
        verdicts = np.where(p_fake >= self.decision.threshold, "FAKE", "REAL")
        unlike = distances(first_view(images), self.decision.reference) > 1
        rows = pd.DataFrame(
            {
                "logit": logits,
                "p_fake": p_fake,
                "verdict": verdicts,
                "unlike": unlike,
                "answer": answers(logits, unlike, self.decision.sets),
            }
        )
        return rows, by_view

    def explain(
        self, images: np.ndarray, verdicts: pd.Series, views: Sequence[str] = (WHOLE,)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return one view of each of `images`, and what in it speaks for its verdict.

        Args:
            images, views: as for `Classifier.logits_by_view`, in memory.
            verdicts: REAL or FAKE, [N].

        Returns:
            The first view that the network looks at: uint8, [N, height, width, 3]; and its heat
            map: float32, [N, height, width], 0..1.
        """
        shown, kind = self.classifier.shown(images, views)
        labels = verdicts.map(LABELS.index).to_numpy()
        return shown, heat_maps(self.classifier.network, shown, kind, labels)
