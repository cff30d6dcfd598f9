"""decision: what was fitted on validation comes back digit for digit, or is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.common.command import InputError
from stages.evaluate import unlike
from stages.evaluate.conformal import ConformalSets
from stages.evaluate.decision import Decision, read_decision, write

PICTURES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3)).astype(np.uint8)


def decision(temperature: float = 1.0, threshold: float = 0.5, **sets: float | None) -> Decision:
    """Return a decision by which every label fits, unless `sets` says otherwise."""
    return Decision(
        temperature=temperature,
        threshold=threshold,
        error_rate=0.1,
        sets=ConformalSets.model_validate({"real_up_to": None, "fake_from": None} | sets),
        reference=unlike.fit(PICTURES[:10], PICTURES[10:], 0.1),
    )


def test_a_decision_comes_back_digit_for_digit(tmp_path: Path) -> None:
    given = decision(0.1 + 0.2, float(np.float32(0.1)), real_up_to=1 / 3)
    write(given, tmp_path / "model.json")
    assert read_decision(tmp_path / "model.json") == given
    content = json.loads((tmp_path / "model.json").read_text())
    assert content["temperature"] == 0.30000000000000004
    assert content["threshold"] == 0.10000000149011612
    assert content["sets"] == {"real_up_to": 0.3333333333333333, "fake_from": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"model\.json: cannot be read: .*; run `dvc repro evaluate`"),
        ("hello", r"model\.json: cannot be read: .*; run `dvc repro evaluate`"),
        ("[]", r"model\.json: must be keys and values, found \[\]"),
        ('{"temperature": 1.0}', r"model\.json\.threshold: missing"),
        ('{"temperature": 0.0, "threshold": 0.5}', r"temperature: must be greater than 0, found 0"),
        ('{"temperature": NaN, "threshold": 0.5}', r"temperature: must be .*, found nan"),
        ('{"temperature": 1.0, "threshold": 2.0}', r"threshold: must be less than .*, found 2\.0"),
    ],
)
def test_a_damaged_decision_is_refused_in_one_sentence(
    tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "model.json").write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        read_decision(tmp_path / "model.json")
    assert "\n" not in str(refused.value)
