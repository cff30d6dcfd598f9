"""How long the pipeline takes: a cold run, each of its stages, and a run with nothing to do.

Prints two Markdown tables of medians over several runs, each in new clones of HEAD, with the
committed parameters, on the data set that they name. The first one has the stages, with the most
memory at any moment of all processes of the command; the second one says where the seconds of a
cold run go.
"""

import shlex
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import yaml

from benchmarks.measure import BETWEEN_LOOKS, REPOSITORY, Cost, clone, machine, run
from stages.common.command import command_line

COLD, AT_A_TIME, NOTHING = "cold run, one by one", "cold run, JOBS=2", "nothing to do"
IMPORT = "import of TensorFlow"
WITH_TENSORFLOW = ("train", "evaluate")


def measure(source: Path) -> dict[str, Cost]:
    """Return seconds and peak MB of the stages, one by one, and of runs of all of them."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, other = Path(scratch) / "clone", Path(scratch) / "other"
        clone(folder, source)
        clone(other, source)
        results = {COLD: run(["dvc", "repro", "--force", "--no-run-cache"], folder)}
        two = ["python", "-m", "tools.repro", "--jobs", "2"]
        (other / "dvc.lock").unlink()
        results[AT_A_TIME] = run(two, other)
        results[NOTHING] = run(["dvc", "repro"], folder)
        results[IMPORT] = run(["python", "-c", "import stages.networks.runtime"], folder)
        stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
        for name, stage in stages.items():
            results[name] = run(shlex.split(stage["cmd"]), folder)
    return results


def where_it_goes(seconds: dict[str, float]) -> dict[str, float]:
    """Return the seconds of a cold run, one by one, by what they were spent on."""
    spent: dict[str, float] = defaultdict(float)
    for name, value in seconds.items():
        if name not in (COLD, AT_A_TIME, NOTHING, IMPORT):
            stage = name.partition("@")[0]
            with_import = seconds[IMPORT] if stage in WITH_TENSORFLOW else 0.0
            spent[IMPORT] += with_import
            spent[stage] += value - with_import
    return {**spent, "DVC itself": seconds[COLD] - sum(spent.values())}


def main() -> None:
    parser = command_line("benchmarks.pipeline", __doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each (default: 3)")
    runs = parser.parse_args().runs
    source = Path(yaml.safe_load((REPOSITORY / "params.yaml").read_text())["source"]["path"])
    if not (REPOSITORY / source).exists():
        sys.exit(f"error: {source} is not here; docs/your-data.md says how to get it")
    measured = [measure(source) for _ in range(runs)]
    print(f"{source}, medians of {runs} runs; {machine()}\n")
    print("| what | seconds | peak MB |\n| --- | ---: | ---: |")
    middle = {}
    for name in measured[0]:
        middle[name] = statistics.median(result[name].seconds for result in measured)
        peak = statistics.median(result[name].megabytes for result in measured)
        seen = f"{peak:.0f}" if middle[name] > 4 * BETWEEN_LOOKS else ""  # too short to be seen
        print(f"| {name} | {middle[name]:.1f} | {seen} |")
    print("\n| where they go | seconds |\n| --- | ---: |")
    for name, seconds in where_it_goes(middle).items():
        print(f"| {name} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
