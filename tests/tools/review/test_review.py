"""review: what it says of made-up revisions, and of a real branch in a fresh clone."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from stages.common.command import InputError
from tests.helpers import REPOSITORY, Project, edit_params
from tools.review import changed_answers as answers
from tools.review import revisions
from tools.review import sections as review
from tools.review.revisions import Revision

LOCK = "dvc.lock matches the code."
PULL = "dvc pull data/manifest.csv data/processed/test evaluate"


def predictions(
    p_fake: list[float], labels: str, threshold: float = 0.5, unsure: tuple[int, ...] = ()
) -> pd.DataFrame:
    """Return predictions of images 0.png, 1.png, ... with `labels` such as "FFR".

    Answers are verdicts, but to the images `unsure`.
    """
    verdicts = ["FAKE" if p >= threshold else "REAL" for p in p_fake]
    return pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(len(p_fake))],
            "label": ["FAKE" if label == "F" else "REAL" for label in labels],
            "cluster": "",
            "p_fake": p_fake,
            "verdict": verdicts,
            "answer": [
                "UNSURE" if number in unsure else verdict for number, verdict in enumerate(verdicts)
            ],
        }
    )


def revision(name: str = "main", **changes: Any) -> Revision:
    """Return a revision with one variant, `base`, which is right about one of two images."""
    values: dict[str, Any] = {
        "params": {"train": {"epochs": 1}, "variants": {"base": {}}},
        "configs": {"base": {"epochs": 1}},
        "metrics": {"base": {"accuracy": 0.5}},
        "predictions": {"base": predictions([0.4, 0.3], "FR")},
        "test_images": {"0.png": "aa", "1.png": "bb"},
        "models": {"base": "m1"},
        "refused": {},
    }
    return Revision(name, **(values | changes))


def test_changed_parameters_are_named_with_both_values() -> None:
    old = revision(params={"a": {"x": 1, "gone": [1, 2]}, "b": True})
    new = revision(params={"a": {"x": 2, "gone": [1]}, "b": True, "c": None, "d": "new"})
    assert review.changed_parameters(old, new) == {
        "a.x": (1, 2),
        "a.gone.1": (2, "none"),
        "d": ("none", "new"),
    }


def test_a_model_is_reached_if_its_configuration_differs() -> None:
    old = revision(
        params={"train": {"epochs": 1}}, configs={"a": {"e": 1}, "b": {"e": 1}, "c": {"e": 1}}
    )
    new = revision(
        params={"train": {"epochs": 2}}, configs={"a": {"e": 2}, "b": {"e": 1}, "d": {"e": 1}}
    )
    lines = review.reach(old, new)
    assert lines == ["Models reached, as configs/ says: a (changed), d (new), c (removed)."]


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ({"source": {"seed": 2}}, "`source` reaches every model, through its images."),
        ({"decode": {"x": 2}}, "`decode` reaches every model, through its images."),
        ({"preprocess": {"x": 2}}, "`preprocess` reaches every model, through its images."),
        (
            {"source": {"audit": {"x": 2}}},
            "`source.audit` reaches no model, only how models are measured or reported.",
        ),
        (
            {"robustness": {"seed": 2}},
            "`robustness` reaches no model, only how models are measured or reported.",
        ),
        ({"train": {"epochs": 2}}, "`train` reaches no model: no configuration differs."),
    ],
)
def test_a_block_reaches_all_models_or_none(block: dict, sentence: str) -> None:
    old = revision(params={})
    assert review.reach(old, old._replace(params=block)) == [sentence]


def test_verdicts_on_accuracy_are_of_paired_tests() -> None:
    """Eight images that only one side gets right: p = 2 / 2**8; the second p is 1.

    The third variant is no test: with it, Holm would say 3 / 2**7.
    """
    labels = "F" * 8
    low, high, mixed = [0.1] * 8, [0.9] * 8, [0.9] * 4 + [0.1] * 4
    old = revision(
        predictions={
            "up": predictions(low, labels),
            "down": predictions(high, labels),
            "shift": predictions(mixed, labels),
            "same": predictions(mixed, labels),
        }
    )
    new = revision(
        predictions={
            "up": predictions(high, labels),
            "down": predictions(low, labels),
            "shift": predictions(mixed[::-1], labels),
            "same": predictions(mixed, labels),
        }
    )
    pairs = {name: revisions.pair(old, new, name) for name in ("up", "shift", "same")}
    table = review.compare_accuracies(pairs)
    assert dict(table["verdict"]) == {"up": "better", "shift": "no evidence", "same": "unchanged"}
    assert dict(table["difference"]) == {"up": 1, "shift": 0, "same": 0}
    assert (table.loc["up", "low"], table.loc["up", "high"]) == (1, 1)
    assert list(table["low"])[1] < 0 < list(table["high"])[1]
    assert list(table["p_adjusted"].dropna()) == pytest.approx([2 * 2 / 2**8, 1])
    down = review.compare_accuracies({"down": revisions.pair(old, new, "down")})
    assert list(down["verdict"]) == ["worse"]
    assert list(down["p_adjusted"]) == pytest.approx([2 / 2**8])


def test_other_probabilities_with_the_same_accuracy_are_no_evidence() -> None:
    old = revision()
    new = revision("workspace", predictions={"base": predictions([0.4, 0.2], "FR")})
    table = review.compare_accuracies({"base": revisions.pair(old, new, "base")})
    assert list(table["verdict"]) == ["no evidence"]


def test_images_are_paired_by_their_path() -> None:
    new = predictions([0.9, 0.1], "FR")
    old = predictions([0.2, 0.3], "FR")[::-1]
    rows = revisions.pair(
        revision(predictions={"base": old}), revision(predictions={"base": new}), "base"
    )
    assert rows.to_dict("list") == {
        "path": ["0.png", "1.png"],
        "label": ["FAKE", "REAL"],
        "cluster": ["", ""],
        "p_fake": [0.9, 0.1],
        "verdict": ["FAKE", "REAL"],
        "answer": ["FAKE", "REAL"],
        "p_fake_old": [0.2, 0.3],
        "verdict_old": ["REAL", "REAL"],
        "answer_old": ["REAL", "REAL"],
    }


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({}, ""),
        ({"predictions": {"base": predictions([0.4, 0.3], "RR")}}, "1 with another label"),
        (
            {"predictions": {"base": predictions([0.4, 0.3, 0.1], "FRR")}},
            "1 only in the workspace",
        ),
        ({"predictions": {"base": predictions([0.4], "F")}}, "1 only at main"),
        ({"test_images": {"0.png": "aa", "1.png": "cc"}}, "1 with other pixels"),
        ({"test_images": None}, ""),
    ],
)
def test_other_test_images_make_no_pairs(changes: dict, difference: str) -> None:
    old, new = revision(), revision("workspace", **changes)
    assert revisions.other_images(old, new, "base") == difference
    if difference:
        with pytest.raises(InputError, match="a paired test is impossible"):
            revisions.pair(old, new, "base")
        text = review.review(old, new._replace(metrics={"base": {"accuracy": 0.75}}), LOCK, Path())
        assert f"({difference})" in text
        assert "| base | accuracy | 0.500 | 0.750 | +0.250 |" in text
        assert "| base |  | not tested |" in text


def test_changed_answers_are_counted_by_what_they_were(workspace: Path) -> None:
    """The new threshold, 0.2, turns 2 to 4; of the second, nobody is sure any more."""
    p_fake = [0.9, 0.1, 0.4, 0.3, 0.25]
    old = revision(predictions={"base": predictions(p_fake, "FRFRR", unsure=(3,))})
    moved = [0.9, 0.1, 0.45, 0.3, 0.45]
    after = predictions(moved, "FRFRR", 0.2, unsure=(1,))
    both = {"base": revisions.pair(old, revision(predictions={"base": after}), "base")}
    changed = answers.changed_answers(both["base"])
    assert list(changed["path"]) == ["4.png", "2.png", "1.png", "3.png"]
    text = "\n".join(answers.answers_section(old, both, Path("pictures")))
    header = "| variant | right → wrong | right → UNSURE | wrong → right | wrong → UNSURE | "
    assert f"{header}UNSURE → right | UNSURE → wrong | test images | p |" in text
    assert "| base | 1 | 1 | 1 | 0 | 0 | 1 | 5 | 1.000 |" in text
    assert "run `dvc pull data/processed/test` first" in text

    folder = workspace / "data/processed/test"
    folder.mkdir(parents=True)
    images = np.stack([np.full((32, 32, 3), 50 * number, np.uint8) for number in range(5)])
    np.save(folder / "labels.npy", np.array([1, 0, 1, 0, 0], np.uint8))
    for arrays in (images, np.stack([images, 255 - images], axis=1)):
        np.save(folder / "images.npy", arrays)  # of several views, the first is shown
        text = "\n".join(answers.answers_section(old, both, Path("pictures")))
        assert "![base](pictures/base.png)" in text
        assert (
            "1. REAL, REAL 0.25 → FAKE 0.45; 2. FAKE, REAL 0.40 → FAKE 0.45; "
            "3. REAL, REAL 0.10 → UNSURE 0.10; 4. REAL, UNSURE 0.30 → FAKE 0.30." in text
        )
        sheet = np.array(Image.open("pictures/base.png"))
        assert [sheet[0, left, 0] for left in (0, 68, 136, 204)] == [200, 100, 50, 150]

    np.save(folder / "images.npy", images[:4])
    np.save(folder / "labels.npy", np.array([1, 0, 1, 0], np.uint8))
    text = "\n".join(answers.answers_section(old, both, Path("pictures")))
    assert "No pictures of base: data/processed/test has other images." in text


def test_small_images_are_enlarged_without_a_blur() -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 48, 30, 3)).astype(np.uint8)
    sheet = answers.contact_sheet(images)
    assert sheet.shape == (144, 2 * 90 + 4, 3)
    assert (sheet[::3, :90:3] == images[0]).all()
    assert (sheet[2::3, 96::3] == images[1]).all()
    assert (sheet[:, 90:94] == 255).all()
    large = np.zeros((1, 70, 64, 3), np.uint8)
    assert answers.contact_sheet(large).shape == (70, 64, 3)


def test_no_differences_are_said() -> None:
    text = review.review(revision(), revision("workspace"), LOCK, Path())
    assert text == (
        "# Review against main\n\nNo differences from main in parameters, models, metrics and "
        "predictions. dvc.lock matches the code."
    )


def test_added_and_removed_variants_are_named() -> None:
    old = revision(configs={"base": {}, "gone": {}})
    new = revision(
        "workspace",
        configs={"base": {}, "wide": {}},
        metrics={"base": {"accuracy": 0.5}, "wide": {"accuracy": 0.625}},
    )
    text = review.review(old, new, LOCK, Path())
    assert "Unchanged: base. Added: wide. Removed: gone." in text
    assert "| wide | accuracy | none | 0.625 |  |" in text
    assert "| wide | ROC AUC |" not in text
    assert "predictions of wide" in text


def test_a_metric_that_one_side_lacks_is_none() -> None:
    new = revision("workspace", metrics={"base": {"roc_auc": 0.75}})
    text = review.review(revision(), new, LOCK, Path())
    assert "| base | accuracy | 0.500 | none |  |" in text
    assert "| base | ROC AUC | none | 0.750 |  |" in text


def test_a_table_in_another_form_does_not_stop_the_rest(workspace: Path) -> None:
    Path("params.yaml").write_text("train: {epochs: 1}\n")
    for name, content in {
        "configs/base.yaml": "epochs: 1\n",
        "metrics/base.json": '{"accuracy": 0.5}',
        "data/predictions/base.csv": "path,probability\na.png,0.5\n",
        "data/manifest.csv": "file\na.png\n",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)
    found = revisions.read("workspace", Path())
    assert set(found.refused) == {"base", "data/manifest.csv"}
    text = review.review(revision(), found, LOCK, Path())
    assert "Not read: data/predictions/base.csv: not predictions: " in text
    assert "Not read: data/manifest.csv: no manifest: " in text
    assert "Not tested: base." in text


@pytest.fixture
def clone(faster_project: Project, tmp_path: Path) -> Project:
    """A fresh clone of a branch that was reproduced and pushed, with no data."""
    return faster_project.clone_to(tmp_path / "clone")


@pytest.mark.slow
def test_a_fresh_clone_is_reviewed_with_what_the_help_says(clone: Project) -> None:
    module = ("python", "-m", "tools.review")
    assert PULL in clone.run(*module, "--help").stdout
    clone.run(*PULL.split())
    text = clone.run(*module).stdout
    assert "# Review against origin/main" in text
    assert "Unchanged: base." in text
    assert "dvc.lock matches the code." in text
    assert "| `variants.sgd.learning_rate` | `0.01` | `0.5` |" in text
    assert "Models reached, as configs/ says: sgd (changed)." in text
    assert "Networks with other weights, as dvc.lock says: sgd." in text
    assert "lacks" not in text
    assert "Neither" not in text
    assert "![sgd](reports/review/sgd.png)" in text
    assert (clone.root / "reports/review/sgd.png").exists()
    assert clone.run("git", "status", "--porcelain").stdout == ""

    assert "No differences from HEAD in parameters" in clone.run(*module, "HEAD").stdout

    wide = {"gate": {"roc_auc": 1.0, "accuracy": "beyond_interval"}}
    edit_params(clone.root, wide)
    gate = clone.run("python", "-m", "tools.gate")
    assert gate.stdout.startswith("In order: 4 of 4 checks")
    edit_params(clone.root, {"gate": {"roc_auc": 0}})
    gate = clone.run("python", "-m", "tools.gate", check=False)
    assert gate.returncode == 1
    assert "| sgd | roc_auc |" in gate.stdout
    assert "In order: 1 of 2 checks" in gate.stdout


@pytest.mark.slow
def test_missing_tables_and_a_stale_lock_are_named(clone: Project) -> None:
    (clone.root / "stages/train/model.py").open("a").write("# another comment\n")
    clone.run("dvc", "config", "--local", "remote.shared.url", str(clone.root / "nowhere"))
    result = clone.run("python", "-m", "tools.review")
    text = result.stdout
    assert result.stderr == ""
    assert "does not match the code**: stages configure, train@base, train@sgd would run" in text
    assert "Neither DVC's cache nor its remote has the predictions of base, sgd and data/" in text
    assert "The workspace lacks the predictions of base, sgd and data/manifest.csv" in text
    assert "| `variants.sgd.learning_rate` | `0.01` | `0.5` |" in text
    assert "## Metrics" in text
    assert "Not tested: base, sgd." in text


@pytest.mark.slow
def test_an_unknown_revision_gets_one_sentence(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("git", "init", "--quiet")
    tools = {"PYTHONPATH": str(REPOSITORY)}
    (tmp_path / "params.yaml").write_text("gate: {}\n")
    remedy = "main or origin/main here; name what to compare with, such as HEAD~1"
    for command, end in ((["tools.review"], remedy), (["tools.gate", "none"], "none here")):
        result = project.run("python", "-m", *command, check=False, env=tools)
        assert result.returncode == 1
        assert result.stderr == f"error: Git knows no revision {end}\n"


def test_changed_answers_are_tested_by_how_many_are_right(tmp_path: Path) -> None:
    """Of 15 images 3 are no longer right and 12 become it: 2 (1 + 15 + 105 + 455) / 2**15."""
    old, new = [0.3] * 12 + [0.9] * 3, [0.4] * 12 + [0.1] * 3
    before = revision(predictions={"base": predictions(old, "F" * 15, 0.35)})
    after = revision(predictions={"base": predictions(new, "F" * 15, 0.35, unsure=(14,))})
    paired = {"base": revisions.pair(before, after, "base")}
    text = "\n".join(answers.answers_section(before, paired, tmp_path))
    assert "| base | 2 | 1 | 12 | 0 | 0 | 0 | 15 | 0.035 |" in text


def test_intervals_of_rankings_are_scikit_learns_metrics_over_paired_resamples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both models see the same resample: what moves both alike is no difference."""
    monkeypatch.setattr(revisions, "RESAMPLES", 299)
    random = np.random.default_rng(0)
    labels = "".join(random.choice(list("FR"), 200))
    truth = np.array([label == "F" for label in labels])
    old = np.clip(0.5 + 0.1 * truth + random.normal(0, 0.2, 200), 0, 1)
    new = np.clip(old + np.where(truth, 0.1, -0.1), 0, 1)
    before = revision(predictions={"base": predictions(list(old), labels)})
    after = revision("workspace", predictions={"base": predictions(list(new), labels)})
    paired = revisions.pair(before, after, "base")
    for metric, measure in {
        "roc_auc": roc_auc_score,
        "average_precision": average_precision_score,
        "brier_score_calibrated": brier_score_loss,
    }.items():
        found = revisions.difference(paired, metric)
        assert found.mean == pytest.approx(measure(truth, new) - measure(truth, old))
        drawn = [random.integers(0, 200, 200) for _ in range(299)]
        rises = [measure(truth[i], new[i]) - measure(truth[i], old[i]) for i in drawn]
        expected = np.percentile(rises, [2.5, 97.5])
        assert [found.low, found.high] == pytest.approx(expected, abs=0.015), metric
    same = revisions.pair(before, before, "base")
    assert revisions.difference(same, "roc_auc") == (0, 0, 0)


