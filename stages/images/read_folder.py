"""A data set that is a folder."""

import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from stages.common.command import InputError
from stages.images.reader import Reader, is_litter

CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
"""What DVC's links point to where `cache.type` is symlink."""


class FolderReader(Reader):
    """A folder and all that is in it."""

    def sizes(self) -> Iterator[tuple[str, int]]:
        for folder, folders, files in os.walk(self.path):
            folders.sort()
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for entry in sorted(files + links):
                file = Path(folder, entry)
                name = file.relative_to(self.path).as_posix()
                yield name, 0 if is_litter(name) else self._checked_size(file, name)

    def _checked_size(self, file: Path, name: str) -> int:
        self.require_plain(name)
        if file.is_symlink():
            self._require_link_to_stay(file, name)
        try:
            status = file.stat()
        except OSError as error:
            raise InputError(f"{self.path}: {name}: {error.strerror}") from None
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{self.path}: {name}: expected a file, found something else")
        return status.st_size

    def _require_link_to_stay(self, link: Path, name: str) -> None:
        """Refuse a link to a folder, and one out of the data set unless it leads to DVC's cache."""
        target = link.resolve()
        inside = target.is_relative_to(self.path.resolve()) or CACHED.fullmatch(target.as_posix())
        if target.is_dir() or not inside:
            where = "to a folder" if inside else "out of the data set"
            raise InputError(
                f"{self.path}: {name}: a symbolic link {where}, to {link.readlink()}; "
                "put a copy in its place"
            )

    def files(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        for name in sorted(wanted):
            try:
                yield name, (self.path / name).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise InputError(f"{self.path}: {name}: {error.strerror}") from None

    def size(self) -> int:
        return sum(size for _, size in self.sizes())
