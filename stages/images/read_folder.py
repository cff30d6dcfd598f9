"""A data set that is a folder."""

import os
import re
import stat
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

from stages.common.command import InputError
from stages.images.reader import Entry, Reader, bad_name, normal

CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
"""What DVC's links point to where `cache.type` is symlink."""


class FolderReader(Reader):
    """A folder and all that is in it."""

    def entries(self) -> Iterator[Entry]:
        for name, file in self._walk():
            yield self._entry(name, file)

    def _walk(self) -> Iterator[tuple[str, Path]]:
        for folder, folders, files in os.walk(self.path):
            folders.sort()
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for entry in sorted(files + links):
                file = Path(folder, entry)
                yield normal(file.relative_to(self.path).as_posix()), file

    def _entry(self, name: str, file: Path) -> Entry:
        if problem := bad_name(name):
            return Entry(name, 0, problem)
        if file.is_symlink() and (problem := self._bad_link(name, file)):
            return Entry(name, 0, problem, may_hide_files=file.is_dir())
        try:
            status = file.stat()
        except OSError as error:
            return Entry(name, 0, f"{name}: {error.strerror}")
        if not stat.S_ISREG(status.st_mode):
            return Entry(name, 0, f"{name}: expected a file, found something else")
        return Entry(name, status.st_size)

    def _bad_link(self, name: str, link: Path) -> str:
        """Return what is wrong with a link to a folder, or out of all but DVC's cache."""
        target = link.resolve()
        inside = target.is_relative_to(self.path.resolve()) or CACHED.fullmatch(target.as_posix())
        if inside and not target.is_dir():
            return ""
        where = "to a folder" if inside else "out of the data set"
        return f"{name}: a symbolic link {where}, to {link.readlink()}; put a copy in its place"

    @cached_property
    def _spelled_otherwise(self) -> dict[str, Path]:
        """The files whose names on disk are not as `normal` has them, by those names."""
        return {name: file for name, file in self._walk() if file != self.path / name}

    def files(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        for name in sorted(wanted):
            file = self.path / name
            if not (name.isascii() or file.exists()):
                file = self._spelled_otherwise.get(name, file)
            try:
                yield name, file.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise InputError(f"{self.path}: {name}: {error.strerror}") from None

    def size(self) -> int:
        return sum(entry.size for entry in self.entries())
