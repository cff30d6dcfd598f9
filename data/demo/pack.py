"""Pack the archive: the same last steps for REAL and FAKE, neutral names, no time stamps.

In: crops/, samples/, photos.csv. Out: demo.zip (<split>/<class>/<number>.jpg, and groups.csv) and
provenance.csv, which says for every image which photograph it was cut from, or which generator drew
it. groups.csv says the same to the pipeline: images of one photograph are one group, and those of
one generator one slice.
"""

import argparse
import csv
import io
import zipfile
from pathlib import Path

import numpy as np

from common import CLASSES, GENERATOR, SPLITS, read_params, read_photos
from last_steps import to_jpeg

EPOCH = (1980, 1, 1, 0, 0, 0)


def origins(crops: Path, samples: Path, split: str) -> dict[str, list[str]]:
    """Return where every image of a split comes from, by class."""
    ids = [row["id"] for row in read_photos()]
    photo = np.load(crops / f"{split}_photo.npy")
    learn_photo = np.load(crops / "learn_photo.npy")
    views = np.load(samples / f"{split}_view.npy")
    name = GENERATOR[split]
    return {
        "REAL": [ids[index] for index in photo],
        "FAKE": [
            f"generator {name}" + (f" from {ids[learn_photo[view]]}" if view >= 0 else "")
            for view in views
        ],
    }


def collect(crops: Path, samples: Path, jpeg: dict, seed: int) -> list[tuple[str, bytes, str]]:
    """Return (path in the archive, JPEG bytes, origin) of every image, sorted by path.

    The numbers run over both classes of a split in a random order, so that a name tells nothing.
    """
    entries = []
    for index, split in enumerate(SPLITS):
        arrays = {
            "REAL": np.load(crops / f"{split}.npy"),
            "FAKE": np.load(samples / f"{split}.npy"),
        }
        source = origins(crops, samples, split)
        total = sum(map(len, arrays.values()))
        numbers = iter(np.random.default_rng([seed, index]).permutation(total))
        for label in CLASSES:
            for image, origin in zip(arrays[label], source[label], strict=True):
                path = f"{split}/{label}/{next(numbers):04d}.jpg"
                entries.append((path, to_jpeg(image, jpeg), origin))
    return sorted(entries)


def groups(entries: list[tuple[str, bytes, str]]) -> bytes:
    """Return groups.csv: path, group (the photograph, if any) and slice (the generator)."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["path", "group", "slice"])
    for path, _, origin in entries:
        generator, _, photograph = origin.partition(" from ")
        if not origin.startswith("generator "):
            generator, photograph = "", origin
        writer.writerow([path, photograph, generator])
    return table.getvalue().encode()


def write_zip(path: Path, entries: list[tuple[str, bytes, str]]) -> None:
    """Write a zip whose bytes depend on its entries alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        contents = [(name, content) for name, content, _ in entries]
        for name, content in [*contents, ("groups.csv", groups(entries))]:
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)


def main() -> None:
    """Parse the command line and pack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=Path, default=Path("crops"))
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--out", type=Path, default=Path("demo.zip"))
    parser.add_argument("--provenance", type=Path, default=Path("provenance.csv"))
    args = parser.parse_args()
    jpeg, sample = read_params("jpeg", "sample")
    entries = collect(args.crops, args.samples, jpeg, sample["seed"])
    write_zip(args.out, entries)
    with args.provenance.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "origin"])
        writer.writerows((path, origin) for path, _, origin in entries)


if __name__ == "__main__":
    main()
