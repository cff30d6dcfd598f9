"""Reading the files of a data set from a zip, a tar or a folder, without unpacking it to disk."""

import bz2
import gzip
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
from typing import IO, NamedTuple, Self

from stages.command import InputError

try:
    import zstandard
except ImportError:  # only who has a .tar.zst needs it
    zstandard = None  # type: ignore[assignment]

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    *([zstandard.ZstdError] if zstandard else []),
    OSError,  # of gzip and bz2, too
    EOFError,
    RuntimeError,  # an unknown compression
)
"""What Python's readers raise when an archive cannot be read."""

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""The first bytes of a zip, and of an empty one."""

COMPRESSED = {
    b"\x1f\x8b": gzip,
    b"BZh": bz2,
    b"\xfd7zXZ\x00": lzma,
    b"\x28\xb5\x2f\xfd": zstandard,
}
"""The first bytes of a compressed file, and the module that unpacks it."""

LEADS_OUT = re.compile(r"^/|^[A-Za-z]:/|(^|/)\.\.(/|$)")
"""Absolute names of Unix and of Windows, and names with a step up."""

LITTER = {"__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir"}
"""What macOS, Windows and network drives leave beside images, in lower case."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that break lines and tables."""

CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
"""What DVC's links point to where `cache.type` is symlink."""


class Listing(NamedTuple):
    """What a data set holds."""

    sizes: dict[str, int]
    """The bytes of each file by its name, with `/` between folders."""
    litter: int
    """How many hidden files there are, and files that operating systems put beside images."""


def list_files(path: Path) -> Listing:
    """Return the files of `path`, in the order in which `read_files` reads them.

    A tar has no table of contents, so listing it takes one pass over it.

    Raises:
        InputError: `path` is missing, no zip, tar or folder, damaged, encrypted, or has an entry
            that cannot be meant: a link, a name that leads out of it, or the same name twice.
    """
    listing = {"folder": _list_folder, "zip": _list_zip, "tar": _list_tar}[_kind(path)]
    sizes: dict[str, int] = {}
    litter = 0
    for name, size in listing(path):
        if is_litter(name):
            litter += 1
        elif name in sizes:
            raise InputError(f"{path}: {name}: twice in the archive")
        else:
            sizes[name] = size
    return Listing(sizes, litter)


def is_archive(path: Path) -> bool:
    """Return whether `path` is a folder, or a file that begins as a zip or a tar does."""
    return (
        path.is_dir()
        or _first_bytes(path).startswith((*ZIP, *COMPRESSED))
        or tarfile.is_tarfile(path)
    )


def data_size(path: Path) -> int:
    """Return the bytes of an archive, or of all files in a folder."""
    return sum(list_files(path).sizes.values()) if path.is_dir() else path.stat().st_size


def read_files(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file of `path` that is in `wanted`, as `list_files` orders them.

    Raises:
        InputError: `path` does not hold a wanted file, or is damaged.
    """
    missing = set(wanted)
    reading = {"folder": _read_folder, "zip": _read_zip, "tar": _read_tar}[_kind(path)]
    for name, data in reading(path, wanted):
        missing.discard(name)
        yield name, data
    if missing:
        raise InputError(f"{path}: {min(missing)}: not here any more; run `dvc repro source`")


def _kind(path: Path) -> str:
    """Return what `path` is by its first bytes: folder, zip or tar."""
    if not is_archive(path):
        raise InputError(f"{path}: expected a zip, a tar or a folder; it may be damaged or cut off")
    if path.is_dir():
        return "folder"
    return "zip" if _first_bytes(path).startswith(ZIP) else "tar"


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(6)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def is_litter(name: str) -> bool:
    """Return whether the file `name` is hidden, or what an operating system leaves."""
    parts = name.split("/")
    return ".." not in parts and any(p.startswith(".") or p.lower() in LITTER for p in parts)


def _list_folder(path: Path) -> Iterator[tuple[str, int]]:
    for folder, folders, files in os.walk(path):
        folders.sort()
        for entry in sorted(files + [name for name in folders if Path(folder, name).is_symlink()]):
            file = Path(folder, entry)
            name = file.relative_to(path).as_posix()
            if is_litter(name):
                yield name, 0
                continue
            _require_plain_name(name, path)
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
            name = _zip_name(entry)
            if name.endswith("/"):
                continue
            if not is_litter(name):
                _require_plain_name(name, path)
                if entry.flag_bits & 0x1:
                    raise InputError(
                        f"{path}: {name}: encrypted; give an archive without a password"
                    )
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise InputError(f"{path}: {name}: a symbolic link; archive the file itself")
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


class _TarInfo(tarfile.TarInfo):
    """A header of a tar. One that is damaged is an error; tarfile takes it for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"cut off, or a damaged header: {error}") from None


@contextmanager
def _tar_file(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar, to be read once from its start to its end."""
    try:
        with (
            _unpacked(path) as stream,
            tarfile.TarFile(fileobj=stream, tarinfo=_TarInfo) as archive,
        ):
            yield archive
            # Checksums stand at the end of a compressed file, behind the end of the archive.
            while rest := stream.read(1 << 20):
                if any(rest):
                    raise InputError(f"{path}: more follows after the end of the archive")
    except DAMAGED as error:
        raise InputError(f"{path}: damaged archive: {error}") from None


def _unpacked(path: Path) -> IO[bytes]:
    """Open the file `path` through the decompression that its first bytes ask for."""
    start = _first_bytes(path)
    for first_bytes, module in COMPRESSED.items():
        if start.startswith(first_bytes):
            if module is None:
                raise InputError(f"{path}: needs the package zstandard; `pip install zstandard`")
            return module.open(path, "rb")
    return path.open("rb")


def _list_tar(path: Path) -> Iterator[tuple[str, int]]:
    with _tar_file(path) as archive:
        for entry in archive:
            name = entry.name.removeprefix("./")
            if entry.isdir():
                continue
            if not is_litter(name):
                _require_plain_name(name, path)
                if entry.issym() or entry.islnk():
                    raise InputError(
                        f"{path}: {name}: a link to {entry.linkname}; "
                        "pack with `tar --dereference --hard-dereference`"
                    )
                if not entry.isfile():
                    raise InputError(f"{path}: {name}: expected a file, found something else")
            yield name, entry.size


def _read_tar(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    with _tar_file(path) as archive:
        for entry in archive:
            name = entry.name.removeprefix("./")
            if entry.isfile() and name in wanted:
                file = archive.extractfile(entry)
                assert file is not None, "a regular file has content"
                yield name, file.read()


def _require_plain_name(name: str, path: Path) -> None:
    """Refuse an entry of `path` whose name is not UTF-8, leads out of it or cannot be printed."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise _not_utf8(path, os.fsencode(name)) from None
    if LEADS_OUT.search(name):
        raise InputError(f"{path}: {name}: leads out of the data set; names must be relative to it")
    if CONTROL.search(name):
        raise InputError(f"{path}: {name!a}: a name with a control character; rename it")


def _not_utf8(path: Path, name: bytes) -> InputError:
    shown = name.decode("utf-8", "backslashreplace")
    return InputError(f"{path}: {shown}: a name that is not UTF-8; rename it or pack it again")
