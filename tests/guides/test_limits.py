"""docs/limits.md: how to find out whether a model carries to other images."""

import json

import pytest

from tests.guides.guide import Guide
from tests.guides.test_your_data import images
from tests.helpers import REPOSITORY, Project, write_zip


@pytest.mark.slow
def test_a_model_is_tried_on_your_images(project: Project) -> None:
    write_zip(project.root / "data/holiday.zip", images())
    (printed,) = Guide("limits.md").follow("Try it", project)
    assert "metrics/sets/sgd/holiday.json" in printed
    assert "accuracy_low" in printed


def test_the_numbers_are_those_of_the_committed_metrics() -> None:
    text = (REPOSITORY / "docs/limits.md").read_text()
    of = {
        name: json.loads((REPOSITORY / f"metrics/{name}.json").read_text())
        for name in ("base", "small", "robustness/base", "robustness/small")
    }
    calibration = [f"{of[name]['ece_calibrated']:.3f} (`{name}`)" for name in ("base", "small")]
    assert f"on the test split {' and '.join(calibration)}" in text
    lost = [
        f"`{name}` from {of[name]['accuracy']:.3f} to "
        f"{of[f'robustness/{name}']['accuracy_perturbed']:.3f}"
        for name in ("small", "base")
    ]
    assert f"{lost[0]} on average over the kinds, {lost[1]}" in text
    data = json.loads((REPOSITORY / "reports/data.json").read_text())
    assert f"tells them apart with {data['short_cuts']['all of these']:.3f}" in text
