"""evaluate: calibrate one variant's network on validation, then measure it on the test split.

In:  models/<variant>.h5, data/processed, data/perturbed, data/manifest.csv.
Out: models/<variant>.json: its temperature and threshold, from where on it answers, and what images
     are compared with, to tell those that are unlike all training images;
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

from stages.common.arrays import (
    EXTERNAL,
    OWN,
    PERTURBED,
    PROCESSED,
    Split,
    first_view,
    load_folder,
    load_split,
    read,
)
from stages.common.command import InputError, command_line, run
from stages.common.files import naming, replacing
from stages.common.manifest import HELD_OUT, LABELS, MANIFEST, TEXTS, observations, read_used
from stages.common.params import read_block
from stages.evaluate import calibration, conformal, decision, unlike
from stages.evaluate.calibrated_model import EvaluateModel
from stages.evaluate.classifier import Classifier
from stages.evaluate.gallery import choose, write_gallery
from stages.evaluate.metrics import (
    measure,
    measure_answers,
    measure_held_out,
    measure_set,
    measure_validation,
    of_own_test,
)
from stages.evaluate.robustness import summary, under_perturbations
from stages.evaluate.schema import EvaluateParams
from stages.evaluate.slices import by_slice
from stages.networks.runtime import set_up

SETS = Path("metrics/sets")
SAID = (
    "validation_accuracy", "accuracy", "held_out_accuracy", "roc_auc", "accuracy_perturbed",
    "answered", "accuracy_answered",
)  # fmt: skip
"""What is printed of all metrics: the first `FEW` that there are."""
FEW = 5


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
        measure_own(classifier, arguments.variant, params.error_rate)


def measure_external(classifier: Classifier, variant: str, name: str) -> None:
    """Measure a network on the external set `name`."""
    images, labels, views = load_folder(EXTERNAL / name, f"external@{name}")
    model = EvaluateModel(classifier, decision.read_decision(classifier.path.with_suffix(".json")))
    rows = pd.read_csv(EXTERNAL / name / "images.csv", keep_default_na=False, dtype=TEXTS)
    metrics = measure_set(
        labels, *said(model.predict(images, views)), observations(rows).to_numpy(), model.decision
    )
    path = SETS / variant / f"{name}.json"
    with replacing(path) as file:
        write_json(metrics, file)
    say(variant, metrics)


def measure_own(classifier: Classifier, variant: str, error_rate: float) -> None:
    """Calibrate a network on validation; measure it on the test split and what is held out."""
    test, rows = load_measured("test")
    held_out, held_out_rows = load_measured(HELD_OUT)
    validation = load_split("validation")
    logits = classifier.logits(validation.images, validation.views)
    fitted = decision.Decision(
        **calibration.fit(logits, validation.labels).model_dump(),
        error_rate=error_rate,
        sets=conformal.fit(logits, validation.labels, error_rate),
        reference=unlike.fit(
            first_view(load_split("train").images), first_view(validation.images), error_rate
        ),
    )
    model = EvaluateModel(classifier, fitted)
    columns = ["path", "label", "slice", "cluster"]
    predictions = pd.concat([rows[columns], model.predict(test.images, test.views)], axis=1)
    clusters = observations(rows).to_numpy()
    of_held_out = model.predict(held_out.images, held_out.views)
    metrics = (
        measure_validation(validation.labels, logits)
        | measure(test.labels, predictions["logit"].to_numpy(), clusters, fitted)
        | measure_answers(test.labels, *said(predictions), clusters, fitted)
        | measure_held_out(
            held_out.labels,
            *said(of_held_out),
            observations(held_out_rows).to_numpy(),
            fitted,
        )
    )
    p_fake = pd.concat([predictions["p_fake"], of_held_out["p_fake"]], ignore_index=True)
    measured = pd.concat([rows, held_out_rows], ignore_index=True)
    slices = by_slice(measured.assign(correct=(p_fake >= 0.5) == (measured["label"] == "FAKE")))
    examples = choose(predictions)
    images = read(test.images, examples.index.to_numpy())
    shown, heat = model.explain(images, examples["verdict"], test.views)
    changed = under_perturbations(classifier, fitted, PERTURBED)
    robustness = summary(changed)

    decision_path = classifier.path.with_suffix(".json")
    metrics_path = Path("metrics") / f"{variant}.json"
    set_path = SETS / variant / f"{OWN}.json"
    robustness_path = Path("metrics/robustness") / f"{variant}.json"
    predictions_path = Path("data/predictions") / f"{variant}.csv"
    changed_path = Path("plots/robustness") / f"{variant}.csv"
    slices_path = Path("plots/slices") / f"{variant}.csv"
    gallery_path = Path("plots/gallery") / variant
    with (
        replacing(decision_path) as decision_file,
        replacing(metrics_path) as metrics_file,
        replacing(set_path) as set_file,
        replacing(robustness_path) as robustness_file,
        replacing(predictions_path) as predictions_file,
        replacing(changed_path) as changed_file,
        replacing(slices_path) as slices_file,
        replacing(gallery_path) as folder,
    ):
        with naming(decision_path):
            decision.write(fitted, decision_file)
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
    say(variant, metrics | robustness)


def said(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return logit, and whether it is unlike, of each image of `predictions`."""
    return predictions["logit"].to_numpy(), predictions["unlike"].to_numpy()


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
    said = [f"{name} {metrics[name]:.3f}" for name in SAID if name in metrics]
    print(f"{variant}: {', '.join(said[:FEW])}")


if __name__ == "__main__":
    run(main)
