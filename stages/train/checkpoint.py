"""What is kept of a training that has not finished, so that a killed one goes on.

One file for each variant: its state at the end of the last finished epoch, or of a frozen backbone
the features of the images so far. It is no output. A finished training leaves none behind, and it
counts only for the very configuration, code, data and libraries that it came from.
"""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import h5py
import keras
import numpy as np

from stages.common.arrays import Split, chunks, read
from stages.common.files import replacing
from stages.networks.config import NetworkConfig
from stages.networks.runtime import tf
from stages.train.stopping import EarlyStopping, Stopped

CHECKPOINTS = Path("checkpoints")
LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pillow")


def origin(config: NetworkConfig, *splits: Split) -> str:
    """Return a hash of what decides what training gives.

    That is configuration, code (every module of the project that is loaded), data, libraries and
    the kinds of devices.
    """
    digest = hashlib.sha256(json.dumps(config.model_dump()).encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    devices = [device.device_type for device in tf.config.list_logical_devices()]
    digest.update(repr(devices).encode())
    modules = [m for name, m in sys.modules.items() if name.startswith(("stages.", "__main__"))]
    files = {Path(file) for m in modules if (file := getattr(m, "__file__", None))}
    for file in sorted(files):
        digest.update(file.read_bytes())
    for split in splits:
        digest.update(repr((split.images.shape, split.views)).encode())
        for numbers in chunks(split.images):
            digest.update(read(split.images, numbers).data)
        digest.update(split.labels.tobytes())
    return digest.hexdigest()


def state(model: keras.Model) -> list[keras.Variable]:
    """Return all that changes while `model` is fitted.

    That is its weights, its optimizer, and how far the random numbers of its layers have come,
    which `save_weights` of Keras 3.15 leaves out.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


class Checkpoint(keras.callbacks.Callback):
    """Keeps the state after every epoch in the file `path`, and lets training go on from there.

    The curves up to there, the CSV file `curves`, are part of it, and so is what is kept for
    `early_stopping`.
    """

    def __init__(
        self, path: Path, origin: str, curves: Path, early_stopping: EarlyStopping | None = None
    ):
        super().__init__()
        self.path, self.origin, self.curves = path, origin, curves
        self.early_stopping = early_stopping

    def restore(self, model: keras.Model) -> int:
        """Give all of them and `model` the state that is kept; return the number of its epochs.

        Where none is kept, or only that of something else, all stays as it is: 0.
        """
        with suppress(OSError, KeyError), h5py.File(self.path) as file:
            if file.attrs["origin"] != self.origin:
                return 0
            variables = state(model)
            values = [file[str(number)][()] for number in range(len(variables))]
            epochs, curves = int(file.attrs["epochs"]), file["curves"].asstr()[()]
            if self.early_stopping:
                self.early_stopping.restore(_stopped(file["early_stopping"]))
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            self.curves.write_bytes(curves.encode())
            return epochs
        return 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        values = [variable.numpy() for variable in state(self.model)]
        if not all(np.isfinite(value).all() for value in [np.array(logs["loss"]), *values]):
            return  # training ends here, with an error
        with replacing(self.path) as temporary:
            with h5py.File(temporary, "w") as file:
                for number, value in enumerate(values):
                    file[str(number)] = value
                file["curves"] = self.curves.read_bytes().decode()
                file.attrs["epochs"], file.attrs["origin"] = epoch + 1, self.origin
                if self.early_stopping:
                    _keep(self.early_stopping.state, file.create_group("early_stopping"))
            with temporary.open("rb") as written:
                os.fsync(written)  # a file that has its name must have its bytes, come what may

    def remove(self) -> None:
        """Remove the file, and with the last one the folder of all."""
        _remove(self.path)


def _keep(state: Stopped, group: h5py.Group) -> None:
    for name, value in state._asdict().items():
        if name != "weights":
            group.attrs[name] = value
    for number, weight in enumerate(state.weights):
        group[str(number)] = weight


def _stopped(group: h5py.Group) -> Stopped:
    weights = [group[str(number)][()] for number in range(len(group))]
    return Stopped(
        float(group.attrs["best_loss"]),
        int(group.attrs["best_epoch"]),
        int(group.attrs["waited"]),
        weights,
    )


class Rows:
    """Keeps rows of numbers (float32) in the file `path`, behind the `origin` that they are of."""

    def __init__(self, path: Path, origin: str):
        self.path, self.head = path, origin.encode()

    def restore(self, width: int, ends: Sequence[int]) -> int:
        """Return how many rows of `width` numbers are kept; a batch that is not whole is cut off.

        Args:
            ends: after how many rows each batch ends, ascending.
        """
        if self.path.exists() and self._begins_with_head():
            rows = (self.path.stat().st_size - len(self.head)) // (4 * width)
            rows = max((end for end in ends if end <= rows), default=0)
            os.truncate(self.path, len(self.head) + 4 * width * rows)
            return rows
        with replacing(self.path) as temporary:
            temporary.write_bytes(self.head)
        return 0

    def _begins_with_head(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(len(self.head)) == self.head

    def append(self, rows: np.ndarray) -> None:
        """Add `rows`: float32, [N, width]."""
        with self.path.open("ab") as file:
            file.write(rows.tobytes())
            file.flush()
            os.fsync(file.fileno())

    def all(self, width: int) -> np.ndarray:
        """Return all rows: float32, [N, width]."""
        return np.fromfile(self.path, np.float32, offset=len(self.head)).reshape(-1, width)

    def remove(self) -> None:
        """Remove the file, and with the last one the folder of all."""
        _remove(self.path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()
