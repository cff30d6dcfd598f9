"""DVC as a process of its own, so that several reproduce stages at the same time."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

DULL = re.compile(
    r"\s*$|Use `dvc push`|To track the changes|To enable auto staging|\s+git add dvc\.lock|"
    r"\s+dvc config core\.autostage|Stage '.+' didn't change, skipping|Updating lock file|"
    r"Data and pipelines are up to date|Everything is up to date|[ADM]\s+\S+$"
)
"""Lines of DVC that say nothing on what was done."""
PATIENCE = 10
"""Seconds in which what was interrupted is expected to end."""

GUARD = """
import os, signal, sys, time
if not sys.stdin.read(1):
    for how in (signal.SIGINT, signal.SIGKILL):
        os.killpg(int(sys.argv[1]), how)
        time.sleep(int(sys.argv[2]))
"""
"""A program that ends a group of processes once whoever holds the other end of its pipe is gone."""

_running: list[subprocess.Popen[str]] = []


class Ended(NamedTuple):
    """How a DVC ended."""

    status: int
    ran: list[str]
    """The stages that it ran; not those that came from the run cache."""


def run_dvc(
    arguments: list[str],
    show: Callable[[str], None],
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
    is_wanted: Callable[[], bool] | None = None,
    stderr: int | None = subprocess.STDOUT,
) -> Ended:
    """Run `dvc`, and `show` each line that says something; return how it ended.

    It has a session of its own, so that Ctrl-C reaches it through `stop` alone. Where this process
    ends first, even by `kill -9`, it is ended, too.

    Args:
        folder: where it runs, by default here.
        environment: what is added to that of this process.
        is_wanted: asked now and then; it is interrupted once it is not.
        stderr: where its errors and its progress go; by default they are shown, too.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=os.environ | {"PATH": path} | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="replace",
        start_new_session=True,
        # Where this was started in the background, SIGINT may be ignored, and so it would be there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    guard = subprocess.Popen(
        [sys.executable, "-c", GUARD, str(process.pid), str(PATIENCE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _running.append(process)
    if is_wanted:
        threading.Thread(target=_end_unless, args=[process, is_wanted], daemon=True).start()
    ran = []
    assert process.stdout
    for line in process.stdout:
        ran += re.findall(r"^Running stage '(.+)':", line)
        if not DULL.match(line):
            try:
                show(line.rstrip())
            except OSError:  # nobody reads what is printed any more
                send(process, signal.SIGINT)
    status = process.wait()
    guard.communicate(b".")
    _running.remove(process)
    return Ended(status, ran)


def _end_unless(process: subprocess.Popen[str], is_wanted: Callable[[], bool]) -> None:
    while process.poll() is None:
        if not is_wanted():
            send(process, signal.SIGINT)
            return
        time.sleep(0.5)


def send(process: subprocess.Popen[str], how: signal.Signals) -> None:
    """Send a signal to `process` and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def stop() -> None:
    """Interrupt each DVC that runs and wait until it has ended; kill what does not end soon."""
    processes = list(_running)
    if processes:
        print("interrupted: ending what runs", file=sys.stderr, flush=True)
    try:
        for process in processes:
            send(process, signal.SIGINT)
        for process in processes:
            process.wait(PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        for process in processes:
            send(process, signal.SIGKILL)
