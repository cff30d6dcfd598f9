"""repro: several variants at a time give what `dvc repro` gives; one that fails stops no other."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from stages.configure.resolve import resolve
from stages.networks.config import ModelConfig
from tests.helpers import REPOSITORY, Project, edit_params
from tests.stages.configure.test_resolve import PARAMS
from tools.repro.machine import facts
from tools.repro.processes import has_room, reproduce, visible_gpus
from tools.repro.variants import Variant

REPRO = ("python", "-m", "tools.repro")
DEADLINE = 120


def variant(name: str = "x", **changes: Any) -> Variant:
    config = resolve(PARAMS["train"], {}, {name: changes})[name]
    return Variant(name, ModelConfig.model_validate(config), [])


@pytest.fixture
def empty(finished_project: Project, tmp_path: Path) -> Project:
    """The finished project as a new clone has it: nothing is reproduced, nothing cached."""
    project = finished_project.copy_to(tmp_path / "project")
    shutil.rmtree(project.root / ".dvc/cache")
    for path in (
        "models",
        "metrics",
        "plots",
        "reports",
        "configs",
        "data/processed",
    ):
        shutil.rmtree(project.root / path)
    (project.root / "dvc.lock").unlink()
    return project


@pytest.mark.slow
def test_the_lock_is_that_of_dvc_repro(finished_project: Project, empty: Project) -> None:
    printed = empty.run(*REPRO, "--jobs", "1").stdout
    next_trains = printed.index("sgd: > python -m stages.train sgd")
    assert printed.index("base: > python -m stages.train base") < next_trains
    assert next_trains < printed.index("base: > python -m stages.card base"), "while it is measured"
    assert empty.lock() == finished_project.lock()
    assert empty.repro() == []
    machines = json.loads((empty.root / "reports/machine.json").read_text())
    assert [set(machine["models"]) for machine in machines] == [{"base", "sgd"}]
    assert machines[0]["facts"] == facts()


@pytest.mark.slow
def test_what_fails_is_named_and_the_others_finish(empty: Project) -> None:
    edit_params(empty.root, {"variants.bad": {"conv_layers": [{"filters": 2, "pool": 8}] * 3}})
    result = empty.run(*REPRO, "--jobs", "2", check=False)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last == "error: failed: bad (why stands above); all other variants are done"
    assert "bad: error: configs/bad.yaml: conv_layers: layer 2 needs" in result.stdout
    done = {stage for stage in empty.lock() if "@" in stage}
    assert done == {
        f"{stage}@{name}" for stage in ("train", "evaluate", "card") for name in ("base", "sgd")
    }
    edit_params(empty.root, {"variants.bad": None})
    assert empty.repro() == ["configure", "compare", "report"]


@pytest.mark.slow
@pytest.mark.parametrize("signal_sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_all_and_goes_on_later(
    finished_project: Project, empty: Project, signal_sent: signal.Signals
) -> None:
    process = psutil.Popen(
        [*REPRO, "--jobs", "2"], cwd=empty.root, env=empty.environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + DEADLINE
    family: list[psutil.Process] = []
    while sum("stages.train" in _command(child) for child in family) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        family = process.children(recursive=True)
        time.sleep(0.02)
    os.kill(process.pid, signal_sent)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "error: interrupted"
    assert "Traceback" not in errors
    assert not psutil.wait_procs(family, timeout=5)[1], "something lives on"
    assert not {"train@base", "train@sgd"} & set(empty.lock())
    empty.run(*REPRO)
    assert empty.lock() == finished_project.lock()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_a_number_of_jobs_that_is_none_is_refused(jobs: str) -> None:
    result = Project(REPOSITORY).run(*REPRO, f"--jobs={jobs}", check=False)
    assert result.returncode == 2
    assert f"must be a number of jobs, found '{jobs}'" in result.stderr


def test_a_variant_takes_a_job_for_each_thread_and_all_for_all_gpus() -> None:
    assert variant().jobs(4) == 1
    assert variant(threads=3).jobs(4) == 3
    assert variant(threads=8).jobs(4) == 4
    assert variant(strategy="mirrored").jobs(4) == 4


def test_work_is_multiplications_of_the_convolutions_times_epochs() -> None:
    layers = [{"filters": 10, "kernel_size": 3, "pool": 2}, {"filters": 20, "kernel_size": 1}]
    # Of an image's pixels: 3*10*9 in all of them, 10*20 in a quarter.
    assert variant(conv_layers=layers, epochs=3).work() == 3 * (270 + 50)
    strided = [{"filters": 10, "kernel_size": 3, "stride": 3}]
    assert variant(conv_layers=strided, epochs=1).work() == pytest.approx(30)


@pytest.mark.parametrize(("value", "gpus"), [("", []), ("0", ["0"]), ("2,5", ["2", "5"])])
def test_gpus_are_those_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, value: str, gpus: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == gpus


RECORDER = """#!/usr/bin/env python3
import os, sys, time
folder, targets = os.environ["FOLDER"], sys.argv[4:]
name = targets[0].partition("@")[2]
open(f"{folder}/{name}", "w").write(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
with open(f"{folder}/log", "a") as log:
    log.write(f"+{name} ")
deadline = time.monotonic() + 30
def wait_for(file):
    while not os.path.exists(f"{folder}/{file}") and time.monotonic() < deadline:
        time.sleep(0.01)
print(f"> python -m stages.train {name}")
wait_for(f"go-{name}")
if os.environ.get("MEASURED"):
    print(f"Running stage 'evaluate@{name}':", flush=True)
    wait_for(f"end-{name}")
with open(f"{folder}/log", "a") as log:
    log.write(f"-{name} ")
sys.exit(name == "bad")
"""


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a command that stands for DVC notes what it is asked to run."""
    program = tmp_path / "bin/dvc"
    program.parent.mkdir()
    program.write_text(RECORDER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("FOLDER", str(tmp_path))
    return tmp_path


def test_the_longest_go_first_as_many_as_fit_and_gpus_go_round(recorder: Path) -> None:
    variants = [
        variant("short", epochs=1), variant("bad", epochs=2), variant("long", epochs=3),
        variant("wide", epochs=1, threads=2),
    ]  # fmt: skip
    ends = iter(["wide", "long", "bad", "short"])

    def let_go() -> None:
        """Let one end at a time, once nothing more starts."""
        for name in ends:
            beside = ["long", "bad"] if name in ("long", "bad") else [name]
            while not all((recorder / one).exists() for one in beside):
                time.sleep(0.01)
            (recorder / f"go-{name}").touch()

    threading.Thread(target=let_go, daemon=True).start()
    failed, trained = reproduce(variants, jobs=2, gpus=["4", "7"])
    events = (recorder / "log").read_text().split()
    assert events[:2] == ["+wide", "-wide"], "takes both jobs, and comes first"
    assert set(events[2:4]) == {"+long", "+bad"}
    assert events.index("+short") > events.index("-long")
    assert failed == ["bad"]
    assert trained == ["bad", "long", "short", "wide"]
    assert {(recorder / name).read_text() for name in ("long", "bad")} == {"4", "7"}


def test_jobs_are_taken_by_those_that_train_and_memory_by_all() -> None:
    def running(*phases: str) -> Any:
        return [SimpleNamespace(variant=variant(), trains=phase == "trains") for phase in phases]

    assert has_room(variant(), running("trains"), jobs=2)
    assert not has_room(variant(), running("trains", "trains"), jobs=2)
    assert has_room(variant(), running("trains", "is measured", "is measured"), jobs=2)
    assert not has_room(variant(threads=2), running("trains"), jobs=2)
    assert has_room(variant(threads=2), running("is measured"), jobs=2)
    assert not has_room(variant(), running(*["is measured"] * 4), jobs=2)


def test_while_one_is_measured_the_next_one_trains(
    recorder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEASURED", "1")
    variants = [variant("long", epochs=3), variant("middle", epochs=2), variant("short", epochs=1)]

    def let_go() -> None:
        (recorder / "go-long").touch()
        while not (recorder / "middle").exists():
            time.sleep(0.01)
        (recorder / "go-middle").touch()
        (recorder / "end-middle").touch()
        while not (recorder / "short").exists():
            time.sleep(0.01)
        for file in ("go-short", "end-short", "end-long"):
            (recorder / file).touch()

    threading.Thread(target=let_go, daemon=True).start()
    assert reproduce(variants, jobs=1, gpus=[]) == ([], ["long", "middle", "short"])
    events = (recorder / "log").read_text().split()
    assert events[:4] == ["+long", "+middle", "-middle", "+short"]


def test_without_gpus_none_is_named(recorder: Path) -> None:
    (recorder / "go-x").touch()
    assert reproduce([variant()], jobs=1, gpus=[]) == ([], ["x"])
    assert (recorder / "x").read_text() == os.environ.get("CUDA_VISIBLE_DEVICES", "none")
