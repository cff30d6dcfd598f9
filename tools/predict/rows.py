"""Tell photographs from AI-generated images: REAL or FAKE, and the calibrated p_fake.

An IMAGE is a JPEG, PNG, WebP, BMP, GIF or TIFF file of up to decode.max_pixels (params.yaml), or -
for standard input. In a FOLDER or ARCHIVE (zip, tar) all images are looked at. Each is decoded and
brought to the network's size as training images are; verdict and probability are of that. An image
that is at least twice as high and wide is also cut into up to 64 tiles, which are not scaled, and
vote: scaling down takes away the finest detail, where generators leave their traces.
"""

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tqdm import tqdm

from stages.command import InputError, command_line, run
from stages.files import replacing
from stages.parallel import BATCH_BYTES, add_processes_option, batches, in_order, processes_for
from stages.params import read_block, read_value
from stages.pixels import DecodeParams
from stages.preprocess import Preprocess, PreprocessParams
from tools.views import TILES, Views, find, read, views_of_files

if TYPE_CHECKING:
    from tools.detector import Detector


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


EPILOG = """\
Exit status: 0, or 1 if something could not be read, which its line says.

What it cannot know: the models are trained on small images (of 32x32 pixels, unless params.yaml
says otherwise) of one kind of generator; about others they may be worse than a coin. A verdict
proves nothing about one image.
"""


def caveat(preprocess: Preprocess) -> str:
    """Return what a verdict cannot say, in words."""
    size = f"{preprocess.width}x{preprocess.height}"
    return (
        f"What a model knows is {size} pixels of images like those of {read_value('source.path')}. "
        "About other cameras and generators, and images that were edited, compressed or scaled, it "
        "may be worse than a coin (docs/limits.md), and p_fake is no probability. A verdict proves "
        "nothing about one image."
    )


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
                stem = os.fsencode(_plain(Path(name).stem))[:60].decode(errors="ignore")
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


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() and letter != "/" else "?" for letter in text)


def _say(text: str) -> None:
    """Print `text`, and make room for it where the progress bar is on the same terminal.

    Where nobody reads any more, this ends the program.

    Raises:
        InputError: it cannot be written.
    """
    try:
        with tqdm.external_write_mode(sys.stdout):
            sys.stdout.write(text)
            sys.stdout.flush()
    except OSError as error:
        # What is still to be written must not fail once more at the end of the program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        raise InputError(f"standard output: cannot be written: {error.strerror}") from None


def write_table(rows: Iterable[Row]) -> Iterator[Row]:
    """Print each of `rows` in a line for people, and yield it."""
    _say(f"{'verdict':8}{'p_fake':>7}{'FAKE from':>11}  {'tiles FAKE':12}{'size':>11}  image\n")
    for row in rows:
        name = _plain_path(row.file)
        if row.error:
            _say(f"{'error':8}{'':>7}{'':>11}  {'':12}{'':>11}  {name}: {_plain(row.error)}\n")
        else:
            votes = f"{row.tiles_fake} of {row.tiles}" if row.tiles else "-"
            size = f"{row.width}x{row.height}"
            p_fake = f"{row.p_fake:7.3f}{row.threshold:11.3f}"
            _say(f"{row.verdict:8}{p_fake}  {votes:12}{size:>11}  {name}\n")
        yield row


def _plain_path(path: str) -> str:
    return "/".join(map(_plain, path.split("/")))


def write_csv(rows: Iterable[Row]) -> Iterator[Row]:
    """Print `rows` as CSV, a header first, and yield them; p_fake has all its digits."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow(Row._fields)
    for row in rows:
        writer.writerow(_shortest(row).values())
        _say(line.getvalue())
        line.seek(line.truncate(0))
        yield row
    _say(line.getvalue())  # the header, where there was no row


def write_json(rows: Iterable[Row]) -> Iterator[Row]:
    """Print `rows` as one JSON array, a line each, and yield them; p_fake has all its digits."""
    before = "[\n"
    for row in rows:
        _say(before + json.dumps(_shortest(row)))
        before = ",\n"
        yield row
    _say("[]\n" if before == "[\n" else "\n]\n")


def _shortest(row: Row) -> dict[str, Any]:
    """Return `row` by column; nine digits bring every float32 back exactly."""
    p_fake = None if row.p_fake is None else float(f"{row.p_fake:.9g}")
    return row._asdict() | {"p_fake": p_fake}


FORMATS = {"table": write_table, "json": write_json, "csv": write_csv}


def _chosen(variant: str | None, known: list[str], best: str) -> str:
    if variant is not None and variant not in known:
        raise InputError(f"--variant: no model {variant!r} is here; there are {', '.join(known)}")
    return variant or best


def main() -> None:
    parser = command_line("tools.predict", __doc__)
    parser.add_argument("images", nargs="+", metavar="IMAGE|FOLDER|ARCHIVE", help="see above")
    parser.add_argument("--variant", help="a name in models/ (default: the best on validation)")
    parser.add_argument(
        "--explain",
        type=Path,
        metavar="DIR",
        help="write a picture for each image to this folder: what the network saw, where it found "
        "what speaks for its verdict (Grad-CAM), and the tiles, red where they count as FAKE",
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="(default: table)")
    add_processes_option(parser)
    parser.epilog = EPILOG
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # odd names
    decoding = read_block("decode", DecodeParams)
    preprocess = Preprocess(read_block("preprocess", PreprocessParams), decoding)
    if arguments.explain:
        try:
            arguments.explain.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{arguments.explain}: no folder for pictures: {error.strerror}"
            ) from None

    # Processes that decode import this module too, and need no TensorFlow.
    from tools.detector import Detector, best_on_validation, trained_variants

    variants = trained_variants()
    chosen = _chosen(arguments.variant, variants, best_on_validation(variants))
    detector = Detector(chosen, preprocess)
    places = [find(name) for name in arguments.images]
    # As many as leave room for their tiles.
    most = max(1, BATCH_BYTES // (TILES**2 * preprocess.height * preprocess.width * 3))
    work = in_order(
        partial(views_of_files, preprocess=preprocess),
        batches(chain.from_iterable(read(place, decoding) for place in places), most),
        arguments.processes or processes_for(sum(place.size for place in places)),
    )
    total = sum(place.images for place in places)
    counts = {"REAL": 0, "FAKE": 0, "unreadable": 0, "with tiles that disagree": 0}
    with tqdm(total=total, desc="predict", unit=" images", disable=None) as progress:

        def counted() -> Iterator[tuple[str, Views | str]]:
            for found in work:
                yield from found
                progress.update(len(found))

        for row in FORMATS[arguments.format](rows_of(counted(), detector, arguments.explain)):
            counts[row.verdict or "unreadable"] += 1
            counts["with tiles that disagree"] += bool(row.tiles_disagree)
    counts["files passed over, by their names no images"] = sum(p.passed_over for p in places)
    print(
        f"\n{detector.variant}, FAKE from a p_fake of {detector.threshold:.3f} on: "
        + ", ".join(f"{number} {what}" for what, number in counts.items() if number),
        file=sys.stderr,
    )
    print(caveat(preprocess), file=sys.stderr)
    if counts["unreadable"]:
        sys.exit(1)


if __name__ == "__main__":
    run(main)
