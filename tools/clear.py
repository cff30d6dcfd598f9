"""List what the pipeline once wrote and nothing in params.yaml owns any more; --apply removes it.

That is what a variant, or an external data set, leaves behind once it is removed or renamed: model,
card, metrics, predictions, plots. DVC's cache keeps what DVC knew of it, so a variant that comes
back trains nothing.
"""

import re
import shutil
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.common.command import InputError, command_line, run
from stages.common.params import PARAMS_FILE, read_yaml
from stages.configure.check import check
from tools.programs import git
from tools.repro.repair import LOCK, read_stages

PIPELINE = Path("dvc.yaml")
CHECKPOINTS = ("checkpoints/*.h5", "checkpoints/*.features")
"""What a killed training leaves: no outputs, so that dvc.yaml does not name them."""


def unowned(repo: Repo, variants: list[str]) -> list[Path]:
    """Return the files and folders that have the name of an output, and are none, sorted.

    What Git tracks and dvc.lock does not name is a person's own, such as models/README.md.
    """
    owned = {Path(out.fs_path).relative_to(repo.root_dir) for out in repo.index.outs}
    owned |= {Path(one.replace("*", variant)) for one in CHECKPOINTS for variant in variants}
    found = {path for pattern in (*_patterns(), *CHECKPOINTS) for path in Path().glob(pattern)}
    stages = read_stages(LOCK).values() if LOCK.exists() else ()
    written = {Path(out["path"]) for stage in stages for out in stage.get("outs", ())}
    tracked = {Path(name) for name in (git("ls-files", "-z") or b"").decode().split("\0")}
    kept = owned | (tracked - written)
    kept |= {folder for path in kept for folder in path.parents}
    left = sorted(path for path in found - kept if not path.name.startswith("."))
    return [path for path in left if path.parent not in left]


def _patterns() -> set[str]:
    """Return the outputs of dvc.yaml that there are several of, with `*` for each name in them.

    So are the folders that are made for one name, which DVC may leave empty.
    """
    outs = {
        path
        for stage in read_yaml(PIPELINE)["stages"].values()
        for kind in ("outs", "metrics")
        for out in stage.get("do", stage).get(kind, ())
        for path in ([out] if isinstance(out, str) else out)
    }
    several = {Path(re.sub(r"\$\{[^}]*\}", "*", path)) for path in outs if "${" in path}
    several |= {folder for path in several for folder in path.parents}
    return {str(path) for path in several if "*" in str(path)}


def _remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def main() -> None:
    parser = command_line("tools.clear", __doc__)
    parser.add_argument("--apply", action="store_true", help="remove what is listed")
    apply = parser.parse_args().apply
    variants = list(check(read_yaml(PARAMS_FILE)))
    try:
        # No stage is to write meanwhile.
        with Repo() as repo, repo.lock:
            paths = unowned(repo, variants)
            for path in paths:
                print(path)
                if apply:
                    _remove(path)
    except DvcException as error:
        raise InputError(" ".join(str(error).split())) from None
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be removed: {error.strerror}") from None
    if not paths:
        print("nothing to clear: each output belongs to something in params.yaml")
    elif not apply:
        print("nothing is removed yet: run it again with --apply")


if __name__ == "__main__":
    run(main)
