"""models/<variant>.json: how a network's log-odds become probabilities, verdicts and answers."""

import json
import math
from pathlib import Path

import numpy as np
from pydantic import Field

from stages.common.command import InputError
from stages.common.params import validate
from stages.evaluate.calibration import Calibration, probabilities
from stages.evaluate.conformal import ConformalSets
from stages.evaluate.unlike import Reference


class Decision(Calibration):
    """All that is fitted on validation, and travels with a network."""

    error_rate: float = Field(description="share of each label that the sets may leave out")
    sets: ConformalSets = Field(description="from which log-odds on REAL and FAKE fit")
    reference: Reference = Field(description="what images are compared with, to tell unlike ones")


def bounds(decision: Decision) -> tuple[float, float]:
    """Return up to which p_fake the answer is REAL, and from which on it is FAKE.

    In between it is UNSURE: both labels fit, or none. They are minus and plus infinity where it
    never is.
    """
    sets = decision.sets
    real = math.inf if sets.real_up_to is None else sets.real_up_to
    fake = -math.inf if sets.fake_from is None else sets.fake_from
    ends = np.array([min(real, fake), max(real, fake)])
    low, high = np.where(np.isinf(ends), ends, probabilities(ends, decision.temperature)).tolist()
    return low, high


def write(decision: Decision, path: Path) -> None:
    """Write `decision` to the JSON file `path`, digit for digit."""
    path.write_text(json.dumps(decision.model_dump()) + "\n")


def read_decision(path: Path) -> Decision:
    """Return what `write` wrote to `path`.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}; run `dvc repro evaluate`") from None
    return validate(Decision, content, str(path))
