"""Writing outputs so that a reader never sees half of one, and reading them."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stages.common.command import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write a file or folder to; put it in place of `path` when the block succeeds.

    When the block raises, `path` stays as it was; an `OSError` of it, such as that of a full disk,
    becomes an `InputError` that names `path`. The temporary name starts with `.tmp-` (which
    .gitignore and .dvcignore pass over) and is always the same, so that what a killed run left
    behind is cleared by the next one.
    """
    temporary, aside = path.with_name(f".tmp-{path.name}"), path.with_name(f".tmp-old-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        if aside.exists() and not path.exists():
            aside.replace(path)  # a run was killed in between, below
        yield temporary
        if path.is_dir():
            # A folder cannot be replaced in one step: the old one steps aside first.
            _remove(aside)
            path.replace(aside)
            temporary.replace(path)
            _remove(aside)
        else:
            temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        with suppress(OSError):  # where there is one already, it tells more
            _remove(temporary)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name `path` as what cannot be written when the block raises an `OSError`.

    Where one `replacing` stands in another, only this tells which of them the error is about.
    """
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written: {error.strerror or error}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """Return what the JSON file `path`, an output of a stage, holds.

    Raises:
        InputError: the file is missing or is no JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}; run `dvc repro`") from None
    return content
