"""TensorFlow, set up so that the same inputs give the same bytes, and quiet about the rest."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _quiet_native_output() -> Iterator[None]:
    """Hide what native code writes to standard error, unless the block raises.

    TensorFlow's start-up notes come before its own log level (1: no notes) is read.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(saved, hidden.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextmanager
def _without(*packages: str) -> Iterator[None]:
    """Let the imports of the block find none of `packages` that was not imported before."""
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be found
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# The import makes very many objects and drops hardly any: looking for garbage among them takes a
# fifth of its time.
gc.disable()
# Keras imports the two, which takes a second, for helpers that no stage uses.
with _quiet_native_output(), _without("sklearn", "matplotlib"):
    import keras
    import tensorflow as tf
    from absl import logging

    # Keras warns that .h5 is a legacy format at every save; it is the format this project has.
    logging.set_verbosity(logging.ERROR)
gc.freeze()
gc.enable()


def set_up(seed: int, threads: int, instruction_set: str | None = None) -> None:
    """Seed every generator, choose deterministic kernels and a fixed number of threads.

    The order in which threads add numbers up changes their sum, and so does the width of the
    instructions that oneDNN chooses: `threads` and `instruction_set` are inputs of the result, the
    number of cores is not. See
    https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism and
    https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html.

    Args:
        instruction_set: the newest that oneDNN may use; None: the newest of the processor.
    """
    configure(threads, instruction_set)
    start(seed)


def configure(threads: int, instruction_set: str | None) -> None:
    """Do the part of `set_up` that must come before any device starts."""
    if instruction_set:
        os.environ["ONEDNN_MAX_CPU_ISA"] = instruction_set  # read at its first computation
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


def start(seed: int) -> None:
    """Do the rest of `set_up`."""
    with _quiet_native_output():
        keras.utils.set_random_seed(seed)
        tf.constant(0)  # starts the devices, which is when CUDA reports that it found none
