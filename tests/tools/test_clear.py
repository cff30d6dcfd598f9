"""clear: what a renamed variant leaves is removed, and nothing that anybody owns."""

import pytest

from tests.helpers import Project, edit_params

CLEAR = ("python", "-m", "tools.clear")
OF_SGD = [
    "checkpoints/sgd.h5",
    "data/predictions/sgd.csv",
    "metrics/robustness/sgd.json",
    "metrics/sets/sgd",
    "metrics/sgd.json",
    "models/sgd.h5",
    "models/sgd.json",
    "models/sgd.md",
    "plots/gallery/sgd",
    "plots/robustness/sgd.csv",
    "plots/slices/sgd.csv",
    "plots/training/sgd.csv",
]


@pytest.mark.slow
def test_what_a_rename_leaves_is_listed_and_then_removed(project: Project) -> None:
    (project.root / "models/README.md").write_text("Whom to ask about these models.\n")
    project.commit("say whom to ask")
    (project.root / "checkpoints").mkdir()
    for variant in ("base", "sgd"):
        (project.root / f"checkpoints/{variant}.h5").touch()
    assert project.run(*CLEAR).stdout.startswith("nothing to clear")
    edit_params(project.root, {"variants": {"base": {}, "plain": {"optimizer": "sgd"}}})
    before = {path for path in project.root.rglob("*") if ".git" not in path.parts}
    *listed, last = project.run(*CLEAR).stdout.splitlines()
    assert listed == OF_SGD
    assert last == "nothing is removed yet: run it again with --apply"
    assert {path for path in project.root.rglob("*") if ".git" not in path.parts} == before
    assert project.run(*CLEAR, "--apply").stdout.splitlines() == OF_SGD
    gone = {path for path in before if not path.exists() and ".dvc" not in path.parts}
    within = ("plots/gallery/sgd/", "metrics/sets/sgd/")
    shown = {path.relative_to(project.root).as_posix() for path in gone}
    assert sorted(path for path in shown if not path.startswith(within)) == OF_SGD
