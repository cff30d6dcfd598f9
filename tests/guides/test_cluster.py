"""docs/cluster.md: machines that share nothing but a remote come to the bytes of one machine."""

import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from distributed import Client

from tests.guides import servers
from tests.guides.guide import Guide
from tests.helpers import Project, edit_params, forget

pytestmark = pytest.mark.slow

DEADLINE = 120
SSH = '#!/bin/sh\nexec sh -c "$2"\n'
"""Stands for ssh: the machine at which it is called is the one that is called."""
OTHER_LIBRARIES = """
import importlib.metadata
version = importlib.metadata.version
importlib.metadata.version = lambda name: "2.0.0" if name == "keras" else version(name)
"""
OTHER_PROCESSOR = """
from pathlib import Path
read = Path.read_text
def read_text(self, *given, **named):
    text = read(self, *given, **named)
    return "vendor_id\\t: Cyrix\\n" + text if str(self) == "/proc/cpuinfo" else text
Path.read_text = read_text
"""


class Machine(Project):
    """A machine of the cluster: a home, and nothing of the project but the environment."""

    def __init__(self, home: Path, **environment: str):
        super().__init__(home)
        (home / "tmp").mkdir(parents=True)
        self.own = {"HOME": str(home), "TMPDIR": str(home / "tmp"), **environment}

    def environment(self) -> dict[str, str]:
        """Return what a command finds there, without the keys of the machine of the tests."""
        return super().environment() | self.own

    def keys(self) -> "Machine":
        """Give it the keys of DVC's remote, and return it."""
        (self.root / ".aws").mkdir()
        names = [f"{name.lower()} = {value}\n" for name, value in servers.SECRETS.items()]
        (self.root / ".aws/credentials").write_text("[default]\n" + "".join(names))
        return self

    def processes(self) -> list[psutil.Process]:
        """Return what runs there."""
        return [one for one in psutil.process_iter() if _home(one) == str(self.root)]

    def trains(self) -> bool:
        """Return whether a training runs there."""
        return any("stages.train" in _command(one) for one in self.processes())

    def pull_the_plug(self) -> None:
        """End all that runs there, but what a worker has started: that has to end by itself."""
        for one in self.processes():
            if "dask" in _command(one) or "multiprocessing" in _command(one):
                one.kill()


def _home(process: psutil.Process) -> str:
    try:
        return process.environ().get("HOME", "")
    except psutil.Error:
        return ""


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class Cluster:
    """A scheduler, machines that become its workers, and an S3 store; Ada has the clone."""

    def __init__(self, ada: Project, base: Path):
        self.ada, self.base = ada, base
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.address = f"tcp://127.0.0.1:{port}"
        names = {"tcp://scheduler:8786": self.address, "8786": port}
        self.guide = Guide(
            "cluster.md", names | {"node1 node2": "node", "photographs/.venv/bin/": ""}
        )
        self.machines: list[Machine] = []
        self.home = self.machine("ada").keys().root

    def machine(self, name: str, **environment: str) -> Machine:
        """Return a new machine."""
        self.machines.append(Machine(self.base / name, **environment))
        return self.machines[-1]

    def train(self) -> str:
        """Train in Ada's clone as the guide says; return what is printed."""
        (printed,) = self.guide.follow("Train", self.ada, env={"HOME": str(self.home)})
        return printed

    def refused(self) -> subprocess.CompletedProcess[str]:
        """Return how a training ends in Ada's clone that is not to succeed."""
        result = self.ada.run(*self.command(), check=False, env={"HOME": str(self.home)})
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        return result

    def command(self) -> list[str]:
        """Return how the guide says to train."""
        return self.guide.replaced(*self.guide.commands["Train"]).split()

    def refusal(self) -> str:
        """Return the one line with which Ada's run is refused, before anything trains."""
        result = self.refused()
        assert "stages.train" not in result.stdout
        return result.stderr.splitlines()[-1]

    def workers(self) -> int:
        """Return how many the scheduler knows."""
        with Client(self.address) as client:
            return len(client.scheduler_info(n_workers=-1)["workers"])


