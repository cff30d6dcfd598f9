"""docs/reproducible.md: what an input reaches, and the same bytes from a training elsewhere."""

import pytest

from tests.guides.guide import Guide
from tests.helpers import Project
from tools.repro.machine import facts

pytestmark = pytest.mark.slow

GUIDE = Guide("reproducible.md")


def test_what_an_input_reaches_and_the_same_bytes_elsewhere(project: Project) -> None:
    (printed,) = GUIDE.follow("See what an input reaches", project)
    assert "train@sgd" in printed
    assert "Data and pipelines are up to date." in printed

    cache = sorted((project.root / ".dvc/cache").rglob("*"))
    lock = (project.root / "dvc.lock").read_bytes()
    (printed,) = GUIDE.follow("The same bytes elsewhere", project)
    assert "base: identical" in printed
    assert "sgd" not in printed
    row = next(line for line in printed.splitlines() if line.startswith("tensorflow"))
    assert row.split() == ["tensorflow", "not", "recorded", facts()["tensorflow"]]
    assert sorted((project.root / ".dvc/cache").rglob("*")) == cache
    assert (project.root / "dvc.lock").read_bytes() == lock
