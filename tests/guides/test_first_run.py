"""docs/first-run.md: from a clone to a comparison, and nothing to do after that."""

import sys
from pathlib import Path

import pytest

from tests.guides.guide import Guide
from tests.helpers import Project

pytestmark = pytest.mark.slow

GUIDE = Guide("first-run.md")


def test_from_a_clone_to_a_comparison(project: Project, tmp_path: Path) -> None:
    clone = project.clone_to(tmp_path / "clone")
    # What `make` installs is there, as after the set-up.
    environment = clone.root / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
    (environment / "pipeline").touch()

    (printed,) = GUIDE.follow("Run everything", clone)
    assert "> python -m stages.train sgd" in printed
    assert printed.endswith((clone.root / "reports/comparison.md").read_text())
    assert clone.outputs() == project.outputs()

    (shown,) = GUIDE.follow("Look at what came out", clone)
    assert "metrics/sgd.json" in shown
    assert (clone.root / "dvc_plots/index.html").exists()
    for page in ("reports/index.html", "reports/data.md", "models/base.md"):
        assert (clone.root / page).stat().st_size > 1000

    (again,) = GUIDE.follow("Run it again", clone)
    assert again.endswith("Data and pipelines are up to date.\n")
    assert "Running stage" not in again
