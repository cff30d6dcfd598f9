"""Labels from a table: what its rows say of the images of a data set."""

import posixpath
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from stages.common.command import InputError
from stages.common.manifest import LABELS
from stages.images.archive import read_files, read_rows
from stages.images.cells import plain
from stages.images.layout import has_image_suffix, splits_of
from stages.images.read_table import Row, read_table
from stages.images.reader import normal
from stages.images.schema import TABLE_SUFFIXES, TableParams

ABSOLUTE = re.compile(r"^/|^[A-Za-z]:")


class Described(NamedTuple):
    """What a row says of an image."""

    label: str
    split: str
    """train, validation, test, or "" where no column holds it."""
    group: str
    slice: str
    """What it shows, or what made it."""
    where: str


def describe(
    path: Path,
    names: Collection[str],
    table: TableParams | None,
    labels: Mapping[str, str],
    splits: Mapping[str, str],
) -> dict[str, Described] | None:
    """Return what a table says of each image of the data set at `path`, by name.

    None: there is no table, so folders say it. The rows of Parquet files are one in any case, with
    a column `label` of the names in `labels`.

    Args:
        names: of all files, as `list_files` orders them.
        labels, splits: names of folders, in lower case, and what each means.

    Raises:
        InputError: the table cannot be read, an image has two rows, a row names no file of the
            data set, or a label or split that is not known.
    """
    columns = [table.label, table.split, table.group, table.slice] if table else ["label"]
    of_parquet = read_rows(path, [name for name in columns if name])
    if table is None:
        if of_parquet is None:
            return None
        table = TableParams.model_construct(label="label")
        known = f"source.labels has {', '.join(labels)}; source.table can name other values"
    else:
        labels = table.meanings(*LABELS)
        known = f"source.table.REAL and FAKE have {', '.join(labels)}"
    if of_parquet is None:
        rows = _rows_of(path, names, table, [name for name in columns if name])
    elif table.file is not None:
        raise InputError(
            f"source.table.file: must be null for Parquet files, whose rows are the table, found "
            f"{table.file!r}"
        )
    else:
        cells = zip(names, of_parquet, strict=True)
        rows = ((name, Row(name, values)) for name, values in cells)
    found: dict[str, Described] = {}
    for name, row in rows:
        if name in found:
            raise InputError(
                f"{row.where}: {name} has another row before, {found[name].where}; keep one"
            )
        label = _meaning(row, table.label, labels, known)
        split = ""
        if table.split:
            split = _meaning(row, table.split, splits, f"source.splits has {', '.join(splits)}")
        group = normal(row.values[table.group]) if table.group else ""
        piece = normal(row.values[table.slice]) if table.slice else ""
        found[name] = Described(label, split, group, piece, row.where)
    if table.split:
        return found
    split_of = splits_of(found, splits)
    return {name: found[name]._replace(split=split) for name, split in split_of.items()}


def read_groups(path: Path, file: str, names: Collection[str]) -> dict[str, dict[str, str]]:
    """Return what the table `file` of the data set at `path` says: of an image, by column.

    Its columns are path, group and slice; an empty cell says nothing.

    Raises:
        InputError: it is no such table, or names no file of the data set.
    """
    said: dict[str, dict[str, str]] = {"group": {}, "slice": {}}
    try:
        for image, row in _named(path, names, [file], "path", list(said)):
            if image in said["group"]:
                raise InputError(f"{row.where}: {image} has another row before; keep one")
            for column, values in said.items():
                values[image] = normal(row.values[column])
    except InputError as error:
        raise InputError(f"{error}; `source.groups: null` if it is no table of groups") from None
    return said


def is_for(table: TableParams, path: Path, names: Collection[str]) -> bool:
    """Return whether the data set at `path`, of the files `names`, has what `table` names."""
    if table.file is None:
        return read_rows(path, []) is not None
    return bool(_files(table.file, names))


