"""What the benchmarks share: run a command in a new clone, and see its time and memory."""

import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

REPOSITORY = Path(__file__).parents[1]
BETWEEN_LOOKS = 0.25
"""Seconds; a look takes some of what it measures."""


class Cost(NamedTuple):
    """What a command took."""

    seconds: float
    megabytes: float
    """Most memory at any moment, of all its processes; what they share counts once."""


def run(command: list[str], folder: Path) -> Cost:
    """Run `command` in `folder`, and exit if it fails."""
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": scripts + os.pathsep + os.environ["PATH"]}
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        peak = [0.0]
        watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), peak))
        watcher.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        watcher.join()
    if status:
        sys.exit(f"error: {' '.join(command)} failed in {folder}")
    return Cost(seconds, peak[0])


def _watch(process: psutil.Process, peak: list[float]) -> None:
    try:
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            family = [process, *process.children(recursive=True)]
            peak[0] = max(peak[0], sum(map(_memory, family)) / 1e6)
            time.sleep(BETWEEN_LOOKS)
    except psutil.NoSuchProcess:
        return


def _memory(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return getattr(memory, "pss", memory.uss)


def clone(folder: Path, source: Path) -> None:
    """Clone HEAD into `folder`, with the data set `source` but no results and no cache."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder], check=True)
    if not (folder / source).exists():
        shutil.copy2(REPOSITORY / source, folder / source)


def machine() -> str:
    """Return what the figures were taken on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
