"""dvc.lock as a killed DVC leaves it: it opens the file for writing, then writes for 0.2 s."""

from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils import strictyaml

from stages.common.command import InputError
from stages.common.files import replacing
from stages.common.params import read_yaml
from tools.programs import git

LOCK = Path("dvc.lock")


def is_whole(lock: Path) -> bool:
    """Return whether DVC can read `lock`, and its last line has an end.

    One that ends with a whole line may still lack stages. That is no damage to DVC: it takes them
    from the run cache or runs them, as it does after Git's lock was put in place.
    """
    try:
        strictyaml.load(str(lock), Lockfile.SCHEMA)
    except (DvcException, OSError):
        return False
    return lock.read_bytes().endswith(b"\n")


def read_stages(lock: Path) -> dict[str, Any]:
    """Return what `lock` holds of each stage.

    Raises:
        InputError: it cannot be read.
    """
    if not is_whole(lock):
        raise InputError(
            f"{lock}: cannot be read; `git restore --source=HEAD {LOCK}` brings that of the last "
            "commit back, and `dvc repro` what was done since"
        )
    stages: dict[str, Any] = read_yaml(lock).get("stages", {})
    return stages


def repair() -> None:
    """Put the lock of the last commit in place of one that cannot be read, or none, and say so.

    Raises:
        InputError: another DVC is at work, or Git cannot tell.
    """
    if not LOCK.is_file() or is_whole(LOCK):
        return
    try:
        # Another DVC may be writing it at this moment.
        with Repo() as repo, repo.lock:
            if not is_whole(LOCK):
                _replace()
    except DvcException as error:
        raise InputError(f"{LOCK}: cannot be read, nor put right: {error}") from None


def _replace() -> None:
    committed = "HEAD:./dvc.lock"
    if git("rev-parse", "--verify", "--quiet", committed):
        with replacing(LOCK) as file:
            file.write_bytes(git("show", committed) or b"")
        if is_whole(LOCK):
            print(f"{LOCK}: could not be read; that of the last commit takes its place", flush=True)
            return
    LOCK.unlink()
    print(f"{LOCK}: could not be read, nor does Git have one that can; removed", flush=True)
