"""Images in one size, as arrays."""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from tqdm import tqdm

from stages.common.arrays import PROCESSED
from stages.common.command import InputError
from stages.common.files import naming
from stages.common.manifest import LABELS
from stages.images.archive import data_size, read_files
from stages.images.parallel import (
    BATCH_BYTES,
    File,
    batches,
    in_order,
    processes_for,
)
from stages.images.pixels import UnreadableImageError, decode, to_array
from stages.images.schema import DecodeParams
from stages.preprocess.schema import PreprocessParams


class Part(NamedTuple):
    """Images that become one folder of arrays."""

    output: Path
    """The folder that errors name: where it will stand."""
    folder: Path
    """The folder to write, see `replacing`."""
    images: pd.DataFrame
    """One row an image, in the order of the arrays: path, label."""


class Preprocess:
    """Brings images to one size."""

    def __init__(
        self, params: PreprocessParams, decoding: DecodeParams, processes: int | None = None
    ):
        """Describe the size.

        Args:
            processes: how many decode images, by default as many as is quickest. Any number gives
                the same result.
        """
        self.height, self.width = params.image_size
        self.filter = Image.Resampling[params.resample.upper()]
        self.aspect = params.aspect
        self.decoding, self.processes = decoding, processes

    def resize(self, image: Image.Image) -> np.ndarray:
        """Return an RGB `image` in the size of params: uint8, [height, width, 3], 0..255."""
        size = (self.width, self.height)
        if image.size == size:
            return to_array(image)
        match self.aspect:
            case "stretch":
                return to_array(image.resize(size, self.filter))
            case "crop":
                return to_array(ImageOps.fit(image, size, self.filter))
            case "pad":
                red, green, blue = self.decoding.background
                return to_array(ImageOps.pad(image, size, self.filter, (red, green, blue)))

    def resize_files(self, files: list[File]) -> list[tuple[str, np.ndarray]]:
        """Return name and pixels of each of `files`, names and bytes.

        Raises:
            InputError: an image cannot be decoded.
        """
        resized = []
        for name, data in files:
            try:
                resized.append((name, self.resize(decode(data, self.decoding).rgb)))
            except UnreadableImageError as problem:
                raise InputError(f"{name}: unreadable: {problem}; run `dvc repro source`") from None
        return resized

    def write_splits(self, source: Path, used: pd.DataFrame, folders: dict[str, Path]) -> None:
        """Write the images of `source` that `used` lists, and their labels, to each split's folder.

        Raises:
            InputError: `source` does not hold what the manifest lists.
        """
        parts = [
            Part(PROCESSED / split, folder, used[used["split"] == split])
            for split, folder in folders.items()
        ]
        self.write(source, parts, "preprocess")

    def write(self, source: Path, parts: list[Part], stage: str) -> None:
        """Write images.npy and labels.npy of each of `parts`, images of `source`.

        Args:
            stage: whose progress is shown.

        Raises:
            InputError: `source` does not hold an image, it cannot be decoded, or a folder cannot
                be written.
        """
        shape = (self.height, self.width, 3)
        files: dict[Path, IO[bytes]] = {}
        places: dict[str, tuple[Path, int]] = {}
        with ExitStack() as stack:
            for output, folder, rows in parts:
                stack.enter_context(naming(output))
                folder.mkdir()
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

            processes = self.processes or processes_for(data_size(source))
            most = max(1, BATCH_BYTES // math.prod(shape))
            work = batches(read_files(source, places), most)
            progress = stack.enter_context(
                tqdm(total=len(places), desc=stage, unit=" images", disable=None)
            )
            for resized in in_order(self.resize_files, work, processes):
                for path, array in resized:
                    output, offset = places[path]
                    with naming(output):
                        files[output].seek(offset)
                        files[output].write(array.tobytes())
                progress.update(len(resized))
