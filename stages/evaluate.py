"""evaluate: measure one variant's network on the test split.

In:  models/<variant>.h5, data/processed/test, data/manifest.csv.
Out: metrics/<variant>.json, data/predictions/<variant>.csv and plots/roc/<variant>.csv.

FAKE is the positive class; p_fake is the network's probability of it.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from stages.arrays import load_split, read
from stages.command import InputError, command_line, run
from stages.files import replacing
from stages.manifest import LABELS, MANIFEST, read_used
from stages.params import Schema, read_block
from stages.runtime import keras, set_up


class EvaluateParams(Schema):
    """The block `evaluate` of params.yaml."""

    batch_size: int = Field(ge=1, description="images a step")
    threads: int = Field(
        ge=1, le=1024, description="threads of an operation; another number gives other sums"
    )


class EvaluateModel:
    """A trained network, read from its file, that predicts and is measured."""

    def __init__(self, path: Path, batch_size: int):
        """Load the network in `path`.

        Raises:
            InputError: `path` is missing or holds no Keras model.
        """
        self.batch_size = batch_size
        try:
            self.network = keras.models.load_model(path, compile=False)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: cannot be read as a Keras model: {reason}") from None

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return p_fake of `images` (uint8, [N, height, width, 3], 0..255): float32, [N]."""
        expected = self.network.input_shape[1:]
        if images.shape[1:] != expected:
            raise InputError(f"the model takes images of {expected}, found {images.shape[1:]}")
        starts = range(0, len(images), self.batch_size)
        batches = (read(images, slice(start, start + self.batch_size)) for start in starts)
        return np.concatenate([self.network.predict_on_batch(batch)[:, 1] for batch in batches])


def measure(labels: np.ndarray, p_fake: np.ndarray) -> dict[str, float]:
    """Return the metrics of predictions `p_fake` (float, [N], 0..1) of `labels` (0 or 1, [N]).

    Precision, recall and f1 are means over both labels, weighted by the number of their images.
    An image counts as FAKE from p_fake 0.5 on. Definitions: scikit-learn's, of the same names.
    """
    verdicts = (p_fake >= 0.5).astype(int)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, verdicts, average="weighted", zero_division=0.0
    )
    metrics = {
        "accuracy": accuracy_score(labels, verdicts),
        "loss": log_loss(labels, p_fake.astype(np.float64)),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": roc_auc_score(labels, p_fake),
        "accuracy_real": recall_score(labels, verdicts, pos_label=0),
        "accuracy_fake": recall_score(labels, verdicts, pos_label=1),
    }
    return {name: round(float(value), 6) for name, value in metrics.items()}


def roc(labels: np.ndarray, p_fake: np.ndarray) -> pd.DataFrame:
    """Return the corners of the ROC curve: false and true positive rate, each 0..1."""
    false_positive_rate, true_positive_rate, _ = roc_curve(labels, p_fake)
    return pd.DataFrame(
        {"false_positive_rate": false_positive_rate, "true_positive_rate": true_positive_rate}
    ).round(6)


def main() -> None:
    parser = command_line("stages.evaluate", __doc__)
    parser.add_argument("variant", help="a name in models/, without .h5")
    variant = parser.parse_args().variant
    params = read_block("evaluate", EvaluateParams)
    set_up(seed=0, threads=params.threads)
    test = load_split("test")
    used = read_used()
    rows = used[used["split"] == "test"]
    if not np.array_equal(rows["label"].map(LABELS.index), test.labels):
        raise InputError(f"{MANIFEST} and data/processed/test differ; run `dvc repro preprocess`")

    p_fake = EvaluateModel(Path("models") / f"{variant}.h5", params.batch_size).predict(test.images)
    predictions = rows[["path", "label"]].assign(p_fake=p_fake)
    with (
        replacing(Path("metrics") / f"{variant}.json") as metrics_file,
        replacing(Path("data/predictions") / f"{variant}.csv") as predictions_file,
        replacing(Path("plots/roc") / f"{variant}.csv") as roc_file,
    ):
        metrics = measure(test.labels, p_fake)
        metrics_file.write_text(json.dumps(metrics, indent=2) + "\n")
        # Nine significant digits bring every float32 back exactly.
        predictions.to_csv(predictions_file, index=False, float_format="%.9g", lineterminator="\n")
        roc(test.labels, p_fake).to_csv(roc_file, index=False, lineterminator="\n")
    print(f"{variant}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))


if __name__ == "__main__":
    run(main)
