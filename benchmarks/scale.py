"""How the cost of source, preprocess and training grows with the number of images.

Prints Markdown tables. Takes parts of an archive such as CIFAKE, with every k-th image of each
split and label, and runs the stages on them, duplicates included, in a new clone of HEAD. Memory is
the most at any moment, of all processes of a stage together.
"""

import io
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from pathlib import Path

import yaml
from PIL import Image

from benchmarks.measure import Cost, clone, machine, run
from stages.common.command import command_line

PARTS = (2_500, 10_000, 30_000)
TRAINING_IMAGES = (10_000, 100_000)
DECODED = 10_000


def entries(archive: zipfile.ZipFile) -> dict[str, list[str]]:
    """Return the names of files by their folder."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in archive.namelist():
        if not name.endswith("/"):
            folders[name.rpartition("/")[0]].append(name)
    return folders


def write_part(source: Path, target: Path, chosen: dict[str, str]) -> None:
    """Write the files of the zip `source` that `chosen` names, under the names that it gives."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name, new_name in chosen.items():
            new.writestr(zipfile.ZipInfo(new_name), old.read(name))


def thinned(names: list[str], share: float) -> list[str]:
    """Return a share of `names`, evenly spaced."""
    count = round(len(names) * share)
    return [names[number * len(names) // count] for number in range(count)]


def part(source: Path, images: int) -> dict[str, str]:
    """Return about `images` files of `source`, as many of each folder as is their share."""
    with zipfile.ZipFile(source) as archive:
        folders = entries(archive)
    share = images / sum(map(len, folders.values()))
    return {name: name for names in folders.values() for name in thinned(names, share)}


def with_training_images(source: Path, images: int) -> dict[str, str]:
    """Return `images` files of train, and those of test, of which every second is validation."""
    with zipfile.ZipFile(source) as archive:
        folders = entries(archive)
    in_train = {folder: names for folder, names in folders.items() if "train" in folder}
    share = images / sum(map(len, in_train.values()))
    chosen: dict[str, str] = {}
    for folder, names in folders.items():
        if folder in in_train:
            chosen |= {name: name for name in thinned(names, share)}
        else:
            chosen |= {name: name for name in names[::2]}
            chosen |= {name: name.replace("test", "validation") for name in names[1::2]}
    return chosen


def set_params(folder: Path, data_set: str, **train: object) -> None:
    """Let the clone in `folder` use `data_set`, with all its images, and train briefly."""
    file = folder / "params.yaml"
    params = yaml.safe_load(file.read_text())
    params["source"] |= {"path": data_set, "duplicates": "report"}
    params["train"] |= {"epochs": 1, **train}
    file.write_text(yaml.safe_dump(params, sort_keys=False))


def decode_limit(source: Path) -> float:
    """Return how many images of `source` a second Pillow alone decodes, in one process."""
    with zipfile.ZipFile(source) as archive:
        names = [name for names in entries(archive).values() for name in names]
        files = [archive.read(name) for name in names[:: max(1, len(names) // DECODED)]]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for data in files:
            Image.open(io.BytesIO(data)).convert("RGB")
        seconds.append(time.perf_counter() - start)
    return len(files) / statistics.median(seconds)


def median(costs: list[Cost]) -> Cost:
    seconds, megabytes = zip(*costs, strict=True)
    return Cost(statistics.median(seconds), statistics.median(megabytes))


def stages_table(source: Path, folder: Path, runs: int) -> None:
    """Print what source and preprocess cost for parts of the data set, and for all of it."""
    with zipfile.ZipFile(source) as archive:
        total = sum(map(len, entries(archive).values()))
    print("| images | processes | source, s | preprocess, s | together, s | images/s | ", end="")
    print("source, MB | preprocess, MB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    cases: list[tuple[int, str, list[str]]] = [
        (images, "default", []) for images in (*PARTS, total)
    ]
    cases.append((total, "one", ["--processes", "1"]))
    for images, processes, option in cases:
        chosen = part(source, images)
        write_part(source, folder / "data/part.zip", chosen)
        set_params(folder, "data/part.zip")
        costs: dict[str, list[Cost]] = {"source": [], "preprocess": []}
        for _ in range(runs):
            for stage in ("source", "preprocess"):
                command = [sys.executable, "-m", f"stages.{stage}", *option]
                costs[stage].append(run(command, folder))
        first, second = median(costs["source"]), median(costs["preprocess"])
        together = first.seconds + second.seconds
        print(
            f"| {len(chosen):,} | {processes} | {first.seconds:.1f} | {second.seconds:.1f} "
            f"| {together:.1f} | {len(chosen) / together:,.0f} "
            f"| {first.megabytes:.0f} | {second.megabytes:.0f} |",
            flush=True,
        )


def training_table(source: Path, folder: Path) -> None:
    """Print what an epoch of the base model costs for a small and a large training split."""
    print("| training images | train@base, one epoch, s | MB |\n| ---: | ---: | ---: |")
    for images in TRAINING_IMAGES:
        write_part(source, folder / "data/part.zip", with_training_images(source, images))
        set_params(folder, "data/part.zip")
        for stage in ("source", "preprocess"):
            run([sys.executable, "-m", f"stages.{stage}"], folder)
        run([sys.executable, "-m", "stages.configure"], folder)
        cost = run([sys.executable, "-m", "stages.train", "base"], folder)
        print(f"| {images:,} | {cost.seconds:.1f} | {cost.megabytes:.0f} |", flush=True)


def nothing_to_do(source: Path, folder: Path) -> float:
    """Return the seconds of `dvc repro` on all of the data set when everything is up to date."""
    shutil.copy2(source, folder / "data/part.zip")
    set_params(folder, "data/part.zip", steps_per_epoch=1)
    run(["dvc", "repro"], folder)
    return median([run(["dvc", "repro"], folder) for _ in range(3)]).seconds


def main() -> None:
    parser = command_line("benchmarks.scale", __doc__)
    parser.add_argument("archive", type=Path, help="a zip, such as data/cifake.zip")
    parser.add_argument("--runs", type=int, default=3, help="runs of each stage (default: 3)")
    arguments = parser.parse_args()
    if not zipfile.is_zipfile(arguments.archive):
        sys.exit(f"error: {arguments.archive}: no zip; docs/your-data.md says how to get CIFAKE")
    print(f"{arguments.archive.name}; {machine()}; medians of {arguments.runs} runs\n")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "clone"
        clone(folder, Path("data/demo.zip"))
        stages_table(arguments.archive, folder, arguments.runs)
        limit = decode_limit(arguments.archive)
        print(f"\nPillow alone decodes {limit:,.0f} images/s on one core.\n")
        training_table(arguments.archive, folder)
        seconds = nothing_to_do(arguments.archive, folder)
        print(f"\n`dvc repro` with nothing to do takes {seconds:.1f} s.")


if __name__ == "__main__":
    main()
