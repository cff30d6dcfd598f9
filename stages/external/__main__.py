"""external: make of another data set what networks see of it, to try the models on as they are.

In:  the zip, tar or folder that params.yaml names at `external.<set>`, and data/manifest.csv.
Out: data/external/<set>/images.npy and labels.npy, and images.csv, a row an image in
     their order: path, label, slice, cluster.

A set that has the table of `source.table` is read by it, any other by its folders. Where these name
splits, the images of test are used, or else of validation; otherwise all. Left out are images that
cannot be decoded, copies by pixels, and what the models learned from: pixels of train or
validation. A set may hold one label alone.
"""

from pathlib import Path

import pandas as pd

from stages.common.arrays import EXTERNAL, write_views
from stages.common.command import InputError, command_line, run
from stages.common.files import replacing
from stages.common.manifest import LABELS, in_words, left_out, read_used
from stages.common.params import read_block, read_value, validate
from stages.external.schema import check_sets
from stages.external.unseen import REASONS, prepare
from stages.images.find import DataSet
from stages.images.near_copies import NearPairs, clusters, near_pairs
from stages.images.parallel import add_processes_option
from stages.images.schema import DecodeParams, LabelFolders, SplitFolders, TableParams
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from stages.preprocess.write import Part, write


def main() -> None:
    parser = command_line("stages.external", __doc__)
    parser.add_argument("set", help="a name in the block `external` of params.yaml")
    add_processes_option(parser)
    arguments = parser.parse_args()
    name, processes = arguments.set, arguments.processes
    path = Path(check_sets({name: read_value(f"external.{name}")})[name])
    params, decoding = (
        read_block("preprocess", PreprocessParams),
        read_block("decode", DecodeParams),
    )
    labels, splits = read_block("source.labels", LabelFolders), read_value("source.splits")
    if splits is not None:
        splits = validate(SplitFolders, splits, "params.yaml: source.splits")
    table = read_value("source.table")
    if table is not None:
        table = validate(TableParams, table, "params.yaml: source.table")
    try:
        found = prepare(
            DataSet(path, decoding, processes),
            labels,
            splits,
            table,
            read_value("source.groups"),
            read_used(),
        )
    except InputError as error:
        raise InputError(f"external.{name}: {error}") from None
    used = found[found["status"] == "used"].reset_index(drop=True)
    used["cluster"] = _clusters(used)
    folder = EXTERNAL / name
    with replacing(folder) as temporary:
        preprocess = Preprocess(params, decoding)
        part = Part(folder, temporary, used)
        write(path, [part], preprocess.see, preprocess.shape, "external", processes)
        write_views(temporary, preprocess.kinds)
        used[["path", "label", "slice", "cluster"]].to_csv(
            temporary / "images.csv", index=False, lineterminator="\n"
        )
    numbers = ", ".join(f"{(used['label'] == label).sum()} {label}" for label in LABELS)
    print(f"{name}: {numbers}; left out: {in_words(left_out(found, REASONS))}")


def _clusters(used: pd.DataFrame) -> pd.Series:
    pairs = NearPairs.none()
    if read_value("source.near_copies") != "ignore":
        pairs = near_pairs(used, read_value("source.audit.near_duplicate_bits"))
    return clusters(used, pairs)


if __name__ == "__main__":
    run(main)
