"""external: bring the images of another data set to one size, to try the models on as they are.

In:  the zip, tar or folder that `external.path` names, and data/manifest.csv. The data set of
     `source.path` itself means that there is no other one.
Out: data/external/images.npy and labels.npy, and images.csv, path and label in their order.
     Without another data set all are empty.

Where folders name splits, the images of test are used, else all. Left out are images that cannot
be decoded, copies by pixels, and what the models learned from: pixels of train or validation.
"""

from pathlib import Path

import pandas as pd

from stages.common.arrays import EXTERNAL
from stages.common.command import InputError, command_line, run
from stages.common.files import replacing
from stages.common.manifest import LABELS, in_words, left_out, read_used
from stages.common.params import read_block, read_value
from stages.external.unseen import REASONS, ExternalParams, prepare
from stages.images.find import DataSet, LabelFolders
from stages.images.parallel import add_processes_option
from stages.images.pixels import DecodeParams
from stages.preprocess.resize import Part, Preprocess, PreprocessParams


def main() -> None:
    parser = command_line("stages.external", __doc__)
    add_processes_option(parser)
    processes = parser.parse_args().processes
    path = Path(read_block("external", ExternalParams).path)
    params, decoding = (
        read_block("preprocess", PreprocessParams),
        read_block("decode", DecodeParams),
    )
    labels, source = read_block("source.labels", LabelFolders), str(read_value("source.path"))
    if path == Path(source):
        used = pd.DataFrame(columns=["path", "label"])
        message = "no other data set, as external.path is source.path"
    else:
        manifest = read_used()
        try:
            found = prepare(DataSet(path, decoding, processes), labels, manifest)
        except InputError as error:
            # Who changed source.path alone may want no other data set at all.
            raise InputError(
                f"external.path: {error}; `external.path: {source}`, as source.path, means none"
            ) from None
        used = found[found["status"] == "used"]
        numbers = ", ".join(f"{(used['label'] == label).sum()} {label}" for label in LABELS)
        message = f"{numbers}; left out: {in_words(left_out(found, REASONS))}"
    with replacing(EXTERNAL) as folder:
        Preprocess(params, decoding, processes).write(
            path, [Part(EXTERNAL, folder, used)], "external"
        )
        used[["path", "label"]].to_csv(folder / "images.csv", index=False, lineterminator="\n")
    print(f"external: {message}")


if __name__ == "__main__":
    run(main)
