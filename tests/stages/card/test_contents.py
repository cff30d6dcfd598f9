"""card: the page of a model, read as people and the Hugging Face Hub read it."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from markdown_it import MarkdownIt

from stages.card.contents import KINDS, LICENCE
from stages.common.arrays import Split
from stages.common.command import InputError
from stages.evaluate import decision
from stages.evaluate.calibrated_model import EvaluateModel
from stages.evaluate.classifier import Classifier
from stages.evaluate.conformal import answers
from stages.evaluate.decision import Decision
from stages.images.schema import DecodeParams
from stages.networks.config import FrozenConfig
from stages.networks.runtime import keras
from stages.perturb.perturbations import perturbations
from stages.perturb.schema import RobustnessParams
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from stages.train.checkpoint import Rows
from stages.train.frozen import FrozenModel
from stages.train.model import CNNModel
from tests.helpers import NONE, REPOSITORY, default_block, edit_params, file_of, patches, run_stage
from tests.stages.evaluate.test_decision import decision as decided
from tests.stages.report.test_page import cells
from tests.stages.train.test_model import config

INPUTS = (
    "params.yaml",
    "configs/base.yaml",
    "metrics/base.json",
    "metrics/robustness/base.json",
    "reports/data.json",
)
ANSWERS = {"answered": 0.6, "accuracy_answered": 0.9, "unlike": 0.05}
ANSWERS |= {"accuracy_answered_low": 0.8, "accuracy_answered_high": 0.95}
COVERAGE = {"coverage_real": 0.91, "coverage_real_low": 0.85, "coverage_real_high": 0.96}
COVERAGE |= {"coverage_fake": 0.88, "coverage_fake_low": 0.8, "coverage_fake_high": 0.93}
HELD_OUT = {"images": 1200, "accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7}
HELD_OUT |= {"observations": 30, "accuracy_fake": 0.6, "answered": 0.4, "unlike": 0.3}
HELD_OUT |= {"accuracy_answered": 0.55}
EXTERNAL = ANSWERS | {
    "images": 1200,
    "observations": 700,
    "accuracy": 0.61,
    "accuracy_at_threshold": 0.62,
    "accuracy_low": 0.58,
    "accuracy_high": 0.64,
    "roc_auc": 0.71,
}


@pytest.fixture
def write(workspace: Path) -> Callable[[], str]:
    """A function that writes the card of `base`, from this repository's results, and returns it."""
    for name in INPUTS:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, name)
    of_validation = {"validation_accuracy": 0.7654, "validation_roc_auc": 0.8765}
    change("metrics/base.json", **of_validation, **ANSWERS, **COVERAGE)
    slices((("REAL", "", "test"), ("FAKE", "", "test")))
    Path("data/processed").mkdir(parents=True)
    Path("data/processed/findings.json").write_text("[]")
    Path("data/processed/short_cuts.json").write_text('{"all of these": 0.6543}')
    Path("models").mkdir()
    Path("models/base.h5").write_bytes(b"a network")
    fitted(real_up_to=1.25, fake_from=-0.5)
    configured()

    def write_card() -> str:
        run_stage("card", "base")
        return Path("models/base.md").read_text(encoding="utf-8")

    return write_card


def fitted(temperature: float = 2.5, **sets: float | None) -> Decision:
    """Let what was fitted for `base` on validation be this, and return it."""
    found = decided(temperature, threshold=0.25, **sets)
    decision.write(found, Path("models/base.json"))
    return found


def configured(**changes: Any) -> None:
    """Let `base` have these values of its configuration."""
    content = yaml.safe_load((REPOSITORY / "configs/base.yaml").read_text())
    content |= {"views": "whole", "input_size": None, "backbone": None} | changes
    Path("configs/base.yaml").write_text(yaml.safe_dump(content))


