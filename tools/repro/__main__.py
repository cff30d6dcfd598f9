"""Reproduce the pipeline with several variants at a time: the same bytes, the same hashes.

DVC runs stages one after another; those of different variants do not wait for each other. This runs
`dvc repro` for what all share, then for each variant beside others, then for the rest. A variant
takes as many jobs as its `threads` until it is trained; while it is measured, the next one trains.
GPUs go round. A variant that fails is named at the end, after the others have finished; Ctrl-C ends
all, and the next run goes on from there. Where a killed DVC left half a dvc.lock, that of the last
commit takes its place first.
"""

import argparse
import os
import signal
import sys

from stages.common.command import InputError, command_line, run
from stages.common.params import PARAMS_FILE, read_yaml
from stages.configure.check import check
from stages.networks.config import read_config
from tools.repro.processes import reproduce, start_dvc, stop, visible_gpus
from tools.repro.record import record
from tools.repro.repair import repair
from tools.repro.variants import Variant

SHARED = ["preprocess", "perturb", "configure"]


def _dvc(*arguments: str) -> None:
    process = start_dvc(list(arguments))
    try:
        status = process.wait()
    except KeyboardInterrupt:
        stop([process])
        raise
    if status:
        sys.exit(status)


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a number of jobs, found {text!r}")
    return int(text)


def main() -> None:
    parser = command_line("tools.repro", __doc__)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=cores,
        metavar="N",
        help="variants that train at a time, of one thread each (default: one a core, "
        "here %(default)s)",
    )
    jobs = parser.parse_args().jobs
    # DVC itself reads params.yaml, and stops in words of its own where a block is missing.
    params = read_yaml(PARAMS_FILE)
    names, sets = list(check(params)), list(params["external"])
    repair()
    _dvc("repro", *SHARED, *(f"external@{name}" for name in sets))
    variants = [Variant(name, read_config(name), sets) for name in sorted(names)]
    failed, trained = reproduce(variants, jobs, visible_gpus())
    record(trained)
    if failed:
        raise InputError(
            f"failed: {', '.join(failed)} (why stands above); all other variants are done"
        )
    _dvc("repro")


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    run(main)
