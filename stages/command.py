"""The command line of a stage: its help, and how it refuses a wrong input."""

import argparse
import sys
from collections.abc import Callable


class InputError(Exception):
    """A wrong input. The message names the file or key, what was found and what is allowed."""


def command_line(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is `description`, line by line, for `python -m module`."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run(main: Callable[[], None]) -> None:
    """Call `main`; if it raises `InputError`, end with status 1 and one line on standard error."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted")
