"""Variants side by side: each in a DVC of its own, as many as there are jobs."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from tools.programs import require
from tools.repro.variants import Variant

HINTS = ("Use `dvc push`", "To track the changes", "To enable auto staging")
PATIENCE = 10
"""Seconds in which what was interrupted is expected to end."""


class Running:
    """The stages of one variant, one after another, in the background.

    It puts itself into `news` once its training is behind it, and once it has ended.
    """

    def __init__(self, variant: Variant, gpu: str | None, news: "queue.Queue[Running]"):
        self.variant, self.gpu, self.news = variant, gpu, news
        self.trains, self.trained = True, False
        environment = dict(os.environ)
        if gpu is not None:
            # Two variants on one GPU must not each take all of its memory.
            environment |= {"CUDA_VISIBLE_DEVICES": gpu, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        command = ["--wait-for-lock", "repro", "--single-item", *variant.stages()]
        self.process = start_dvc(command, environment, stdout=subprocess.PIPE)
        threading.Thread(target=self._show, daemon=True).start()

    def _show(self) -> None:
        assert self.process.stdout
        try:
            for line in self.process.stdout:
                self.trained |= line.startswith(f"> python -m stages.train {self.variant.name}")
                if self.trains and f"'evaluate@{self.variant.name}'" in line:
                    self.trains = False
                    self.news.put(self)
                if line.strip() and not line.startswith(HINTS):
                    print(f"{self.variant.name}: {line.rstrip()}", flush=True)
        except OSError:  # nobody reads what is printed any more
            send(self.process, signal.SIGINT)
        finally:
            self.process.wait()
            self.news.put(self)


def start_dvc(
    arguments: list[str], environment: dict[str, str] | None = None, stdout: int | None = None
) -> subprocess.Popen[str]:
    """Start `dvc` in a session of its own, so that Ctrl-C reaches it through `stop` alone."""
    require("dvc")
    return subprocess.Popen(
        ["dvc", *arguments],
        env=environment,
        stdout=stdout,
        stderr=None if stdout is None else subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        # Where this was started in the background, SIGINT may be ignored, and so it would be there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def send(process: subprocess.Popen[str], how: signal.Signals) -> None:
    """Send a signal to `process` and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def stop(processes: list[subprocess.Popen[str]]) -> None:
    """Interrupt `processes` and wait until they have ended; what does not end soon is killed."""
    print("interrupted: ending what runs", file=sys.stderr, flush=True)
    try:
        for process in processes:
            send(process, signal.SIGINT)
        for process in processes:
            process.wait(PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        for process in processes:
            send(process, signal.SIGKILL)


def has_room(variant: Variant, running: list[Running], jobs: int) -> bool:
    """Return whether `variant` may start beside those that are `running`.

    Jobs are taken by those that train. All take memory, so there are at most twice as many.
    """
    free = jobs - sum(each.variant.jobs(jobs) for each in running if each.trains)
    return variant.jobs(jobs) <= free and len(running) < 2 * jobs


def reproduce(variants: list[Variant], jobs: int, gpus: list[str]) -> tuple[list[str], list[str]]:
    """Train `variants`, the longest first, as many at a time as `jobs` allow, and measure them.

    Returns:
        The names of those that failed, and of those that were trained.
    """
    waiting = sorted(variants, key=lambda v: (-v.jobs(jobs), -v.work()))
    news: queue.Queue[Running] = queue.Queue()
    running: list[Running] = []
    results: dict[str, Running] = {}
    try:
        while waiting or running:
            if waiting and has_room(waiting[0], running, jobs):
                used = [each.gpu for each in running]
                single = waiting[0].on_one_device
                gpu = min(gpus, key=used.count) if gpus and single else None
                running.append(Running(waiting.pop(0), gpu, news))
                continue
            one = news.get()
            if one.process.poll() is not None and one in running:
                running.remove(one)
                results[one.variant.name] = one
    except KeyboardInterrupt:
        stop([each.process for each in running])
        raise
    failed = sorted(name for name, done in results.items() if done.process.returncode)
    return failed, sorted(name for name, done in results.items() if done.trained)


def visible_gpus() -> list[str]:
    """Return the GPUs that there are, as CUDA_VISIBLE_DEVICES names them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return [str(number) for number, _ in enumerate(listed.stdout.splitlines())]
