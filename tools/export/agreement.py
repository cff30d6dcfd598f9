"""Whether an exported network says what the original says, and how fast it does."""

import math
from collections.abc import Mapping
from timeit import repeat

import numpy as np

from stages.common.arrays import Split, read
from stages.evaluate.classifier import Classifier
from stages.networks.kinds import batch_of
from tools.export.formats import Run

IMAGES = 64
"""How many images of a split an export is tried on, from all over it."""

LARGEST = 80.0
"""Log-odds beyond it are taken for it: the probabilities, as float32, tell no more."""
TOLERANCE = 1e-3
"""How far log-odds may be from those of the original: p_fake is then at most 0.00025 off."""
BATCH = 32
"""Views at a time, where speed is measured in batches."""


def trial(classifier: Classifier, split: Split) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return some views of `split` as `Run` takes them, and what the network says of them.

    Returns:
        float32, [M, ...], by the names of the network's inputs; and the log-odds of FAKE: float32,
        [M]. Views are those that the network looks at.

    Raises:
        InputError: see `Classifier.logits_by_view`.
    """
    last = len(split.labels) - 1
    images = read(split.images, np.unique(np.linspace(0, last, IMAGES).round().astype(int)))
    expected = classifier.logits_by_view(images, split.views)
    places = classifier.places(split.views)
    views = images if images.ndim == 4 else images[:, places].reshape(-1, *images.shape[2:])
    kinds = [split.views[place] for place in places] * len(images)
    inputs = batch_of(classifier.network, views.astype(np.float32), kinds)
    names = [tensor.name for tensor in classifier.network.inputs]
    arrays = inputs if isinstance(inputs, list) else [inputs]
    return dict(zip(names, arrays, strict=True)), expected.ravel()


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return the log-odds of FAKE, float64, [N], of (p_real, p_fake): float, [N, 2]."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), math.exp(-LARGEST)))
    return logs[:, 1] - logs[:, 0]


def furthest(probabilities: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of log-odds; NaN if one is none.

    Args:
        probabilities: (p_real, p_fake) as an exported network gives them: float, [N, 2].
        expected: log-odds of FAKE as the original gives them: float, [N].
    """
    return float(np.abs(log_odds(probabilities) - np.clip(expected, -LARGEST, LARGEST)).max())


def milliseconds(run: Run, inputs: Mapping[str, np.ndarray], most: int) -> float:
    """Return how long `run` takes for a view of `inputs`, `most` at a time: the best of ten."""
    batch = {name: values[:most] for name, values in inputs.items()}
    views = len(next(iter(batch.values())))
    run(batch)  # the first time, runtimes prepare
    return 1000 * min(repeat(lambda: run(batch), number=1, repeat=10)) / views
