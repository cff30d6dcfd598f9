"""Pieces of Markdown pages."""

from collections.abc import Mapping
from typing import Any


def table(header: list[str], rows: list[list[Any]]) -> str:
    """Return a Markdown table with numbers to the right; integers get thousands separators."""
    right = [
        all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))
    ]
    lines = [header, ["---:" if number else "---" for number in right]]
    lines += [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def printable(text: str) -> str:
    """Return `text` in one line, whatever a file's name holds."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def code(text: str) -> str:
    """Return `text` as code in a cell of a table, whatever a file's name holds."""
    return "`" + printable(text).replace("`", "'").replace("|", r"\|") + "`"


def with_interval(row: Mapping[Any, float], name: str) -> str:
    """Return the value `name` of `row` with the ends of its interval."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.3f} ({low:.3f} to {high:.3f})"
