"""What training from arrays larger than memory costs, against arrays that fit.

Makes arrays of 6 GB and trains on them within a control group of 2 GB, in which what the system
keeps of files counts, and on a fiftieth of them without a limit: the same number of steps, of each
network. Needs Linux, the right to make a control group, and the disk space. Prints Markdown.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml

from benchmarks.measure import REPOSITORY, machine
from stages.common.command import command_line
from stages.common.params import read_yaml
from stages.configure.resolve import resolve

IMAGES, PART = 2_000_000, 50
LIMIT = 2_000_000_000
BLOCK = 20_000
"""Images that are drawn once and then shifted: to draw all of them would take minutes."""


def write_arrays(folder: Path, images: int) -> None:
    """Write `images` images of noise, and labels, as preprocess does."""
    folder.mkdir(parents=True)
    shape = (images, 32, 32, 3)
    array = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
    block = np.random.default_rng(0).integers(0, 256, (BLOCK, 32, 32, 3), np.uint8)
    for start in range(0, images, BLOCK):
        part = array[start : start + BLOCK]
        part[:] = np.roll(block, start // BLOCK, axis=1)[: len(part)]
    array.flush()
    np.save(folder / "labels.npy", (np.arange(images) % 2).astype(np.uint8))
    forget(folder / "images.npy")


def forget(path: Path) -> None:
    """Let the system drop what it keeps of a file in memory."""
    with path.open("rb") as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def control_group(limit: int) -> Iterator[Path]:
    """Yield the file to which a process writes its number to have at most `limit` bytes."""
    second, first = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")
    root, name = (first, "memory.limit_in_bytes") if first.exists() else (second, "memory.max")
    group = root / f"benchmark-{os.getpid()}"
    try:
        group.mkdir()
        (group / name).write_text(str(limit))
    except OSError as error:
        sys.exit(f"error: {group}: no control group can be made: {error.strerror}")
    try:
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


def steps_a_second(folder: Path, variant: str, group: Path | None) -> float:
    """Return how many steps a second `train` takes after its first epoch."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.train", variant],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        text=True,
        stdout=subprocess.PIPE,
        preexec_fn=(lambda: group.write_text(str(os.getpid()))) if group else None,
    )
    assert process.stdout
    ends = [time.perf_counter() for line in process.stdout if re.match(r"epoch \d", line)]
    if process.wait():
        sys.exit(f"error: training {variant} failed")
    config = yaml.safe_load((folder / f"configs/{variant}.yaml").read_text())
    return config["steps_per_epoch"] * (len(ends) - 1) / (ends[-1] - ends[0])


def main() -> None:
    parser = command_line("benchmarks.memory", __doc__)
    parser.add_argument("--steps", type=int, default=200, help="an epoch (default: 200)")
    parser.add_argument("--folder", type=Path, help="where 6 GB go (default: the temporary one)")
    arguments = parser.parse_args()
    params = read_yaml(REPOSITORY / "params.yaml")
    variants = {"base": {}, "fast": {"recipe": "fast"}, "full": {"recipe": "full"}}
    configs = resolve(params["train"], params["recipes"], variants)
    print(
        f"{machine()}; {LIMIT / 1e9:.0f} GB of memory for {IMAGES * 3072 / 1e9:.1f} GB of images\n"
    )
    print("| network | arrays that fit, steps/s | larger than memory, steps/s | ratio |")
    print("| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        folders = {images: Path(scratch) / str(images) for images in (IMAGES // PART, IMAGES)}
        for images, folder in folders.items():
            write_arrays(folder / "data/processed/train", images)
            write_arrays(folder / "data/processed/validation", 100)
            (folder / "configs").mkdir()
            for variant, config in configs.items():
                changes = {"epochs": 3, "steps_per_epoch": arguments.steps, "validation_steps": 1}
                changes["warmup_epochs"] = 0.0
                text = yaml.safe_dump(config | changes)
                (folder / f"configs/{variant}.yaml").write_text(text)
        for variant in configs:
            fits = steps_a_second(folders[IMAGES // PART], variant, None)
            with control_group(LIMIT) as group:
                large = steps_a_second(folders[IMAGES], variant, group)
            print(f"| {variant} | {fits:.1f} | {large:.1f} | {large / fits:.2f} |", flush=True)


if __name__ == "__main__":
    main()
