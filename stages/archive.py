"""Reading the files of a data set from a zip, a tar or a folder, without unpacking it to disk."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from stages.command import InputError

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    OSError,  # of bz2, too
    EOFError,
    RuntimeError,  # an entry is encrypted
)
"""What Python's readers raise when an archive cannot be read."""


def read_files(path: Path) -> tuple[int | None, Iterator[tuple[str, bytes]]]:
    """Return how many files `path` holds (None: known only at the end) and an iterator over them.

    The iterator yields each file's name inside the data set, with `/` between folders, and its
    bytes. Archives come in the order in which they are stored, which makes one pass over a
    compressed tar enough; folders come sorted.

    Raises:
        InputError: `path` is missing, no zip, tar or folder, or damaged (while iterating).
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return len(files), (
            (file.relative_to(path).as_posix(), file.read_bytes()) for file in files
        )
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                total = sum(not entry.is_dir() for entry in archive.infolist())
        except zipfile.BadZipFile as error:
            raise InputError(f"{path}: damaged archive: {error}") from None
        return total, _read_zip(path)
    if tarfile.is_tarfile(path):
        return None, _read_tar(path)
    raise InputError(f"{path}: expected a zip, a tar or a folder; it may be damaged or cut off")


def _read_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                try:
                    data = archive.read(entry)
                except DAMAGED as error:
                    raise InputError(f"{path}: {entry.filename}: {error}") from None
                yield entry.filename, data


def _read_tar(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path, "r|*") as archive:
            for entry in archive:
                if entry.isfile():
                    file = archive.extractfile(entry)
                    assert file is not None, "a regular file has content"
                    yield entry.name.removeprefix("./"), file.read()
    except DAMAGED as error:
        raise InputError(f"{path}: damaged archive: {error}") from None