def test_the_opening_names_each_metric_it_speaks_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 0.5 nothing changes; all FAKE rise above all REAL, and the threshold, 0.2, is right."""
    monkeypatch.setattr(revisions, "RESAMPLES", 99)
    labels = "F" * 10 + "R" * 10
    low, high = [0.1] * 10, [0.3] * 10
    metrics = {"accuracy": 0.5, "roc_auc": 0.0}
    old = revision(
        predictions={"base": predictions(low + high, labels, 0.2)}, metrics={"base": metrics}
    )
    new = revision(
        "workspace",
        predictions={"base": predictions(high + low, labels, 0.2)},
        metrics={"base": metrics | {"roc_auc": 1.0}},
    )
    text = review.review(old, new, LOCK, tmp_path)
    assert text.splitlines()[2] == (
        "Accuracy at p_fake 0.5: no evidence of a difference in base. Answers: more often right in "
        "base (p < 0.001). Other metrics whose interval leaves out 0: ROC AUC of base (up by "
        f"1.000). {LOCK}"
    )
    back = review.review(new._replace(name="main"), old._replace(name="workspace"), LOCK, tmp_path)
    assert "less often right in base (p < 0.001)" in back
    assert "ROC AUC of base (down by 1.000)" in back


def test_metrics_of_validation_stand_first_where_there_are_any() -> None:
    metrics = {"accuracy": 0.5, "held_out_accuracy": 0.5, "validation_accuracy": 0.5}
    new = revision("workspace", metrics={"base": metrics | {"validation_accuracy": 0.625}})
    text = review.review(revision(metrics={"base": metrics}), new, LOCK, Path())
    rows = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| base | ")]
    assert rows[:3] == ["validation accuracy", "held-out accuracy", "accuracy"]
    assert "| base | validation accuracy | 0.500 | 0.625 | +0.125 |" in text
    assert "Choose on validation" in text


def test_images_of_one_cluster_are_one_observation() -> None:
    """Of 40 images all get better; as four clusters that is luck in 2 of 16 cases."""
    old, new = predictions([0.1] * 40, "F" * 40), predictions([0.9] * 40, "F" * 40)
    for clusters, p_value, word in (("", 2 / 2**40, "better"), (list("abcd") * 10, 1 / 8, None)):
        both = revisions.pair(
            revision(predictions={"base": old}),
            revision("workspace", predictions={"base": new.assign(cluster=clusters)}),
            "base",
        )
        assert revisions.accuracy_p_value(both) == pytest.approx(p_value)
        verdict = review.compare_accuracies({"base": both})["verdict"]["base"]
        assert verdict == (word or "no evidence")
        assert answers.answer_tests({"base": both})["p"].tolist() == pytest.approx([p_value])


def test_intervals_of_rankings_draw_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of each image make an interval neither narrower nor wider, if they are clusters."""
    monkeypatch.setattr(revisions, "RESAMPLES", 99)
    random = np.random.default_rng(0)
    labels = np.array(list("FR") * 15)
    old = random.random(30)
    new = np.where(labels == "F", old + 0.2, old)
    found = []
    for copies in (1, 4):
        before, after = (
            predictions(list(np.repeat(p_fake, copies)), "".join(np.repeat(labels, copies)))
            for p_fake in (old, new)
        )
        names = [f"photo {number // copies}" for number in range(30 * copies)]
        both = revisions.pair(
            revision(predictions={"base": before}),
            revision("workspace", predictions={"base": after.assign(cluster=names)}),
            "base",
        )
        found.append(revisions.difference(both, "roc_auc"))
    assert found[0].low < found[0].mean < found[0].high
    assert found[1] == pytest.approx(found[0])
    alone = revisions.difference(both.assign(cluster="one"), "roc_auc")
    assert (alone.low, alone.high) == (-1, 1)


