"""card: the page of a model, read as people and the Hugging Face Hub read it."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from markdown_it import MarkdownIt

from stages.card.contents import KINDS
from stages.common.command import InputError
from stages.evaluate import calibration
from stages.evaluate.calibration import Calibration
from stages.evaluate.robustness import perturbations
from stages.evaluate.schema import RobustnessParams
from tests.helpers import REPOSITORY, default_block, edit_params, run_stage
from tests.stages.report.test_page import cells

INPUTS = (
    "params.yaml",
    "configs/base.yaml",
    "metrics/base.json",
    "metrics/robustness/base.json",
    "reports/data.json",
)
EXTERNAL = {
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
    change("metrics/base.json", validation_accuracy=0.7654, validation_roc_auc=0.8765)
    slices((("REAL", "", "test"), ("FAKE", "", "test")))
    Path("models").mkdir()
    Path("models/base.h5").write_bytes(b"a network")
    calibration.write(Calibration(temperature=2.5, threshold=0.25), Path("models/base.json"))

    def write_card() -> str:
        run_stage("card", "base")
        return Path("models/base.md").read_text(encoding="utf-8")

    return write_card


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
    assert model.license is None, "this repository names none"
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
    numbers = {"images": 1200, "accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7}
    numbers |= {"accuracy_fake": 0.6}
    change("metrics/base.json", **{f"held_out_{name}": numbers[name] for name in numbers})
    shown = rows(write())
    assert ["accuracy on 1,200 images of slices held out", "0.600 (0.500 to 0.700)"] in shown
    assert ["accuracy on FAKE of these", "0.600"] in shown
    change("metrics/base.json", held_out_accuracy_real=0.61, held_out_roc_auc=0.62)
    more = [row for row in rows(write()) if row not in shown]
    assert more == [["accuracy on REAL of these", "0.610"], ["ROC AUC of these", "0.620"]]


def test_the_slices_are_there_if_there_are_any(write: Callable[[], str]) -> None:
    assert "By slice" not in write()
    slices((("REAL", "NA", "test"), ("REAL", "", "test"), ("FAKE", "007", "held_out")))
    page = write()
    assert "### By slice" in page
    of_all = ["1,200", "30", "0.700 (0.600 to 0.800)"]
    assert rows(page)[-3:] == [
        ["REAL", "`NA`", *of_all],
        ["REAL", "other", *of_all],
        ["FAKE", "`007`, held out", *of_all],
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
    assert f"accuracy of {audit['short_cuts']['all of these']:.3f} (0.5 is chance)" in page
    assert "- **near duplicates**: 3 look alike\n" in page

    del audit["short_cuts"]
    Path("reports/data.json").write_text(json.dumps(audit | {"findings": []}))
    page = write()
    assert "small decision tree" not in page
    assert "found:\n\n- nothing\n" in page


@pytest.mark.parametrize(("aspect", "is_resized"), [("stretch", True), ("pad", False)])
def test_the_example_resizes_as_the_pipeline_does_or_not_at_all(
    write: Callable[[], str], aspect: str, is_resized: bool
) -> None:
    changes = {"image_size": [48, 64], "resample": "box", "aspect": aspect}
    edit_params(Path(), {f"preprocess.{name}": value for name, value in changes.items()})
    page = write()
    assert "[N, 48, 64, 3]" in page
    assert ('target_size=size, interpolation="box"' in page) == is_resized
    assert ("size = (48, 64)" in page) == is_resized
    assert ('load_img("image.png")  # of 64x48 pixels' in page) != is_resized


@pytest.mark.parametrize(
    "missing", [*INPUTS, "models/base.h5", "models/base.json", "plots/slices/base.csv"]
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
