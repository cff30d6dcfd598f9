"""How a variant is drawn: one colour, dash and marker, here and in `.dvc/plots`.

The n-th variant of a table has the n-th of each, and after the last comes the first. The lists
differ in length, so that variants of one colour differ in dash and marker.
"""

from typing import Any

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
"""Okabe and Ito, Color Universal Design, 2008, but for yellow, which is too light for a line."""

DASHES: list[list[int]] = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [12, 3]]
"""Lengths of line and gap in turn, in pixels."""

MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle-up": "^",
    "diamond": "D",
    "cross": "P",
    "triangle-down": "v",
    "triangle-right": ">",
    "triangle-left": "<",
}
"""Vega's names, and Matplotlib's."""


def style(number: int) -> dict[str, Any]:
    """Return what Matplotlib draws the variant at place `number` of a table with, from 0 on."""
    line, *rest = DASHES[number % len(DASHES)]
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": list(MARKERS.values())[number % len(MARKERS)],
        "linestyle": (0, (line, *rest) if rest != [0] else ()),
    }
