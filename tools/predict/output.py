"""Rows on standard output: for people, as CSV, as JSON."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm

from stages.common.command import InputError
from tools.predict.rows import Row, plain


def _say(text: str) -> None:
    """Print `text`, and make room for it where the progress bar is on the same terminal.

    Where nobody reads any more, this ends the program.

    Raises:
        InputError: it cannot be written.
    """
    try:
        with tqdm.external_write_mode(sys.stdout):
            sys.stdout.write(text)
            sys.stdout.flush()
    except OSError as error:
        # What is still to be written must not fail once more at the end of the program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        raise InputError(f"standard output: cannot be written: {error.strerror}") from None


def write_table(rows: Iterable[Row]) -> Iterator[Row]:
    """Print each of `rows` in a line for people, and yield it."""
    _say(f"{'answer':8}{'p_fake':>6}  {'why':27}{'size':>11}  {'views':12}image\n")
    for row in rows:
        name = _plain_path(row.file)
        if row.error:
            _say(f"{'error':68}{name}: {plain(row.error)}\n")
        else:
            size = f"{row.width}x{row.height}"
            views = f"{row.views}" + " disagree" * bool(row.views_disagree)
            line = f"{row.answer:8}{row.p_fake:6.3f}  {row.why:27}{size:>11}  {views:12}"
            _say(f"{line}{name}\n")
        yield row


def _plain_path(path: str) -> str:
    return "/".join(map(plain, path.split("/")))


def write_csv(rows: Iterable[Row]) -> Iterator[Row]:
    """Print `rows` as CSV, a header first, and yield them; p_fake has all its digits."""
    header = _csv_line(Row._fields)
    for row in rows:
        _say(header + _csv_line(_shortest(row).values()))
        header = ""
        yield row
    if header:
        _say(header)


def csv_of(rows: Iterable[Row]) -> str:
    """Return what `write_csv` prints of `rows`."""
    return "".join(map(_csv_line, [Row._fields, *(_shortest(row).values() for row in rows)]))


def _csv_line(values: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def write_json(rows: Iterable[Row]) -> Iterator[Row]:
    """Print `rows` as one JSON array, a line each, and yield them; p_fake has all its digits."""
    before = "[\n"
    for row in rows:
        _say(before + json.dumps(_shortest(row)))
        before = ",\n"
        yield row
    _say("[]\n" if before == "[\n" else "\n]\n")


def _shortest(row: Row) -> dict[str, Any]:
    """Return `row` by column; nine digits bring every float32 back exactly."""
    p_fake = None if row.p_fake is None else float(f"{row.p_fake:.9g}")
    return row._asdict() | {"p_fake": p_fake}


FORMATS = {"table": write_table, "json": write_json, "csv": write_csv}