def test_predictions_from_before_there_were_clusters_and_answers_can_be_read(
    workspace: Path,
) -> None:
    Path("old.csv").write_text("path,label,logit,p_fake,verdict\na.png,REAL,-1,0.3,FAKE\n")
    of_both = {"path": "a.png", "label": "REAL", "cluster": "", "p_fake": 0.3}
    assert revisions._read_predictions(Path("old.csv")).to_dict("records") == [
        of_both | {"verdict": "FAKE", "answer": "FAKE"}
    ]


def test_a_fall_is_seen_where_some_resamples_have_one_label_alone() -> None:
    labels = "R" * 40 + "F" * 40
    names = [f"photo {number // 10}" for number in range(40)] + [""] * 40
    before = predictions([0.1] * 40 + [0.9] * 40, labels).assign(cluster=names)
    after = predictions([0.6] * 40 + [0.5, 0.9] * 20, labels).assign(cluster=names)
    both = revisions.pair(
        revision(predictions={"base": before}),
        revision("workspace", predictions={"base": after}),
        "base",
    )
    found = revisions.difference(both, "roc_auc")
    assert found.mean == pytest.approx(-0.5)
    assert found.low <= found.mean <= found.high < 0


def test_a_manifest_from_before_there_were_clusters_can_be_read(workspace: Path) -> None:
    Path("manifest.csv").write_text(
        "path,split,label,sha256,status\n1,test,REAL,a,used\n2,train,REAL,b,used\n"
    )
    assert revisions._test_images(Path("manifest.csv")) == {"1": "a"}
