"""preprocess: make of every image that is used what networks see of it, as arrays.

In:  the data set that `source.path` names, and data/manifest.csv.
Out: data/processed/<split>/images.npy and labels.npy, in the order of the manifest; held_out is
     empty where no slice is held out, and with crops views.txt, what each view of an image is;
     data/processed/findings.json, what a person should know of the change of size;
     data/processed/short_cuts.json, how well mean colour and spectrum of the arrays tell the labels
     apart.

Pixels stay 0..255: the networks normalise them, so that what is trained is what is served.
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from stages.common.arrays import FINDINGS, PROCESSED, SHORT_CUTS, write_views
from stages.common.command import command_line, run
from stages.common.files import naming, replacing
from stages.common.manifest import HELD_OUT, SPLITS, read_used
from stages.common.params import read_block, read_value
from stages.images.parallel import add_processes_option
from stages.images.schema import DecodeParams
from stages.preprocess.array_short_cuts import array_short_cuts
from stages.preprocess.findings import findings
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from stages.preprocess.write import Part, write


def main() -> None:
    parser = command_line("stages.preprocess", __doc__)
    add_processes_option(parser)
    processes = parser.parse_args().processes
    params, decoding = (
        read_block("preprocess", PreprocessParams),
        read_block("decode", DecodeParams),
    )
    preprocess = Preprocess(params, decoding)
    source, used = Path(read_value("source.path")), read_used()
    found = findings(used, params)
    for finding in found:
        print(f"warning: {finding['message']}", file=sys.stderr)
    with ExitStack() as stack:
        folders = {
            split: stack.enter_context(replacing(PROCESSED / split))
            for split in (*SPLITS, HELD_OUT)
        }
        file = stack.enter_context(replacing(FINDINGS))
        left = stack.enter_context(replacing(SHORT_CUTS))
        parts = [
            Part(PROCESSED / split, folder, used[used["split"] == split])
            for split, folder in folders.items()
        ]
        write(source, parts, preprocess.see, preprocess.shape, "preprocess", processes)
        for _, folder, _ in parts:
            write_views(folder, preprocess.kinds)
        with naming(FINDINGS):
            file.write_text(json.dumps(found, indent=2) + "\n")
        numbers = array_short_cuts(folders, used, read_value("source.seed"))
        with naming(SHORT_CUTS):
            left.write_text(json.dumps(numbers, indent=2) + "\n")
    apart = ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
    print(f"tells REAL and FAKE apart in the arrays: {apart or 'too few images to say'}")


if __name__ == "__main__":
    run(main)
