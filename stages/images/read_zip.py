"""A data set that is a zip."""

import lzma
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from stages.common.command import InputError
from stages.images.reader import Reader, is_litter

FIRST_BYTES = (b"PK\x03\x04", b"PK\x05\x06")
"""Of a zip, and of an empty one."""

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,  # of bz2, too
    EOFError,
    RuntimeError,  # an unknown compression
)
"""What Python raises for a zip that cannot be read."""


class ZipReader(Reader):
    """A zip, of which each file can be read by itself."""

    @contextmanager
    def _open(self) -> Iterator[zipfile.ZipFile]:
        try:
            # Names without the mark of UTF-8 are of an unknown encoding; most often they are UTF-8.
            with zipfile.ZipFile(self.path, metadata_encoding="utf-8") as archive:
                yield archive
        except UnicodeDecodeError as error:
            raise self.not_utf8(error.object) from None
        except DAMAGED as error:
            raise self.damaged(error) from None

    def sizes(self) -> Iterator[tuple[str, int]]:
        with self._open() as archive:
            for entry in archive.infolist():
                name = _name(entry)
                if name.endswith("/"):
                    continue
                if not is_litter(name):
                    self._require_file(entry, name)
                yield name, entry.file_size

    def _require_file(self, entry: zipfile.ZipInfo, name: str) -> None:
        self.require_plain(name)
        if entry.flag_bits & 0x1:
            raise InputError(f"{self.path}: {name}: encrypted; give an archive without a password")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError(f"{self.path}: {name}: a symbolic link; archive the file itself")

    def files(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        with self._open() as archive:
            for entry in archive.infolist():
                name = _name(entry)
                if name in wanted:
                    try:
                        data = archive.read(entry)
                    except DAMAGED as error:
                        raise InputError(f"{self.path}: {name}: {error}") from None
                    yield name, data


def _name(entry: zipfile.ZipInfo) -> str:
    name = entry.filename.replace("\\", "/")  # older Windows tools write backslashes
    return name.removeprefix("./")