def slices(rows: Sequence[tuple[str, str, str]]) -> None:
    """Let `base` be measured on slices, of which label, slice and split are given."""
    numbers = {"images": 1200, "observations": 30, "accuracy": 0.7}
    table = pd.DataFrame(rows, columns=["label", "slice", "split"]).assign(**numbers)
    Path("plots/slices").mkdir(parents=True, exist_ok=True)
    table.assign(accuracy_low=0.6, accuracy_high=0.8).to_csv("plots/slices/base.csv", index=False)


def measured(name: str, **changes: Any) -> None:
    """Let `base` be measured on the external set `name`, of data/<name>.zip."""
    Path("metrics/sets/base").mkdir(parents=True, exist_ok=True)
    Path(f"metrics/sets/base/{name}.json").write_text(json.dumps(EXTERNAL | changes))
    edit_params(Path(), {f"external.{name}": f"data/{name}.zip"})


def read(path: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(path).read_text())
    return content


def change(path: str, **values: Any) -> None:
    Path(path).write_text(json.dumps(read(path) | values))


def about(page: str) -> ModelCardData:
    """Return what the hub knows about a model with this page."""
    data = ModelCard(page).data
    assert isinstance(data, ModelCardData)
    return data


def results(page: str) -> list[EvalResult]:
    found = about(page).eval_results
    assert found is not None
    return found


def rows(page: str) -> list[list[str]]:
    """Return the rows of the page's tables."""
    return cells("\n".join(line for line in page.splitlines() if line.startswith("|")))


def test_the_hub_reads_the_metrics(write: Callable[[], str]) -> None:
    page = write()
    model = about(page)
    assert (model.model_name, model.library_name) == ("base", "keras")
    assert model.pipeline_tag == "image-classification"
    assert model.license == LICENCE
    metrics = read("metrics/base.json")
    assert {result.metric_type: result.metric_value for result in results(page)} == {
        name: metrics[name] for name in model.metrics or []
    }
    places = {(result.dataset_name, result.dataset_split) for result in results(page)}
    assert places == {("data/demo.zip", "test")}
    weighted = [result.metric_type for result in results(page) if result.metric_args]
    assert weighted == ["precision", "recall", "f1"]


def test_the_hubs_own_writer_would_write_the_same_results(write: Callable[[], str]) -> None:
    measured("holiday")
    page = write()
    written = yaml.safe_load(page.split("---\n")[1])
    assert about(page).to_dict()["model-index"] == written["model-index"]


def test_other_images_are_a_result_of_their_own(write: Callable[[], str]) -> None:
    measured("holiday")
    measured("sd15", accuracy=0.5)
    page = write()
    elsewhere = [result for result in results(page) if result.dataset_name == "data/holiday.zip"]
    found = {result.metric_type: result.metric_value for result in elsewhere}
    assert found == {"accuracy": 0.61, "roc_auc": 0.71}
    row = ["accuracy on 1,200 images of `data/holiday.zip`", "0.610 (0.580 to 0.640)"]
    assert row in rows(page)


def test_what_to_choose_by_stands_first(write: Callable[[], str]) -> None:
    found = [row for row in rows(write()) if len(row) == 2]
    start = found.index(["metric", "value"])
    assert found[start + 2 : start + 4] == [
        ["accuracy on validation, as trained", "0.765"],
        ["ROC AUC on validation", "0.876"],
    ]


def test_what_is_held_out_is_told_as_far_as_it_was_measured(write: Callable[[], str]) -> None:
    assert "slices held out" not in write()
    change("metrics/base.json", **{f"held_out_{name}": HELD_OUT[name] for name in HELD_OUT})
    slices((("REAL", "", "test"), ("FAKE", "007", "held_out")))
    shown = rows(write())
    assert ["accuracy on 1,200 images of slices held out", "0.600 (0.500 to 0.700)"] in shown
    assert ["accuracy on FAKE of these", "0.600"] in shown
    start = shown.index(["answered of these", "0.400"])
    assert shown[start + 1 : start + 3] == [
        ["accuracy of the answers", "0.550"],
        ["unlike of these", "0.300"],
    ]
    change("metrics/base.json", held_out_accuracy_real=0.61, held_out_roc_auc=0.62)
    more = [row for row in rows(write()) if row not in shown]
    assert more == [["accuracy on REAL of these", "0.610"], ["ROC AUC of these", "0.620"]]