def _files(pattern: str, names: Collection[str]) -> list[str]:
    return [pattern] if pattern in names else [n for n in names if fnmatchcase(n, pattern)]


def _rows_of(
    path: Path, names: Collection[str], table: TableParams, columns: list[str]
) -> Iterator[tuple[str, Row]]:
    """Yield each row of `table` in the data set, and the image that it names."""
    if table.file is None or table.path is None:
        raise InputError(
            "source.table.file: must name the table in the data set, and source.table.path its "
            "column of file names; null is for a Parquet file, or a folder of them"
        )
    tables = _files(table.file, names)
    if not tables:
        raise InputError(f"source.table.file: {_where_it_is(path, table.file, names)}")
    yield from _named(path, names, tables, table.path, columns)


def _named(
    path: Path, names: Collection[str], tables: list[str], file: str, columns: list[str]
) -> Iterator[tuple[str, Row]]:
    """Yield each row of `tables`, and the image that its column `file` names."""
    files = Files(names)
    for name, data in read_files(path, tables):
        for row in read_table(name, data, [file, *columns]):
            try:
                image = files.find(row.values[file], posixpath.dirname(name))
            except InputError as error:
                raise InputError(f"{row.where}: {file}: {error}") from None
            yield image, row


def _where_it_is(path: Path, file: str, names: Collection[str]) -> str:
    """Return why there is no table `file` among `names`, and what to do about it."""
    here = f"no file {file} in the data set"
    for beside in (path.parent / file, Path(file)):
        if beside.is_file():
            quoted = [shlex.quote(str(place)) for place in (beside, path)]
            how = "add it to the archive"
            if path.is_dir():
                how = f"`cp {quoted[0]} {quoted[1]}`"
            elif path.suffix.lower() == ".zip":
                how = f"`zip -j {quoted[1]} {quoted[0]}`"
            return f"{here}, but {beside} beside it; put it in: {how}"
    tables = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
    return f"{here}; its tables are: {', '.join(tables[:5]) or 'none'}"


class Files:
    """Finds the files of a data set by what tables call them."""

    def __init__(self, names: Collection[str]):
        """Take the `names` of all files."""
        self.exact = {normalize("NFC", name): name for name in names}
        self.stems: dict[str, list[str]] = {}
        self.anywhere: dict[str, list[str]] = {}
        for key, name in self.exact.items():
            if has_image_suffix(name):
                stem = key.rpartition(".")[0]
                self.stems.setdefault(stem, []).append(name)
                for short in (key, stem):
                    self.anywhere.setdefault(posixpath.basename(short), []).append(name)

    def find(self, text: str, folder: str) -> str:
        """Return the file that a table in `folder` calls `text`.

        Relative to the folder of the table, or else to the root; there with a suffix of an image
        added; or else, if `text` names no folder, the only image of that name in the data set.

        Raises:
            InputError: there is none, or several.
        """
        name = normalize("NFC", text).replace("\\", "/")
        if not name:
            raise InputError("names no file")
        if ABSOLUTE.search(name):
            raise InputError(
                f"'{text}' is an absolute path; name files from the table's folder, or from the "
                "root of the data set"
            )
        places = [posixpath.normpath(posixpath.join(start, name)) for start in (folder, "")]
        for place in places:
            if place in self.exact:
                return self.exact[place]
        for named, known in ((places, self.stems), ([name], self.anywhere)):
            for place in named:
                found = known.get(place, [])
                if len(found) > 1:
                    raise InputError(f"'{text}' may be {found[0]} or {found[1]}")
                if found:
                    return found[0]
        raise InputError(f"'{text}' is no file of the data set")


def _meaning(row: Row, column: str, meanings: Mapping[str, str], known: str) -> str:
    value = row.values[column]
    try:
        return meanings[plain(value)]
    except KeyError:
        raise InputError(f"{row.where}: {column} is '{value}'; {known}") from None
