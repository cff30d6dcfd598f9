"""source: find every image of the data set and decide what it is used for.

In:  the zip, tar or folder that `source.path` names.
Out: data/manifest.csv, one row an image; the audit of the data set: its numbers and findings in
     reports/data.json, and in data/audit what `report` shows beside them: tables of copies, of
     look-alikes, of unreadable images and of slices, and thumbnails.

No image is copied. The manifest says where each one lies, which split and label it belongs to,
and whether it is used or why not.
"""

import json
import sys
from pathlib import Path

from stages.common.command import InputError, command_line, run
from stages.common.files import naming, replacing
from stages.common.manifest import MANIFEST
from stages.common.params import read_block
from stages.images.parallel import add_processes_option
from stages.images.schema import DecodeParams
from stages.source.audit import NOT_CHECKED, audit, metadata_warning, unreadable
from stages.source.counts import count, slices
from stages.source.images import Images
from stages.source.schema import SourceParams
from stages.source.thumbnails import choose

REPORT = Path("reports/data.json")
AUDIT = Path("data/audit")


def main() -> None:
    parser = command_line("stages.source", __doc__)
    add_processes_option(parser)
    processes = parser.parse_args().processes
    params, decoding = read_block("source", SourceParams), read_block("decode", DecodeParams)
    images = Images(params, decoding, processes)
    found = images.read()
    pairs = images.near_pairs(found.images)
    manifest = images.organise(found.images, pairs)
    result = audit(found.images, manifest, params.audit, pairs, params.seed)
    for finding in result.findings:
        key = "" if finding.name == NOT_CHECKED else "source.audit."
        text = f"{key}{finding.name}: {finding.message}"
        if finding.level == "error":
            raise InputError(
                f"{text}; `warn` instead of `error` goes on and shows them in reports/data.md"
            )
        print(f"warning: {text}", file=sys.stderr)
    if "bad_metadata" in result.numbers:
        print(f"warning: {metadata_warning(found.images)}", file=sys.stderr)
    counts = count(found.images, manifest, found.passed_over)
    report = counts | result.numbers | {"findings": [f._asdict() for f in result.findings]}
    shown = choose(manifest, result.near_pairs)
    thumbnails = images.thumbnails(found.images, set(shown["path"]))
    tables = {
        "copies": result.copies,
        "near_pairs": result.near_pairs,
        "unreadable": unreadable(manifest),
        "slices": slices(manifest),
        "thumbnails": shown,
    }
    with (
        replacing(MANIFEST) as manifest_file,
        replacing(REPORT) as report_file,
        replacing(AUDIT) as folder,
    ):
        with naming(MANIFEST):
            manifest.to_csv(manifest_file, index=False, lineterminator="\n")
        with naming(REPORT):
            report_file.write_text(json.dumps(report, indent=2) + "\n")
        with naming(AUDIT):
            folder.mkdir()
            for name, table in tables.items():
                table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
            for number, path in enumerate(shown["path"]):
                thumbnails[path].save(folder / f"{number:03}.png")
    for split, labels in counts["used"].items():
        print(
            f"{split}: {labels['REAL']} REAL, {labels['FAKE']} FAKE, "
            f"{counts['observations'][split]} independent observations"
        )


if __name__ == "__main__":
    run(main)
