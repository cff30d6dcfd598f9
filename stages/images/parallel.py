"""Work on many files side by side, with results in the order of the files."""

import argparse
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from stages.common.command import InputError, positive

Content = TypeVar("Content", bound=Sized)
Batch = TypeVar("Batch")
Result = TypeVar("Result")
File = tuple[str, bytes]

BATCH_FILES, BATCH_BYTES = 256, 4_000_000
"""A batch is large enough to outweigh its way to another process, and small enough to wait for."""

SMALL = 20_000_000
"""Bytes of images that one process has decoded before a second one has started."""


def processes_for(size: int) -> int:
    """Return how many processes to use for `size` bytes of images: one, or one a core."""
    return 1 if size < SMALL else available_cores()


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def add_processes_option(parser: argparse.ArgumentParser) -> None:
    """Add `--processes` to the options of a stage."""
    parser.add_argument(
        "--processes",
        type=positive,
        metavar="N",
        help="processes that decode images, with the same result for any number "
        "(default: one a core, or one where there is little to decode)",
    )


def batches(
    files: Iterable[tuple[str, Content]], most: int = BATCH_FILES
) -> Iterator[list[tuple[str, Content]]]:
    """Yield `files`, names and contents, in lists of at most `most`, or of a few megabytes."""
    batch: list[tuple[str, Content]] = []
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
    function: Callable[[Batch], Result], work: Iterable[Batch], processes: int
) -> Iterator[Result]:
    """Yield `function(batch)` for each batch of `work`, in order, from `processes` processes.

    Batches are dealt out in turn, and a process has one at a time: any number of them fits into
    memory, and nobody waits for room in a pipe that the other end has stopped to read.

    Raises:
        InputError: a process was ended from outside.
    """
    if processes == 1:
        yield from map(function, work)
        return
    workers: list[_Worker[Batch, Result]] = []
    number = 0
    try:
        for number, batch in enumerate(work, start=1):
            if len(workers) < processes:
                workers.append(_Worker(function))
                workers[-1].give(batch)
            else:
                worker = workers[(number - 1) % processes]
                result = worker.take()
                worker.give(batch)
                yield result
        for late in range(number - len(workers), number):
            yield workers[late % processes].take()
    finally:
        for worker in workers:
            worker.end()


class _Worker(Generic[Batch, Result]):
    """A process that applies a function to what it is given.

    It has a pipe of its own, which closes with it. (The processes of concurrent.futures share one,
    and wait for ever for the rest of a result in which another one was killed.)
    """

    def __init__(self, function: Callable[[Batch], Result]):
        # Processes that are started afresh, not copies of one with threads, and the same on macOS.
        context = multiprocessing.get_context("forkserver")
        # What each would import, they have from the one that starts them.
        main = getattr(sys.modules["__main__"], "__spec__", None)
        context.set_forkserver_preload([main.name] if main else [])
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_apply, args=(function, other), daemon=True)
        with _named_if_it_fails():
            self.process.start()
        other.close()

    def give(self, batch: Batch) -> None:
        """Let the process work on `batch`."""
        with _named_if_it_fails():
            self.pipe.send(batch)

    def take(self) -> Result:
        """Return the result for the batch that was given; wait for it."""
        with _named_if_it_fails():
            result, error = self.pipe.recv()
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


@contextmanager
def _named_if_it_fails() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise InputError(
            "a process that decodes images was ended, perhaps for want of memory; "
            "run it again, with `--processes 1` if that happens again"
        ) from None


def _apply(function: Callable[[Batch], Result], pipe: Connection) -> None:
    """Answer each batch from `pipe` with a result or an error, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for us
    with suppress(EOFError, OSError):
        while True:
            batch = pipe.recv()
            answer: tuple[Result | None, Exception | None]
            try:
                answer = function(batch), None
            except Exception as error:
                error.add_note(traceback.format_exc())
                answer = None, error
            pipe.send(answer)
