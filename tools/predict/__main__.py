"""Tell photographs from AI-generated images: REAL, FAKE or UNSURE, and the calibrated p_fake.

An IMAGE is a JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF file of up to decode.max_pixels (params.yaml),
or - for standard input. In a FOLDER or ARCHIVE (zip, tar) all images are looked at. Each is decoded
and becomes views as training images do: all of it, scaled, and parts of it, not scaled, as the
block preprocess of params.yaml says; the mean of the network's log-odds over them decides. The
answer is UNSURE where neither label fits or both do, or where the image is unlike what the network
learned from.
"""

import math
import sys
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from stages.common.command import InputError, command_line, run
from stages.common.params import read_block
from stages.common.progress import progress
from stages.images.parallel import (
    BATCH_BYTES,
    add_processes_option,
    batches,
    in_order,
    processes_for,
)
from stages.images.schema import DecodeParams
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from tools.predict.inputs import find, read
from tools.predict.output import FORMATS
from tools.predict.pictures import Views, views_of_files
from tools.predict.rows import MEANINGS, caveat, rows_of

EPILOG = """\
Exit status: 0, or 1 if something could not be read, which its line says.

What it cannot know: a model knows the cameras and generators of its training images, in the size
and the views of params.yaml; about others it may be worse than a coin, also where it is not UNSURE.
An answer proves nothing about one image.
"""


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
        help="write a picture for each image to this folder: what the network saw, and where it "
        "found what speaks for its answer (Grad-CAM)",
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

    # Processes that decode import this module, too, and need no TensorFlow.
    from tools.predict.detector import Detector, best_on_validation, trained_variants

    variants = trained_variants()
    chosen = _chosen(arguments.variant, variants, best_on_validation(variants))
    detector = Detector(chosen, preprocess)
    places = [find(name) for name in arguments.images]
    # As many as leave room for their views.
    most = max(1, BATCH_BYTES // math.prod(preprocess.shape))
    work = in_order(
        partial(views_of_files, preprocess=preprocess),
        batches(chain.from_iterable(read(place, decoding) for place in places), most),
        arguments.processes or processes_for(sum(place.size for place in places)),
    )
    total = sum(place.images for place in places)
    counts = dict.fromkeys((*MEANINGS, "unreadable", "with views that disagree"), 0)
    with progress(total=total, desc="predict", unit=" images") as shown:

        def counted() -> Iterator[tuple[str, Views | str]]:
            for found in work:
                yield from found
                shown.update(len(found))

        for row in FORMATS[arguments.format](rows_of(counted(), detector, arguments.explain)):
            counts[row.answer or "unreadable"] += 1
            counts["with views that disagree"] += bool(row.views_disagree)
    counts["files that are no images"] = sum(p.passed_over for p in places)
    print(
        f"\n{detector.variant}, {detector.limits()}: "
        + ", ".join(f"{number} {what}" for what, number in counts.items() if number),
        file=sys.stderr,
    )
    print(caveat(preprocess), file=sys.stderr)
    if counts["unreadable"]:
        sys.exit(1)


if __name__ == "__main__":
    run(main)
