"""lock: what it says of a real project with all, a part and none of its data."""

import pytest

from tests.helpers import Project, edit_params
from tools import lock


def test_a_stage_that_dvc_does_not_skip_would_run() -> None:
    dry = "Stage 'a@x' didn't change, skipping\nWARNING: No such file (ignored)\n"
    assert lock.not_skipped(dry, ["a@x", "a@y"]) == ["a@y"]
    busy = dry + "WARNING: 'data' is busy, it is being blocked by: (PID 1): dvc repro (ignored)\n"
    assert lock.not_skipped(busy, ["a@x", "a@y"]) is None
    assert "cannot tell" in lock.lock_in_words(None)


def checked(project: Project) -> tuple[int, str]:
    """Return the exit status of `python -m tools.lock` and what it printed."""
    result = project.run("python", "-m", "tools.lock", check=False)
    assert result.stderr == ""
    return result.returncode, result.stdout.strip()


@pytest.mark.slow
def test_a_clone_with_no_or_a_part_of_the_data_tells_whether_the_lock_is_current(
    project: Project,
) -> None:
    clone = project.clone_to(project.root.parent / "clone")
    current = (0, "dvc.lock matches the code.")
    assert checked(clone) == current

    # Folders that DVC made and could not fill.
    clone.run("dvc", "checkout", "--allow-missing")
    assert checked(clone) == current

    # What Git should hold, but somebody forgot.
    path = "metrics/sgd.json"
    (clone.root / path).unlink()
    result = clone.run("python", "-m", "tools.lock", check=False)
    assert result.returncode == 1
    assert result.stderr == f"error: {path}: missing, and not kept by DVC; commit it to Git\n"
    clone.run("git", "restore", path)
    (clone.root / "stages/networks/perturb.py").unlink()
    status, text = checked(clone)
    assert (status, "train@base, train@sgd" in text) == (1, True), "a folder is an input"
    clone.run("git", "restore", "stages")
    lock = (clone.root / "dvc.lock").read_text()
    (clone.root / "dvc.lock").write_text("<<<<<<< HEAD\n" + lock)
    result = clone.run("python", "-m", "tools.lock", check=False)
    assert result.returncode == 1
    assert "'./dvc.lock' is invalid (possible merge conflicts)" in result.stderr
    clone.run("git", "restore", "dvc.lock")

    clone.run("dvc", "config", "--local", "cache.dir", str(project.root / ".dvc/cache"))
    clone.run("dvc", "checkout", "train@base", "evaluate@sgd")
    assert checked(clone) == current

    (clone.root / "data/predictions/sgd.csv").unlink()
    (clone.root / "data/predictions/sgd.csv").write_text("another one\n")
    status, text = checked(clone)
    assert status == 1
    assert "stage evaluate@sgd would run" in text

    clone.run("dvc", "checkout", "--force")
    (clone.root / "stages/train/model.py").open("a").write("# another comment\n")
    status, text = checked(clone)
    assert status == 1
    assert text.startswith(
        "**dvc.lock does not match the code**: stages configure, train@base, train@sgd would run"
    )

    clone.run("git", "restore", "stages")
    (clone.root / "dvc.lock").open("a").write("# not committed\n")
    assert checked(clone) == (0, "dvc.lock matches the code, but is not committed.")

    edit_params(clone.root, {"compare.baseline": "sgd", "variants.base": None})
    status, text = checked(clone)
    assert status == 1
    assert "stages configure, compare would run" in text
