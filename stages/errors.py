"""How a stage or tool refuses a wrong input: one sentence on standard error, exit status 1."""

import sys
from collections.abc import Callable


class InputError(Exception):
    """A wrong input. The message names the file or key, what was found and what is allowed."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; end the process with status 1 and one line if it raises `InputError`."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted; nothing was written")
