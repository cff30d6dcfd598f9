"""docs/change.md: a value, a variant, a seed; kept, undone, removed."""

import json

import pytest

from tests.guides.guide import Guide
from tests.helpers import Project, stages_run

pytestmark = pytest.mark.slow

GUIDE = Guide("change.md")
OF_SGD = {"configure", "train@sgd", "evaluate@sgd", "card@sgd", "compare", "report"}


def test_one_value_is_tried_gone_back_from_and_kept(project: Project) -> None:
    lock = (project.root / "dvc.lock").read_bytes()
    (printed,) = GUIDE.follow("Change one value", project)
    assert set(stages_run(printed)) == OF_SGD
    assert "metrics/sgd.json" in printed
    assert "params.yaml       variants.sgd.learning_rate  0.01    0.02" in printed
    GUIDE.follow("Go back", project)
    assert (project.root / "dvc.lock").read_bytes() == lock
    assert project.repro() == []
    (printed,) = GUIDE.follow("Change one value", project)
    assert "train@sgd" not in stages_run(printed), "the run cache knows it"
    GUIDE.follow("Keep it", project)
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert project.repro() == []
    diff = json.loads(project.run("dvc", "params", "diff", "HEAD^", "--json").stdout)
    assert diff["configs/sgd.yaml"] == {"learning_rate": {"old": 0.01, "new": 0.02, "diff": 0.01}}


def test_a_variant_comes_and_goes(project: Project) -> None:
    page = project.root / "reports/comparison.md"
    before = page.read_text()
    (printed,) = GUIDE.follow("Add a variant", project)
    assert set(stages_run(printed)) == {
        "configure", "train@wide", "evaluate@wide", "card@wide", "compare", "report"
    }  # fmt: skip
    assert "| wide |" in page.read_text()
    project.commit("wide")
    (printed,) = GUIDE.follow("Remove a variant", project)
    assert set(stages_run(printed)) == {"configure", "compare", "report"}
    assert page.read_text() == before
    assert project.repro() == []
    left = [path for path in project.root.rglob("*wide*") if ".dvc" not in path.parts]
    assert not [path for path in left if ".git" not in path.parts]


def test_seeds_are_runs_of_one_model(project: Project) -> None:
    (printed,) = GUIDE.follow("Tell a difference from luck", project)
    of_each = ("train", "evaluate", "card")
    new = {f"{stage}@base-{n}" for stage in of_each for n in (2, 3)}
    assert set(stages_run(printed)) == {"configure", *new, "compare", "report"}
    report = json.loads((project.root / "reports/comparison.json").read_text())
    runs = {name: model["runs"] for name, model in report["models"].items()}
    assert runs == {"base": 3, "sgd": 1}
    verdicts = {name: row["comparison"]["verdict"] for name, row in report["variants"].items()}
    assert verdicts["base-2"] == verdicts["base-3"] == "other seed"
    assert "## Models" in (project.root / "reports/comparison.md").read_text()
