"""The images behind the names that a user gave: files, folders, archives, standard input."""

import os
import stat
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from stages.common.command import InputError
from stages.images.archive import data_size, is_archive, list_files, read_files
from stages.images.layout import has_image_suffix
from stages.images.pixels import (
    BYTES_PER_PIXEL,
    UnreadableImageError,
    begins_as_image,
    require_size,
)
from stages.images.read_parquet import holds_parquet
from stages.images.reader import is_litter
from stages.images.schema import DecodeParams


class Place(NamedTuple):
    """What lies behind a name that a user gave."""

    name: str
    images: int = 1
    """How many images there are; what cannot be read counts as one."""
    size: int = 0
    """Bytes of all of them; of an archive, its own."""
    passed_over: int = 0
    """How many other files there are, by name and first bytes no images."""
    sizes: dict[str, int] | None = None
    """Of an archive: the bytes of each image by its name."""
    problem: str = ""
    """Why nothing in it can be read."""


def find(name: str) -> Place:
    """Return what there is to look at behind `name`: image, folder, archive, Parquet files, `-`."""
    if name == "-":
        return Place(name)
    path = Path(name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode) and not holds_parquet(path):
            sizes_here = [_size(file) if wanted else None for file, wanted in _walk(path)]
            images = [size for size in sizes_here if size is not None]
            place = Place(name, len(images), sum(images), len(sizes_here) - len(images))
        elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise InputError("neither a file nor a folder")
        elif not is_archive(path):
            place = Place(name, size=path.stat().st_size)
        else:
            listed, litter, unusable = list_files(path, matters=_is_image)
            unnamed = _unnamed_images(path, {file for file in listed if not _is_image(file)})
            sizes = {f: size for f, size in listed.items() if _is_image(f) or f in unnamed}
            others = litter + len(unusable) + len(listed) - len(sizes)
            place = Place(name, len(sizes), data_size(path), others, sizes)
    except OSError as problem:
        return Place(name, problem=problem.strerror or str(problem))
    except InputError as problem:
        return Place(name, problem=str(problem).removeprefix(f"{name}: "))
    if not place.images:
        return Place(name, problem=f"no image in it, {place.passed_over} other files")
    return place


def _is_image(name: str) -> bool:
    return has_image_suffix(name) and not is_litter(name)


def _unnamed_images(archive: Path, names: set[str]) -> set[str]:
    """Return which of `names` begin as images do, though they are not called so."""
    found: set[str] = set()
    with suppress(InputError):  # what is damaged is no image
        for name, data in read_files(archive, names) if names else ():
            if begins_as_image(data[:16]):
                found.add(name)
    return found


def _is_unnamed_image(file: Path) -> bool:
    try:
        if not file.is_file():  # opening a pipe would wait for whoever writes to it
            return False
        with file.open("rb") as opened:
            return begins_as_image(opened.read(16))
    except OSError:
        return False


def _walk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yield each file in `folder`, and whether to look at it; at closed folders, too."""
    closed: list[OSError] = []
    for root, folders, files in os.walk(folder, onerror=closed.append):
        folders.sort()
        for file in sorted(files):
            path = Path(root, file)
            name = path.relative_to(folder).as_posix()
            yield path, _is_image(name) or (not is_litter(name) and _is_unnamed_image(path))
    yield from ((Path(error.filename), True) for error in closed)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def read(place: Place, decoding: DecodeParams) -> Iterator[tuple[str, bytes | str]]:
    """Yield name and bytes of each image, one after another, or why it cannot be read."""
    path = Path(place.name)
    if place.problem:
        yield place.name, place.problem
    elif place.name == "-":
        yield place.name, _read_stream(sys.stdin, decoding)
    elif place.sizes is not None:
        yield from _read_archive(path, place.sizes, decoding)
    elif path.is_dir():
        for file, wanted in _walk(path):
            if wanted:
                yield str(file), _read_file(file, decoding)
    else:
        yield place.name, _read_file(path, decoding)


def _read_file(path: Path, decoding: DecodeParams) -> bytes | str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "a folder that cannot be read" if path.is_dir() else "not a file"
        require_size(status.st_size, decoding)
        return path.read_bytes()
    except OSError as problem:
        return problem.strerror or str(problem)
    except UnreadableImageError as problem:
        return str(problem)


def _read_archive(
    path: Path, sizes: dict[str, int], decoding: DecodeParams
) -> Iterator[tuple[str, bytes | str]]:
    waiting = {}
    for name, size in sizes.items():
        try:
            require_size(size, decoding)
            waiting[name] = size
        except UnreadableImageError as problem:
            yield f"{path}/{name}", str(problem)
    while waiting:
        try:
            for name, data in read_files(path, set(waiting)):
                del waiting[name]
                yield f"{path}/{name}", data
        except InputError as problem:
            if not zipfile.is_zipfile(path):
                # Behind a damaged place of a tar there is nothing to be found.
                yield str(path), str(problem).removeprefix(f"{path}: ")
                return
            # They come in the order of the list, so it is the first one that failed.
            failed = next(iter(waiting))
            del waiting[failed]
            yield f"{path}/{failed}", str(problem).removeprefix(f"{path}: {failed}: ")


def _read_stream(stream: TextIO | None, decoding: DecodeParams) -> bytes | str:
    if stream is None:
        return "standard input is closed"
    try:
        data = stream.buffer.read(BYTES_PER_PIXEL * decoding.max_pixels + 1)
        require_size(len(data), decoding)
    except OSError as problem:
        return problem.strerror or str(problem)
    except UnreadableImageError as problem:
        return str(problem)
    return data
