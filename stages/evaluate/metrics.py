"""evaluate: calibrate one variant's network on validation, then measure it on the test split.

In:  models/<variant>.h5, data/processed/validation and test, data/external, data/manifest.csv.
Out: models/<variant>.json: its temperature and threshold;
     metrics/<variant>.json and data/predictions/<variant>.csv: of the test images as they are;
     metrics/robustness/<variant>.json and plots/robustness/<variant>.csv: of test images that were
     changed, a row a perturbation, and of another data set;
     plots/gallery/<variant>: images that it was sure of, with what speaks for its verdict.

FAKE is the positive class; p_fake is the probability of it, after temperature scaling.
"""

import json
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from stages import calibration
from stages.arrays import EXTERNAL, Split, load_folder, load_split, read
from stages.calibration import Calibration, log_loss, probabilities
from stages.classifier import Classifier, EvaluateParams
from stages.command import InputError, command_line, run
from stages.files import naming, replacing
from stages.gallery import choose, write_gallery
from stages.grad_cam import heat_maps
from stages.manifest import LABELS, MANIFEST, read_used
from stages.params import read_block
from stages.perturb import RobustnessParams
from stages.reliability import expected_calibration_error
from stages.robustness import of_external, summary, under_perturbations
from stages.runtime import set_up
from stages.statistics import accuracy_interval


class EvaluateModel:
    """A trained and calibrated network, which predicts and explains itself."""

    def __init__(self, classifier: Classifier, fitted: Calibration):
        """Take a network, and the calibration that was fitted for it."""
        self.classifier, self.calibration = classifier, fitted

    @classmethod
    def calibrated_on(cls, validation: Split, classifier: Classifier) -> Self:
        """Return `classifier` with the calibration that suits the images of `validation`."""
        logits = classifier.logits(validation.images)
        return cls(classifier, calibration.fit(logits, validation.labels))

    def predict(self, images: np.ndarray) -> pd.DataFrame:
        """Return logit, p_fake and verdict of `images` (uint8, [N, height, width, 3])."""
        logits = self.classifier.logits(images)
        p_fake = probabilities(logits, self.calibration.temperature)
        verdicts = np.where(p_fake >= self.calibration.threshold, "FAKE", "REAL")
        return pd.DataFrame({"logit": logits, "p_fake": p_fake, "verdict": verdicts})

    def explain(self, images: np.ndarray, verdicts: pd.Series) -> np.ndarray:
        """Return heat maps (float32, [N, height, width], 0..1) of what speaks for `verdicts`."""
        return heat_maps(self.classifier.network, images, verdicts.map(LABELS.index).to_numpy())


def measure(labels: np.ndarray, logits: np.ndarray, fitted: Calibration) -> dict[str, float]:
    """Return the metrics of a network whose log-odds of FAKE are `logits` (float, [N]).

    An image counts as FAKE from a p_fake of 0.5 on, except in `accuracy_at_threshold`. Precision,
    recall and f1 are means over both labels, weighted by the number of their images. Definitions:
    scikit-learn's of the same names; `stages.statistics` and `stages.reliability` for the rest.

    Args:
        labels: 0 (REAL) or 1 (FAKE): int, [N], both present.
        fitted: what the network's probabilities and verdicts go by.
    """
    p_raw = probabilities(logits).astype(np.float64)
    p_fake = probabilities(logits, fitted.temperature).astype(np.float64)
    verdicts = (p_fake >= 0.5).astype(int)
    accuracy = accuracy_interval(verdicts == labels)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, verdicts, average="weighted", zero_division=0.0
    )
    metrics = {
        "accuracy": accuracy.mean,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "loss": log_loss(labels, logits),
        "loss_calibrated": log_loss(labels, logits, fitted.temperature),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": roc_auc_score(labels, logits),
        "average_precision": average_precision_score(labels, logits),
        "accuracy_real": recall_score(labels, verdicts, pos_label=0),
        "accuracy_fake": recall_score(labels, verdicts, pos_label=1),
        "recall_fake_at_1pct_false_alarms": recall_at(labels, logits, 0.01),
        "recall_fake_at_5pct_false_alarms": recall_at(labels, logits, 0.05),
        "brier_score": brier_score_loss(labels, p_raw),
        "brier_score_calibrated": brier_score_loss(labels, p_fake),
        "ece": expected_calibration_error(labels, p_raw),
        "ece_calibrated": expected_calibration_error(labels, p_fake),
        "temperature": fitted.temperature,
        "threshold": fitted.threshold,
        "accuracy_at_threshold": accuracy_score(labels, p_fake >= fitted.threshold),
    }
    return {name: round(float(value), 6) for name, value in metrics.items()}


