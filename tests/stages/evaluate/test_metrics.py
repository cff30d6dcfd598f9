"""evaluate: the numbers are worked out by hand or by Keras, never by the code under test."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.common.arrays import Split
from stages.common.command import InputError
from stages.common.manifest import COLUMNS
from stages.evaluate import conformal, unlike
from stages.evaluate.calibrated_model import EvaluateModel
from stages.evaluate.calibration import Calibration, fit
from stages.evaluate.classifier import Classifier
from stages.evaluate.decision import Decision, read_decision
from stages.evaluate.metrics import (
    measure,
    measure_answers,
    measure_held_out,
    measure_set,
    measure_validation,
    of_own_test,
    recall_at,
)
from stages.evaluate.schema import METRICS, OF_HELD_OUT
from stages.networks.runtime import keras
from stages.train.model import CNNModel
from tests.helpers import REPOSITORY, edit_params, run_stage
from tests.stages.evaluate.test_classifier import SMALL, saved
from tests.stages.evaluate.test_decision import decision
from tests.stages.train.test_model import config, random_split

AS_TRAINED = Calibration(temperature=1.0, threshold=0.5)


def alone(number: int) -> np.ndarray:
    """Return the clusters of `number` images that stand alone."""
    return np.arange(number).astype(str)


def log_odds(*p_fake: float) -> np.ndarray:
    p = np.array(p_fake)
    return np.log(p / (1 - p))


def test_the_metrics_of_six_images_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    metrics = measure(labels, log_odds(0.1, 0.2, 0.4, 0.5, 0.9, 0.3), alone(6), AS_TRAINED)
    # 0.5 counts as FAKE. Of the four REAL three are found, of the four called REAL three are;
    # of the two FAKE one is found, of the two called FAKE one is.
    expected = {
        "accuracy": 4 / 6,
        "loss": -np.log([0.9, 0.8, 0.6, 0.5, 0.9, 0.3]).mean(),
        "precision": (4 * 3 / 4 + 2 * 1 / 2) / 6,
        "recall": (4 * 3 / 4 + 2 * 1 / 2) / 6,
        "f1": (4 * 3 / 4 + 2 * 1 / 2) / 6,
        # Of the eight pairs of a FAKE and a REAL, 0.9 wins four and 0.3 wins two.
        "roc_auc": 6 / 8,
        # Half of the FAKE is found first, at precision 1; all of it when two of four are FAKE.
        "average_precision": 0.5 * 1 + 0.5 * 2 / 4,
        "accuracy_real": 3 / 4,
        "accuracy_fake": 1 / 2,
        # Mean squared distance of p_fake from the label.
        "brier_score": (0.01 + 0.04 + 0.16 + 0.25 + 0.01 + 0.49) / 6,
        # Each is alone in its bin of 1/15.
        "ece": (0.1 + 0.2 + 0.4 + 0.5 + 0.1 + 0.7) / 6,
        # Only 0.9 stands above every REAL.
        "recall_fake_at_1pct_false_alarms": 1 / 2,
        "recall_fake_at_5pct_false_alarms": 1 / 2,
        "temperature": 1.0,
        "threshold": 0.5,
        "accuracy_at_threshold": 4 / 6,
    }
    found = {name: metrics[name] for name in expected}
    assert found == {name: round(value, 6) for name, value in expected.items()}
    for name in ("loss", "brier_score", "ece"):
        assert metrics[f"{name}_calibrated"] == metrics[name], "at temperature 1"
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]


def test_temperature_and_threshold_change_what_goes_by_them_and_nothing_else() -> None:
    labels = np.array([0, 0, 1, 1])
    # Odds of 1/9, 4, 9 and 81 for FAKE; at temperature 2, of 1/3, 2, 3 and 9.
    logits = np.log([1 / 9, 4, 9, 81])
    before = measure(labels, logits, alone(4), AS_TRAINED)
    after = measure(labels, logits, alone(4), Calibration(temperature=2.0, threshold=0.7))
    p_fake = np.array([1 / 4, 2 / 3, 3 / 4, 9 / 10])
    expected = {
        "loss_calibrated": -np.log([3 / 4, 1 / 3, 3 / 4, 9 / 10]).mean(),
        "brier_score_calibrated": ((p_fake - labels) ** 2).mean(),
        "ece_calibrated": np.abs(p_fake - labels).mean(),
        "temperature": 2.0,
        "threshold": 0.7,
        # 2/3 is below 0.7, and so REAL.
        "accuracy_at_threshold": 1.0,
    }
    changed = {name: value for name, value in after.items() if value != before[name]}
    assert changed == {name: round(value, 6) for name, value in expected.items()}
    assert before["accuracy"] == after["accuracy"] == 0.75


def test_precision_and_f1_are_weighted_by_label() -> None:
    metrics = measure(np.array([0, 0, 0, 1]), log_odds(0.9, 0.1, 0.1, 0.9), alone(4), AS_TRAINED)
    # REAL: precision 2/2, recall 2/3, F1 4/5; FAKE: precision 1/2, recall 1, F1 2/3.
    assert metrics["precision"] == round((3 * 1 + 1 * 0.5) / 4, 6)
    assert metrics["recall"] == round((3 * 2 / 3 + 1) / 4, 6)
    assert metrics["f1"] == round((3 * 4 / 5 + 2 / 3) / 4, 6)


@pytest.mark.filterwarnings("error")
def test_a_model_that_always_says_real_has_metrics_too() -> None:
    metrics = measure(np.array([0, 1]), np.array([-1000.0, -1000.0]), alone(2), AS_TRAINED)
    assert metrics["accuracy"] == 0.5
    assert metrics["precision"] == 0.25
    assert metrics["loss"] == 500, "log-odds of -1000 for a FAKE, and a REAL without a loss"
    assert np.isfinite(list(metrics.values())).all()


def test_recall_at_a_share_of_false_alarms_by_hand() -> None:
    # 100 REAL at 0 to 99. Above 98.5 is one, above 94.5 are five of them.
    real = np.arange(100.0)
    fake = np.array([200, 98.5, 98.5, 94.5, 90])
    labels = np.array([0] * 100 + [1] * 5)
    scores = np.concatenate([real, fake])
    assert recall_at(labels, scores, 0.0) == 1 / 5
    assert recall_at(labels, scores, 0.01) == 3 / 5
    assert recall_at(labels, scores, 0.05) == 4 / 5
    assert recall_at(labels, scores, 1.0) == 1
    metrics = measure(labels, scores, alone(105), AS_TRAINED)
    assert metrics["recall_fake_at_1pct_false_alarms"] == 3 / 5
    assert metrics["recall_fake_at_5pct_false_alarms"] == 4 / 5
    # A fifth each is found at the precisions 1, 3/4, 3/4, 4/9 and, with ten REAL, 5/15.
    assert metrics["average_precision"] == round((1 + 3 / 4 + 3 / 4 + 4 / 9 + 5 / 15) / 5, 6)
    # Of three equal steps along the diagonal, the second is there, too.
    equal = np.array([3.0, 3.0, 2.0, 2.0, 1.0, 1.0])
    assert recall_at(np.array([0, 1, 0, 1, 0, 1]), equal, 0.7) == pytest.approx(2 / 3)
    # A FAKE that looks just as the likeliest REAL cannot be called FAKE without it.
    assert recall_at(np.array([0, 1]), np.array([1.0, 1.0]), 0.5) == 0


@pytest.mark.usefixtures("tensorflow")
def test_loss_and_accuracy_are_keras_own(tmp_path: Path) -> None:
    network = saved(tmp_path / "model.h5")
    split = random_split(40)
    network.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = network.evaluate(split.images, split.labels, verbose=0)
    logits = Classifier(tmp_path / "model.h5", batch_size=16).logits(split.images)
    metrics = measure(split.labels, logits, alone(40), AS_TRAINED)
    metrics |= measure_validation(split.labels, logits)
    for part in ("", "validation_"):
        assert metrics[f"{part}loss"] == pytest.approx(loss, abs=1e-5)
        assert metrics[f"{part}accuracy"] == pytest.approx(accuracy, abs=1e-6)


@pytest.fixture
def by_brightness(tmp_path: Path, tensorflow: None) -> Path:
    """The file of a network whose log-odds of FAKE are an image's mean of 0..255, less 100."""
    image = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 1)(image))
    network = keras.Model(image, keras.layers.Dense(2, activation="softmax")(means))
    kernel = np.array([[0, 1 / 3]] * 3)
    network.set_weights([np.eye(3).reshape(1, 1, 3, 3), np.zeros(3), kernel, np.array([100, 0])])
    network.save(tmp_path / "model.h5")
    return tmp_path / "model.h5"


