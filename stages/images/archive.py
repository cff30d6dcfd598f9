"""Reading the files of a data set of any kind, without unpacking it to disk."""

import tarfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from stages.common.command import InputError
from stages.images import read_parquet, read_tar, read_zip
from stages.images.read_folder import FolderReader
from stages.images.read_parquet import ParquetReader, holds_parquet
from stages.images.read_tar import TarReader
from stages.images.read_zip import ZipReader
from stages.images.reader import Reader, is_litter


class Listing(NamedTuple):
    """What a data set holds."""

    sizes: dict[str, int]
    """The bytes of each file by its name, with `/` between folders."""
    litter: int
    """How many hidden files there are, and files that operating systems put beside images."""
    unusable: list[str]
    """What is wrong with each file that cannot be meant, and does not matter."""


def list_files(path: Path, matters: Callable[[str], bool] = lambda name: True) -> Listing:
    """Return the files of `path`, in the order in which `read_files` reads them.

    Args:
        matters: whether a file of this name must be one that can be read.

    Raises:
        InputError: `path` is missing, no zip, tar or folder, damaged, or has an entry that matters
            and cannot be meant: it is a link, encrypted, leads out of it, or is there twice. A link
            that may lead to a folder always matters: nobody knows what that would hold.
    """
    sizes: dict[str, int] = {}
    litter, unusable = 0, []
    for name, size, problem, may_hide_files in _reader(path).entries():
        if is_litter(name):
            litter += 1
        elif not problem and name not in sizes:
            sizes[name] = size
        else:
            problem = f"{path}: {problem or _twice(name)}"
            if may_hide_files or matters(name):
                raise InputError(problem)
            unusable.append(problem)
    return Listing(sizes, litter, unusable)


def _twice(name: str) -> str:
    if name.isascii():
        return f"{name}: twice in the archive"
    return f"{name}: twice, perhaps with composed letters and without (NFC and NFD)"


def read_files(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file of `path` that is in `wanted`, as `list_files` orders them.

    Raises:
        InputError: `path` does not hold a wanted file, or is damaged.
    """
    missing = set(wanted)
    for name, data in _reader(path).files(wanted):
        missing.discard(name)
        yield name, data
    if missing:
        raise InputError(f"{path}: {min(missing)}: not here any more; run `dvc repro source`")


def data_size(path: Path) -> int:
    """Return the bytes of an archive, or of all files in a folder."""
    return _reader(path).size()


def read_rows(path: Path, columns: Collection[str]) -> Iterator[dict[str, str]] | None:
    """Return what `columns` of Parquet files say of each image, as `list_files` orders them.

    None: `path` is of another kind.
    """
    reader = _reader(path)
    return reader.rows(columns) if isinstance(reader, ParquetReader) else None


def is_archive(path: Path) -> bool:
    """Return whether `path` is a folder, or begins as a zip, a tar or a Parquet file does."""
    return _kind(path) is not None


def _reader(path: Path) -> Reader:
    kind = _kind(path)
    if kind is None:
        raise InputError(
            f"{path}: expected a zip, a tar, a folder or a Parquet file; "
            "it may be damaged or cut off"
        )
    return kind(path)


def _kind(path: Path) -> type[Reader] | None:
    """Return the reader for `path`, by its first bytes; None if there is none.

    Raises:
        InputError: `path` cannot be opened.
    """
    if path.is_dir():
        return ParquetReader if holds_parquet(path) else FolderReader
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if start.startswith(read_zip.FIRST_BYTES):
        return ZipReader
    if start.startswith(tuple(read_tar.COMPRESSED)) or tarfile.is_tarfile(path):
        return TarReader
    if start.startswith(read_parquet.FIRST_BYTES):
        return ParquetReader
    return None
