"""Pieces of Markdown pages."""

from typing import Any


def table(header: list[str], rows: list[list[Any]]) -> str:
    """Return a Markdown table with numbers to the right; integers get thousands separators."""
    right = [
        all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))
    ]
    lines = [header, ["---:" if number else "---" for number in right]]
    lines += [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(text: str) -> str:
    """Return `text` as code in a cell of a table, whatever a file's name holds."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return "`" + plain.replace("`", "'").replace("|", r"\|") + "`"
