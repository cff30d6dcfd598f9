"""Work on many files side by side, with results in the order of the files."""

import argparse
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from stages.command import InputError

Result = TypeVar("Result")
File = tuple[str, bytes]

BATCH_FILES, BATCH_BYTES = 256, 4_000_000
"""A batch is large enough to outweigh its way to another process, and small enough to wait for."""

AHEAD_BYTES = 16 * BATCH_BYTES
"""Of batches that wait for their turn; a single file may be larger than a batch."""

SMALL = 20_000_000
"""Bytes of images that one process has decoded before a second one has started."""


def processes_for(size: int) -> int:
    """Return how many processes to use for `size` bytes of images: one, or one a core."""
    if size < SMALL:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def add_processes_option(parser: argparse.ArgumentParser) -> None:
    """Add `--processes` to the options of a stage."""
    parser.add_argument(
        "--processes",
        type=_positive,
        metavar="N",
        help="processes that decode images, with the same result for any number "
        "(default: one a core, or one where there is little to decode)",
    )


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a number of processes, found {text!r}")
    return int(text)


def batches(files: Iterable[File], most: int = BATCH_FILES) -> Iterator[list[File]]:
    """Yield `files` in lists of at most `most`, or of a few megabytes."""
    batch: list[File] = []
    size = 0
    for name, data in files:
        batch.append((name, data))
        size += len(data)
        if len(batch) == most or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def in_order(
    function: Callable[[list[File]], Result], work: Iterable[list[File]], processes: int
) -> Iterator[Result]:
    """Yield `function(batch)` for each batch of `work`, in order, from `processes` processes.

    Only a few batches are read ahead, so any number of them fits into memory.

    Raises:
        InputError: a process was ended from outside.
    """
    if processes == 1:
        yield from map(function, work)
        return
    # Processes that are started afresh, not copies of one with threads, and the same on macOS.
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("forkserver"), _start_worker)
    pending: deque[tuple[Future[Result], int]] = deque()
    try:
        for batch in work:
            pending.append((_submit(pool, function, batch), sum(len(data) for _, data in batch)))
            while len(pending) > 2 * processes or sum(size for _, size in pending) > AHEAD_BYTES:
                yield pending.popleft()[0].result()
        while pending:
            yield pending.popleft()[0].result()
    except BrokenProcessPool:
        # The pool overlooks one that was just being started, and would wait for it for ever.
        for process in multiprocessing.active_children():
            process.kill()
        raise InputError(
            "a process that decodes images was ended, perhaps for want of memory; "
            "run it again, with `--processes 1` if that happens again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor, function: Callable[[list[File]], Result], batch: list[File]
) -> Future[Result]:
    try:
        return pool.submit(function, batch)
    except OSError as error:
        # A process was ended while the pool was starting another one.
        raise BrokenProcessPool(str(error)) from None


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for us
    threading.Thread(target=_end_with_stage, daemon=True).start()


def _end_with_stage() -> None:
    """Wait until the stage has ended, however that happened, and end this process.

    Without this, processes of a killed stage would wait for work for ever.
    """
    stage = multiprocessing.parent_process()
    assert stage is not None, "a process of the pool has one"
    stage.join()
    os._exit(1)
