"""docs/first-run.md: from a clone to a comparison, and nothing to do after that."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from tests.guides.guide import Guide
from tests.helpers import Project, edit_params, link_environment, stages_run

pytestmark = pytest.mark.slow

GUIDE = Guide("first-run.md")


def test_from_a_clone_to_a_comparison(project: Project, tmp_path: Path) -> None:
    clone = project.clone_to(tmp_path / "clone")
    link_environment(clone.root)
    (printed,) = GUIDE.follow("Run everything", clone)
    assert "> python -m stages.train sgd" in printed
    assert "\nvariant  validation  accuracy " in printed
    assert printed.endswith("\nthe comparison: open reports/index.html in a browser\n")
    # Each stage ran, as by force: the clone had no output, and no cache.
    assert (clone.root / "dvc.lock").read_bytes() == (project.root / "dvc.lock").read_bytes()
    assert clone.outputs() == project.outputs()
    assert clone.run("dvc", "status").stdout == "Data and pipelines are up to date.\n"

    (shown,) = GUIDE.follow("Look at what came out", clone)
    assert shown.splitlines()[0].startswith("variant  validation  accuracy ")
    assert (clone.root / "dvc_plots/index.html").exists()
    for page in ("reports/index.html", "reports/data.md", "models/base.md"):
        assert (clone.root / page).stat().st_size > 1000

    (again,) = GUIDE.follow("Run it again", clone)
    assert again.endswith("Data and pipelines are up to date.\n")
    assert "Running stage" not in again


def test_step_by_step_it_runs_the_stages_and_leaves_nothing_to_do(project: Project) -> None:
    link_environment(project.root)
    edit_params(project.root, {"variants.sgd.epochs": 2})
    GUIDE.follow("Go through it step by step", project)
    notebook = nbformat.read(project.root / "notebooks/executed.ipynb", as_version=4)
    outputs = [out for cell in notebook.cells if "outputs" in cell for out in cell.outputs]
    printed = "".join(out.text for out in outputs if out.output_type == "stream")
    ran = stages_run(printed)
    assert {stage for stage in ran if "train" in stage} == {"train@sgd"}
    assert ran[-2:] == ["compare", "report"]
    assert project.repro() == []
    assert re.search(r"^(REAL|FAKE|UNSURE) +\d\.\d{3} .* 32x32 .* -$", printed, re.MULTILINE)

    tables = "".join(out.data.get("text/html", "") for out in outputs if "data" in out)
    numbers = {float(text) for text in re.findall(r"<td>(\d+\.\d+)</td>", tables)}
    for name in ("base", "sgd"):
        metrics = json.loads((project.root / f"metrics/{name}.json").read_text())
        assert {metrics["roc_auc"], metrics["loss"], metrics["f1"]} <= numbers
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 2, "training images, the gallery"
    panels = [out for out in outputs if "image/svg+xml" in out.get("data", {})]
    shown = ("accuracy", "curves", "training", "reliability", "robustness")
    figures = (project.root / "reports/figures").glob("*.svg")
    assert len(panels) == sum(figure.name.startswith(shown) for figure in figures) > len(shown)
