"""What is said of each image."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stages.common.arrays import CROP, WHOLE
from stages.common.files import replacing
from stages.common.params import read_value
from stages.preprocess.views import Preprocess
from tools.predict.pictures import Views

if TYPE_CHECKING:  # the processes that decode need no TensorFlow
    from tools.predict.detector import Detector


MEANINGS = {
    "REAL": "like photographs",
    "FAKE": "like AI-generated images",
    "UNSURE": "cannot tell",
}
"""Each answer in words."""


class Row(NamedTuple):
    """What is said of one image; where it cannot be read, only `file`, `variant` and `error`."""

    file: str
    variant: str
    width: int | None = None
    height: int | None = None
    answer: str | None = None
    why: str | None = None
    p_fake: float | None = None
    views: int | None = None
    views_disagree: bool | None = None
    explanation: str | None = None
    error: str | None = None


def rows_of(
    found: Iterable[tuple[str, Views | str]], detector: "Detector", explanations: Path | None
) -> Iterator[Row]:
    """Yield a row for each image, in order; write a picture of each to the folder `explanations`.

    Raises:
        InputError: a picture cannot be written.
    """
    number, waiting = 0, iter(found)
    while group := list(islice(waiting, detector.images)):
        answers = iter(detector.answers([seen for _, seen in group if isinstance(seen, Views)]))
        for name, seen in group:
            number += 1
            if isinstance(seen, str):
                yield Row(name, detector.variant, error=seen)
                continue
            answer = next(answers)
            picture = None
            if explanations:
                stem = os.fsencode(plain(Path(name).stem))[:60].decode(errors="ignore")
                picture = explanations / f"{number:06}-{stem}.png"
                with replacing(picture) as file:
                    detector.explain(Path(name).name, seen, answer).save(file, "PNG")
            yield Row(
                name,
                detector.variant,
                seen.width,
                seen.height,
                answer.answer,
                answer.why,
                answer.p_fake,
                answer.views,
                answer.views_disagree,
                str(picture) if picture else None,
            )


def plain(text: str) -> str:
    """Return `text` without what cannot be printed, or be the name of a file."""
    return "".join(letter if letter.isprintable() and letter != "/" else "?" for letter in text)


def in_words(answer: str, why: str) -> str:
    """Return an answer, and why it is UNSURE, for people."""
    return f"{answer}: {MEANINGS[answer]}" + (f" ({why})" if why else "")


def shown_in_words(preprocess: Preprocess) -> str:
    """Return what a model is shown of an image."""
    size = f"{preprocess.width}x{preprocess.height} pixels"
    number = preprocess.kinds.count(CROP)
    parts = f"{number} part{'s' * (number > 1)} of"
    if WHOLE not in preprocess.kinds:
        return f"{parts} {size} of an image, not scaled"
    if number:
        return f"all of an image, scaled to {size}, and {parts} that size, not scaled"
    return f"all of an image, scaled to {size}"


def caveat(preprocess: Preprocess) -> str:
    """Return what an answer cannot say, in words."""
    return (
        f"A model is shown {shown_in_words(preprocess)}, and knows images like those of "
        f"{read_value('source.path')}. "
        "About other cameras and generators, and images that were edited, compressed or scaled, "
        "it may be worse than a coin (docs/limits.md), and p_fake is no probability. An answer "
        "proves nothing about one image."
    )
