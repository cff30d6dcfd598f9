"""What the readers of each kind of data set share: the interface, and which names are refused."""

import os
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from stages.common.command import InputError

LEADS_OUT = re.compile(r"^/|^[A-Za-z]:/|(^|/)\.\.(/|$)")
"""Absolute names of Unix and of Windows, and names with a step up."""

LITTER = {"__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir"}
"""What macOS, Windows and network drives leave beside images, in lower case."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that break lines and tables."""


class Entry(NamedTuple):
    """A file of a data set, as it is listed."""

    name: str
    """With `/` between folders, and letters composed as `normal` does."""
    size: int
    """In bytes; 0 if that cannot be told."""
    problem: str = ""
    """Its name, and why it cannot be meant: it is a link, encrypted, has a bad name, or the like.

    That matters to who wants the file.
    """
    may_hide_files: bool = False
    """Whether it is a link that may lead to a folder, from which files would be missed."""


class Reader(ABC):
    """A data set of one kind, which is read without being unpacked to disk.

    Every method raises `InputError` where the data set is damaged.
    """

    def __init__(self, path: Path):
        """Describe the data set at `path`; nothing is read yet."""
        self.path = path

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """Yield each file, also what `is_litter`."""

    @abstractmethod
    def files(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of each file in `wanted` that is there, as `entries` has them."""

    def size(self) -> int:
        """Return how many bytes it has on disk."""
        return self.path.stat().st_size

    def damaged(self, why: object) -> InputError:
        """Return the error of an archive that cannot be read."""
        return InputError(f"{self.path}: damaged archive: {why}")


def bad_name(name: str) -> str:
    """Return what is wrong with a name: no UTF-8, leads out, cannot be printed; "" if nothing."""
    if not name.isascii():
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            return not_utf8(os.fsencode(name))
    if LEADS_OUT.search(name):
        return f"{name}: leads out of the data set; names must be relative to it"
    if CONTROL.search(name):
        return f"{name!a}: a name with a control character; rename it"
    return ""


def not_utf8(name: bytes) -> str:
    """Return what is wrong with a file called `name`."""
    shown = name.decode("utf-8", "backslashreplace")
    return f"{shown}: a name that is not UTF-8; rename it or pack it again"


def normal(name: str) -> str:
    """Return `name` with composed letters; macOS writes an e and an accent where others write é.

    That is the form NFC of Unicode's annex 15.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def may_be_folder(link: str) -> bool:
    """Return whether a link of this name in an archive may lead to a folder."""
    return not PurePosixPath(link).suffix


def is_litter(name: str) -> bool:
    """Return whether the file `name` is hidden, or what an operating system leaves."""
    parts = name.split("/")
    return ".." not in parts and any(p.startswith(".") or p.lower() in LITTER for p in parts)
