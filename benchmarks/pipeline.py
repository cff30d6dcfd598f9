"""How long the pipeline takes: a cold run, each of its stages, and a run with nothing to do.

Prints a Markdown table of medians over several cold runs, each in a new clone of HEAD, with the
committed parameters, on the data set that they name. Peak memory is the largest of any process.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Run `command`; return its seconds and the peak memory, in MB, of its largest process."""
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": scripts + os.pathsep + os.environ["PATH"]}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {' '.join(command)} failed in {folder}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def clone(folder: Path, source: Path) -> None:
    """Clone HEAD into `folder`, with the data set `source` but no results and no cache."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder], check=True)
    if not (folder / source).exists():
        shutil.copy2(REPOSITORY / source, folder / source)


def measure(source: Path) -> dict[str, tuple[float, float]]:
    """Return seconds and peak MB of the stages, one by one, and of runs with nothing to do."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "clone"
        clone(folder, source)
        results = {"cold run, in all": run(["dvc", "repro", "--force"], folder)}
        results["nothing to do"] = run(["dvc", "repro"], folder)
        stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
        for name, stage in stages.items():
            results[name] = run(stage["cmd"].split(), folder)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="cold runs (default: 3)")
    runs = parser.parse_args().runs
    source = Path(yaml.safe_load((REPOSITORY / "params.yaml").read_text())["source"]["path"])
    if not (REPOSITORY / source).exists():
        sys.exit(f"error: {source} is not here; the README says how to get it")
    measured = [measure(source) for _ in range(runs)]
    print(
        f"{source}, medians of {runs} runs; {platform.machine()}, {os.cpu_count()} cores, ", end=""
    )
    print(f"Python {platform.python_version()}\n")
    print("| what | seconds | peak MB |\n| --- | ---: | ---: |")
    for name in measured[0]:
        seconds = statistics.median(result[name][0] for result in measured)
        peak = statistics.median(result[name][1] for result in measured)
        print(f"| {name} | {seconds:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
