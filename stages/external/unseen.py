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
from pydantic import Field

from stages.arrays import EXTERNAL
from stages.command import InputError, command_line, run
from stages.counts import in_words, left_out
from stages.files import replacing
from stages.find import DataSet, LabelFolders
from stages.manifest import LABELS, read_used
from stages.organise import pixels
from stages.parallel import add_processes_option
from stages.params import Schema, read_block, read_value
from stages.pixels import DecodeParams
from stages.preprocess import Part, Preprocess, PreprocessParams

LEARNED = "in train or validation"
REASONS = ("unreadable", "duplicate", LEARNED)
"""How the status of an image that is not used begins."""


class ExternalParams(Schema):
    """The block `external` of params.yaml."""

    path: str = Field(
        min_length=1, description="a zip, a tar or a folder; the one of source.path: none"
    )


def read(data_set: DataSet, labels: LabelFolders) -> pd.DataFrame:
    """Return the images to choose from: path, split, label and fingerprint, sorted as a manifest.

    Raises:
        InputError: the data set cannot be read, or a path names two labels or none.
    """
    images = data_set.list_images(labels).images
    if images["split"].any():
        images = images[images["split"] == "test"]
    return data_set.add_fingerprints(images, "skip", "external")


def choose(images: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return `images` with the status of each that is not to be used.

    Args:
        images: as `read` returns them.
        manifest: the images that are used in train, validation and test.
    """
    readable = images[images["status"] == "used"]
    learned = pixels(readable).isin(pixels(manifest[manifest["split"] != "test"]))
    unknown = readable[~learned]
    first = unknown["path"].groupby(pixels(unknown)).transform("first")
    copies = first[first != unknown["path"]]

    status = images["status"].copy()
    status[learned.index[learned]] = LEARNED
    status[copies.index] = "duplicate of " + copies
    return images.assign(status=status)


def prepare(data_set: DataSet, labels: LabelFolders, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the images found, see `choose`, of which some of either label are used.

    Raises:
        InputError: as `read`, or no image of a label is used.
    """
    images = choose(read(data_set, labels), manifest)
    for label in LABELS:
        here = images[images["label"] == label]
        if not (here["status"] == "used").any():
            why = f"{len(here)} found: {in_words(left_out(here, REASONS))}"
            raise InputError(
                f"{data_set.path}: no {label} image to use ({why}); images of both labels are "
                "needed, in split 'test' where folders name splits"
            )
    return images


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
