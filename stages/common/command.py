"""The command line of a stage: its help, its refusal of wrong inputs, its end with DVC."""

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil


class InputError(Exception):
    """A wrong input. The message names the file or key, what was found and what is allowed."""


def command_line(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is `description`, line by line, for `python -m module`."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def positive(text: str) -> int:
    """Return the number from 1 on that an option has; argparse refuses any other text."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, found {text!r}")
    return int(text)


def run(main: Callable[[], None]) -> None:
    """Call `main`; if it raises `InputError`, end with status 1 and one line on standard error."""
    if "DVC_STAGE" in os.environ:
        # A stage that outlives a killed `dvc repro` would write beside the next one.
        _end_with_dvc()
    try:
        main()
    except InputError as error:
        # Names of files may hold anything; the message is one line.
        text = "".join(letter if letter.isprintable() else "?" for letter in str(error))
        sys.exit(f"error: {text}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted")


def _end_with_dvc() -> None:
    """End this process soon after the DVC that started it has ended, however that happened.

    A shell may stand between the two and live on, so every process up to DVC is watched.
    """
    ancestors = psutil.Process().parents()
    if not any("python" in _name(process) or _is_dvc(process) for process in ancestors):
        sys.exit(1)  # DVC, a Python program, has ended before this process came so far
    place = next((n for n, process in enumerate(ancestors) if _is_dvc(process)), 0)
    watched = ancestors[: place + 1]

    def watch() -> None:
        while all(_lives(process) for process in watched):
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _is_dvc(process: psutil.Process) -> bool:
    try:
        return "dvc" in [Path(part).name for part in process.cmdline()[:3]]
    except psutil.Error:
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
