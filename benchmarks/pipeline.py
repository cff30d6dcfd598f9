"""How long the pipeline takes: a cold run, each of its stages, and a run with nothing to do.

Prints a Markdown table of medians over several cold runs, each in a new clone of HEAD, with the
committed parameters, on the data set that they name. Memory is the most at any moment, of all
processes of the command.
"""

import argparse
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.measure import REPOSITORY, Cost, clone, machine, run


def measure(source: Path) -> dict[str, Cost]:
    """Return seconds and peak MB of the stages, one by one, and of runs with nothing to do."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "clone"
        clone(folder, source)
        results = {"cold run, in all": run(["dvc", "repro", "--force"], folder)}
        results["nothing to do"] = run(["dvc", "repro"], folder)
        stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
        for name, stage in stages.items():
            results[name] = run(shlex.split(stage["cmd"]), folder)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="cold runs (default: 3)")
    runs = parser.parse_args().runs
    source = Path(yaml.safe_load((REPOSITORY / "params.yaml").read_text())["source"]["path"])
    if not (REPOSITORY / source).exists():
        sys.exit(f"error: {source} is not here; the README says how to get it")
    measured = [measure(source) for _ in range(runs)]
    print(f"{source}, medians of {runs} runs; {machine()}\n")
    print("| what | seconds | peak MB |\n| --- | ---: | ---: |")
    for name in measured[0]:
        seconds = statistics.median(result[name].seconds for result in measured)
        peak = statistics.median(result[name].megabytes for result in measured)
        print(f"| {name} | {seconds:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
