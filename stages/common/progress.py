"""How far long work is: a bar on a terminal; anywhere else, such as in a log, a line a minute."""

import sys
from collections.abc import Iterable
from typing import Any, ClassVar
from weakref import WeakSet

from tqdm import tqdm

SECONDS = 60
"""Between two lines; work that takes less prints none."""


class _Lines(tqdm):
    # Apart from those of bars, which make room for what is printed beside them.
    _instances: ClassVar[WeakSet[tqdm]] = WeakSet()

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Print how far it is; nothing where a bar would be wiped off."""
        if msg is None:
            print(self, file=self.fp, flush=True)


def progress(of: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """Return tqdm's progress over `of`, or of a total that is counted up by `update`.

    Args:
        options: desc, unit and total, as tqdm takes them; the unit starts with a space.
    """
    if sys.stderr.isatty():
        return tqdm(of, **options)
    form = "{desc}: {n_fmt} of {total_fmt}{unit}, {remaining} left"
    often = {"delay": SECONDS, "mininterval": SECONDS, "miniters": 1, "leave": False}
    return _Lines(of, bar_format=form, file=sys.stderr, **often, **options)
