"""notebooks/compare_models.ipynb, as it is stored; tests/guides/test_first_run.py runs it."""

import re

import nbformat

from tests.helpers import REPOSITORY


def test_it_is_stored_without_outputs_and_says_what_each_cell_is_for() -> None:
    notebook = nbformat.read(REPOSITORY / "notebooks/compare_models.ipynb", as_version=4)
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
