"""A data set that is a tar, compressed or not."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import IO, Self

from stages.common.command import InputError
from stages.images.reader import Entry, Reader, bad_name, may_be_folder, normal

try:
    import zstandard
except ImportError:  # only who has a .tar.zst needs it
    zstandard = None  # type: ignore[assignment]

COMPRESSED = {
    b"\x1f\x8b": gzip,
    b"BZh": bz2,
    b"\xfd7zXZ\x00": lzma,
    b"\x28\xb5\x2f\xfd": zstandard,
}
"""The first bytes of a compressed file, and the module that unpacks it."""

DAMAGED = (
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    *([zstandard.ZstdError] if zstandard else []),
    OSError,  # of gzip and bz2, too
    EOFError,
)
"""What Python raises for a tar that cannot be read."""


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


class TarReader(Reader):
    """A tar. It has no table of contents: each reading goes from its start to its end."""

    @contextmanager
    def _open(self) -> Iterator[tarfile.TarFile]:
        try:
            with (
                self._unpacked() as stream,
                tarfile.TarFile(fileobj=stream, tarinfo=_TarInfo) as archive,
            ):
                yield archive
                # Checksums stand at the end of a compressed file, behind the end of the archive.
                while rest := stream.read(1 << 20):
                    if any(rest):
                        raise InputError(f"{self.path}: more follows after the end of the archive")
        except DAMAGED as error:
            raise self.damaged(error) from None

    def _unpacked(self) -> IO[bytes]:
        """Open the file through the decompression that its first bytes ask for."""
        with self.path.open("rb") as file:
            start = file.read(max(map(len, COMPRESSED)))
        for first_bytes, module in COMPRESSED.items():
            if start.startswith(first_bytes):
                if module is None:
                    raise InputError(
                        f"{self.path}: needs the package zstandard; `pip install zstandard`"
                    )
                return module.open(self.path, "rb")
        return self.path.open("rb")

    def entries(self) -> Iterator[Entry]:
        with self._open() as archive:
            for entry in archive:
                name = _name(entry)
                if not entry.isdir():
                    may_hide_files = entry.issym() and may_be_folder(name)
                    yield Entry(name, entry.size, _problem(entry, name), may_hide_files)

    def files(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        with self._open() as archive:
            for entry in archive:
                name = _name(entry)
                if entry.isfile() and name in wanted:
                    file = archive.extractfile(entry)
                    assert file is not None, "a regular file has content"
                    yield name, file.read()


def _problem(entry: tarfile.TarInfo, name: str) -> str:
    if problem := bad_name(name):
        return problem
    if entry.issym() or entry.islnk():
        return (
            f"{name}: a link to {entry.linkname}; pack with `tar --dereference --hard-dereference`"
        )
    return "" if entry.isfile() else f"{name}: expected a file, found something else"


def _name(entry: tarfile.TarInfo) -> str:
    return normal(entry.name.removeprefix("./"))
