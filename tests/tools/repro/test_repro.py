"""repro: several variants at a time give what `dvc repro` gives; one that fails stops no other."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.configure.resolve import resolve
from stages.networks.config import ModelConfig
from tests.helpers import REPOSITORY, Project, edit_params, forget
from tests.stages.configure.test_resolve import PARAMS
from tools.repro.here import in_turn
from tools.repro.machine import facts, visible_gpus
from tools.repro.processes import Ended
from tools.repro.variants import Variant

REPRO = ("python", "-m", "tools.repro")
DEADLINE = 120
PAGE = "the comparison: open reports/index.html in a browser"


def variant(name: str = "x", **changes: Any) -> Variant:
    config = resolve(PARAMS["train"], {}, {name: changes})[name]
    return Variant(name, ModelConfig.model_validate(config), [])


@pytest.fixture
def empty(finished_project: Project, tmp_path: Path) -> Project:
    """The finished project as a new clone has it: nothing is reproduced, nothing cached."""
    project = finished_project.copy_to(tmp_path / "project")
    forget(project)
    return project


@pytest.mark.slow
def test_interrupted_it_ends_all_and_goes_on_to_the_lock_of_dvc_repro(
    finished_project: Project, empty: Project
) -> None:
    for signal_sent in (signal.SIGINT, signal.SIGKILL):
        _interrupt(empty, signal_sent)
    printed = empty.run(*REPRO, "--jobs", "1").stdout
    assert printed.splitlines()[-1] == PAGE
    next_trains = printed.index("sgd: > python -m stages.train sgd")
    assert printed.index("base: > python -m stages.train base") < next_trains
    assert next_trains < printed.index("base: > python -m stages.card base"), "while it is measured"
    assert empty.lock() == finished_project.lock()
    again = empty.run(*REPRO).stdout
    first, *lines = again.splitlines()
    assert first == "everything is up to date"
    assert lines == printed.splitlines()[-len(lines) :], "it ends with the same table"
    assert {line.split()[0] for line in lines[1:4]} == {"variant", "base", "sgd"}
    assert max(map(len, lines)) <= 100
    assert printed.count("dvc push") <= 1
    assert empty.repro() == []
    machines = json.loads((empty.root / "reports/machine.json").read_text())
    assert [set(machine["models"]) for machine in machines] == [{"base", "sgd"}]
    assert machines[0]["facts"] == facts()


@pytest.mark.slow
def test_what_fails_is_named_and_the_others_finish(project: Project) -> None:
    bad = {"conv_layers": [{"filters": 2, "pool": 8}] * 3}
    edit_params(project.root, {"variants.bad": bad, "variants.sgd.learning_rate": 0.02})
    before = project.lock()
    result = project.run(*REPRO, "--jobs", "2", check=False)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last == "error: failed: bad (why stands above); all other variants are done"
    assert "bad: error: configs/bad.yaml: conv_layers: layer 2 needs" in result.stdout
    after = project.lock()
    assert set(after) == set(before)
    done = {stage for stage in after if "@" in stage and after[stage] != before[stage]}
    assert done == {"train@sgd", "evaluate@sgd", "card@sgd"}
    edit_params(project.root, {"variants.bad": None})
    assert project.repro() == ["configure", "compare", "report"]


def _interrupt(empty: Project, signal_sent: signal.Signals) -> None:
    """Send the signal to a run whose two variants train: it ends with all that it has started."""
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
    if signal_sent == signal.SIGINT:
        assert process.returncode == 1
        assert errors.splitlines()[-1] == "error: interrupted"
        assert "Traceback" not in errors
    assert not psutil.wait_procs(family, timeout=DEADLINE)[1], "something lives on"
    assert not {"train@base", "train@sgd"} & set(empty.lock())


@pytest.mark.slow
def test_what_says_nothing_ends_with_who_started_it_too(workspace: Path) -> None:
    """A DVC that prints nothing does not notice that nobody reads what it prints."""
    Path("dvc.yaml").write_text("stages: {quiet: {cmd: touch begun && sleep 600}}")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    start = "from tools.repro.processes import run_dvc; run_dvc(['repro'], print)"
    process = psutil.Popen(
        [sys.executable, "-c", start], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    )
    wait_for(Path("begun"))
    family = process.children(recursive=True)
    assert any("sleep 600" in _command(child) for child in family)
    process.kill()
    process.wait()
    assert not psutil.wait_procs(family, timeout=DEADLINE)[1], "something lives on"


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_a_number_of_jobs_that_is_none_is_refused(jobs: str) -> None:
    result = Project(REPOSITORY).run(*REPRO, f"--jobs={jobs}", check=False)
    assert result.returncode == 2
    assert f"must be a number from 1 on, found '{jobs}'" in result.stderr


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


def note(folder: Path, event: str) -> None:
    with (folder / "log").open("a") as log:
        log.write(f"{event} ")


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not file.exists():
        assert time.monotonic() < deadline, file
        time.sleep(0.01)


def reproduced(folder: Path, name: str, stages: list[str], gpu: str | None) -> Ended:
    """Stand for DVC: note what is asked for, and end when the test says so."""
    what = stages[0].partition("@")[0]
    note(folder, f"+{what}-{name}")
    (folder / f"{what}-{name}").write_text(str(gpu))
    wait_for(folder / f"end-{what}-{name}")
    note(folder, f"-{what}-{name}")
    return Ended(int(name == "bad"), [] if name == "cached" else stages)


def let_end(folder: Path, *files: str) -> None:
    """Let one after another end, each once those before `:` in its word have begun."""
    for word in files:
        begun, _, name = word.rpartition(":")
        for other in filter(None, begun.split(",")):
            wait_for(folder / other)
        (folder / f"end-{name}").touch()


def test_the_longest_go_first_as_many_as_fit_and_gpus_go_round(tmp_path: Path) -> None:
    variants = [
        variant("cached", epochs=1), variant("bad", epochs=2), variant("long", epochs=3),
        variant("wide", epochs=1, threads=2),
    ]  # fmt: skip
    order = ("train-wide", "train-long,train-bad:train-long", "train-bad", "train-cached")
    measured = ("evaluate-wide", "evaluate-long", "evaluate-cached")
    threading.Thread(target=let_end, args=[tmp_path, *order, *measured], daemon=True).start()
    outcomes = in_turn(variants, 2, ["4", "7"], partial(reproduced, tmp_path))
    begun = [event for event in (tmp_path / "log").read_text().split() if "train" in event]
    assert begun[:2] == ["+train-wide", "-train-wide"], "takes both jobs, and comes first"
    assert set(begun[2:4]) == {"+train-long", "+train-bad"}
    assert begun.index("+train-cached") > begun.index("-train-long")
    assert [one.name for one in outcomes if one.failed] == ["bad"]
    assert not (tmp_path / "evaluate-bad").exists(), "what is not trained cannot be measured"
    assert [one.name for one in outcomes if one.facts] == ["bad", "long", "wide"]
    assert {(tmp_path / f"train-{name}").read_text() for name in ("long", "bad")} == {"4", "7"}


def test_while_one_is_measured_the_next_one_trains(tmp_path: Path) -> None:
    variants = [variant("long", epochs=3), variant("middle", epochs=2), variant("short", epochs=1)]
    order = ("train-long", "evaluate-long,train-middle:train-middle", "train-short")
    measured = ("evaluate-middle,train-short:evaluate-long", "evaluate-middle", "evaluate-short")
    threading.Thread(target=let_end, args=[tmp_path, *order, *measured], daemon=True).start()
    outcomes = in_turn(variants, 1, [], partial(reproduced, tmp_path))
    assert [one.failed for one in outcomes] == [False] * 3
    events = (tmp_path / "log").read_text().split()
    assert events.index("+train-middle") < events.index("-evaluate-long")
    trained = [event for event in events if "train" in event]
    assert trained == [f"{sign}train-{v.name}" for v in variants for sign in "+-"], "one job"
    assert (tmp_path / "train-long").read_text() == "None", "no GPU is named without one"
