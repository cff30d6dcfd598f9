"""What is reproduced at the same time: a variant, and how much of the machine it takes."""

import math
from typing import NamedTuple

from stages.networks.config import FrozenConfig, ModelConfig


class Variant(NamedTuple):
    """A variant that is to be reproduced."""

    name: str
    config: ModelConfig | FrozenConfig
    sets: list[str]
    """The external data sets that it is measured on."""

    def stages(self) -> list[str]:
        """Return what runs for it alone, in order, as DVC names it."""
        elsewhere = [f"evaluate_external@{self.name}-{name}" for name in self.sets]
        return [f"train@{self.name}", f"evaluate@{self.name}", *elsewhere, f"card@{self.name}"]

    @property
    def weights(self) -> str:
        """The file with its backbone; empty if it has none."""
        return self.config.backbone.weights if self.config.backbone else ""

    def jobs(self, most: int) -> int:
        """Return how many of `most` jobs it takes: one a thread, or all if it takes all GPUs."""
        return min(self.config.threads, most) if self.on_one_device else most

    @property
    def on_one_device(self) -> bool:
        """Whether it trains on one device, and not on all."""
        return isinstance(self.config, FrozenConfig) or self.config.strategy == "single"

    def work(self) -> float:
        """Return how long training takes, in a unit of its own: multiplications times epochs.

        What has a backbone takes longest.
        """
        if isinstance(self.config, FrozenConfig) or self.config.backbone:
            return math.inf
        size, channels, total = 1.0, 3, 0.0
        for layer in self.config.conv_layers:
            size /= layer.stride**2
            total += size * channels * layer.filters * layer.kernel_size**2
            size, channels = size / layer.pool**2, layer.filters
        return total * self.config.epochs


class Outcome(NamedTuple):
    """What became of a variant."""

    name: str
    failed: bool
    facts: dict[str, str]
    """Of the machine that trained it; empty if it came from the run cache."""
