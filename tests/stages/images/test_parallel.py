"""parallel: batches lose no file, and results come in the order of the batches."""

import multiprocessing
import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from stages.common.command import InputError
from stages.images.parallel import BATCH_BYTES, File, batches, in_order


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


def much(files: list[File]) -> bytes:
    """Return more than a pipe holds."""
    return bytes(50_000_000)


def test_a_process_killed_while_it_hands_over_a_result_is_an_error_and_nobody_waits() -> None:
    results = in_order(much, ([("file", b"")] for _ in range(4)), 2)
    next(results)
    for process in psutil.Process().children(recursive=True):
        if process.ppid() != os.getpid():  # a child of the server that starts them
            process.kill()
    with pytest.raises(InputError, match="a process that decodes images was ended"):
        list(results)


def fail(files: list[File]) -> None:
    raise ValueError(f"{files[0][0]} is wrong")


def test_an_error_in_a_process_is_raised_with_the_place_where_it_happened() -> None:
    with pytest.raises(ValueError, match="this is wrong") as raised:
        list(in_order(fail, [[("this", b"")], [("that", b"")]], 2))
    assert "in fail" in raised.value.__notes__[0]
