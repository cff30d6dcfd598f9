"""evaluate: calibrate one variant's network on validation, then measure it on the test split.

In:  models/<variant>.h5, data/processed/validation, test and held_out, data/manifest.csv.
Out: models/<variant>.json: its temperature and threshold;
     metrics/<variant>.json: of validation as trained, of the test images as they are, and of the
     slices that are held out;
     data/predictions/<variant>.csv: of the test images;
     plots/slices/<variant>.csv: accuracy on each slice of the test images and of those held out;
     metrics/sets/<variant>/test.json: of these, what is measured on any set of images;
     metrics/robustness/<variant>.json and plots/robustness/<variant>.csv: of test images that were
     changed, a row a perturbation;
     plots/gallery/<variant>: images that it was sure of, with what speaks for its verdict.

With --external, it measures the calibrated network on another data set instead:
In:  models/<variant>.h5 and .json, data/external/<set>.
Out: metrics/sets/<variant>/<set>.json.

FAKE is the positive class; p_fake is the probability of it, after temperature scaling.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from stages.common.arrays import EXTERNAL, OWN, PROCESSED, Split, load_folder, load_split, read
from stages.common.command import InputError, command_line, run
from stages.common.files import naming, replacing
from stages.common.manifest import HELD_OUT, LABELS, MANIFEST, TEXTS, observations, read_used
from stages.common.params import read_block
from stages.evaluate import calibration
from stages.evaluate.calibrated_model import EvaluateModel
from stages.evaluate.classifier import Classifier
from stages.evaluate.gallery import choose, write_gallery
from stages.evaluate.metrics import (
    measure,
    measure_held_out,
    measure_set,
    measure_validation,
    of_own_test,
)
from stages.evaluate.robustness import summary, under_perturbations
from stages.evaluate.schema import EvaluateParams, RobustnessParams
from stages.evaluate.slices import by_slice
from stages.networks.runtime import set_up

SETS = Path("metrics/sets")


def main() -> None:
    parser = command_line("stages.evaluate", __doc__)
    parser.add_argument("variant", help="a name in models/, without .h5")
    parser.add_argument("--external", metavar="SET", help="a name in data/external/")
    arguments = parser.parse_args()
    params = read_block("evaluate", EvaluateParams)
    set_up(0, params.threads, params.instruction_set)
    network = Path("models") / f"{arguments.variant}.h5"
    classifier = Classifier(network, params.batch_size)
    if arguments.external:
        measure_external(classifier, arguments.variant, arguments.external)
    else:
        measure_own(classifier, arguments.variant)


def measure_external(classifier: Classifier, variant: str, name: str) -> None:
    """Measure a network on the external set `name`."""
    images, labels = load_folder(EXTERNAL / name, f"external@{name}")
    fitted = calibration.read_calibration(classifier.path.with_suffix(".json"))
    rows = pd.read_csv(EXTERNAL / name / "images.csv", keep_default_na=False, dtype=TEXTS)
    metrics = measure_set(labels, classifier.logits(images), observations(rows).to_numpy(), fitted)
    path = SETS / variant / f"{name}.json"
    with replacing(path) as file:
        write_json(metrics, file)
    say(variant, metrics)


def measure_own(classifier: Classifier, variant: str) -> None:
    """Calibrate a network on validation; measure it on the test split and what is held out."""
    perturbed = read_block("robustness", RobustnessParams)
    test, rows = load_measured("test")
    held_out, held_out_rows = load_measured(HELD_OUT)
    validation = load_split("validation")
    logits = classifier.logits(validation.images)
    model = EvaluateModel(classifier, calibration.fit(logits, validation.labels))
    columns = ["path", "label", "slice", "cluster"]
    predictions = pd.concat([rows[columns], model.predict(test.images)], axis=1)
    clusters = observations(rows).to_numpy()
    of_held_out = model.predict(held_out.images)
    metrics = (
        measure_validation(validation.labels, logits)
        | measure(test.labels, predictions["logit"].to_numpy(), clusters, model.calibration)
        | measure_held_out(
            held_out.labels,
            of_held_out["logit"].to_numpy(),
            observations(held_out_rows).to_numpy(),
            model.calibration,
        )
    )
    p_fake = pd.concat([predictions["p_fake"], of_held_out["p_fake"]], ignore_index=True)
    measured = pd.concat([rows, held_out_rows], ignore_index=True)
    slices = by_slice(measured.assign(correct=(p_fake >= 0.5) == (measured["label"] == "FAKE")))
    examples = choose(predictions)
    shown = read(test.images, examples.index.to_numpy())
    heat = model.explain(shown, examples["verdict"])
    changed = under_perturbations(classifier, model.calibration, test, perturbed)
    robustness = summary(changed)

    calibration_path = classifier.path.with_suffix(".json")
    metrics_path = Path("metrics") / f"{variant}.json"
    set_path = SETS / variant / f"{OWN}.json"
    robustness_path = Path("metrics/robustness") / f"{variant}.json"
    predictions_path = Path("data/predictions") / f"{variant}.csv"
    changed_path = Path("plots/robustness") / f"{variant}.csv"
    slices_path = Path("plots/slices") / f"{variant}.csv"
    gallery_path = Path("plots/gallery") / variant
    with (
        replacing(calibration_path) as calibration_file,
        replacing(metrics_path) as metrics_file,
        replacing(set_path) as set_file,
        replacing(robustness_path) as robustness_file,
        replacing(predictions_path) as predictions_file,
        replacing(changed_path) as changed_file,
        replacing(slices_path) as slices_file,
        replacing(gallery_path) as folder,
    ):
        with naming(calibration_path):
            calibration.write(model.calibration, calibration_file)
        with naming(metrics_path):
            write_json(metrics, metrics_file)
        with naming(set_path):
            write_json(of_own_test(clusters, metrics), set_file)
        with naming(robustness_path):
            write_json(robustness, robustness_file)
        with naming(predictions_path):
            # Nine significant digits bring every float32 back exactly.
            predictions.to_csv(
                predictions_file, index=False, float_format="%.9g", lineterminator="\n"
            )
        with naming(changed_path):
            changed.to_csv(changed_file, index=False, lineterminator="\n")
        with naming(slices_path):
            slices.to_csv(slices_file, index=False, lineterminator="\n")
        with naming(gallery_path):
            write_gallery(folder, examples, shown, heat)
    say(variant, metrics)
    say(variant, robustness)


def load_measured(split: str) -> tuple[Split, pd.DataFrame]:
    """Return the images of `split`, and their rows in the manifest.

    Raises:
        InputError: the two differ.
    """
    images, used = load_split(split), read_used()
    rows = used[used["split"] == split].reset_index(drop=True)
    if not np.array_equal(rows["label"].map(LABELS.index), images.labels):
        raise InputError(f"{MANIFEST} and {PROCESSED / split} differ; run `dvc repro preprocess`")
    return images, rows


def write_json(metrics: dict[str, float], path: Path) -> None:
    path.write_text(json.dumps(metrics, indent=2) + "\n")


def say(variant: str, metrics: dict[str, float]) -> None:
    print(f"{variant}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))


if __name__ == "__main__":
    run(main)
