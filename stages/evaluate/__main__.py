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

import numpy as np
import pandas as pd

from stages.common.arrays import EXTERNAL, load_folder, load_split, read
from stages.common.command import InputError, command_line, run
from stages.common.files import naming, replacing
from stages.common.manifest import LABELS, MANIFEST, read_used
from stages.common.params import read_block
from stages.evaluate import calibration
from stages.evaluate.calibrated_model import EvaluateModel
from stages.evaluate.classifier import Classifier, EvaluateParams
from stages.evaluate.gallery import choose, write_gallery
from stages.evaluate.metrics import measure
from stages.evaluate.robustness import (
    RobustnessParams,
    of_external,
    summary,
    under_perturbations,
)
from stages.networks.runtime import set_up


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
