"""docs/experiments.md, followed with real experiments, workers, remotes and merges."""

import csv
import hashlib
import io
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from tests.guides.guide import Guide
from tests.helpers import Project, edit_params, stages_run

pytestmark = pytest.mark.slow

GUIDE = Guide(
    "experiments.md",
    {
        # One of them as `faster_project` has it; what follows is that of any run.
        "learning_rate=0.005,0.02'": "learning_rate=0.005,0.5' evaluate@sgd",
        "learning_rate=0.02'": "learning_rate=0.02' evaluate@sgd",
    },
)
DEADLINE = 60
"""Seconds after which a process counts as never ending."""


@pytest.fixture
def team(project: Project, tmp_path: Path) -> Project:
    """The finished project, with a Git remote and a DVC remote that have all of it."""
    return _shared(project, tmp_path)


def _shared(project: Project, tmp_path: Path) -> Project:
    project.run("git", "init", "--quiet", "--bare", "-b", "main", str(tmp_path / "origin.git"))
    project.run("git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    project.run("dvc", "remote", "add", "--default", "team", str(tmp_path / "remote"))
    project.commit("share")
    project.run("git", "push", "--quiet", "origin", "main")
    project.run("dvc", "push")
    return project


def on_another_machine(team: Project, root: Path) -> Project:
    """Return a clone of the Git remote, with a cache of its own."""
    return Project(team.root.parent / "origin.git").clone_to(root)


def model(project: Project, revision: str, variant: str = "sgd") -> str:
    """Return the hash of a variant's model at `revision`."""
    lock = yaml.safe_load(project.run("git", "show", f"{revision}:dvc.lock").stdout)
    outs = lock["stages"][f"train@{variant}"]["outs"]
    return next(out["md5"] for out in outs if out["path"] == f"models/{variant}.h5")


def experiments(project: Project, *arguments: str) -> dict[str, str]:
    """Return the commit of each experiment that `dvc exp list` prints, by name."""
    lines = project.run("dvc", "exp", "list", *arguments).stdout.splitlines()
    rows = [line.split() for line in lines if line.startswith("\t")]
    return {row[-1].strip("[]"): row[0] for row in rows}


def statuses(printed: str) -> dict[str, str]:
    """Return the status of each experiment that `dvc queue status` printed, by name."""
    rows = [line.split() for line in printed.splitlines()]
    known = ("Queued", "Running", "Success", "Failed")
    return {row[1]: row[-1] for row in rows if row and row[-1] in known}


@contextmanager
def workers_end(project: Project) -> Iterator[None]:
    """Fail if, once the block has stopped the workers, a process lives on in the project."""
    try:
        yield
    except BaseException:
        project.run("dvc", "queue", "stop", "--kill", check=False)
        raise
    left = [
        process
        for process in psutil.process_iter(["cwd"])
        if (process.info["cwd"] or "").startswith(str(project.root))
    ]
    assert not psutil.wait_procs(left, DEADLINE)[1]


def test_one_value_and_back(team: Project) -> None:
    shutil.copy2(team.root / "data/small.zip", team.root / "data/holiday.zip")
    (printed,) = GUIDE.follow("Try one value", team)
    assert stages_run(printed) == ["configure", "train@sgd", "evaluate@sgd"]
    assert "metrics/sgd.json" in printed
    assert "variants.sgd.learning_rate" in printed
    assert set(experiments(team)) == {"faster"}

    GUIDE.follow("Go back", team)
    assert team.run("git", "status", "--short").stdout == ""
    assert team.repro() == []

    added = "+external.holiday=data/holiday.zip"
    holiday = ["dvc", "exp", "run", "--temp", "-S", added, "external@holiday"]
    failed = team.run(*holiday, check=False)
    assert failed.returncode != 0
    assert "No such file or directory" in failed.stderr
    before = team.outputs()
    printed, _ = GUIDE.follow("Leave the workspace alone", team)
    assert stages_run(printed) == ["configure", "compare", "report"]
    assert set(experiments(team)) == {"faster", "baseline-sgd"}
    assert team.outputs() == before
    assert stages_run(team.run(*holiday).stdout) == ["configure", "external@holiday"]


def test_a_grid_from_the_queue_to_the_last_that_is_dropped(
    team: Project, faster_project: Project, tmp_path: Path
) -> None:
    with workers_end(team), ThreadPoolExecutor() as threads:
        # The workers hold the pipe that is read here: this ends when they do.
        queued = threads.submit(lambda: GUIDE.follow("Queue a grid", team))
        while _trainings(team) < 2 and not queued.done():
            time.sleep(0.1)
        shown = statuses(team.run("dvc", "queue", "status", check=False).stdout)
        GUIDE.follow("Stop the workers", team)
        assert shown == {"rate-1": "Running", "rate-2": "Running"}, "at the same time"
        assert set(statuses(queued.result()[0])) == {"rate-1", "rate-2"}
    shown = statuses(team.run("dvc", "queue", "status").stdout)
    assert shown == {"rate-1": "Success", "rate-2": "Success"}, "workers end what they are at"
    assert team.run("git", "status", "--short").stdout == ""

    # The same value, trained alone, in a clone with a cache of its own.
    alone = faster_project.outputs()["models/sgd.h5"]
    grid = experiments(team)
    assert model(team, grid["rate-2"]) == alone
    assert model(team, grid["rate-1"]) != alone

    _wait(team)
    _compare(team)
    _keep(team)
    _share(team, grid, tmp_path)
    _drop(team)


def _trainings(project: Project) -> int:
    """Return how many networks are trained below the project at this moment."""
    processes = psutil.process_iter(["cwd", "cmdline"])
    return sum(
        (process.info["cwd"] or "").startswith(str(project.root))
        and "stages.train" in (process.info["cmdline"] or [])
        for process in processes
    )


def _wait(team: Project) -> None:
    with workers_end(team):
        printed = GUIDE.follow("Wait for the queue", team)
        GUIDE.follow("Stop the workers", team)
    assert statuses(printed[1]) == {"rate-1": "Success", "rate-2": "Success", "wrong": "Failed"}
    assert "variants.sgd.learning_rate: must be greater than 0, found -1" in printed[1]
    assert "wrong" not in team.run("dvc", "queue", "status").stdout


def _compare(team: Project) -> None:
    wide, narrow, chosen = GUIDE.follow("Compare", team)
    header, *lines = (line.split() for line in narrow.splitlines())
    assert header == ["experiment", "validation_accuracy", "accuracy", "roc_auc", "learning_rate"]
    rates = {line[0]: line[-1] for line in lines}
    assert (rates["main"], rates["rate-1"], rates["rate-2"]) == ("0.01", "0.005", "0.5")
    assert max(map(len, narrow.splitlines())) <= 120
    for name in ("main", "rate-1", "rate-2"):
        assert name in wide
    rows = [line for line in chosen.splitlines() if line.startswith("|")]
    shown = [row.split("|")[1].strip(" ├└─") for row in rows[2:]]
    found = {f"{commit} [{name}]" for name, commit in experiments(team).items()}
    assert (shown[0], set(shown[1:])) == ("main", found)
    columns = [name.strip() for name in rows[0].strip("|").split("|")]
    assert columns[0] == "Experiment"
    assert columns[-1] == "variants.sgd.learning_rate"
    assert "metrics/sgd.json:validation_loss" in columns
    assert all(name.startswith("metrics/sgd.json:validation") for name in columns[1:-1])
    table = next(part for part in chosen.split("\n\n") if part.startswith("Experiment,"))
    by_name = {row["Experiment"] or row["rev"]: row for row in csv.DictReader(io.StringIO(table))}
    rates = {name: row["variants.sgd.learning_rate"] for name, row in by_name.items()}
    assert (rates["main"], rates["rate-1"], rates["rate-2"]) == ("0.01", "0.005", "0.5")
    assert "models/base.h5" not in by_name["main"], "it is the same in all of them"


def _keep(team: Project) -> None:
    GUIDE.follow("Keep one", team)
    assert team.run("git", "status", "--short").stdout == ""
    assert team.repro("evaluate@sgd") == []
    assert experiments(team) == {}
    assert set(experiments(team, "--all-commits")) == {"rate-1", "rate-2"}

    GUIDE.follow("Make a branch of one", team)
    assert team.run("git", "branch", "--show-current").stdout == "slower\n"
    assert "learning_rate: 0.005" in (team.root / "params.yaml").read_text()
    assert team.repro("evaluate@sgd") == []
    team.run("git", "switch", "main")
    team.run("dvc", "checkout")


def _share(team: Project, grid: dict[str, str], tmp_path: Path) -> None:
    (printed,) = GUIDE.follow("Share one", team)
    assert "\trate-1" in printed
    assert "rate-2" not in printed.split("main:")[-1]
    clone = on_another_machine(team, tmp_path / "colleague")
    clone.run("dvc", "pull")
    GUIDE.follow("Fetch one", clone)
    content = (clone.root / "models/sgd.h5").read_bytes()
    assert hashlib.md5(content).hexdigest() == model(team, grid["rate-1"])
    assert clone.repro("evaluate@sgd") == []


def _drop(team: Project) -> None:
    dropped, kept = model(team, "slower"), model(team, "main")
    team.run("git", "branch", "-D", "slower")
    _removed, listed, _ = GUIDE.follow("Drop them", team)
    assert experiments(team, "--all-commits") == {}
    assert experiments(team, "origin", "--all-commits") == {}
    assert "No experiment tasks in the queue" in team.run("dvc", "queue", "status").stdout
    objects = team.root / ".dvc/cache/files/md5"
    assert f"{dropped[:2]}/{dropped[2:]}" in listed
    assert f"{kept[:2]}/{kept[2:]}" not in listed
    assert not (objects / dropped[:2] / dropped[2:]).exists()
    assert (objects / kept[:2] / kept[2:]).exists()
    assert team.repro("evaluate@sgd") == []


def test_branches_are_merged_without_training(faster_project: Project, tmp_path: Path) -> None:
    project = faster_project.copy_to(tmp_path / "project")
    project.run("git", "switch", "--quiet", "main")
    team = _shared(project, tmp_path)
    team.run("git", "rebase", "--quiet", "main", "faster")  # so that it names the same remote
    team.run("git", "switch", "--quiet", "--create", "wider", "main")
    team.run("dvc", "checkout")
    edit_params(team.root, {"variants.base": {"dense_units": 16}})
    team.repro()
    team.commit("wider")
    GUIDE.follow("Push what a merge needs", team)
    team.run("git", "push", "--quiet", "--all", "origin")

    _merge(team, "faster")
    assert "is invalid (possible merge conflicts)" not in team.run("dvc", "status").stderr
    assert without_training(GUIDE.follow("Merge two branches", team)) == END
    merged, lock = (team.root / "dvc.lock").read_bytes(), team.lock()
    assert model(team, "HEAD", "sgd") == model(team, "faster", "sgd")
    assert model(team, "HEAD", "base") == model(team, "HEAD^", "base")
    assert model(team, "HEAD", "sgd") != model(team, "HEAD^", "sgd")
    _is_finished(team)

    # Where Git writes its marks, that of the last commit takes its place: here, of one before.
    team.run("git", "reset", "--quiet", "--soft", "HEAD^")
    marked = merged.decode().replace("  compare:\n", "<<<<<<< HEAD\n  compare:\n")
    (team.root / "dvc.lock").write_text(marked)
    failed = team.run("dvc", "repro", check=False)
    assert "is invalid (possible merge conflicts)" in failed.stderr
    up_to_numbers = Guide("experiments.md", {"dvc repro": "dvc repro evaluate@sgd"})
    printed = up_to_numbers.follow("When DVC cannot read dvc.lock", team)
    assert without_training(printed) == ["configure"]
    found = team.lock()
    for stage in ("configure", "train@base", "train@sgd", "evaluate@sgd"):
        assert found[stage] == lock[stage]

    clone = on_another_machine(team, tmp_path / "colleague")
    clone.run("git", "switch", "--quiet", "wider")
    _merge(clone, "origin/faster")
    configure, *rest = END
    assert without_training(GUIDE.follow("Merge on another machine", clone)) == [
        *(configure, "evaluate@sgd", *rest)
    ]
    assert (clone.root / "dvc.lock").read_bytes() == merged
    _is_finished(clone)


END = ["configure", "card@sgd", "compare", "report"]
"""The stages after a merge that have no run cache, and take seconds."""


def _merge(project: Project, other: str) -> None:
    """Merge the branch `other`, which must be in conflict with this one."""
    result = project.run("git", "merge", other, check=False)
    assert result.returncode == 1, result.stdout
    conflicts = project.run("git", "diff", "--name-only", "--diff-filter=U").stdout.split()
    assert conflicts == ["dvc.lock", "reports/comparison.json", "reports/comparison.md"]


def without_training(printed: list[str]) -> list[str]:
    """Return the stages that ran, while the model of sgd came from the run cache."""
    (output,) = printed
    assert "train@sgd' is cached - skipping run" in output
    return stages_run(output)


def _is_finished(project: Project) -> None:
    assert project.run("git", "status", "--short").stdout == ""
    assert project.repro() == []
    assert json.loads(project.run("dvc", "status", "--json").stdout) == {}
