"""The programs that tools run, and their own words where they refuse."""

import shutil
import subprocess

from stages.common.command import InputError

REMEDIES = {
    "dvc": "activate the environment: `. .venv/bin/activate`",
    "git": "install Git",
}


def require(program: str) -> None:
    """Raise `InputError`, which says what to do, if `program` is not in PATH."""
    if shutil.which(program) is None:
        raise InputError(f"{program}: not found in PATH; {REMEDIES[program]}")


def git(*arguments: str, asked: str = "") -> bytes | None:
    """Return what Git prints, None if its answer is no, as to whether there is a revision.

    Args:
        asked: what it reads from standard input.

    Raises:
        InputError: there is no Git, or it cannot tell, as in a repository of another user.
    """
    require("git")
    result = subprocess.run(["git", *arguments], input=asked.encode(), capture_output=True)
    if result.returncode == 1 or (result.returncode and not result.stderr):
        return None
    if result.returncode:
        raise InputError(f"`git {arguments[0]}` failed: {in_one_line(result.stderr.decode())}")
    return result.stdout


def in_one_line(said: str) -> str:
    """Return what a program said, remedies in lines of their own included."""
    return " ".join(said.split())
