"""robustness: how one variant's network does on test images that were changed, and on others.

In:  models/<variant>.h5 and .json, data/processed/test, data/external.
Out: metrics/robustness/<variant>.json; plots/robustness/<variant>.csv, a row a perturbation.

The unchanged images go the same way as the changed ones, so their row equals evaluate's metrics.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, roc_auc_score
from tqdm import tqdm

from stages.arrays import EXTERNAL, Split, load_folder, load_split, read
from stages.calibration import Calibration, probabilities, read_calibration
from stages.classifier import Classifier, EvaluateParams
from stages.command import command_line, run
from stages.files import naming, replacing
from stages.params import read_block
from stages.perturb import RobustnessParams, perturbations
from stages.runtime import set_up
from stages.statistics import accuracy_interval


def scores(
    classifier: Classifier, split: Split, params: RobustnessParams
) -> dict[tuple[str, float], np.ndarray]:
    """Return the log-odds of FAKE (float32, [N]) under each kind and level of perturbation.

    Only one batch of images is in memory, so that any number of them will do.
    """
    size = classifier.batch_size
    parts: dict[tuple[str, float], list[np.ndarray]] = {}
    for start in tqdm(
        range(0, len(split.labels), size), desc="robustness", unit=" batches", disable=None
    ):
        images = read(split.images, slice(start, start + size))
        for kind, level, change in perturbations(params):
            parts.setdefault((kind, level), []).append(classifier.logits(change(images)))
    return {changed: np.concatenate(logits) for changed, logits in parts.items()}


def measure(labels: np.ndarray, logits: np.ndarray, fitted: Calibration) -> dict[str, float]:
    """Return accuracy (FAKE from p_fake 0.5 on), accuracy at the threshold, and ROC AUC."""
    p_fake = probabilities(logits, fitted.temperature)
    return {
        "accuracy": round(accuracy_score(labels, p_fake >= 0.5), 6),
        "accuracy_at_threshold": round(accuracy_score(labels, p_fake >= fitted.threshold), 6),
        "roc_auc": round(roc_auc_score(labels, logits), 6),
    }


def summary(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean accuracy under each kind of perturbation, and the mean of these.

    Kinds weigh the same, however many levels each has, as in Hendrycks and Dietterich, Benchmarking
    Neural Network Robustness to Common Corruptions and Perturbations, 2019,
    https://arxiv.org/abs/1903.12261.
    """
    clean = float(table.loc[table["kind"] == "none", "accuracy"].iloc[0])
    means = table[table["kind"] != "none"].groupby("kind", sort=False)["accuracy"].mean()
    mean = float(means.mean()) if len(means) else clean
    return {
        "accuracy_clean": clean,
        "accuracy_perturbed": round(mean, 6),
        "accuracy_lost": round(clean - mean, 6),
        **{f"accuracy_{str(kind).lower()}": round(value, 6) for kind, value in means.items()},
    }


def of_external(labels: np.ndarray, logits: np.ndarray, fitted: Calibration) -> dict[str, float]:
    """Return number and metrics of the external data set, with the accuracy's 95% interval."""
    accuracy = accuracy_interval((probabilities(logits, fitted.temperature) >= 0.5) == labels)
    found = measure(labels, logits, fitted) | {
        "accuracy_low": round(accuracy.low, 6),
        "accuracy_high": round(accuracy.high, 6),
    }
    return {"external_images": len(labels)} | {
        f"external_{name}": value for name, value in found.items()
    }


def main() -> None:
    parser = command_line("stages.robustness", __doc__)
    parser.add_argument("variant", help="a name in models/, without .h5")
    variant = parser.parse_args().variant
    params = read_block("robustness", RobustnessParams)
    predicting = read_block("evaluate", EvaluateParams)
    set_up(0, predicting.threads, predicting.instruction_set)
    models = Path("models")
    classifier = Classifier(models / f"{variant}.h5", predicting.batch_size)
    fitted = read_calibration(models / f"{variant}.json")
    test, external = load_split("test"), load_folder(EXTERNAL, "external")
    smaller = [size for size in params.downscale_to if size < min(test.images.shape[1:3])]
    params = params.model_copy(update={"downscale_to": smaller})

    rows = [
        {"kind": kind, "level": level} | measure(test.labels, logits, fitted)
        for (kind, level), logits in scores(classifier, test, params).items()
    ]
    table = pd.DataFrame(rows)
    metrics = summary(table)
    if len(external.labels):
        metrics |= of_external(external.labels, classifier.logits(external.images), fitted)

    table_path = Path("plots/robustness") / f"{variant}.csv"
    metrics_path = Path("metrics/robustness") / f"{variant}.json"
    with replacing(table_path) as table_file, replacing(metrics_path) as metrics_file:
        with naming(table_path):
            table.to_csv(table_file, index=False, lineterminator="\n")
        with naming(metrics_path):
            metrics_file.write_text(json.dumps(metrics, indent=2) + "\n")
    print(f"{variant}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))


if __name__ == "__main__":
    run(main)
