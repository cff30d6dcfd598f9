"""Reading the files of a data set from a zip, a tar or a folder, without unpacking it to disk."""

import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stages.command import InputError

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    OSError,  # of bz2, too
    EOFError,
    RuntimeError,  # an unknown compression
)
"""What Python's readers raise when an archive cannot be read."""

ZSTANDARD = b"\x28\xb5\x2f\xfd"
"""The first bytes of a Zstandard frame, https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1."""

LEADS_OUT = re.compile(r"^/|^[A-Za-z]:/|(^|/)\.\.(/|$)")
"""Absolute names of Unix and of Windows, and names with a step up."""

CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
"""What DVC's links point to where `cache.type` is symlink."""


def list_files(path: Path) -> dict[str, int]:
    """Return the size in bytes of each file of `path` by its name, with `/` between folders.

    Names come in the order in which `read_files` reads them. A compressed tar has no table of
    contents, so listing it takes one pass over it.

    Raises:
        InputError: `path` is missing, no zip, tar or folder, damaged, encrypted, or has an entry
            that cannot be meant: a link, a name that leads out of it, or the same name twice.
    """
    if path.is_dir():
        return dict(_list_folder(path))
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    files: dict[str, int] = {}
    for name, size in _list_zip(path) if zipfile.is_zipfile(path) else _list_tar(path):
        if name in files:
            raise InputError(f"{path}: {name}: twice in the archive")
        files[name] = size
    return files


def data_size(path: Path) -> int:
    """Return the bytes of an archive, or of all files in a folder."""
    return sum(list_files(path).values()) if path.is_dir() else path.stat().st_size


def read_files(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file of `path` that is in `wanted`, as `list_files` orders them.

    Raises:
        InputError: `path` does not hold a wanted file, or is damaged.
    """
    missing = set(wanted)
    read = _read_folder if path.is_dir() else _read_zip if zipfile.is_zipfile(path) else _read_tar
    for name, data in read(path, wanted):
        missing.discard(name)
        yield name, data
    if missing:
        raise InputError(f"{path}: {min(missing)}: not here any more; run `dvc repro source`")


def _list_folder(path: Path) -> Iterator[tuple[str, int]]:
    for folder, folders, files in os.walk(path):
        folders.sort()
        for entry in sorted(files + [name for name in folders if Path(folder, name).is_symlink()]):
            file = Path(folder, entry)
            name = _safe(file.relative_to(path).as_posix(), path)
            if file.is_symlink():
                _require_link_to_stay(file, name, path)
            try:
                status = file.stat()
            except OSError as error:
                raise InputError(f"{path}: {name}: {error.strerror}") from None
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path}: {name}: expected a file, found something else")
            yield name, status.st_size


def _require_link_to_stay(link: Path, name: str, root: Path) -> None:
    """Refuse a link to a folder, and one out of `root` unless it leads into DVC's cache."""
    target = link.resolve()
    inside = target.is_relative_to(root.resolve()) or CACHED.fullmatch(target.as_posix())
    if target.is_dir() or not inside:
        where = "to a folder" if inside else "out of the data set"
        raise InputError(
            f"{root}: {name}: a symbolic link {where}, to {link.readlink()}; "
            "put a copy in its place"
        )


def _read_folder(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    for name in sorted(wanted):
        try:
            yield name, (path / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{path}: {name}: {error.strerror}") from None


@contextmanager
def _zip_file(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        # Names without the mark of UTF-8 are of an unknown encoding; most often they are UTF-8.
        with zipfile.ZipFile(path, metadata_encoding="utf-8") as archive:
            yield archive
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error.object) from None
    except DAMAGED as error:
        raise InputError(f"{path}: damaged archive: {error}") from None


def _zip_name(entry: zipfile.ZipInfo) -> str:
    name = entry.filename.replace("\\", "/")  # older Windows tools write backslashes
    return name.removeprefix("./")


def _list_zip(path: Path) -> Iterator[tuple[str, int]]:
    with _zip_file(path) as archive:
        for entry in archive.infolist():
            name = _safe(_zip_name(entry), path)
            if entry.flag_bits & 0x1:
                raise InputError(f"{path}: {name}: encrypted; give an archive without a password")
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise InputError(f"{path}: {name}: a symbolic link; archive the file itself")
            if not entry.is_dir():
                yield name, entry.file_size


def _read_zip(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    with _zip_file(path) as archive:
        for entry in archive.infolist():
            name = _zip_name(entry)
            if name in wanted:
                try:
                    data = archive.read(entry)
                except DAMAGED as error:
                    raise InputError(f"{path}: {name}: {error}") from None
                yield name, data


@contextmanager
def _tar_file(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar as a stream: one pass is enough, however it is compressed."""
    try:
        with path.open("rb") as file:
            zstandard_frame = file.read(len(ZSTANDARD)) == ZSTANDARD
        if zstandard_frame:
            with _unpacked(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                yield archive
        elif tarfile.is_tarfile(path):
            with tarfile.open(path, "r|*") as archive:
                yield archive
        else:
            raise InputError(
                f"{path}: expected a zip, a tar or a folder; it may be damaged or cut off"
            )
    except DAMAGED as error:
        raise InputError(f"{path}: damaged archive: {error}") from None


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is compressed with Zstandard, if the library for it is installed."""
    try:
        import zstandard
    except ImportError:
        raise InputError(
            f"{path}: compressed with Zstandard; `pip install zstandard` to read it"
        ) from None
    try:
        with zstandard.open(path, "rb") as stream:
            yield stream
    except zstandard.ZstdError as error:
        raise InputError(f"{path}: damaged archive: {error}") from None


def _list_tar(path: Path) -> Iterator[tuple[str, int]]:
    with _tar_file(path) as archive:
        for entry in archive:
            name = _safe(entry.name.removeprefix("./"), path)
            if entry.issym() or entry.islnk():
                raise InputError(
                    f"{path}: {name}: a link to {entry.linkname}; "
                    "pack with `tar --dereference --hard-dereference`"
                )
            if entry.isfile():
                yield name, entry.size
            elif not entry.isdir():
                raise InputError(f"{path}: {name}: expected a file, found something else")


def _read_tar(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    with _tar_file(path) as archive:
        for entry in archive:
            name = entry.name.removeprefix("./")
            if entry.isfile() and name in wanted:
                file = archive.extractfile(entry)
                assert file is not None, "a regular file has content"
                yield name, file.read()


def _safe(name: str, path: Path) -> str:
    """Return the entry `name` of `path` if it is UTF-8 and stays inside."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise _not_utf8(path, os.fsencode(name)) from None
    if LEADS_OUT.search(name):
        raise InputError(f"{path}: {name}: leads out of the data set; names must be relative to it")
    return name


def _not_utf8(path: Path, name: bytes) -> InputError:
    shown = name.decode("utf-8", "backslashreplace")
    return InputError(f"{path}: {shown}: a name that is not UTF-8; rename it or pack it again")
