"""Read a PyTorch checkpoint without PyTorch: its arrays, and nothing that it would have run.

The format is what `torch.save` wrote before version 1.6: pickles of a magic number, the version of
the protocol, facts about the machine, the tensors by name and the keys of their storages; then each
storage, its length as int64 before it. A tensor is a view of a storage: an offset, a shape and
strides. See `_legacy_load` in
https://github.com/pytorch/pytorch/blob/v1.5.0/torch/serialization.py.
"""

import io
import pickle
from collections import OrderedDict
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from stages.common.command import InputError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype


class _Tensor(NamedTuple):
    """The arguments of `torch._utils._rebuild_tensor_v2`; offset and strides count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool
    hooks: OrderedDict[str, Any]


ALLOWED = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _Tensor,
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.LongStorage": np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    """Makes nothing but what `ALLOWED` holds: any other name in a pickle may run any code."""

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in ALLOWED:
            raise InputError(f"checkpoint: names {full}; allowed are {', '.join(ALLOWED)}")
        return ALLOWED[full]

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", np.dtype() as dtype, str(key), _, _, None):
                return _Storage(key, dtype)
        raise InputError(f"checkpoint: expected a whole storage, found {pid!r}")


def read_checkpoint(content: bytes) -> dict[str, np.ndarray]:
    """Return the tensors in a checkpoint, by name, as arrays in row-major order.

    Raises:
        InputError: it is in another format, is damaged, or names what is not allowed.
    """
    file = io.BytesIO(content)
    try:
        magic, protocol, _, tensors, keys = (_Unpickler(file).load() for _ in range(5))
        if (magic, protocol) != (MAGIC, PROTOCOL):
            raise ValueError
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        storages = {key: _read_storage(file, dtypes[key]) for key in keys}
        return {
            name: _array(storages[tensor.storage.key], tensor) for name, tensor in tensors.items()
        }
    except (pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, ValueError):
        raise InputError(
            "checkpoint: is damaged, or not in the format of PyTorch before 1.6"
        ) from None


def _read_storage(file: BinaryIO, dtype: np.dtype) -> np.ndarray:
    (length,) = np.frombuffer(file.read(8), "<i8")
    return np.frombuffer(file.read(length * dtype.itemsize), dtype, length)


def _array(storage: np.ndarray, tensor: _Tensor) -> np.ndarray:
    size = storage.itemsize
    strides = tuple(stride * size for stride in tensor.strides)
    # Of numpy's views, this one refuses to leave the storage.
    view = np.ndarray(tensor.shape, storage.dtype, storage, tensor.offset * size, strides)
    return np.array(view, order="C")
