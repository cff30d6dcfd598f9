"""Writing outputs so that a reader never sees half of one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write a file or folder to; put it in place of `path` when the block succeeds.

    When the block raises, `path` stays as it was. The temporary name starts with `.tmp-` (which
    .gitignore and .dvcignore pass over) and is always the same, so that what a killed run left
    behind is cleared by the next one.
    """
    temporary = path.with_name(f".tmp-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(temporary)
    try:
        yield temporary
        if path.is_dir():
            # A folder cannot be replaced in one step: the old one steps aside first.
            aside = path.with_name(f".tmp-old-{path.name}")
            _remove(aside)
            path.replace(aside)
            temporary.replace(path)
            _remove(aside)
        else:
            temporary.replace(path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
