"""clear: what a renamed variant leaves is removed, and nothing that anybody owns."""

import json
import os
from pathlib import Path

import pytest

from tests.helpers import Project, edit_params
from tools.clear import unowned

CLEAR = ("python", "-m", "tools.clear")
OF_SGD = [
    "checkpoints/sgd.h5",
    "data/predictions/sgd.csv",
    "metrics/robustness/sgd.json",
    "metrics/sets/sgd/test.json",
    "metrics/sgd.json",
    "models/sgd.h5",
    "models/sgd.json",
    "models/sgd.md",
    "plots/gallery/sgd",
    "plots/robustness/sgd.csv",
    "plots/slices/sgd.csv",
    "plots/training/sgd.csv",
]
GALLERY = Path("plots/gallery/sgd")


@pytest.mark.slow
def test_what_a_rename_leaves_is_listed_and_then_removed(project: Project) -> None:
    for own in ("models/README.md", "models/handmade.h5", "data/external/raw/one.png"):
        (project.root / own).parent.mkdir(exist_ok=True, parents=True)
        (project.root / own).write_text("a person's own\n")
    (project.root / "checkpoints").mkdir()
    for variant in ("base", "sgd"):
        (project.root / f"checkpoints/{variant}.h5").touch()
    assert project.run(*CLEAR).stdout.startswith("nothing to clear")
    edit_params(project.root, {"variants": {"base": {}, "plain": {"optimizer": "sgd"}}})
    before = files(project.root)
    *listed, last = project.run(*CLEAR).stdout.splitlines()
    assert listed == OF_SGD
    assert last == "nothing is removed yet: run it again with --apply"
    assert files(project.root) == before

    lock = project.root / ".dvc/tmp/rwlock"
    lock.write_text(json.dumps({"models/sgd.h5": {"write": {"pid": os.getpid(), "cmd": "repro"}}}))
    refused = project.run(*CLEAR, "--apply", check=False)
    assert refused.stderr == "error: a stage is running; clear once it has ended\n"
    lock.unlink()

    assert project.run(*CLEAR, "--apply").stdout.splitlines() == OF_SGD
    gone = before - files(project.root)
    assert {path for path in gone if GALLERY not in path.parents} == {*map(Path, OF_SGD)} - {
        GALLERY
    }
    for folder in (GALLERY, "metrics/sets/sgd"):
        assert not (project.root / folder).exists()


def files(root: Path) -> set[Path]:
    """Return the files of the project; neither Git's nor DVC's own."""
    found = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    return {path for path in found if path.parts[0] not in (".git", ".dvc")}


def test_what_lies_behind_a_link_is_somebody_elses(workspace: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("x.h5", "mine.h5"):
        (elsewhere / name).touch()
    for folder in ("models", "checkpoints"):
        Path(folder).symlink_to(elsewhere)
    Path("plots").mkdir()
    Path("plots/x.csv").touch()
    written = {"models/x.h5", "plots/x.csv", "plots/gone.csv", "../elsewhere/x.h5"}
    assert unowned(set(), written, set()) == [Path("plots/x.csv")]
    assert unowned({"plots/x.csv"}, written, set()) == []
