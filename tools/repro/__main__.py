"""Reproduce the pipeline with several variants at a time: the same bytes, the same hashes.

DVC runs stages one after another; those of different variants do not wait for each other. This runs
`dvc repro` for what all share, then for each variant beside others, then for the rest. A variant
takes as many jobs as its `threads` until it is trained; while it is measured, the next one trains.
GPUs go round. A variant that fails is named at the end, after the others have finished; Ctrl-C ends
all, and the next run goes on from there. Where a killed DVC left half a dvc.lock, that of the last
commit takes its place first.

With --cluster, variants are trained on other machines, the workers of a Dask scheduler, as
docs/cluster.md says. They take the inputs from DVC's remote and leave the results there.
"""

import signal
import sys
from functools import partial
from pathlib import Path

from stages.common.command import InputError, command_line, positive, run
from stages.common.files import read_json
from stages.common.params import PARAMS_FILE, read_yaml
from stages.configure.check import check
from stages.images.parallel import available_cores
from stages.networks.config import read_config
from tools.ranking import NUMBERS, in_lines
from tools.repro.machine import visible_gpus
from tools.repro.plan import changed_stages, put_in_order, stages_in_lock
from tools.repro.processes import run_dvc, stop
from tools.repro.record import record
from tools.repro.repair import repair
from tools.repro.variants import Variant

PAGE = Path("reports/index.html")
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _dvc(*arguments: str) -> None:
    # Progress goes to the terminal as it is.
    status = run_dvc(list(arguments), partial(print, flush=True), stderr=None).status
    if status:
        sys.exit(status)


def main() -> None:
    parser = command_line("tools.repro", __doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs",
        type=positive,
        default=available_cores(),
        metavar="N",
        help="variants that train at a time, of one thread each (default: one a core, "
        "here %(default)s)",
    )
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="scheduler of the workers that train instead, such as tcp://scheduler:8786",
    )
    arguments = parser.parse_args()
    # DVC itself reads params.yaml, and stops in words of its own where a block is missing.
    params = read_yaml(PARAMS_FILE)
    names, sets = list(check(params)), list(params["external"])
    repair()
    if changed_stages():
        _reproduce(names, sets, arguments.jobs, arguments.cluster)
    else:
        print("everything is up to date")
    print(f"\n{in_lines(read_json(NUMBERS))}\n\nthe comparison: open {PAGE} in a browser")


def _reproduce(names: list[str], sets: list[str], jobs: int, cluster: str | None) -> None:
    # Imported here: it takes a second, and often there is nothing to do.
    from tools.repro.elsewhere import reproduce_on
    from tools.repro.here import reproduce

    before = stages_in_lock()
    shared = ["source", "preprocess", "perturb", *(f"external@{name}" for name in sets)]
    _dvc("repro", "configure", *shared)
    changed = changed_stages()
    variants = [Variant(name, read_config(name), sets) for name in sorted(names)]
    variants = [variant for variant in variants if changed & {*variant.stages()}]
    if cluster:
        outcomes = reproduce_on(cluster, variants, shared)
    else:
        outcomes = reproduce(variants, jobs, visible_gpus())
    put_in_order(before)
    record({one.name: one.facts for one in outcomes if one.facts})
    if failed := [one.name for one in outcomes if one.failed]:
        raise InputError(
            f"failed: {', '.join(failed)} (why stands above); all other variants are done"
        )
    _dvc("repro")


def _interrupt(*_: object) -> None:
    for ending in ENDINGS:  # the next one cuts the patience with what runs short
        signal.signal(ending, signal.default_int_handler)
    stop()
    raise KeyboardInterrupt


if __name__ == "__main__":
    for ending in ENDINGS:
        signal.signal(ending, _interrupt)
    run(main)
