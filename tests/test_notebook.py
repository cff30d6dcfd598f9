"""notebooks/compare_models.ipynb: runs from top to bottom, through the pipeline's own stages."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.helpers import REPOSITORY, Project, edit_params, stages_run

NOTEBOOK = Path("notebooks/compare_models.ipynb")


def test_it_is_stored_without_outputs_and_says_what_each_cell_is_for() -> None:
    notebook = nbformat.read(REPOSITORY / NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown"
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert "markdown" in kinds[max(0, number - 3) : number], f"cell {number}: what is it?"
    headings = [
        heading
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for heading in re.findall(r"^## (.*)", cell.source, re.MULTILINE)
    ]
    assert headings[:5] == ["Configure", "Data", "Train", "Evaluate", "Compare"], "as the study"


@pytest.mark.slow
def test_it_runs_from_top_to_bottom_and_leaves_nothing_to_do(
    project: Project,
) -> None:
    edit_params(project.root, {"train.epochs": 2})
    notebook = nbformat.read(project.root / NOTEBOOK, as_version=4)
    folder = project.root / NOTEBOOK.parent
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()

    outputs = [out for cell in notebook.cells if "outputs" in cell for out in cell.outputs]
    printed = "".join(out.text for out in outputs if out.output_type == "stream")
    ran = stages_run(printed)
    assert {stage for stage in ran if "train" in stage} == {"train@base", "train@sgd"}
    assert ran[-2:] == ["compare", "report"]
    assert project.repro() == []
    assert re.search(r"^(REAL|FAKE) +\d\.\d{3} .* 32x32  -$", printed, re.MULTILINE)

    tables = "".join(out.data.get("text/html", "") for out in outputs if "data" in out)
    numbers = {float(text) for text in re.findall(r"<td>(\d+\.\d+)</td>", tables)}
    for name in ("base", "sgd"):
        metrics = json.loads((project.root / f"metrics/{name}.json").read_text())
        assert {metrics["roc_auc"], metrics["loss"], metrics["f1"]} <= numbers
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 7, "training images, five figures, the gallery"
