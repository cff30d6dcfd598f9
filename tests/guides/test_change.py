"""docs/change.md: a value, a variant, a seed; kept, undone, removed."""

import json

import pandas as pd
import pytest

from tests.guides.guide import Guide
from tests.helpers import Project, stages_run

pytestmark = pytest.mark.slow

GUIDE = Guide("change.md")
TABLES = [
    "accuracy",
    "confusion",
    "metrics",
    "precision_recall",
    "reliability",
    "robustness",
    "roc",
    "slices",
    "training",
]
OF_SGD = {"configure", "train@sgd", "evaluate@sgd", "card@sgd", "compare", "report"}


def test_one_value_is_tried_gone_back_from_and_kept(project: Project) -> None:
    lock = (project.root / "dvc.lock").read_bytes()
    (printed,) = GUIDE.follow("Change one value", project)
    assert set(stages_run(printed)) == OF_SGD
    assert "metrics/sgd.json" in printed
    assert "params.yaml       variants.sgd.learning_rate  0.01    0.02" in printed
    params = json.loads(project.run("dvc", "params", "diff", "--json").stdout)
    rate = {"old": 0.01, "new": 0.02, "diff": 0.01}
    assert params["configs/sgd.yaml"] == {"learning_rate": rate}
    assert params["params.yaml"] == {"variants.sgd.learning_rate": rate}
    assert "configs/base.yaml" not in params
    metrics = json.loads(project.run("dvc", "metrics", "diff", "--json").stdout)
    of_sgd = ("metrics/sgd.json", "metrics/robustness/sgd.json", "metrics/sets/sgd/test.json")
    assert set(metrics) == set(of_sgd)
    assert "loss" in metrics["metrics/sgd.json"]
    GUIDE.follow("Go back", project)
    assert (project.root / "dvc.lock").read_bytes() == lock
    assert project.repro() == []
    (printed,) = GUIDE.follow("Change one value", project)
    without_cache = {"configure", "card@sgd", "compare", "report"}
    assert set(stages_run(printed)) == without_cache, "the run cache knows the others"
    GUIDE.follow("Keep it", project)
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert project.repro() == []
    diff = json.loads(project.run("dvc", "params", "diff", "HEAD^", "--json").stdout)
    assert diff["configs/sgd.yaml"] == {"learning_rate": rate}


def test_a_variant_comes_and_goes(project: Project) -> None:
    page = project.root / "reports/comparison.md"
    before = page.read_text()
    (printed,) = GUIDE.follow("Add a variant", project)
    assert set(stages_run(printed)) == {
        "configure", "train@wide", "evaluate@wide", "card@wide", "compare", "report"
    }  # fmt: skip
    assert "| wide |" in page.read_text()
    assert shown(project) == {"base", "sgd", "wide"}
    diff = ("dvc", "plots", "diff", "HEAD", "workspace", "--json", "--out", ".dvc/tmp/plots")
    plots = json.loads(project.run(*diff).stdout)
    charts = {title: plot for title, plot in plots["data"].items() if "." not in title}
    assert len(charts) == 10
    for title, (plot,) in charts.items():
        drawn = {(row["rev"], row["variant"]) for row in plot["content"]["data"]["values"]}
        assert {("HEAD", "base"), ("workspace", "base"), ("workspace", "wide")} <= drawn, title
        assert ("HEAD", "wide") not in drawn
    project.commit("wide")
    (printed,) = GUIDE.follow("Remove a variant", project)
    assert "models/wide.md\n" in printed
    assert set(stages_run(printed)) == {"configure", "compare", "report"}
    assert page.read_text() == before
    assert shown(project) == {"base", "sgd"}
    assert project.repro() == []
    left = [path for path in project.root.rglob("*wide*") if ".dvc" not in path.parts]
    assert not [path for path in left if ".git" not in path.parts]
    project.run("git", "checkout", "HEAD", "--", "metrics")  # as if they had not been removed
    assert "wide" not in project.run("dvc", "metrics", "show").stdout


def shown(project: Project) -> set[str]:
    """Return the variants that each table of all has rows of."""
    tables = [pd.read_csv(project.root / f"plots/all/{name}.csv") for name in TABLES]
    (variants,) = {frozenset(table["variant"]) for table in tables}
    return set(variants)


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
