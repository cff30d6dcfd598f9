"""repair: whatever a killed DVC left of dvc.lock, the next run completes."""

import re
from pathlib import Path

import pytest
import yaml
from dvc.dvcfile import Lockfile
from dvc.repo import Repo

from stages.common.command import InputError
from tests.helpers import REPOSITORY, Project
from tools.repro.repair import LOCK, read_stages, repair

pytestmark = pytest.mark.slow

PLACES = 200


@pytest.fixture
def committed(workspace: Path) -> bytes:
    """A DVC project as the current folder, and the dvc.lock that it has in Git and here."""
    project = Project(workspace)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.run("dvc", "init", "--quiet")
    project.configure()
    lock = yaml.safe_load((REPOSITORY / "dvc.lock").read_text())
    stages = {name: lock["stages"][name] for name in ("train@sgd", "card@sgd")}
    LOCK.write_text(yaml.safe_dump(lock | {"stages": stages}, sort_keys=False))
    project.commit()
    return LOCK.read_bytes()


def test_a_lock_cut_off_anywhere_can_be_read_afterwards(
    committed: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut off after a whole line, it is often a lock that lacks a few stages, and stays."""
    kept = 0
    for place in range(PLACES):
        cut = committed[: len(committed) * place // PLACES]
        LOCK.write_bytes(cut)
        repair()
        printed = capsys.readouterr().out
        if LOCK.read_bytes() == cut:
            kept += 1
            assert cut.endswith(b"\n") and printed == ""
            with Repo() as repo:
                assert "schema" in Lockfile(repo, str(LOCK)).load()
        else:
            assert LOCK.read_bytes() == committed
            assert re.fullmatch("dvc.lock: could not be read; .*\n", printed)
    assert 0 < kept < PLACES / 10


DAMAGED = {
    "empty": b"",
    "zeros, as a power cut leaves them": bytes(4096),
    "marks of a merge": b"<<<<<<< HEAD\nschema: '2.0'\n=======\n>>>>>>> other\n",
    "no text": b"\xff\xfe\n",
    "no mapping": b"- schema\n",
    "another schema": b"schema: '3.0'\nstages: {}\n",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_lock_that_dvc_refuses_is_replaced(committed: bytes, damage: str) -> None:
    LOCK.write_bytes(DAMAGED[damage])
    repair()
    assert LOCK.read_bytes() == committed


def test_where_git_has_none_that_can_be_read_it_is_removed(
    committed: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(Path.cwd())
    LOCK.write_bytes(committed[:100])
    project.commit("half a lock")
    repair()
    assert not LOCK.exists()
    project.commit("none")
    LOCK.write_bytes(committed[:100])
    repair()
    assert not LOCK.exists()
    line = "dvc.lock: could not be read, nor does Git have one that can; removed\n"
    assert capsys.readouterr().out == line * 2


def test_a_lock_that_another_dvc_is_writing_is_left_to_it(committed: bytes) -> None:
    half = committed[:100]
    LOCK.write_bytes(half)
    with Repo() as repo, repo.lock, pytest.raises(InputError, match="Unable to acquire lock"):
        repair()
    assert LOCK.read_bytes() == half


@pytest.mark.usefixtures("committed")
def test_a_folder_in_its_place_is_left_to_its_owner() -> None:
    LOCK.unlink()
    LOCK.mkdir()
    repair()
    assert LOCK.is_dir()
    with pytest.raises(InputError, match=r"dvc\.lock: cannot be read"):
        read_stages(LOCK)


def test_whole_runs_complete_and_train_nothing_again(
    faster_project: Project, tmp_path: Path
) -> None:
    """After a run that is not committed: the run cache has what it trained.

    Cut off inside a line, and after one, so that it can be read and lacks most stages.
    """
    project = faster_project.copy_to(tmp_path / "project")
    project.run("git", "reset", "--quiet", "HEAD^")
    file = project.root / "dvc.lock"
    whole, lock, outputs = file.read_bytes(), project.lock(), project.outputs()
    after_a_line = whole.index(b"\n", whole.index(b"  train@base:") + 200) + 1
    for place in (after_a_line, len(whole) * 2 // 3):
        file.write_bytes(whole[:place])
        result = project.run("python", "-m", "tools.repro", "--jobs", "2")
        assert result.stdout.count("dvc.lock: could not be read") == (place != after_a_line)
        assert "> python -m stages.train" not in result.stdout
        assert project.outputs() == outputs
        assert project.lock() == lock
    assert project.repro() == []
