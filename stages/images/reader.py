"""What the readers of each kind of data set share: the interface, and which names are refused."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from pathlib import Path

from stages.common.command import InputError

LEADS_OUT = re.compile(r"^/|^[A-Za-z]:/|(^|/)\.\.(/|$)")
"""Absolute names of Unix and of Windows, and names with a step up."""

LITTER = {"__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir"}
"""What macOS, Windows and network drives leave beside images, in lower case."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that break lines and tables."""


class Reader(ABC):
    """A data set of one kind, which is read without being unpacked to disk.

    Every method raises `InputError` where the data set is damaged.
    """

    def __init__(self, path: Path):
        """Describe the data set at `path`; nothing is read yet."""
        self.path = path

    @abstractmethod
    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield name, with `/` between folders, and bytes of each file.

        Names that `is_litter` are among them, whatever they are. All others are checked.

        Raises:
            InputError: an entry cannot be meant: it is a link, encrypted, or leads out of it.
        """

    @abstractmethod
    def files(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of each file in `wanted` that is there, as `sizes` orders them."""

    def size(self) -> int:
        """Return how many bytes it has on disk."""
        return self.path.stat().st_size

    def require_plain(self, name: str) -> None:
        """Refuse a name that is not UTF-8, leads out of the data set or cannot be printed."""
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise self.not_utf8(os.fsencode(name)) from None
        if LEADS_OUT.search(name):
            raise InputError(
                f"{self.path}: {name}: leads out of the data set; names must be relative to it"
            )
        if CONTROL.search(name):
            raise InputError(f"{self.path}: {name!a}: a name with a control character; rename it")

    def not_utf8(self, name: bytes) -> InputError:
        """Return the error of an entry called `name`."""
        shown = name.decode("utf-8", "backslashreplace")
        return InputError(
            f"{self.path}: {shown}: a name that is not UTF-8; rename it or pack it again"
        )

    def damaged(self, why: object) -> InputError:
        """Return the error of an archive that cannot be read."""
        return InputError(f"{self.path}: damaged archive: {why}")


def is_litter(name: str) -> bool:
    """Return whether the file `name` is hidden, or what an operating system leaves."""
    parts = name.split("/")
    return ".." not in parts and any(p.startswith(".") or p.lower() in LITTER for p in parts)
