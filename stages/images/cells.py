"""What tables of any kind share: cells as text, and the columns that must be there."""

import re
from collections.abc import Iterable
from typing import Any
from unicodedata import normalize

from stages.common.command import InputError


def as_text(value: Any) -> str:
    """Return a `value` of JSON or Parquet as a cell; null is the empty one."""
    if isinstance(value, bytes):  # of Parquet, where nothing says that they are text
        value = value.decode(errors="replace")
    return "" if value is None else str(value).strip()


def plain(value: Any) -> str:
    """Return a cell as it is compared: 1.0 is 1, and ` Fake ` is fake."""
    text = normalize("NFC", str(value).strip().casefold())
    return re.sub(r"^([+-]?\d+)\.0*$", r"\1", text)


def require_columns(columns: Iterable[str], known: list[str]) -> None:
    """Refuse a table with the columns `known` that lacks one of `columns`."""
    for column in columns:
        if column not in known:
            raise InputError(f"no column '{column}'; its columns are {', '.join(known)}")
