"""From a folder of pictures to an answer: look at a data set, and propose what to set for it.

DATA is a folder, a zip, a tar or Parquet files. Its folders say what is a photograph and what was
generated (holiday/real/..., holiday/fake/...), and those below them what an image shows or what
made it (real/landscapes/..., fake/midjourney/...). This reads every image and prints what it found,
what it proposes for params.yaml and why, what only you can decide, and the next commands:

    python -m tools.start data/holiday.zip            # changes nothing
    python -m tools.start data/holiday.zip --apply    # writes the proposal to params.yaml

The rest of params.yaml stays as it is, comments included. `git checkout params.yaml` brings back
what you last committed.
"""

import os
import sys
from pathlib import Path

from stages.common.command import command_line, run
from stages.common.files import naming, replacing
from stages.common.params import PARAMS_FILE, read_yaml, validate
from stages.configure.check import check
from stages.images.parallel import add_processes_option
from stages.images.schema import DecodeParams
from stages.source.images import Images
from stages.source.schema import SourceParams
from tools.start.params_text import edited, in_blocks, parsed
from tools.start.proposal import propose
from tools.start.survey import look
from tools.start.words import decisions, next_commands, section, what_is_there


def main() -> None:
    parser = command_line("tools.start", __doc__)
    parser.add_argument("data", metavar="DATA", help="the pictures, such as data/holiday.zip")
    parser.add_argument("--apply", action="store_true", help="write the proposal to params.yaml")
    add_processes_option(parser)
    arguments = parser.parse_args()
    params = read_yaml(PARAMS_FILE)
    configs = check(params)
    path = os.path.normpath(arguments.data) if Path(arguments.data).exists() else arguments.data
    if Path(path).is_relative_to(Path.cwd()):
        path = str(Path(path).relative_to(Path.cwd()))
    block = params["source"] | {"path": path, "hold_out": []}
    source = validate(SourceParams, block, f"{PARAMS_FILE}: source")
    decoding = DecodeParams.model_validate(params["decode"])
    survey = look(Images(source, decoding, arguments.processes))
    proposal = propose(survey, configs)
    text = PARAMS_FILE.read_text(encoding="utf-8")
    new = edited(text, proposal.values)
    configs = check(parsed(new))
    if arguments.apply and new != text:
        with replacing(PARAMS_FILE) as file, naming(PARAMS_FILE):
            file.write_text(new, encoding="utf-8")
    parts = [
        section(f"What is there: {source.path}", what_is_there(survey)),
        section("What I propose for params.yaml, and why", proposal.reasons),
        in_blocks(proposal.values),
        section("What only you can decide", decisions(survey)),
        next_commands(source.path, arguments.apply or new == text, configs),
    ]
    # In one piece: a reader such as `head` may be gone by the second.
    sys.stdout.write("\n".join(filter(None, parts)))


if __name__ == "__main__":
    run(main)
