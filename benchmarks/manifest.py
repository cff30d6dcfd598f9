"""What `source` does once all images are decoded, by the number of images: seconds and memory.

The images are made up: hashes and colours at random, one in fifty a near copy of another. In a
process of its own for each number they go through the code of `source`, from the search for near
copies to manifest.csv. Prints a Markdown table.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.measure import REPOSITORY, machine

NUMBERS = (100_000, 1_000_000)
MOST_COMPARED = 1_000_000
"""Images among which near copies are looked for: among ten times as many it would take hours."""


def made_up(number: int) -> pd.DataFrame:
    """Return `number` images, half of each label, as `source` holds them once they are decoded."""
    from stages.common.params import read_block
    from stages.images.fingerprint import Fingerprint, fingerprint
    from stages.images.schema import DecodeParams

    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 100, 50)).save(file, "JPEG")
    one = fingerprint(file.getvalue(), read_block("decode", DecodeParams))
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, number, np.uint64)
    copies = np.arange(0, number - 1, 50)
    hashes[copies + 1] = hashes[copies] ^ np.uint64(0b101)
    labels = np.array(["FAKE", "REAL"])[np.arange(number) * 2 // number]
    size = len(one.features)
    features = random.normal(size=(number, size // 4)).astype(np.float32).tobytes()
    columns: dict[str, object] = {
        "path": [f"{label}/{place:09}.jpg" for place, label in enumerate(labels)],
        "split": "train",
        "label": labels,
        "group": "",
        "slice": [f"slice {place % 10}" for place in range(number)],
        **dict(zip(Fingerprint._fields, one, strict=True)),
        "sha256": [f"{value:064x}" for value in range(number)],
        "perceptual_hash": hashes,
        "mirrored_hash": random.integers(0, 2**64, number, np.uint64),
        "features": [features[at : at + size] for at in range(0, len(features), size)],
    }
    for name in ("red", "green", "blue"):
        columns[name] = random.uniform(0, 255, number)
    return pd.DataFrame(columns)


def measure(number: int) -> dict[str, float]:
    """Return the seconds of each step, and the most gigabytes of this process."""
    from stages.common.params import read_block
    from stages.images.near_copies import NearPairs
    from stages.images.schema import DecodeParams
    from stages.source.audit import audit
    from stages.source.images import Images
    from stages.source.schema import SourceParams

    params = read_block("source", SourceParams)
    images = Images(params, read_block("decode", DecodeParams))
    found = made_up(number)
    taken = {"the images alone, GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}
    start = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal start
        taken[name], start = time.perf_counter() - start, time.perf_counter()

    pairs = images.near_pairs(found) if number <= MOST_COMPARED else NearPairs.none()
    lap("near copies, s")
    manifest = images.organise(found, pairs)
    lap("clusters and splits, s")
    audit(found, manifest, params.audit, pairs, params.seed)
    lap("audit, s")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.csv"
        manifest.to_csv(file, index=False, lineterminator="\n")
        lap("manifest.csv, s")
        taken["of it, MB"] = file.stat().st_size / 1e6
    taken["most memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("numbers", nargs="*", type=int, default=NUMBERS, help="of images")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    print(f"{machine()}\n")
    for place, number in enumerate(arguments.numbers):
        command = [sys.executable, "-m", "benchmarks.manifest", "--one", str(number)]
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"error: {number} images failed:\n{result.stderr[-2000:]}")
        taken = json.loads(result.stdout.splitlines()[-1])
        if place == 0:
            print(f"| images | {' | '.join(taken)} |\n| ---: |{' ---: |' * len(taken)}")
        values = " | ".join(f"{value:,.2f}" for value in taken.values())
        print(f"| {number:,} | {values} |", flush=True)


if __name__ == "__main__":
    main()
