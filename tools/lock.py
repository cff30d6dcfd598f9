"""Say whether dvc.lock belongs to the code and the parameters; exit with 1 if it does not.

Needs neither data nor a remote: what was not pulled counts as what dvc.lock says it is. Nobody can
know which stages would run only because an earlier one will write something else.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from stages.common.command import InputError, command_line, run
from tools.programs import git, in_one_line

MISSING = ("deleted", "not in cache")


def stages_to_run() -> list[str] | None:
    """Return the stages whose code, parameters or results are not those in dvc.lock.

    None: another DVC is at work.

    Raises:
        InputError: DVC cannot read its files, or Git lacks one that a stage reads or wrote.
    """
    # `dvc status` takes what was not pulled for changed. This does not, but stops without
    # --ignore-errors where a changed stage lacks an input, and names only the stages to skip.
    dry = _dvc("repro", "--dry", "--allow-missing", "--ignore-errors")
    listed = _dvc("stage", "list", "--name-only")
    status = _dvc("status", "--json")
    for result in (dry, listed, status):
        if result.returncode:
            said = in_one_line(result.stderr).removeprefix("ERROR: ")
            raise InputError(f"DVC cannot tell whether dvc.lock matches the code: {said}")
    stages = not_skipped(dry.stdout + dry.stderr, listed.stdout.split())
    if stages is None:
        return None
    changes: dict[str, list[Any]] = json.loads(status.stdout)
    if lacking := kept_by_git(missing(changes)):
        raise InputError(f"{', '.join(lacking)}: missing, and not kept by DVC; commit it to Git")
    return changed(stages, changes)


def not_skipped(dry: str, stages: list[str]) -> list[str] | None:
    """Return which of `stages` DVC would not skip.

    Args:
        dry: what `dvc repro --dry --ignore-errors` printed. None: another DVC was at work.
    """
    if "is busy" in dry:
        return None
    same = set(re.findall(r"^Stage '(.+)' didn't change, skipping$", dry, re.MULTILINE))
    return [stage for stage in stages if stage not in same]


def missing(status: Mapping[str, list[Any]], of: str = "changed") -> list[str]:
    """Return the paths that are not here, though a stage reads or wrote them.

    Args:
        status: what `dvc status --json` printed.
        of: what the paths are, as DVC calls it: "changed deps" or "changed outs".
    """
    return sorted(
        {
            path
            for changes in status.values()
            for change in changes
            if isinstance(change, dict)
            for kind, paths in change.items()
            if kind.startswith(of)
            for path, what in paths.items()
            if what in MISSING
        }
    )


def kept_by_git(paths: list[str]) -> list[str]:
    """Return which of `paths` are the repository's, and not ignored, as what DVC keeps is."""
    paths = [path for path in paths if not path.startswith(("/", "../"))]
    # Of what is not here, Git cannot see whether it is a folder: anything in it would do.
    asked = "".join(f"{path}/any\0" for path in paths)
    printed = git("check-ignore", "--no-index", "-z", "--stdin", asked=asked) or b""
    ignored = printed.decode().split("\0")
    return [path for path in paths if f"{path}/any" not in ignored]


def changed(stages: list[str], status: Mapping[str, list[Any]]) -> list[str]:
    """Return `stages` without those that DVC would run only for a folder of what was not pulled.

    It takes a folder that holds a part of what it held, or nothing, for a changed one.

    Args:
        status: what `dvc status --json` printed.
    """
    outs = missing(status, "changed outs")

    def is_missing(path: str, what: Any) -> bool:
        return what in MISSING or (
            what == "modified" and any(out.startswith(f"{path}/") for out in outs)
        )

    def lacks_a_part(stage: str) -> bool:
        changes = status.get(stage, [])
        return (
            all(
                isinstance(change, dict)
                and all(is_missing(*item) for items in change.values() for item in items.items())
                for change in changes
            )
            # Else DVC has another reason, such as a result that is not the next stage's input.
            and any("modified" in change.get("changed deps", {}).values() for change in changes)
        )

    return [stage for stage in stages if not lacks_a_part(stage)]


def is_committed() -> bool:
    """Return whether Git has dvc.lock as it is."""
    return not git("status", "--porcelain", "--", "dvc.lock")


def _dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def lock_in_words(stages: list[str] | None, committed: bool = True) -> str:
    """Return what `stages_to_run` and `is_committed` found."""
    if stages is None:
        return (
            "DVC cannot tell whether dvc.lock matches the code: another `dvc` is running; see "
            "`dvc repro --dry`."
        )
    if not stages:
        return "dvc.lock matches the code" + ("." if committed else ", but is not committed.")
    several = "stages" if len(stages) > 1 else "stage"
    return (
        f"**dvc.lock does not match the code**: {several} {', '.join(stages)} would run, and what "
        "depends on their results; run `dvc repro` and commit dvc.lock."
    )


def main() -> None:
    command_line("tools.lock", __doc__).parse_args()
    stages = stages_to_run()
    print(lock_in_words(stages, is_committed()))
    sys.exit(stages != [])


if __name__ == "__main__":
    run(main)