def recall_at(labels: np.ndarray, scores: np.ndarray, false_alarms: float) -> float:
    """Return the largest share of FAKE that any threshold on `scores` (float, [N]) recognises.

    Args:
        false_alarms: the share of REAL that may be taken for FAKE meanwhile, 0..1.
    """
    rates, recognised, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(recognised[rates <= false_alarms].max())


def main() -> None:
    parser = command_line("stages.evaluate", __doc__)
    parser.add_argument("variant", help="a name in models/, without .h5")
    variant = parser.parse_args().variant
    params = read_block("evaluate", EvaluateParams)
    perturbed = read_block("robustness", RobustnessParams)
    set_up(0, params.threads, params.instruction_set)
    test, external = load_split("test"), load_folder(EXTERNAL, "external")
    used = read_used()
    rows = used[used["split"] == "test"].reset_index(drop=True)
    if not np.array_equal(rows["label"].map(LABELS.index), test.labels):
        raise InputError(f"{MANIFEST} and data/processed/test differ; run `dvc repro preprocess`")

    classifier = Classifier(Path("models") / f"{variant}.h5", params.batch_size)
    model = EvaluateModel.calibrated_on(load_split("validation"), classifier)
    predictions = pd.concat([rows[["path", "label"]], model.predict(test.images)], axis=1)
    metrics = measure(test.labels, predictions["logit"].to_numpy(), model.calibration)
    examples = choose(predictions)
    shown = read(test.images, examples.index.to_numpy())
    heat = model.explain(shown, examples["verdict"])
    changed = under_perturbations(classifier, model.calibration, test, perturbed)
    robustness = summary(changed)
    if len(external.labels):
        logits = classifier.logits(external.images)
        robustness |= of_external(external.labels, logits, model.calibration)

    calibration_path = Path("models") / f"{variant}.json"
    metrics_path = Path("metrics") / f"{variant}.json"
    robustness_path = Path("metrics/robustness") / f"{variant}.json"
    predictions_path = Path("data/predictions") / f"{variant}.csv"
    changed_path = Path("plots/robustness") / f"{variant}.csv"
    gallery_path = Path("plots/gallery") / variant
    with (
        replacing(calibration_path) as calibration_file,
        replacing(metrics_path) as metrics_file,
        replacing(robustness_path) as robustness_file,
        replacing(predictions_path) as predictions_file,
        replacing(changed_path) as changed_file,
        replacing(gallery_path) as folder,
    ):
        with naming(calibration_path):
            calibration.write(model.calibration, calibration_file)
        with naming(metrics_path):
            metrics_file.write_text(json.dumps(metrics, indent=2) + "\n")
        with naming(robustness_path):
            robustness_file.write_text(json.dumps(robustness, indent=2) + "\n")
        with naming(predictions_path):
            # Nine significant digits bring every float32 back exactly.
            predictions.to_csv(
                predictions_file, index=False, float_format="%.9g", lineterminator="\n"
            )
        with naming(changed_path):
            changed.to_csv(changed_file, index=False, lineterminator="\n")
        with naming(gallery_path):
            write_gallery(folder, examples, shown, heat)
    for found in (metrics, robustness):
        print(f"{variant}: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))


if __name__ == "__main__":
    run(main)