def test_the_accuracy_never_stands_without_what_is_known_of_other_images(
    write: Callable[[], str],
) -> None:
    def opening() -> str:
        page = write()
        return page[: page.index("## Model details")]

    own = "**75.0% of the test images** of its own data set (95% interval 67.5% to 81.2%)."
    assert f"{own} No subjects or generators were held out" in opening()
    assert "`source.hold_out`" in opening()
    measured("holiday")
    assert f"{own} On other data sets: `data/holiday.zip` 0.610 (0.580 to 0.640)." in opening()
    change("metrics/base.json", **{f"held_out_{name}": HELD_OUT[name] for name in HELD_OUT})
    slices((("REAL", "", "test"), ("FAKE", "007", "held_out")))
    text = opening()
    unseen = "Of 1,200 images of what it has never seen, `007`, it gets **60.0%** right (50.0%"
    assert f"{own} {unseen}" in text
    assert rows(text)[-1] == ["`007`", "FAKE", "0.700 (0.600 to 0.800)", "1,200", "30"]
    assert "Of 100 test images it calls 25 wrongly, and of 100 that are held out 40:" in write()
    assert "it may be\nno better than a coin." in write()
    change("metrics/base.json", held_out_accuracy_low=0.51)
    assert "like those it learned from.\n" in write()


def test_the_slices_are_there_if_there_are_any(write: Callable[[], str]) -> None:
    assert "By slice" not in write()
    slices((("REAL", "NA", "test"), ("REAL", "", "test"), ("FAKE", "007", "held_out")))
    page = write()
    assert "### By slice" in page
    of_all = ["1,200", "30", "0.700 (0.600 to 0.800)"]
    assert rows(page)[-3:] == [
        ["`NA`", "REAL", *of_all],
        ["other", "REAL", *of_all],
        ["`007`, held out", "FAKE", *of_all],
    ]


def test_people_read_the_same_numbers(write: Callable[[], str]) -> None:
    page = write()
    metrics, robustness = read("metrics/base.json"), read("metrics/robustness/base.json")
    shown = {row[0]: row[1] for row in rows(page)}
    assert shown["accuracy"] == (
        f"{metrics['accuracy']:.3f} "
        f"({metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f})"
    )
    assert shown["log loss, as trained → calibrated"] == (
        f"{metrics['loss']:.3f} → {metrics['loss_calibrated']:.3f}"
    )
    assert shown["accuracy on perturbed images"] == f"{robustness['accuracy_perturbed']:.3f}"
    assert shown["accuracy under JPEG compression"] == f"{robustness['accuracy_jpeg']:.3f}"
    assert "divided by 2.500; from a p_fake of\n  0.250 on" in page
    assert len(page.encode()) < 20_000, "it prints no images that others are compared with"


def test_what_is_answered_stands_beside_what_is_promised(write: Callable[[], str]) -> None:
    page = write()
    found = rows(page)
    start = found.index(["answered", "0.600"])
    assert found[start + 1 : start + 5] == [
        ["accuracy of the answers", "0.900 (0.800 to 0.950)"],
        ["unlike", "0.050"],
        ["coverage of REAL, at least 0.9 promised", "0.910 (0.850 to 0.960)"],
        ["coverage of FAKE, at least 0.9 promised", "0.880 (0.800 to 0.930)"],
    ]
    assert "REAL fits up to log-odds of 1.250, FAKE from -0.500 on." in page
    fitted(real_up_to=None, fake_from=None)
    assert "REAL fits always, FAKE always." in write()
    metrics = read("metrics/base.json")
    del metrics["accuracy_answered"]  # of no answer nothing is right or wrong
    Path("metrics/base.json").write_text(json.dumps(metrics))
    assert not [row for row in rows(write()) if row[0] == "accuracy of the answers"]


