"""A checkpoint of PyTorch is read as PyTorch reads it, and runs nothing."""

import io
import pickle
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from stages.common.command import InputError
from tools.backbone.pytorch import MAGIC, PROTOCOL, read_checkpoint

# What follows writes pickles opcode by opcode, as the names in them stand for nothing here.
REBUILD, FLOAT, LONG = (b"ctorch._utils\n_rebuild_tensor_v2\n", b"FloatStorage", b"LongStorage")


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def numbers(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(
    key: str, offset: int, shape: Sequence[int], strides: Sequence[int], kind: bytes = FLOAT
) -> bytes:
    """Return the pickle of a view of the storage `key`."""
    storage = b"(" + text("storage") + b"ctorch\n" + kind + b"\n" + text(key) + text("cpu")
    place = b"J" + struct.pack("<i", offset) + numbers(shape) + numbers(strides)
    hooks = b"ccollections\nOrderedDict\n)R"
    return REBUILD + b"(" + storage + b"J\0\0\0\0NtQ" + place + b"\x89" + hooks + b"tR"


def checkpoint(tensors: dict[str, bytes], storages: dict[str, np.ndarray]) -> bytes:
    """Return a checkpoint of pickled `tensors` by name, whose storages are `storages`."""
    named = b"".join(text(name) + value for name, value in tensors.items())
    parts = [pickle.dumps(part, 2) for part in (MAGIC, PROTOCOL, {"little_endian": True})]
    parts += [b"\x80\x02}(" + named + b"u.", pickle.dumps(list(storages), 2)]
    parts += [struct.pack("<q", array.size) + array.tobytes() for array in storages.values()]
    return b"".join(parts)


def test_a_tensor_is_a_view_of_its_storage_by_offset_and_strides() -> None:
    storages = {"1": np.arange(10, dtype="<f4"), "2": np.array([7], "<i8")}
    tensors = {
        "rows": tensor("1", 0, (2, 3), (3, 1)),
        "transposed": tensor("1", 2, (2, 3), (1, 2)),
        "scalar": tensor("2", 0, (), (), LONG),
    }
    read = read_checkpoint(checkpoint(tensors, storages))
    assert {name: array.tolist() for name, array in read.items()} == {
        "rows": [[0, 1, 2], [3, 4, 5]],
        "transposed": [[2, 4, 6], [3, 5, 7]],
        "scalar": 7,
    }
    assert [array.dtype for array in read.values()] == ["<f4", "<f4", "<i8"]
    assert all(array.flags["C_CONTIGUOUS"] for array in read.values())


def test_a_view_that_leaves_its_storage_is_refused() -> None:
    inside, outside = tensor("1", 3, (2, 3), (3, 1)), tensor("1", 4, (2, 3), (3, 1))
    storages = {"1": np.arange(9, dtype="<f4")}
    assert read_checkpoint(checkpoint({"t": inside}, storages))["t"][1, 2] == 8
    with pytest.raises(InputError, match="checkpoint: is damaged"):
        read_checkpoint(checkpoint({"t": outside}, storages))


def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "written"
    code = b"cbuiltins\nexec\n(" + text(f"open({str(file)!r}, 'w')") + b"tR"
    pickle.loads(b"\x80\x02" + code + b".")
    assert file.exists(), "it is code that runs"
    file.unlink()
    with pytest.raises(InputError, match=r"names builtins\.exec; allowed are collections\.Ord"):
        read_checkpoint(checkpoint({"t": code}, {}))
    assert not file.exists()


def test_what_is_no_checkpoint_of_that_format_is_refused() -> None:
    whole = checkpoint({"t": tensor("1", 0, (3,), (1,))}, {"1": np.arange(3, dtype="<f4")})
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").writestr("archive/data.pkl", whole)
    other_protocol = whole.replace(pickle.dumps(PROTOCOL, 2), pickle.dumps(1002, 2))
    for content in (b"", whole[:-1], whole[:200], packed.getvalue(), other_protocol):
        with pytest.raises(InputError, match=r"not in the format of PyTorch before 1\.6"):
            read_checkpoint(content)
