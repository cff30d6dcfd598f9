"""List what the pipeline wrote and nothing in params.yaml owns any more; --apply removes it.

That is what a variant, or an external data set, leaves behind once it is removed or renamed: model,
card, metrics, predictions, plots, checkpoints. Only what dvc.lock names, or a killed training left,
is listed: other files are yours. A variant that comes back trains nothing while DVC's cache has it.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE

from stages.common.command import InputError, command_line, run
from stages.common.files import read_json
from stages.common.params import PARAMS_FILE, read_yaml
from stages.configure.check import check
from tools.programs import in_one_line
from tools.repro.repair import LOCK, read_stages

CHECKPOINTS = Path("checkpoints")
"""What killed trainings leave: no outputs, so that dvc.lock does not name them."""


def unowned(owned: set[str], written: set[str], variants: set[str]) -> list[Path]:
    """Return the files and folders of this project that are there and nothing owns, sorted.

    Args:
        owned: what stages read and write now.
        written: what they wrote once, as dvc.lock says.
    """
    found = [Path(path) for path in written - owned]
    found += [path for path in CHECKPOINTS.glob("*.*") if path.stem not in variants]
    return sorted(path for path in found if path.exists() and _is_inside(path))


def _is_inside(path: Path) -> bool:
    """Return whether `path` lies in this folder, and not where a link leads: to others' files."""
    folder = Path.cwd() / path.parent
    return folder.resolve() == folder


def _remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove those of `folders`, from the innermost on, that are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _require_quiet(repo: Repo) -> None:
    """Raise `InputError` if a stage runs, which DVC's lock of the repository does not tell."""
    file = Path(repo.tmp_dir or "") / RWLOCK_FILE
    locks = read_json(file).values() if file.exists() else ()
    if any(psutil.pid_exists(lock["write"]["pid"]) for lock in locks if lock.get("write")):
        raise InputError("a stage is running; clear once it has ended")


def main() -> None:
    parser = command_line("tools.clear", __doc__)
    parser.add_argument("--apply", action="store_true", help="remove what is listed")
    apply = parser.parse_args().apply
    variants = set(check(read_yaml(PARAMS_FILE)))
    stages = read_stages(LOCK).values() if LOCK.exists() else ()
    written = {out["path"] for stage in stages for out in stage.get("outs", ())}
    try:
        with Repo() as repo, repo.lock:
            _require_quiet(repo)
            owned = {one.def_path for one in (*repo.index.outs, *repo.index.deps)}
            paths = unowned(owned, written, variants)
            for path in paths:
                print(path)
                if apply:
                    _remove(path)
            # DVC itself may have taken what was in them.
            for path in map(Path, sorted(written - owned) if apply else ()):
                _remove_empty(path.parents[:-1])
    except DvcException as error:
        raise InputError(in_one_line(str(error))) from None
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be removed: {error.strerror}") from None
    if not paths:
        print("nothing to clear: each output belongs to something in params.yaml")
    elif not apply:
        print("nothing is removed yet: run it again with --apply")


if __name__ == "__main__":
    run(main)