def test_a_model_that_may_as_well_guess_is_for_no_use(write: Callable[[], str]) -> None:
    assert "cannot be told from guessing" not in write()
    change("metrics/base.json", accuracy_low=0.5)
    assert "cannot be told from guessing,\nwhich is right for 0.500 of the images" in write()
    used = {"train": {"REAL": 1, "FAKE": 1}, "test": {"REAL": 300, "FAKE": 700}}
    change("reports/data.json", used=used)
    change("metrics/base.json", accuracy_low=0.69)
    assert "which is right for 0.700 of the images" in write()


def test_calibration_that_made_things_worse_is_told(write: Callable[[], str]) -> None:
    assert "made these worse" not in write()
    change("metrics/base.json", ece=0.1, ece_calibrated=0.2, loss=0.5, loss_calibrated=0.6)
    assert "made these worse on the test split: log loss, calibration error." in write()


def test_every_kind_of_perturbation_has_its_words() -> None:
    params = default_block("robustness", RobustnessParams)
    kinds = {kind.lower() for kind, *_ in perturbations(params)} - {"none"}
    assert set(KINDS) == kinds


def test_the_configuration_is_whole(write: Callable[[], str]) -> None:
    fences = [t for t in MarkdownIt().parse(write()) if t.type == "fence" and t.info == "yaml"]
    (config,) = [yaml.safe_load(fence.content) for fence in fences]
    assert config == yaml.safe_load(Path("configs/base.yaml").read_text())


def test_the_card_says_which_file_it_belongs_to(write: Callable[[], str]) -> None:
    assert hashlib.md5(b"a network").hexdigest() in write()
    Path("models/base.h5").write_bytes(b"another")
    assert hashlib.md5(b"another").hexdigest() in write()


def test_the_data_set_is_counted_and_its_findings_are_told(write: Callable[[], str]) -> None:
    audit = read("reports/data.json")
    finding = {"name": "near_duplicates", "level": "warn", "message": "3 look alike"}
    change("reports/data.json", findings=[finding])
    page = write()
    for split, labels in audit["used"].items():
        assert [split, *map(str, labels.values())] in rows(page)
    assert f"accuracy of {audit['short_cuts']['all of these']:.3f} by the files" in page
    assert "such a tree does so with 0.654." in page
    assert "- **near duplicates**: 3 look alike\n" in page
    of_sizes = [finding | {"name": "few_pixels", "message": "half keep 1.2%"}]
    Path("data/processed/findings.json").write_text(json.dumps(of_sizes))
    assert "- **few pixels**: half keep 1.2%\n" in write()

    del audit["short_cuts"]
    Path("data/processed/findings.json").write_text("[]")
    Path("data/processed/short_cuts.json").write_text("{}")
    Path("reports/data.json").write_text(json.dumps(audit | {"findings": []}))
    page = write()
    assert "decision tree" not in page and "such a tree" not in page
    assert "found:\n\n- nothing\n" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "A convolutional network that"),
        ({"trainable": True}, "A pretrained network, `lite.h5`, trained further, that"),
        (
            {"trainable": False},
            "A logistic regression on the features of a pretrained network, `lite.h5`, that",
        ),
    ],
)
def test_the_first_words_are_of_the_kind_of_network(
    write: Callable[[], str], changes: dict[str, bool], words: str
) -> None:
    backbone = {"weights": "data/backbones/lite.h5", "md5": "0" * 32, "layers": ["a"]}
    configured(backbone=backbone | changes if changes else None)
    assert f"# base\n\n{words} tells photographs" in write()


