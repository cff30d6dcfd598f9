"""Training on several devices, or on those of several machines, through tf.distribute."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from stages.common.command import InputError
from stages.networks.config import ModelConfig
from stages.networks.runtime import tf
from stages.train.checkpoint import state
from stages.train.unfit import UnfitError

EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def strategy_for(config: ModelConfig) -> tf.distribute.Strategy:
    """Return the strategy that `config` names; that of several workers waits for all of them.

    The workers are those of TF_CONFIG, https://www.tensorflow.org/guide/distributed_training.

    Raises:
        UnfitError: there is no TF_CONFIG, or the devices cannot share a batch equally.
    """
    if config.strategy == "single":
        return tf.distribute.get_strategy()
    if config.strategy == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    else:
        _require_workers()
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if config.batch_size % strategy.num_replicas_in_sync:
        raise UnfitError(
            f"batch_size: must be a multiple of the {strategy.num_replicas_in_sync} devices, "
            f"found {config.batch_size}"
        )
    return strategy


def _require_workers() -> None:
    try:
        found = json.loads(os.environ.get("TF_CONFIG", ""))
        workers, task = found["cluster"]["worker"], found["task"]
        only_workers = set(found["cluster"]) == {"worker"} and isinstance(workers, list)
        if only_workers and task["type"] == "worker" and 0 <= task["index"] < len(workers):
            return
    except (ValueError, KeyError, TypeError):
        pass
    raise UnfitError(
        "strategy: multi_worker needs the environment variable TF_CONFIG on each worker, such as "
        f"{EXAMPLE}, found {os.environ.get('TF_CONFIG')!r}"
    )


def is_chief(config: ModelConfig) -> bool:
    """Return whether this process writes the outputs: of several workers, the first one alone."""
    if config.strategy != "multi_worker":
        return True
    return json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0


class DistributedModel(keras.Model):
    """A model that Keras 3 can fit on several workers.

    Without this, `fit` fails: https://github.com/keras-team/keras/issues/20585, tried with
    Keras 3.15.
    """

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Keras would take the first batch for it, whose parts on other workers it cannot read.
        with self.distribute_strategy.scope():
            views = [tf.zeros((1, *entry.shape[1:])) for entry in self.inputs]
            self._symbolic_build(data_batch=(views, tf.zeros((1,))))

    def train_step(self, *arguments: Any) -> dict[str, tf.Tensor]:
        return self._with_an_axis(super().train_step(*arguments))

    def test_step(self, *arguments: Any) -> dict[str, tf.Tensor]:
        return self._with_an_axis(super().test_step(*arguments))

    @staticmethod
    def _with_an_axis(logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # Keras takes the mean over workers along axis 0, which a scalar does not have.
        return {name: tf.reshape(value, (1,)) for name, value in logs.items()}


def share(strategy: tf.distribute.Strategy, model: keras.Model, epochs: int, origin: str) -> int:
    """Give every worker the first one's state of `model`; return the first one's `epochs`.

    Raises:
        UnfitError: the first one's `origin`, see `stages.train.checkpoint`, is another one.
    """
    variables = state(model)
    of_origin = int(origin[:15], 16)
    numbers = [np.asarray(value) for value in (of_origin, epochs, *(v.numpy() for v in variables))]
    # Workers add up numbers of these types only.
    wide = [n.astype(n.dtype if n.dtype.kind == "f" else np.int64) for n in numbers]

    @tf.function
    def from_the_first(values: list[tf.Tensor]) -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        first = context.replica_id_in_sync_group == 0
        return [
            context.all_reduce("SUM", tf.where(first, value, tf.zeros_like(value)))
            for value in values
        ]

    shared = strategy.run(from_the_first, args=([tf.constant(n) for n in wide],))
    values = [strategy.experimental_local_results(value)[0].numpy() for value in shared]
    if values[0] != of_origin:
        raise UnfitError(
            "configuration, code, data, libraries or kinds of devices are not those of the first "
            "worker; give all workers the same"
        )
    for variable, value, number in zip(variables, values[2:], numbers[2:], strict=True):
        variable.assign(value.astype(number.dtype))
    return int(values[1])


@contextmanager
def naming_lost_workers(config: ModelConfig) -> Iterator[None]:
    """Turn what TensorFlow raises when another worker is gone into one sentence."""
    try:
        yield
    except tf.errors.OpError as error:
        text = str(error)
        of_others = isinstance(error, tf.errors.UnavailableError | tf.errors.DeadlineExceededError)
        of_others |= any(word in text for word in ("Collective", "heartbeat"))
        if config.strategy != "multi_worker" or not of_others:
            raise
        raise InputError(
            "another worker cannot be reached any more; start all workers again, and training goes "
            f"on from the last finished epoch ({text.splitlines()[0]})"
        ) from None
