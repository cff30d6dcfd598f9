"""A data set that is a zip."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from stages.common.command import InputError
from stages.images.reader import Entry, Reader, bad_name, may_be_folder, normal, not_utf8

FIRST_BYTES = (b"PK\x03\x04", b"PK\x05\x06")
"""Of a zip, and of an empty one."""

ENCRYPTED, UTF8 = 1 << 0, 1 << 11
"""Flags of an entry; the second one is the mark of a name in UTF-8."""

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
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except UnicodeDecodeError as error:  # in spite of its mark
            raise InputError(f"{self.path}: {not_utf8(error.object)}") from None
        except DAMAGED as error:
            raise self.damaged(error) from None

    def entries(self) -> Iterator[Entry]:
        with self._open() as archive:
            for entry in archive.infolist():
                name = _name(entry)
                if name.endswith("/"):
                    continue
                problem = bad_name(name)
                is_link = stat.S_ISLNK(entry.external_attr >> 16)
                if not problem and is_link:
                    problem = f"{name}: a symbolic link; archive the file itself"
                elif not problem and entry.flag_bits & ENCRYPTED:
                    problem = f"{name}: encrypted; give an archive without a password"
                yield Entry(name, entry.file_size, problem, is_link and may_be_folder(name))

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
    name = entry.orig_filename
    if not entry.flag_bits & UTF8 and (b"up" in entry.extra or not name.isascii()):
        name = _decoded(name.encode("cp437"), entry.extra)
    name = name.split("\0")[0]  # as zipfile cuts it
    name = name.replace("\\", "/")  # older Windows tools write backslashes
    return normal(name.removeprefix("./"))


def _decoded(name: bytes, extra: bytes) -> str:
    """Return a name without the mark of UTF-8: UTF-8 if it can be, else cp437.

    By .ZIP File Format Specification 6.3.10, appendix D, it is cp437; many tools forget the mark.
    By its section 4.6.9, the field "up" of `extra` may have the name in UTF-8.
    """
    with suppress(UnicodeDecodeError, struct.error):
        place = 0
        while place < len(extra):
            kind, length = struct.unpack_from("<2sH", extra, place)
            field = extra[place + 4 : place + 4 + length]
            # A version, and the checksum of the name that the text belongs to.
            if kind == b"up" and field[:5] == struct.pack("<BI", 1, zlib.crc32(name)):
                return field[5:].decode("utf-8")
            place += 4 + length
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")