def frozen(**changes: Any) -> FrozenModel:
    """Return a regression on the features of a small backbone, for views of 48x64 pixels."""
    image = keras.Input((24, 24, 3))
    keras.Model(image, keras.layers.Conv2D(3, 5, name="maps")(image)).save("backbone.h5")
    digest = hashlib.md5(Path("backbone.h5").read_bytes()).hexdigest()
    backbone = {"weights": "backbone.h5", "md5": digest, "layers": ["maps"], "trainable": False}
    values = {"batch_size": 4, "instruction_set": None, "threads": 1, "head_l2": 1.0}
    fixed = FrozenConfig.model_validate(values | {"backbone": backbone} | changes)
    model = FrozenModel(fixed, (48, 64, 3))
    views = np.random.default_rng(0).integers(0, 256, (8, 2, 48, 64, 3)).astype(np.uint8)
    split = Split(views, np.arange(8) % 2, ("whole", "crop"))
    model.fit(split, split, Path("curves.csv"), Rows(Path("rows"), "these"))
    return model


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(
    ("network", "preprocess", "sets"),
    [
        ({}, {}, (1.0, -1.0)),
        ({"input_size": [24, 24]}, {"aspect": "crop", "resample": "box"}, (-99.0, 99.0)),
        ({}, {"aspect": "pad", "crops": 2}, (99.0, 99.0)),
        ({"views": "crops"}, {"whole": False, "crops": 3}, (-99.0, -99.0)),
        ({"views": "both"}, {"crops": 2}, (None, 99.0)),
        (
            {"views": "both", "input_size": [24, 24]},
            {"crops": 2, "align": {"shorter_side": 90, "jpeg_quality": 40}},
            (None, None),
        ),
        ({"views": "both", "input_size": [24, 24], "frozen": True}, {"crops": 1}, (0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("shape", [(150, 90), (30, 40)])
def test_the_example_says_what_the_pipeline_says(
    write: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network: dict[str, Any],
    preprocess: dict[str, Any],
    sets: tuple[float | None, float | None],
    shape: tuple[int, int],
) -> None:
    """Of images that are larger, and smaller, than what the network takes."""
    values = {"image_size": [48, 64], **preprocess}
    edit_params(
        Path(),
        {f"preprocess.{key}": NONE if value is None else value for key, value in values.items()},
    )
    changes = {key: value for key, value in network.items() if key != "frozen"}
    small = {"conv_layers": [{"filters": 4, "pool": 2}], "dense_units": 8}
    if network.get("frozen"):
        frozen(**changes).save(Path("models/base.h5"))
    else:
        CNNModel(config(**small, **changes), (48, 64, 3)).save(Path("models/base.h5"))
    configured(**changes)
    file = file_of(patches(3, *shape))
    Path("models/image.png").write_bytes(file)
    known = fitted(temperature=0.1, real_up_to=sets[0], fake_from=sets[1])
    pipeline = Preprocess(
        default_block("preprocess", PreprocessParams, **values),
        default_block("decode", DecodeParams),
    )
    model = EvaluateModel(Classifier(Path("models/base.h5"), batch_size=4), known)
    expected = model.predict(pipeline.see(file)[np.newaxis], pipeline.kinds)

    (example,) = [token.content for token in MarkdownIt().parse(write()) if token.info == "python"]
    monkeypatch.chdir("models")
    capsys.readouterr()
    exec(example, {})
    p_fake, answer = capsys.readouterr().out.split()
    assert float(p_fake) == pytest.approx(expected["p_fake"][0], abs=2e-4)
    assert answer == answers(expected["logit"].to_numpy(), np.array([False]), known.sets)[0]


@pytest.mark.parametrize(
    "missing",
    [
        *INPUTS,
        "data/processed/findings.json",
        "data/processed/short_cuts.json",
        "models/base.h5",
        "models/base.json",
        "plots/slices/base.csv",
    ],
)
def test_what_is_missing_is_named_and_an_earlier_card_stays(
    write: Callable[[], str], missing: str
) -> None:
    before = write()
    Path(missing).unlink()
    with pytest.raises(InputError, match=rf"^{missing}: "):
        write()
    assert Path("models/base.md").read_text(encoding="utf-8") == before


def test_what_is_no_json_is_named(write: Callable[[], str]) -> None:
    Path("metrics/base.json").write_text("<<<<<<< HEAD")
    with pytest.raises(InputError, match=r"^metrics/base\.json: cannot be read: Expecting value"):
        write()
