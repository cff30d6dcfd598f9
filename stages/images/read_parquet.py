"""A data set that is Parquet files, as Hugging Face exports them: a row is an image."""

import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from stages.common.command import InputError
from stages.images.cells import as_text, require_columns
from stages.images.layout import has_image_suffix
from stages.images.read_folder import FolderReader
from stages.images.reader import Entry, Reader, bad_name, is_litter

FIRST_BYTES, SUFFIX = b"PAR1", ".parquet"
BATCH_ROWS, TEXT_ROWS = 32, 1024
"""Rows that are in memory at a time: with images, and of text alone."""

WORD_ENDS = re.compile(r"(?<!-of)[-_. ]+(?!of-\d)|(?<=[A-Za-z])(?=\d+$)")

SUFFIXES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"RIFF": ".webp",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}
"""Of images, by their first bytes."""


class ParquetReader(Reader):
    """A Parquet file, or a folder of them; `x.parquet` holds the images `x/0.png`, `x/1.png`, ...

    The words of a file's name become folders, so that one of them can name the split:
    `faces-train-00000-of-00003.parquet` is `faces/train/00000-of-00003`.
    """

    def _shards(self) -> Iterator[tuple[str, Path]]:
        """Yield name, without suffix, and path of each file."""
        files = {self.path.stem.lstrip("."): self.path}
        if self.path.is_dir():
            names = (entry.name for entry in FolderReader(self.path).entries())
            files = {
                name[: -len(SUFFIX)]: self.path / name
                for name in names
                if _is_parquet(name) and not is_litter(name)
            }
        for name, path in sorted(files.items()):
            if problem := bad_name(name):
                raise InputError(f"{self.path}: {problem}")
            yield WORD_ENDS.sub("/", name), path

    def entries(self) -> Iterator[Entry]:
        for shard, path in self._shards():
            with _opened(path) as file:
                for rows, group in _groups(file):
                    for row, (data, name) in zip(rows, _images(file, group), strict=True):
                        if data is None and name:
                            raise InputError(
                                f"row {row}: names an image, '{name}', and does not hold it; "
                                "export the images with their bytes"
                            )
                        start = b"" if data is None else data[:4].to_pybytes()
                        size = 0 if data is None else data.size
                        yield Entry(_stem(shard, row, file) + _suffix(start, name), size)

    def files(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        by_stem = {name.rpartition(".")[0]: name for name in wanted}
        for shard, path in self._shards():
            with _opened(path) as file:
                for rows, group in _groups(file):
                    names = [by_stem.get(_stem(shard, row, file)) for row in rows]
                    if not any(names):
                        continue
                    for name, (data, _) in zip(names, _images(file, group), strict=True):
                        if name is not None:
                            yield name, b"" if data is None else data.to_pybytes()

    def size(self) -> int:
        return sum(path.stat().st_size for _, path in self._shards())

    def rows(self, columns: Collection[str]) -> Iterator[dict[str, str]]:
        """Yield the text in `columns` of each image, as `entries` orders them.

        Raises:
            InputError: a file has no such column, or is damaged.
        """
        for _, path in self._shards():
            yield from parquet_rows(path, columns)


def holds_parquet(folder: Path) -> bool:
    """Return whether `folder` has Parquet files and no image, by the names of its files."""
    found = False
    for root, _, files in os.walk(folder):
        for name in files:
            place = Path(root, name).relative_to(folder).as_posix()
            if is_litter(place):
                continue
            if has_image_suffix(name):
                return False
            found = found or _is_parquet(name)
    return found


def parquet_rows(source: Path | IO[bytes], columns: Collection[str]) -> Iterator[dict[str, str]]:
    """Yield the text in `columns` of each row of a Parquet file; of classes, their names.

    Raises:
        InputError: it has no such column, or is damaged.
    """
    with _opened(source) as file:
        require_columns(columns, file.schema_arrow.names)
        classes = _classes(file.schema_arrow)
        for batch in file.iter_batches(TEXT_ROWS, columns=list(columns)):
            for values in batch.to_pylist():
                yield {name: _text(values[name], classes.get(name, [])) for name in columns}


def _text(value: Any, classes: list[str]) -> str:
    named = isinstance(value, int) and 0 <= value < len(classes)
    return as_text(classes[value] if named else value)


def _classes(schema: Any) -> dict[str, list[str]]:
    """Return the names of the classes of each column that Hugging Face calls a `ClassLabel`."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature["names"] for name, feature in features.items() if "names" in feature}
    except (KeyError, TypeError, ValueError):
        return {}


@contextmanager
def _opened(source: Path | IO[bytes]) -> Iterator[Any]:
    """Open a `pyarrow.parquet.ParquetFile`."""
    # Imported here: few data sets need it.
    where = f"{source}: " if isinstance(source, Path) else ""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            f"{where}needs the package pyarrow; `pip install -r requirements-parquet.txt`"
        ) from None
    try:
        with parquet.ParquetFile(source) as file:
            yield file
    except InputError as error:
        raise InputError(f"{where}{error}") from None
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{where}damaged Parquet file: {why}") from None


def _groups(file: Any) -> Iterator[tuple[range, int]]:
    """Yield the numbers of the rows of each row group, and its own number."""
    first = 0
    for group in range(file.num_row_groups):
        rows = range(first, first + file.metadata.row_group(group).num_rows)
        yield rows, group
        first = rows.stop


def _images(file: Any, group: int) -> Iterator[tuple[Any | None, str]]:
    """Yield the bytes of each image, as a buffer of pyarrow or None, and its file's name or "".

    A row group at a time: of several, pyarrow would hold all that it has read in memory.
    """
    from pyarrow import StructArray

    column = _image_column(file.schema_arrow)
    for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=[column]):
        (cells,) = batch.columns
        fields = {"bytes": cells}
        if isinstance(cells, StructArray):
            names = [field.name for field in cells.type]
            fields = dict(zip(names, cells.flatten(), strict=True))
        paths = fields["path"].to_pylist() if "path" in fields else [None] * len(cells)
        for data, name in zip(fields["bytes"], paths, strict=True):
            yield data.as_buffer(), name or ""


def _image_column(schema: Any) -> str:
    """Return the column that holds images: bytes, or bytes and the name of a file."""
    from pyarrow import types

    def holds_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0 and holds_bytes(kind.field("bytes").type)
        return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)

    names = [field.name for field in schema if holds_bytes(field.type)]
    if len(names) > 1 and "image" in names:
        return "image"
    if len(names) != 1:
        found = f"{len(names)} columns of images: {', '.join(names)}" if names else "no image"
        raise InputError(
            f"{found}; expected one column of images, as bytes; its columns are "
            f"{', '.join(schema.names)}"
        )
    return names[0]


def _stem(shard: str, row: int, file: Any) -> str:
    """Return the name of a row, without a suffix."""
    width = len(str(max(file.metadata.num_rows - 1, 0)))
    return f"{shard}/{row:0{width}}"


def _suffix(start: bytes, name: str) -> str:
    """Return the suffix of an image whose file begins with `start` and was called `name`."""
    if has_image_suffix(name):
        return PurePosixPath(name.lower()).suffix
    known = (suffix for first, suffix in SUFFIXES.items() if start.startswith(first))
    return next(known, ".raw")  # so that it counts as an image, and is unreadable if it is none


def _is_parquet(name: str) -> bool:
    return name.lower().endswith(SUFFIX)
