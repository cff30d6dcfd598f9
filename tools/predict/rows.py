"""What is said of each image."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stages.common.files import replacing
from stages.common.params import read_value
from stages.preprocess.resize import Preprocess
from tools.predict.views import Views

if TYPE_CHECKING:  # the processes that decode need no TensorFlow
    from tools.predict.detector import Detector


class Row(NamedTuple):
    """What is said of one image; where it cannot be read, only `file`, `variant` and `error`."""

    file: str
    variant: str
    width: int | None = None
    height: int | None = None
    verdict: str | None = None
    p_fake: float | None = None
    threshold: float | None = None
    tiles: int | None = None
    tiles_fake: int | None = None
    tiles_disagree: bool | None = None
    explanation: str | None = None
    error: str | None = None


def rows_of(
    found: Iterable[tuple[str, Views | str]], detector: "Detector", explanations: Path | None
) -> Iterator[Row]:
    """Yield a row for each image, in order; write a picture of each to the folder `explanations`.

    Raises:
        InputError: a picture cannot be written.
    """
    number = 0
    for group in _groups(found, detector.model.classifier.batch_size):
        verdicts = iter(detector.verdicts([seen for _, seen in group if isinstance(seen, Views)]))
        for name, seen in group:
            number += 1
            if isinstance(seen, str):
                yield Row(name, detector.variant, error=seen)
                continue
            verdict = next(verdicts)
            picture = None
            if explanations:
                stem = os.fsencode(plain(Path(name).stem))[:60].decode(errors="ignore")
                picture = explanations / f"{number:06}-{stem}.png"
                with replacing(picture) as file:
                    detector.explain(seen, verdict).save(file, "PNG")
            yield Row(
                name,
                detector.variant,
                seen.width,
                seen.height,
                verdict.verdict,
                verdict.p_fake,
                detector.threshold,
                verdict.tiles_fake.size,
                int(verdict.tiles_fake.sum()),
                verdict.tiles_disagree,
                str(picture) if picture else None,
            )


def _groups(
    found: Iterable[tuple[str, Views | str]], images: int
) -> Iterator[list[tuple[str, Views | str]]]:
    """Yield what was `found` in groups that fill a batch of so many `images` or tiles."""
    group: list[tuple[str, Views | str]] = []
    size = 0
    for name, seen in found:
        group.append((name, seen))
        size += 1 if isinstance(seen, str) else max(1, seen.tiles.shape[0] * seen.tiles.shape[1])
        if size >= images:
            yield group
            group, size = [], 0
    if group:
        yield group


def plain(text: str) -> str:
    """Return `text` without what cannot be printed, or be the name of a file."""
    return "".join(letter if letter.isprintable() and letter != "/" else "?" for letter in text)


def caveat(preprocess: Preprocess) -> str:
    """Return what a verdict cannot say, in words."""
    size = f"{preprocess.width}x{preprocess.height}"
    return (
        f"What a model knows is {size} pixels of images like those of {read_value('source.path')}. "
        "About other cameras and generators, and images that were edited, compressed or scaled, it "
        "may be worse than a coin (docs/limits.md), and p_fake is no probability. A verdict proves "
        "nothing about one image."
    )
