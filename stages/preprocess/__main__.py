"""preprocess: bring every image that is used to one size, as arrays.

In:  the data set that `source.path` names, and data/manifest.csv.
Out: data/processed/<split>/images.npy and labels.npy, in the order of the manifest; held_out is
     empty where no slice is held out;
     data/processed/findings.json, what a person should know of the change of size.

Pixels stay 0..255: the networks normalise them, so that what is trained is what is served.
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from stages.common.arrays import FINDINGS, PROCESSED
from stages.common.command import command_line, run
from stages.common.files import naming, replacing
from stages.common.manifest import HELD_OUT, SPLITS, read_used
from stages.common.params import read_block, read_value
from stages.images.parallel import add_processes_option
from stages.images.schema import DecodeParams
from stages.preprocess.findings import findings
from stages.preprocess.resize import Preprocess
from stages.preprocess.schema import PreprocessParams


def main() -> None:
    parser = command_line("stages.preprocess", __doc__)
    add_processes_option(parser)
    processes = parser.parse_args().processes
    params, decoding = (
        read_block("preprocess", PreprocessParams),
        read_block("decode", DecodeParams),
    )
    preprocess = Preprocess(params, decoding, processes)
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
        preprocess.write_splits(source, used, folders)
        with naming(FINDINGS):
            file.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