@pytest.fixture
def cluster(project: Project, tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers, and Ada with a remote and a new value for each variant."""
    (tmp_path / "buckets/team").mkdir(parents=True)
    with servers.s3(tmp_path / "buckets") as url:
        project.run("dvc", "remote", "add", "--default", "team", "s3://team/photographs")
        project.run("dvc", "remote", "modify", "team", "endpointurl", url)
        project.commit("name a remote")
        edit_params(project.root, {"train.learning_rate": 0.002, "variants.sgd.momentum": 0.5})
        cluster = Cluster(project, tmp_path)
        cluster.guide.follow("Start a scheduler", cluster.machine("scheduler"))
        try:
            yield cluster
        finally:
            for machine in cluster.machines:
                for process in machine.processes():
                    process.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_two_machines_come_to_the_bytes_of_one(cluster: Cluster, finished_project: Project) -> None:
    """Even though one of the two is lost while it trains."""
    # Committed are other values, uncommitted those that one machine has reproduced.
    cluster.ada.commit("other values")
    shutil.copy2(finished_project.root / "params.yaml", cluster.ada.root)
    forget(cluster.ada)

    first, second = cluster.machine("first").keys(), cluster.machine("second").keys()
    cluster.guide.follow("Start workers", first)
    (second.root / "bin").mkdir()
    (second.root / "bin/ssh").write_text(SSH)
    (second.root / "bin/ssh").chmod(0o755)
    path = f"{second.root / 'bin'}{os.pathsep}{second.environment()['PATH']}"
    cluster.guide.follow("Start workers by SSH", second, env={"PATH": path})
    wait_until(lambda: cluster.workers() == 2)
    with ThreadPoolExecutor() as threads:
        running = threads.submit(cluster.train)
        wait_until(lambda: running.done() or (first.trains() and second.trains()))
        first.pull_the_plug()
        wait_until(lambda: not first.processes())
        printed = running.result()
    assert "Running stage 'train" not in printed.partition("cached - skipping run")[2]
    for name in ("base", "sgd"):
        assert f"{name}: > python -m stages.train {name}" in printed
        assert f"Stage 'evaluate@{name}' is cached - skipping run" in printed
    of_both = (cluster.ada, finished_project)
    locks = [(project.root / "dvc.lock").read_bytes() for project in of_both]
    assert locks[0] == locks[1]
    assert cluster.ada.repro() == []
    (machine,) = json.loads((cluster.ada.root / "reports/machine.json").read_text())
    assert {*machine["models"]} == {"base", "sgd"}


def test_the_end_of_client_or_scheduler_ends_what_the_workers_are_at(cluster: Cluster) -> None:
    first = cluster.machine("first").keys()
    cluster.guide.follow("Start workers", first)
    environment = cluster.ada.environment() | {"HOME": str(cluster.home)}
    with subprocess.Popen(cluster.command(), cwd=cluster.ada.root, env=environment) as client:
        wait_until(first.trains)
        client.send_signal(signal.SIGKILL)
    wait_until(lambda: not first.trains())
    assert cluster.workers() == 1

    scheduler = cluster.machines[1]
    with ThreadPoolExecutor() as threads:
        running = threads.submit(cluster.refused)
        wait_until(lambda: running.done() or first.trains())
        scheduler.pull_the_plug()
        wait_until(lambda: not first.trains())
        errors = running.result().stderr
    assert errors.splitlines()[-1] == (
        "error: --cluster: the scheduler is gone; what workers have pushed stays in DVC's remote"
    )
    assert re.fullmatch(
        f"error: --cluster: no answer from {cluster.address}; start one with `dask scheduler`: .+",
        cluster.refusal(),
    )


def test_what_would_fail_or_differ_is_refused_before_anything_trains(cluster: Cluster) -> None:
    code = cluster.ada.root / "stages/train/model.py"
    code.write_text(code.read_text() + "# edited\n")
    assert cluster.refusal() == (
        "error: --cluster: stages/train/model.py is not committed; workers get the last commit"
    )
    cluster.ada.run("git", "restore", "stages")

    cluster.guide.follow("Start workers", cluster.machine("stranger"))
    wait_until(lambda: cluster.workers() == 1)
    who = rf"error: --cluster: worker tcp://127\.0\.0\.1:\d+ on {re.escape(platform.node())}"
    assert re.fullmatch(rf"{who} cannot write to DVC's remote: .*credentials.*", cluster.refusal())
    for name, hook, difference in (
        ("old", OTHER_LIBRARIES, "has keras 2.0.0, here is "),
        ("odd", OTHER_PROCESSOR, "has a processor of the family x86_64 Cyrix"),
    ):
        cluster.machines[-1].pull_the_plug()
        wait_until(lambda: cluster.workers() == 0)
        machine = cluster.machine(name, PYTHONPATH=str(cluster.base / name / "hook")).keys()
        (machine.root / "hook").mkdir()
        (machine.root / "hook/sitecustomize.py").write_text(hook)
        cluster.guide.follow("Start workers", machine)
        wait_until(lambda: cluster.workers() == 1)
        assert re.match(rf"{who} {difference}", cluster.refusal())

    cluster.ada.run("dvc", "remote", "default", "--unset")
    assert "DVC has no default remote" in cluster.refusal()
