"""Writing what networks see of images, as arrays."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd

from stages.common.command import InputError
from stages.common.files import naming
from stages.common.manifest import LABELS
from stages.common.progress import progress
from stages.images.archive import data_size, read_files
from stages.images.parallel import BATCH_BYTES, File, batches, in_order, processes_for
from stages.images.pixels import UnreadableImageError


class Part(NamedTuple):
    """Images that become one folder of arrays."""

    output: Path
    """The folder that errors name: where it will stand."""
    folder: Path
    """The folder to write, see `replacing`."""
    images: pd.DataFrame
    """One row an image, in the order of the arrays: path, label."""


See = Callable[[bytes], np.ndarray]
"""What networks see of an image file: uint8, 0..255."""


def write(
    source: Path,
    parts: list[Part],
    see: See,
    shape: tuple[int, ...],
    stage: str,
    processes: int | None = None,
) -> None:
    """Write images.npy and labels.npy of each of `parts`, images of `source`.

    Args:
        see: returns an array of `shape` for each image; it works in other processes.
        stage: whose progress is shown.
        processes: how many decode images, by default as many as is quickest. Any number gives the
            same result.

    Raises:
        InputError: `source` does not hold an image, it cannot be decoded, or a folder cannot be
            written.
    """
    files: dict[Path, IO[bytes]] = {}
    places: dict[str, tuple[Path, int]] = {}
    with ExitStack() as stack:
        for output, folder, rows in parts:
            stack.enter_context(naming(output))
            folder.mkdir(exist_ok=True)
            np.save(folder / "labels.npy", rows["label"].map(LABELS.index).to_numpy(np.uint8))
            # Written as a file, not as mapped memory: a full disk is then an error of `write`,
            # and what is written does not count as memory in use.
            files[output] = stack.enter_context((folder / "images.npy").open("w+b"))
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), *shape)}
            np.lib.format.write_array_header_1_0(files[output], header)
            start = files[output].tell()
            for number, path in enumerate(rows["path"]):
                places[path] = (output, start + number * math.prod(shape))
        if not places:
            return  # a tar would be read from its start to its end for nothing

        most = max(1, BATCH_BYTES // math.prod(shape))
        work = batches(read_files(source, places), most)
        shown = stack.enter_context(progress(total=len(places), desc=stage, unit=" images"))
        processes = processes or processes_for(data_size(source))
        for seen in in_order(partial(_see_files, see), work, processes):
            for path, array in seen:
                output, offset = places[path]
                with naming(output):
                    files[output].seek(offset)
                    files[output].write(array.tobytes())
            shown.update(len(seen))


def _see_files(see: See, files: list[File]) -> list[tuple[str, np.ndarray]]:
    """Return name and what is seen of each of `files`, names and bytes.

    Raises:
        InputError: an image cannot be decoded.
    """
    seen = []
    for name, data in files:
        try:
            seen.append((name, see(data)))
        except UnreadableImageError as problem:
            raise InputError(f"{name}: unreadable: {problem}; run `dvc repro source`") from None
    return seen
