"""parallel: batches lose no file, and results come in the order of the batches."""

import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest

from stages.command import InputError
from stages.parallel import BATCH_BYTES, File, batches, in_order


def names(files: list[File]) -> list[str]:
    return [name for name, _ in files]


def test_batches_hold_every_file_once_and_are_small() -> None:
    files = [(str(number), b"x") for number in range(7)]
    assert list(map(names, batches(files, most=3))) == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    large = [("a", bytes(BATCH_BYTES)), ("b", b""), ("c", b"")]
    assert list(map(names, batches(large))) == [["a"], ["b", "c"]]


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_batches(processes: int) -> None:
    work = [[(str(number), b"")] for number in range(20)]
    assert list(in_order(names, work, processes)) == [[str(number)] for number in range(20)]


def test_a_process_killed_while_another_one_starts_is_an_error_and_nobody_waits() -> None:
    def work() -> Iterator[list[File]]:
        yield [("first", b"")]
        for process in multiprocessing.active_children():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        for _ in range(20):
            yield [("next", b"")]

    for _ in range(20):
        with pytest.raises(InputError, match="a process that decodes images was ended"):
            list(in_order(names, work(), 2))
