"""preprocess: bring every image that is used to one size, as arrays.

In:  the data set that `source.path` names, and data/manifest.csv.
Out: data/processed/<split>/images.npy and labels.npy, in the order of the manifest.

Pixels stay 0..255: the networks normalise them, so that what is trained is what is served.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import Field
from tqdm import tqdm

from stages.archive import read_files
from stages.arrays import PROCESSED
from stages.command import InputError, command_line, run
from stages.files import replacing
from stages.manifest import LABELS, MANIFEST, SPLITS, read_used
from stages.params import Schema, read_block
from stages.pixels import decode, to_array


class PreprocessParams(Schema):
    """The block `preprocess` of params.yaml."""

    image_size: list[Annotated[int, Field(ge=8, le=1024)]] = Field(
        min_length=2, max_length=2, description="height and width of every image, in pixels"
    )
    resample: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = Field(
        description="Pillow's filter for images of another size"
    )


class Preprocess:
    """Brings images to one size."""

    def __init__(self, params: PreprocessParams):
        self.height, self.width = params.image_size
        self.filter = Image.Resampling[params.resample.upper()]

    def resize(self, image: Image.Image) -> np.ndarray:
        """Return an RGB `image` in the size of params: uint8, [height, width, 3], 0..255."""
        if image.size != (self.width, self.height):
            image = image.resize((self.width, self.height), self.filter)
        return to_array(image)

    def write_splits(self, source: Path, used: pd.DataFrame, folders: dict[str, Path]) -> None:
        """Write the images of `source` that `used` lists, and their labels, to each split's folder.

        Raises:
            InputError: `source` does not hold what the manifest lists.
        """
        images: dict[str, np.ndarray] = {}
        places: dict[str, tuple[str, int]] = {}
        for split, folder in folders.items():
            rows = used[used["split"] == split]
            folder.mkdir()
            np.save(folder / "labels.npy", rows["label"].map(LABELS.index).to_numpy(np.uint8))
            images[split] = np.lib.format.open_memmap(
                folder / "images.npy", "w+", np.uint8, (len(rows), self.height, self.width, 3)
            )
            places |= {path: (split, number) for number, path in enumerate(rows["path"])}

        progress = tqdm(total=len(places), desc="preprocess", unit=" images", disable=None)
        for path, data in read_files(source)[1]:
            if path in places:
                split, number = places.pop(path)
                images[split][number] = self.resize(decode(data, f"{source}: {path}"))
                progress.update()
        progress.close()
        if places:
            raise InputError(
                f"{source}: {next(iter(places))} is in {MANIFEST} but not here; "
                "run `dvc repro source`"
            )


def main() -> None:
    parser = command_line("stages.preprocess", __doc__)
    parser.add_argument("source", type=Path, help="the zip, tar or folder that the manifest lists")
    source = parser.parse_args().source
    preprocess = Preprocess(read_block("preprocess", PreprocessParams))
    used = read_used()
    with ExitStack() as stack:
        folders = {split: stack.enter_context(replacing(PROCESSED / split)) for split in SPLITS}
        preprocess.write_splits(source, used, folders)


if __name__ == "__main__":
    run(main)
