"""search: real searches of small networks, killed, shared by two machines, and taken over."""

import os
import re
import signal
import subprocess
from typing import Any

import pandas as pd
import pytest

from tests.helpers import Project, edit_params

pytestmark = pytest.mark.slow

SEARCH: dict[str, Any] = {
    "search.folds": 2,
    "search.confirm": {"best": 1, "times": 1},
    "search.space": {
        "learning_rate": {"low": 0.0003, "high": 0.03, "log": True},
        # The second one leaves no pixels to the third layer.
        "conv_layers": [[{"filters": 4, "pool": 2}], [{"filters": 4, "pool": 8}] * 3],
    },
    "train.epochs": 2,
}
COMMAND = ("python", "-m", "tools.search", "base", "--trials", "5", "--jobs", "1")
TRACER = """
import os, sys

TRACED = os.environ["TRACED"]

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0] != TRACED:
        file = os.open(TRACED, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(file, f"{arguments[0]}\\n".encode())
        os.close(file)

sys.addaudithook(note)
"""
"""Lets each process of Python write down which files it opens."""


@pytest.fixture(scope="module")
def start(finished_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project with a small search, before it."""
    project = finished_project.copy_to(tmp_path_factory.mktemp("search") / "project")
    edit_params(project.root, SEARCH)
    project.run("dvc", "repro", "preprocess")
    return project


@pytest.fixture(scope="module")
def searched(start: Project) -> tuple[Project, str, list[str]]:
    """The project after a search, what that printed, and which files it and its workers opened."""
    project = start.copy_to(start.root.parent / "searched")
    (project.root.parent / "sitecustomize.py").write_text(TRACER)
    traced = project.root.parent / "traced"
    env = {"PYTHONPATH": str(project.root.parent), "TRACED": str(traced)}
    printed = project.run(*COMMAND, env=env).stdout
    return project, printed, traced.read_text().splitlines()


def trials(project: Project) -> pd.DataFrame:
    """Return what came of each trial, but how long it took."""
    return pd.read_csv(project.root / "search/base/trials.csv").drop(columns="seconds")


def test_neither_test_nor_what_is_held_out_is_opened(
    searched: tuple[Project, str, list[str]],
) -> None:
    _, _, opened = searched
    for split in ("train", "validation"):
        assert any(f"data/processed/{split}/images.npy" in path for path in opened)
    unseen = (
        "processed/test",
        "processed/held_out",
        "data/predictions",
        "data/perturbed",
        "small.zip",
    )
    assert not [path for path in opened if any(name in path for name in unseen)]


def test_each_trial_is_kept_failed_ones_with_their_reason(
    searched: tuple[Project, str, list[str]],
) -> None:
    project, printed, _ = searched
    found = trials(project)
    assert list(found["trial"]) == list(range(5))
    failed = found[found["state"] == "failed"]
    assert 0 < len(failed) < 4
    assert failed["why"].str.contains("layer 2 needs 8x8 pixels where only").all()
    assert printed.count("failed: conv_layers: layer 2 needs") == len(failed)
    assert found["state"][0] == "done"
    assert found["learning_rate"][0] == 0.001
    page = (project.root / "search/base/index.html").read_text()
    for text in ("The best, trained again", "What mattered", "All trials"):
        assert text in page
    assert project.run("git", "status", "--porcelain", "search").stdout == ""


def test_a_search_that_was_killed_finds_the_same(
    start: Project, searched: tuple[Project, str, list[str]]
) -> None:
    """Killed while it trains trials 1 and 3 and the best one again, with all of its processes."""
    project = start.copy_to(start.root.parent / "killed")
    for moment in (r"^trial 0:", r"^trial 2:", r"^trial 0, again 1:"):
        process = subprocess.Popen(
            COMMAND, cwd=project.root, env=project.environment(), text=True,
            stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert process.stdout
        next(line for line in process.stdout if re.search(moment, line))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    printed = project.run(*COMMAND).stdout
    assert trials(project).equals(trials(searched[0]))
    assert not list((project.root / "search/base").glob(".tmp-*")), "what the killed ones left"
    # What was trained again, too, stands in the table at the end.
    assert table(printed) == table(searched[1])


def table(printed: str) -> list[str]:
    """Return the lines of the last table: the variant, and what was trained again."""
    lines = printed.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("trial  found"))
    return lines[first : lines.index("", first)]
