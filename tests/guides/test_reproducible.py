"""docs/reproducible.md: what an input reaches, and the same bytes from a training elsewhere."""

import pytest

from tests.guides.guide import Guide
from tests.helpers import Project

pytestmark = pytest.mark.slow

GUIDE = Guide("reproducible.md")


def test_what_an_input_reaches(project: Project) -> None:
    (printed,) = GUIDE.follow("See what an input reaches", project)
    assert "train@sgd" in printed
    assert "Data and pipelines are up to date." in printed


def test_the_same_bytes_elsewhere(project: Project) -> None:
    (printed,) = GUIDE.follow("The same bytes elsewhere", project)
    assert "base: identical" in printed
