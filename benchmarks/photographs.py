"""What source and preprocess cost on photographs, beside what Pillow takes to decode each once.

Prints a Markdown table. Makes photographs (of soft structure at all scales, and grain; every fourth
is upright; JPEG files of quality 90 have about a quarter of a byte a pixel) and runs the stages on
them in a new clone of HEAD. CPU seconds are of one process, less what the stages take for few tiny
images: the imports, and the audit of as many slices. Wall seconds are of as many processes as there
are cores, with all that. Memory is the most of one process.
"""

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmarks.measure import REPOSITORY, clone, machine, run
from benchmarks.scale import set_params

CASES = [
    (100, 1600, 1200, "JPEG"),
    (24, 4000, 3000, "JPEG"),
    (100, 1000, 750, "PNG"),
    (100, 1000, 750, "WEBP"),
    (1_000, 1600, 1200, "JPEG"),
    (10_000, 640, 480, "JPEG"),
]
"""Number, width, height, format."""
FINEST, STEEPNESS, COARSEST, COLOUR = 4.0, 1.35, 25.0, 0.4
"""Standard deviation of the grain, of 255; by what it grows with each scale of half the size, as
the spectrum of photographs falls; at most; and its share in colour."""
SLICES = 2
STAGES = ("source", "preprocess")


def photograph(random: np.random.Generator, width: int, height: int) -> Image.Image:
    scales = (min(width, height) // 3).bit_length()
    image = Image.new("RGB", (2, 2), (128, 128, 128))
    for scale in range(scales - 1, -1, -1):
        size = (-(-width // 2**scale), -(-height // 2**scale))
        soft = np.asarray(image.resize(size, Image.Resampling.BICUBIC), np.float32)
        noise = random.standard_normal((*soft.shape[:2], 1), np.float32)
        if scale > 1:  # larger structure has colour, grain is grey
            noise = noise + COLOUR * random.standard_normal(soft.shape, np.float32)
        soft = soft + min(FINEST * STEEPNESS**scale, COARSEST) * noise
        image = Image.fromarray(np.clip(np.rint(soft), 0, 255).astype(np.uint8))
    return image


def write(target: Path, number: int, width: int, height: int, kind: str) -> float:
    """Write a zip of photographs, and return the bytes of a pixel."""
    with zipfile.ZipFile(target, "w") as archive:
        for place in range(number):
            size = (height, width) if place // 4 % 4 == 3 else (width, height)
            file = io.BytesIO()
            photograph(np.random.default_rng(place), *size).save(file, kind, quality=90)
            label, piece = ("real", "fake")[place % 2], place // 2 % SLICES
            archive.writestr(f"{label}/{piece}/{place}.{kind.lower()}", file.getvalue())
    return target.stat().st_size / (number * width * height)


def files(source: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            yield archive.read(name)


def decode(source: Path) -> float:
    """Return the CPU seconds in which Pillow decodes each file of the zip `source` once."""
    seconds = 0.0
    for data in files(source):
        start = time.process_time()
        Image.open(io.BytesIO(data)).load()
        seconds += time.process_time() - start
    return seconds


def cost(folder: Path, stage: str, crops: int = 0) -> tuple[float, float]:
    """Return CPU seconds and megabytes of `stage`, in one process."""
    file = folder / "params.yaml"
    params = yaml.safe_load(file.read_text())
    params["preprocess"]["crops"] = crops
    file.write_text(yaml.safe_dump(params, sort_keys=False))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = run([sys.executable, "-m", f"stages.{stage}", "--processes", "1"], folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, found.megabytes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=10_000, help="images of a case, at most")
    parser.add_argument("--decode", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.decode:
        print(decode(arguments.decode))
        return
    print(f"{machine()}; one run\n")
    header = ["images", "pixels", "format", "bytes/pixel", "decoder, s", "source, s",
              "preprocess, s", "ratio", "8 crops, s", "ratio", "wall, s", "MB"]  # fmt: skip
    print("| " + " | ".join(header) + " |\n" + "| ---: " * len(header) + "|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "clone"
        clone(folder, Path("data/demo.zip"))
        target = folder / "data/photographs.zip"
        set_params(folder, str(target.relative_to(folder)))
        write(target, 100, 32, 32, "PNG")
        fixed = {stage: cost(folder, stage)[0] for stage in STAGES}
        for number, width, height, kind in CASES:
            if number > arguments.most:
                continue
            density = write(target, number, width, height, kind)
            command = [sys.executable, "-m", "benchmarks.photographs", "--decode", str(target)]
            result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
            limit = float(result.stdout)
            measured = {stage: cost(folder, stage) for stage in STAGES}
            net = {stage: measured[stage][0] - fixed[stage] for stage in STAGES}
            wall = sum(run([sys.executable, "-m", f"stages.{s}"], folder).seconds for s in STAGES)
            crops = cost(folder, "preprocess", crops=8)[0] - fixed["preprocess"]
            print(
                f"| {number:,} | {width}x{height} | {kind} | {density:.2f} | {limit:.1f} "
                f"| {net['source']:.1f} | {net['preprocess']:.1f} "
                f"| {sum(net.values()) / limit:.2f} | {crops:.1f} "
                f"| {(net['source'] + crops) / limit:.2f} | {wall:.1f} "
                f"| {max(megabytes for _, megabytes in measured.values()):.0f} |",
                flush=True,
            )
        print(f"\nTiny images: {fixed['source']:.1f} s and {fixed['preprocess']:.1f} s.")


if __name__ == "__main__":
    main()
