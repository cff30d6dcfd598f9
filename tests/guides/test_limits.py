"""docs/limits.md: its numbers are those that are committed."""

import json

from tests.helpers import REPOSITORY


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
    small = of["small"]
    low, high = small["coverage_fake_low"], small["coverage_fake_high"]
    assert f"{small['coverage_fake']:.3f} ({low:.3f} to {high:.3f})" in text
    assert f"REAL: {small['coverage_real']:.3f} with `small`" in text
    assert f"beside {1 - small['answered']:.3f} of its own" in text