def grey(*values: int) -> np.ndarray:
    """Return an 8x8 image of each value."""
    return np.full((8, 8, 3, len(values)), values, np.uint8).transpose(3, 0, 1, 2)


def calibrated_on(validation: Split, classifier: Classifier) -> EvaluateModel:
    logits = classifier.logits(validation.images)
    fitted = Decision(
        **fit(logits, validation.labels).model_dump(),
        error_rate=0.1,
        sets=conformal.fit(logits, validation.labels, 0.1),
        reference=unlike.fit(validation.images, validation.images, 0.1),
    )
    return EvaluateModel(classifier, fitted)


def write_split(folder: Path, split: Split) -> None:
    """Write `split` as preprocess and external do: the first two images are one cluster."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"path": [f"{number}.png" for number in range(len(split.labels))], "label": "REAL"}
    table = pd.DataFrame(rows).assign(slice="", cluster="")
    table.loc[:1, "cluster"] = "1"
    table.to_csv(folder / "images.csv", index=False)
    np.save(folder / "images.npy", split.images)
    np.save(folder / "labels.npy", split.labels)


def test_verdicts_go_by_what_was_fitted_on_validation(by_brightness: Path) -> None:
    # From 110 on validation images are FAKE, but for one that is called so and is REAL.
    validation = Split(grey(90, 100, 105, 130, 110, 115, 120), np.array([0, 0, 0, 0, 1, 1, 1]))
    model = calibrated_on(validation, Classifier(by_brightness, 4))
    found = model.predict(grey(104, 109, 110, 111))
    np.testing.assert_allclose(found["logit"], [4, 9, 10, 11], atol=1e-4)
    temperature = model.decision.temperature
    expected = 1 / (1 + np.exp(-np.array([4, 9, 10, 11]) / temperature))
    np.testing.assert_allclose(found["p_fake"], expected, rtol=1e-4)
    assert temperature > 1, "log-odds of 30 for a REAL are too sure"
    assert list(found["verdict"]) == ["REAL", "REAL", "FAKE", "FAKE"]


def test_an_explanation_is_of_the_verdict(by_brightness: Path) -> None:
    validation = Split(grey(90, 110), np.array([0, 1]))
    model = calibrated_on(validation, Classifier(by_brightness, 4))
    image = np.zeros((8, 8, 3), np.uint8)
    image[2:4] = 240
    images = np.stack([image, image])
    shown, heat = model.explain(images, pd.Series(["FAKE", "REAL"], index=[7, 3]))
    np.testing.assert_array_equal(shown, images)
    # Light speaks for FAKE, and nothing for REAL.
    np.testing.assert_allclose(heat[0], image[..., 0] / 240, atol=1e-6)
    np.testing.assert_array_equal(heat[1], 0)


@pytest.fixture
def project(by_brightness: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the network by_brightness as `base`, and images that it knows."""
    splits = {
        "train": Split(np.repeat(grey(80, 90, 118, 112, 125), 8, 0), np.zeros(40, np.uint8)),
        # From 115 on images are FAKE, but for the one of 130.
        "validation": Split(grey(90, 100, 130, 115, 120), np.array([0, 0, 0, 1, 1], np.uint8)),
        "test": Split(grey(80, 118, 112, 125), np.array([0, 0, 1, 1], np.uint8)),
        "held_out": Split(np.empty((0, 8, 8, 3), np.uint8), np.empty(0, np.uint8)),
    }
    for name, split in splits.items():
        write_split(workspace / "data/processed" / name, split)
    test = splits["test"]
    changed = np.stack([test.images, grey(130, 118, 112, 125)], axis=1)
    perturbed = workspace / "data/perturbed"
    write_split(perturbed, Split(changed, test.labels))
    (perturbed / "perturbations.csv").write_text("kind,level\nnone,0\nnoise,8\n")
    rows = [
        [f"{number}.png", "test", label, "", "", "7" if status == "used" else "", 8, 8, "0", status]
        for number, (label, status) in enumerate(
            [("REAL", "used"), ("REAL", "duplicate"), ("REAL", "used")] + [("FAKE", "used")] * 2
        )
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(workspace / "data/manifest.csv", index=False)
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(workspace, {"evaluate.error_rate": 0.4})  # three REAL and two FAKE tell no more
    (workspace / "models").mkdir()
    by_brightness.rename(workspace / "models/base.h5")
    return workspace


def test_what_is_written_fits_together(project: Path) -> None:
    run_stage("evaluate", "base")
    predictions = pd.read_csv("data/predictions/base.csv", keep_default_na=False)
    assert list(predictions.columns) == [
        "path", "label", "slice", "cluster", "logit", "p_fake", "verdict", "unlike", "answer",
    ]  # fmt: skip
    assert list(predictions["path"]) == ["0.png", "2.png", "3.png", "4.png"], "the ones used"
    np.testing.assert_allclose(predictions["logit"], [-20, 18, 12, 25], atol=1e-4)
    assert list(predictions["verdict"]) == ["REAL", "FAKE", "REAL", "FAKE"], "from 115 on"
    metrics = json.loads(Path("metrics/base.json").read_text())
    assert metrics["accuracy"] == 0.75
    # All are of one cluster, of which nothing is known but that.
    assert (metrics["accuracy_low"], metrics["accuracy_high"]) == (0, 1)
    assert metrics["accuracy_at_threshold"] == 0.5
    # REAL fits up to the highest of three, 30, and FAKE from the lowest of two on, 15.
    assert list(predictions["answer"]) == ["REAL", "UNSURE", "REAL", "UNSURE"]
    assert not predictions["unlike"].any()
    assert (metrics["answered"], metrics["accuracy_answered"]) == (0.5, 0.5)
    assert (metrics["coverage_real"], metrics["coverage_fake"]) == (1.0, 0.5)
    fitted = read_decision(Path("models/base.json"))
    p_fake = predictions["p_fake"].to_numpy(np.float32)
    assert list(p_fake >= fitted.threshold) == [False, True, False, True]
    examples = pd.read_csv("plots/gallery/base/examples.csv")
    assert list(examples["path"]) == ["0.png", "3.png", "2.png", "4.png"]
    assert len(list(Path("plots/gallery/base").glob("*.png"))) == 8


def test_what_to_choose_by_is_first_and_of_validation_as_trained(project: Path) -> None:
    run_stage("evaluate", "base")
    metrics = json.loads(Path("metrics/base.json").read_text())
    assert list(metrics)[:3] == ["validation_accuracy", "validation_loss", "validation_roc_auc"]
    # Log-odds -10, 0 and 30 of REAL, 15 and 20 of FAKE: 0 is called FAKE, too.
    assert metrics["validation_accuracy"] == 3 / 5
    assert metrics["validation_roc_auc"] == round(4 / 6, 6), "30 stands above both FAKE"
    assert metrics["validation_loss"] == pytest.approx((np.log(2) + 30) / 5, abs=1e-4)
    assert metrics["temperature"] > 2, "which would have made the loss another one"
    assert not [name for name in metrics if name.startswith("held_out")]


def hold_out(project: Path, images: np.ndarray, labels: list[int], clusters: list[str]) -> None:
    """Let `images` of the slices sea (REAL) and sd (FAKE) be held out; 2.png is of the slice NA."""
    write_split(project / "data/processed/held_out", Split(images, np.array(labels, np.uint8)))
    manifest = pd.read_csv("data/manifest.csv", keep_default_na=False)
    manifest.loc[2, ["slice", "cluster"]] = ["NA", "8"]
    more = pd.DataFrame(
        {
            "path": [f"h{number}" for number in range(len(labels))],
            "split": "held_out",
            "label": ["FAKE" if label else "REAL" for label in labels],
            "group": "",
            "slice": ["sd" if label else "sea" for label in labels],
            "cluster": clusters,
            "width": 8,
            "height": 8,
            "sha256": "0",
            "status": "used",
        }
    )
    pd.concat([more[COLUMNS], manifest]).to_csv("data/manifest.csv", index=False)


def test_what_is_held_out_is_measured_with_the_calibration_of_validation(project: Path) -> None:
    run_stage("evaluate", "base")
    before = (
        Path("models/base.json").read_bytes(),
        json.loads(Path("metrics/base.json").read_text()),
    )
    hold_out(project, grey(90, 120, 90, 110, 130), [0, 0, 1, 1, 1], ["a", "a", "", "", ""])
    run_stage("evaluate", "base")
    metrics = json.loads(Path("metrics/base.json").read_text())
    found = {name: metrics[f"held_out_{name}"] for name in OF_HELD_OUT}
    assert found["accuracy"] == 0.6
    assert (found["accuracy_real"], found["accuracy_fake"]) == (0.5, 0.666667)
    # Of the six pairs, 90 of FAKE wins none and half of one, 110 one, 130 two.
    assert found["roc_auc"] == round(3.5 / 6, 6)
    assert (found["images"], found["observations"]) == (5, 4), "two are of one cluster"
    assert found["accuracy_low"] < 0.6 < found["accuracy_high"]
    assert Path("models/base.json").read_bytes() == before[0]
    own = {name: value for name, value in metrics.items() if not name.startswith("held_out")}
    ends = {name for name in own if name.endswith(("_low", "_high"))}
    assert {n: v for n, v in own.items() if n not in ends} == {
        n: v for n, v in before[1].items() if n not in ends
    }, "2.png left its cluster"


def test_each_slice_has_a_row(project: Path) -> None:
    hold_out(project, grey(90, 120, 90, 110, 130), [0, 0, 1, 1, 1], ["a", "a", "", "", ""])
    run_stage("evaluate", "base")
    found = pd.read_csv("plots/slices/base.csv", keep_default_na=False, dtype={"slice": str})
    shown = found[["label", "slice", "split", "images", "observations", "accuracy"]]
    assert shown.to_numpy().tolist() == [
        ["REAL", "NA", "test", 1, 1, 0.0],
        ["REAL", "", "test", 1, 1, 1.0],
        ["REAL", "sea", "held_out", 2, 1, 0.5],
        ["FAKE", "", "test", 2, 1, 1.0],
        ["FAKE", "sd", "held_out", 3, 3, 0.666667],
    ]
    # One of one observation: 0.025 ** (1 / 1) to 1; of half a cluster, nothing is known.
    intervals = found[["accuracy_low", "accuracy_high"]].to_numpy().tolist()
    assert intervals[:4] == [[0, 0.975], [0.025, 1], [0, 1], [0.025, 1]]


def test_of_one_label_that_is_held_out_is_no_more_than_it_tells() -> None:
    labels, logits = np.array([1, 1, 1]), np.array([1.0, 2.0, -1.0])
    like = np.zeros(3, bool)
    found = measure_held_out(labels, logits, like, alone(3), decision())
    expected = ["accuracy", "accuracy_low", "accuracy_high", "accuracy_fake", "answered", "unlike"]
    assert list(found) == [f"held_out_{name}" for name in (*expected, "images", "observations")]
    assert found["held_out_accuracy"] == found["held_out_accuracy_fake"] == 0.666667
    assert measure_held_out(labels[:0], logits[:0], like[:0], alone(0), decision()) == {}


def test_changed_images_are_measured_with_the_same_calibration(project: Path) -> None:
    """Of 80, 118, 112 and 125, noise made the first one, a REAL, as bright as 130."""
    run_stage("evaluate", "base")
    rows = pd.read_csv("plots/robustness/base.csv")
    assert rows[["kind", "level"]].to_numpy().tolist() == [["none", 0], ["noise", 8]]
    assert rows["accuracy"].tolist() == [0.75, 0.5]
    assert rows["accuracy_at_threshold"].tolist() == [0.5, 0.25]
    assert json.loads(Path("metrics/robustness/base.json").read_text()) == {
        "accuracy_clean": 0.75,
        "accuracy_perturbed": 0.5,
        "accuracy_lost": 0.25,
        "accuracy_noise": 0.5,
    }


def test_an_external_set_is_measured_with_the_calibration_that_is_there(project: Path) -> None:
    run_stage("evaluate", "base")
    labels = np.array([0, 0, 1, 1, 1], np.uint8)
    write_split(project / "data/external/sd15", Split(grey(80, 90, 95, 112, 130), labels))
    run_stage("evaluate", "base", "--external", "sd15")
    metrics = json.loads(Path("metrics/sets/base/sd15.json").read_text())
    assert (metrics["images"], metrics["observations"]) == (5, 4)
    assert metrics["accuracy"] == 0.8, "95 is called REAL"
    assert metrics["accuracy_at_threshold"] == 0.6, "and so is 112, from 115 on"
    assert (metrics["accuracy_real"], metrics["accuracy_fake"]) == (1.0, 0.666667)
    assert metrics["roc_auc"] == 1.0
    own = json.loads(Path("metrics/sets/base/test.json").read_text())
    assert list(own) == list(metrics)


def test_of_one_label_alone_is_said_how_many_are_found(project: Path) -> None:
    run_stage("evaluate", "base")
    split = Split(grey(95, 112, 130, 140), np.ones(4, np.uint8))
    write_split(project / "data/external/fakes", split)
    run_stage("evaluate", "base", "--external", "fakes")
    metrics = json.loads(Path("metrics/sets/base/fakes.json").read_text())
    assert metrics["accuracy"] == metrics["accuracy_fake"] == 0.75
    assert not {"roc_auc", "accuracy_real"} & set(metrics)


def test_an_external_set_needs_the_calibration(project: Path) -> None:
    write_split(project / "data/external/sd15", Split(grey(80), np.zeros(1, np.uint8)))
    with pytest.raises(InputError, match=r"models/base\.json: cannot be read.*dvc repro evaluate"):
        run_stage("evaluate", "base", "--external", "sd15")
    with pytest.raises(InputError, match=r"data/external/other: .*dvc repro external@other"):
        run_stage("evaluate", "base", "--external", "other")


def test_the_schema_knows_every_metric_that_is_written(project: Path) -> None:
    table = project / "data/perturbed/perturbations.csv"
    images = np.repeat(np.load(project / "data/perturbed/images.npy"), [2, 3], axis=1)
    np.save(project / "data/perturbed/images.npy", images)
    kinds = ["none", "JPEG", "blur", "noise", "downscale"]
    table.write_text("kind,level\n" + "".join(f"{kind},1\n" for kind in kinds))
    hold_out(project, grey(90, 118), [0, 1], ["", ""])
    run_stage("evaluate", "base")
    written = [Path("metrics/base.json"), Path("metrics/robustness/base.json")]
    names = [name for file in written for name in json.loads(file.read_text())]
    assert sorted(names) == sorted(METRICS)


def test_the_own_test_split_has_the_numbers_of_any_set() -> None:
    random = np.random.default_rng(0)
    labels, logits = random.integers(0, 2, 40), random.normal(size=40)
    fitted = decision(2.0, 0.4, real_up_to=0.1, fake_from=-0.2)
    unlike_some = random.random(40) < 0.2
    clusters = np.array(["one", "two", *alone(38)])
    clusters[::7] = "one"
    own = of_own_test(
        clusters,
        measure(labels, logits, clusters, fitted)
        | measure_answers(labels, logits, unlike_some, clusters, fitted),
    )
    assert own == measure_set(labels, logits, unlike_some, clusters, fitted)
    assert (own["images"], own["observations"]) == (40, len(set(clusters)))


def test_a_manifest_of_other_images_is_refused_and_nothing_is_written(project: Path) -> None:
    manifest = pd.read_csv("data/manifest.csv", keep_default_na=False)
    manifest.assign(status="used").to_csv("data/manifest.csv", index=False)
    with pytest.raises(InputError, match=r"manifest\.csv and data/processed/test differ; run"):
        run_stage("evaluate", "base")
    assert not Path("metrics").exists()
    manifest.assign(split="held_out", status="used").to_csv("data/manifest.csv", index=False)
    with pytest.raises(
        InputError, match=r"manifest\.csv and data/processed/(test|held_out) differ"
    ):
        run_stage("evaluate", "base")


@pytest.mark.usefixtures("tensorflow")
def test_a_trained_model_can_be_evaluated_and_explained(tmp_path: Path) -> None:
    CNNModel(config(**SMALL), (32, 32, 3)).save(tmp_path / "model.h5")
    split = random_split(12)
    model = calibrated_on(split, Classifier(tmp_path / "model.h5", 5))
    found = model.predict(split.images)
    _, heat = model.explain(split.images, found["verdict"])
    assert heat.shape == (12, 32, 32)
    assert heat.min() >= 0
    assert heat.max() <= 1


def test_answers_are_measured_by_hand() -> None:
    """REAL fits up to 1, FAKE from -1 on: between them both do, and an unlike image fits none."""
    labels = np.array([0, 0, 0, 0, 1, 1])
    logits = np.array([-3.0, -2.0, 0.5, 4.0, 2.0, -1.5])
    unlike_first = np.array([True, False, False, False, False, False])
    fitted = decision(real_up_to=1, fake_from=-1)
    found = measure_answers(labels, logits, unlike_first, alone(6), fitted)
    # Answers: UNSURE, REAL, UNSURE, FAKE, FAKE, REAL, of which the second and the fifth are right.
    assert (found["answered"], found["accuracy_answered"]) == (round(4 / 6, 6), 0.5)
    assert found["unlike"] == round(1 / 6, 6)
    # Three of four REAL are at most 1, whether or not they are unlike; one of two FAKE is above -1.
    assert (found["coverage_real"], found["coverage_fake"]) == (0.75, 0.5)
    assert found["coverage_real_low"] < 0.75 < found["coverage_real_high"]
    nothing = measure_answers(labels, logits, np.ones(6, bool), alone(6), fitted)
    assert nothing["answered"] == 0
    assert "accuracy_answered" not in nothing
