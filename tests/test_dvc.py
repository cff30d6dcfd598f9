"""DVC's own commands, tried as its users do: experiments, differences, plots, fetching data."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from dvc.repo import Repo

from tests.helpers import REPOSITORY, Project, edit_params, new_project, small_data_set

GOLDEN = Path(__file__).parent / "golden/pipeline.yaml"
CARDS = {"card@base", "card@sgd"}


def test_the_expanded_pipeline_is_the_golden_one() -> None:
    """After a change that is meant: UPDATE_GOLDEN=1 pytest -k golden, and read the difference."""
    pipeline: dict[str, dict[str, Any]] = {}
    for stage in Repo(str(REPOSITORY)).index.stages:
        if stage.path_in_repo != "dvc.yaml":
            continue
        params = {
            f"{dep.def_path}: {', '.join(dep.params) or 'all of it'}"
            for dep in stage.deps
            if hasattr(dep, "params")
        }
        pipeline[stage.name] = {
            "cmd": stage.cmd,
            "deps": sorted(dep.def_path for dep in stage.deps if not hasattr(dep, "params")),
            "params": sorted(params),
            "outs": sorted(
                out.def_path
                + (" (metric)" if out.metric else "")
                + ("" if out.use_cache else " (Git)")
                + (" (persist)" if out.persist else "")
                for out in stage.outs
            ),
        }
    text = yaml.safe_dump(pipeline, sort_keys=True)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_each_variant_can_be_registered_and_nothing_else() -> None:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    artifacts = Repo(str(REPOSITORY)).artifacts.read()["dvc.yaml"]
    assert {name: artifact.path for name, artifact in artifacts.items()} == {
        variant: f"models/{variant}.h5" for variant in params["variants"]
    }
    assert {artifact.type for artifact in artifacts.values()} == {"model"}
    assert all(artifact.labels for artifact in artifacts.values())
    descriptions = {artifact.desc for artifact in artifacts.values()}
    assert len(descriptions) == len(artifacts), "each says what differs"


def test_the_committed_lock_belongs_to_the_committed_code() -> None:
    """Every hash of code and parameters in dvc.lock is that of the files in this repository."""
    result = Project(REPOSITORY).run("dvc", "status", "--json")
    changed = {
        f"{stage}: {path}"
        for stage, changes in json.loads(result.stdout).items()
        for change in changes
        if isinstance(change, dict)
        for path, what in change.get("changed deps", {}).items()
        # A clone has neither data nor models: DVC calls those deleted, not modified.
        if what != "deleted"
    }
    assert not changed


@pytest.mark.slow
def test_every_plot_shows_every_variant(project: Project) -> None:
    plots = json.loads(project.run("dvc", "plots", "show", "--json").stdout)
    assert "errors" not in plots
    panels = {"panel", "row"}
    drawn = {
        "accuracy": {"accuracy", "accuracy_low", "accuracy_high", "variant", "rev"},
        "training accuracy": {"epoch", "accuracy", "split", "variant", "rev", *panels},
        "training loss": {"epoch", "loss", "split", "variant", "rev", *panels},
        "metrics": {"metric", "value", "variant", "rev"},
        "ROC": {"p", "false_positive_rate", "true_positive_rate", "variant", "rev"},
        "precision and recall": {"recall", "precision", "variant", "rev"},
        "reliability": {"p", "p_fake", "share_fake", "probabilities", "images", "variant", "rev"}
        | panels,
        "robustness": {"level", "accuracy", "variant", "rev", *panels},
        "slices": {"row", "variant", "accuracy", "rev"},
        "confusion matrices": {"actual", "predicted", "images", "rev", *panels},
    }
    galleries = {f"reports/figures/gallery/{variant}.png" for variant in ("base", "sgd")}
    assert set(plots["data"]) == set(drawn) | galleries
    for title in drawn:
        (plot,) = plots["data"][title]
        content = plot["content"]
        values = content["data"]["values"]
        assert {row["variant"] for row in values} == {"base", "sgd"}, title
        assert _fields(content) == drawn[title]
        for field in drawn[title] - {"p", "row", "panel"}:  # of the chart's own
            assert all(row.get(field) not in (None, "") for row in values), f"{title}: {field}"


def _fields(spec: Any) -> set[str]:
    """Return every `field` that a Vega-Lite specification draws."""
    if isinstance(spec, list):
        return set().union(*map(_fields, spec))
    if not isinstance(spec, dict):
        return set()
    own = {spec["field"]} if isinstance(spec.get("field"), str) else set()
    return own.union(*(_fields(value) for key, value in spec.items() if key != "data"))


@pytest.mark.slow
def test_data_in_each_of_dvcs_forms(project: Project) -> None:
    """An archive in Git, then in DVC, then a folder in DVC, copied or linked: the same arrays."""
    before = project.outputs()
    project.run("git", "rm", "--quiet", "--cached", "data/small.zip")
    project.run("dvc", "add", "data/small.zip")
    assert project.repro() == []

    shutil.unpack_archive(project.root / "data/small.zip", project.root / "data/folder")
    project.run("dvc", "add", "data/folder")
    _use(project, "data/folder")
    ran = {"configure", "source", "preprocess", "perturb", *CARDS, "report"}
    assert set(project.repro()) == ran
    changed = {path for path, digest in project.outputs().items() if before[path] != digest}
    pages = {"models/base.md", "models/sgd.md", "reports/data.md", "reports/index.html"}
    assert changed == pages, "they name the data set"

    after, lock = project.outputs(), project.lock()
    project.run("dvc", "config", "cache.type", "symlink")
    project.run("dvc", "checkout", "--relink")
    assert (project.root / "data/folder/train/REAL/0000.png").is_symlink()
    project.repro("--force", "source", "preprocess")
    assert project.outputs() == after
    assert project.lock() == lock

    # A path is data, to the shell as well.
    name = "data/-my 'set' \"$(touch PWNED)\".zip"
    shutil.move(project.root / "data/small.zip", project.root / name)
    _use(project, name)
    project.repro("preprocess")
    assert not (project.root / "PWNED").exists()


def _use(project: Project, data_set: str) -> None:
    edit_params(project.root, {"source.path": data_set})


@pytest.mark.slow
def test_base_learns_from_the_studys_images(cifake_800: Path, tmp_path: Path) -> None:
    """800 / 200 / 1000 images, and at least 0.76 of the test images right; the study had 0.506."""
    changes = {"source.path": "data/cifake-800.zip", "variants": {"base": {}}}
    project = new_project(tmp_path / "project", small_data_set({"train": 1}), changes)
    shutil.copy2(cifake_800, project.root / "data/cifake-800.zip")
    project.repro("evaluate@base")
    manifest = pd.read_csv(project.root / "data/manifest.csv").query("status == 'used'")
    assert manifest.groupby(["split", "label"]).size().to_dict() == {
        ("train", "REAL"): 400,
        ("train", "FAKE"): 400,
        ("validation", "REAL"): 100,
        ("validation", "FAKE"): 100,
        ("test", "REAL"): 500,
        ("test", "FAKE"): 500,
    }
    metrics = json.loads((project.root / "metrics/base.json").read_text())
    assert metrics["accuracy"] >= 0.76
    assert (project.root / "models/base.h5").stat().st_size <= 3_000_000
