"""The rows of a table that is a file of the data set: CSV, JSON lines or Parquet."""

import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from stages.common.command import InputError
from stages.images.cells import as_text, require_columns
from stages.images.read_parquet import parquet_rows

SEPARATORS = ",;\t|"
LONGEST_CELL = 1 << 30
"""Characters; some tables hold whole texts, more than Python allows by default."""


class Row(NamedTuple):
    """A row of a table."""

    where: str
    """Its place, as an error names it."""
    values: Mapping[str, str]
    """What it says, by column."""


def read_table(name: str, data: bytes, columns: Collection[str]) -> Iterator[Row]:
    """Yield the rows of the table `name` whose content is `data`; those of nothing are left out.

    Raises:
        InputError: it is no table of its kind, or lacks one of `columns`.
    """
    kind = name.lower().rpartition(".")[2]
    try:
        if kind == "parquet":
            for number, values in enumerate(parquet_rows(io.BytesIO(data), columns), start=1):
                yield Row(f"{name}: row {number}", values)
            return
        rows = _json_lines(data, columns) if kind == "jsonl" else _cells(data, columns)
        for where, values in rows:
            yield Row(f"{name}: {where}", {column: values[column] for column in columns})
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # what Excel calls Unicode text
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"line {line}: not UTF-8; save it as UTF-8") from None


def _cells(data: bytes, columns: Collection[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield place and cells of each row of a text with commas, semicolons, tabs or bars."""
    text = _text(data)
    # Before the header may stand empty lines, and one in which Excel says the separator.
    before = re.match(r"(?:[ \t]*(?:sep=.)?[ \t]*(?:\r\n|\r|\n))*", text)
    assert before is not None
    text, lines_before = text[before.end() :], len(before[0].splitlines())
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    headers = [_header(first, separator) for separator in SEPARATORS]
    # The right separator is that by which the columns are there, or else the most columns.
    header = max(headers, key=lambda names: (set(columns) <= set(names), len(names)))
    for column in columns:
        if header.count(column) > 1:
            raise InputError(f"the column '{column}' is there {header.count(column)} times")
    require_columns(columns, header)
    separator = SEPARATORS[headers.index(header)]
    csv.field_size_limit(LONGEST_CELL)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        next(reader)
        for cells in reader:
            where = f"line {lines_before + reader.line_num}"
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise InputError(f"{where}: {len(cells)} values for {len(header)} columns")
            yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise InputError(f"line {lines_before + reader.line_num}: {error}") from None


def _header(line: str, separator: str) -> list[str]:
    cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [name.strip() for name in cells]


def _json_lines(data: bytes, columns: Collection[str]) -> Iterator[tuple[str, dict[str, str]]]:
    for number, line in enumerate(_text(data).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            if not isinstance(values, dict):
                raise InputError(f"expected names and values in {{}}, found {line:.40}")
            require_columns(columns, list(values))
        except (ValueError, RecursionError) as error:
            raise InputError(f"line {number}: not JSON: {error}") from None
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
        yield f"line {number}", {name: as_text(value) for name, value in values.items()}
