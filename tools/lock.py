"""Whether dvc.lock belongs to the code and the parameters, as DVC sees it."""

import re
import subprocess
import sys


def stages_to_run() -> list[str] | None:
    """Return the stages whose code, parameters or results are not those in dvc.lock.

    None: DVC cannot tell. What was not pulled counts as what dvc.lock says it is. Stages that
    would run only because an earlier one writes something else are not known before it ran.
    """
    # `dvc status` takes what was not pulled for changed. This does not, but stops without
    # --ignore-errors where a changed stage lacks an input, and names only the stages to skip.
    dry = _dvc("repro", "--dry", "--allow-missing", "--ignore-errors")
    listed = _dvc("stage", "list", "--name-only")
    if dry.returncode or listed.returncode:
        return None
    return not_skipped(dry.stdout + dry.stderr, listed.stdout.split())


def not_skipped(dry: str, stages: list[str]) -> list[str] | None:
    """Return which of `stages` DVC would not skip.

    Args:
        dry: what `dvc repro --dry --ignore-errors` printed. None: another DVC was at work.
    """
    if "is busy" in dry:
        return None
    same = set(re.findall(r"^Stage '(.+)' didn't change, skipping$", dry, re.MULTILINE))
    return [stage for stage in stages if stage not in same]


def _dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def lock_in_words(stages: list[str] | None) -> str:
    """Return what `stages_to_run` found."""
    if stages is None:
        return (
            "DVC cannot tell whether dvc.lock matches the code (is another `dvc` running?): see "
            "`dvc repro --dry`."
        )
    if not stages:
        return "dvc.lock matches the code."
    several = "stages" if len(stages) > 1 else "stage"
    return (
        f"**dvc.lock does not match the code**: {several} {', '.join(stages)} would run, and what "
        "depends on their results; run `dvc repro` and commit dvc.lock. Until then the numbers "
        "below may be of other code."
    )
