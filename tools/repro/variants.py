"""What is reproduced at the same time: a variant, and how much of the machine it takes."""

from typing import NamedTuple

from stages.networks.config import ModelConfig


class Variant(NamedTuple):
    """A variant that is to be reproduced."""

    name: str
    config: ModelConfig
    sets: list[str]
    """The external data sets that it is measured on."""

    def stages(self) -> list[str]:
        """Return what runs for it alone, in order, as DVC names it."""
        elsewhere = [f"evaluate_external@{self.name}-{name}" for name in self.sets]
        return [f"train@{self.name}", f"evaluate@{self.name}", *elsewhere, f"card@{self.name}"]

    def jobs(self, most: int) -> int:
        """Return how many of `most` jobs it takes: one a thread, or all if it takes all GPUs."""
        return most if self.config.strategy != "single" else min(self.config.threads, most)

    def work(self) -> float:
        """Return how long training takes, in a unit of its own: multiplications times epochs."""
        size, channels, total = 1.0, 3, 0.0
        for layer in self.config.conv_layers:
            size /= layer.stride**2
            total += size * channels * layer.filters * layer.kernel_size**2
            size, channels = size / layer.pool**2, layer.filters
        return total * self.config.epochs
