"""docs/reviews.md: what a reviewer types, in a clone that has no data at first."""

from pathlib import Path

import pytest

from tests.guides.guide import Guide
from tests.helpers import Project


@pytest.mark.slow
def test_a_reviewer_sees_what_a_branch_brings(faster_project: Project, tmp_path: Path) -> None:
    guide = Guide("reviews.md")
    origin = faster_project.copy_to(tmp_path / "origin")
    origin.run("git", "checkout", "--quiet", "main")
    clone = origin.clone_to(tmp_path / "clone")
    lock, dry = guide.follow("Ask whether dvc.lock is current", clone)
    assert lock == "dvc.lock matches the code.\n"
    assert dry.endswith("Data and pipelines are up to date.\n")

    _, params, metrics, review, gates = guide.follow("Review by hand", clone)
    assert ["params.yaml", "variants.sgd.learning_rate", "0.01", "0.5"] in [
        line.split() for line in params.splitlines()
    ]
    assert "configs/sgd.yaml" in params
    assert "metrics/sgd.json" in metrics
    assert "metrics/base.json" not in metrics
    assert "# Review against main" in review
    assert "Unchanged: base. dvc.lock matches the code.\n" in review
    assert "lacks" not in review
    assert "Neither" not in review
    assert gates.startswith("In order: 2 of 2 checks")
