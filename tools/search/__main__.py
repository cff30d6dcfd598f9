"""Look for better values of a variant's parameters, and never at the test split.

    python -m tools.search base --trials 40            # goes on where it was stopped
    python -m tools.search base --trials 40 --apply    # makes the winner a variant, base-tuned

What may vary stands in the block `search` of params.yaml. Each trial is trained on all but one of
some parts of train and validation, the folds, and measured on the rest; the first one is the
variant as it is. The best are then trained again, with other folds and seeds, and these numbers
count. All of it is kept in search/VARIANT, with a page to open in a browser.

Several machines with the same command and the same --storage share the work: docs/search.md.
"""

import os
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy.exc import DBAPIError

from stages.common.command import InputError, command_line, positive, run
from stages.common.files import naming, replacing
from stages.common.params import PARAMS_FILE, nearest, read_yaml
from stages.configure.check import check
from stages.configure.search import SearchParams
from stages.images.parallel import available_cores
from stages.networks.config import ModelConfig
from tools.repro.machine import visible_gpus
from tools.repro.plan import stale
from tools.search import folds
from tools.search.confirm import confirmed, enqueue, require_own
from tools.search.report import Found, in_terminal, write
from tools.search.space import as_texts, config_of, own_values, taken_over, widened
from tools.search.study import (
    here,
    note_end,
    open_study,
    origin,
    repeat_unfinished,
    storage,
    unusable,
)
from tools.search.trials import Task, left, work
from tools.start.params_text import added, in_flow, parsed

ROOT = Path("search")
"""Where searches are kept: no output of a stage, and ignored by Git and DVC."""
PATIENCE = 5
"""Seconds between two looks at what came of trials."""


def main() -> None:
    parser = command_line("tools.search", __doc__)
    parser.add_argument("variant", help="a name of the block variants")
    parser.add_argument(
        "--trials",
        type=positive,
        default=40,
        metavar="N",
        help="trials in all, those of earlier calls included (default: %(default)s)",
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="trials that train at a time here (default: cores, by the threads of each)",
    )
    parser.add_argument(
        "--storage",
        metavar="FILE|URL",
        help="what several machines share: a file in a shared folder, or the URL of a database "
        "that Optuna can use (default: a file in search/VARIANT)",
    )
    parser.add_argument(
        "--apply", action="store_true", help="write the winner to params.yaml as VARIANT-tuned"
    )
    arguments = parser.parse_args()
    variant: str = arguments.variant
    params = read_yaml(PARAMS_FILE)
    check(params)
    if variant not in params["variants"]:
        close = nearest(variant, list(params["variants"]))
        raise InputError(f"{variant}: no such variant; did you mean '{close}'?")
    if stages := stale(["source", "preprocess"], folds.READ):
        raise InputError(f"{' and '.join(stages)}: not up to date; run `dvc repro preprocess`")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    place = arguments.storage or str(ROOT / variant / "trials.journal")
    try:
        found = search(variant, params, arguments.trials, arguments.jobs, place)
    except (StorageInternalError, DBAPIError) as error:
        raise unusable(place, error) from None
    write(ROOT / variant, found)
    sys.stdout.write(in_terminal(found))
    print(f"the page: open {ROOT / variant / 'index.html'} in a browser")
    _take_over(variant, params, found, arguments.apply)


def search(
    variant: str, params: Mapping[str, Any], trials: int, jobs: int | None, place: str
) -> Found:
    """Run what is left of the search and of its confirmation; return what came of them."""
    chosen = SearchParams.model_validate(params["search"])
    config = config_of(params, variant, {})
    if isinstance(config, ModelConfig) and config.strategy != "single":
        raise InputError(f"{variant}: strategy {config.strategy} cannot be searched; set single")
    own = own_values(chosen.space, config.model_dump())
    space = widened(chosen.space, own)
    block = chosen.model_dump(exclude={"confirm"})
    parts = (config.model_dump(), block, params["train"], params["recipes"], folds.digest())
    name = f"{variant}-{origin(*parts)[:8]}"
    kept = storage(place)
    study = open_study(name, kept, chosen, chosen.prune)
    gpus: list[str | None] = [*visible_gpus()] or [None]
    jobs = jobs or (len(gpus) if gpus[0] else max(1, available_cores() // config.threads))
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(as_texts(space, own), here())
    with _images(ROOT / variant) as images:
        task = Task(variant, dict(params), space, name, place, images, trials, chosen.prune)
        _train(study, task, jobs, gpus)
        confirmations = []
        for again in range(1, chosen.confirm.times + 1):
            confirmation = open_study(f"{name}-again-{again}", kept, chosen, prune=False)
            enqueue(confirmation, study, chosen)
            task = task._replace(study=confirmation.study_name, trials=0, prune=False, again=again)
            _train(confirmation, task, jobs, gpus)
            confirmations.append(confirmation)
    ratio = folds.ratio(folds.assign(chosen.folds, chosen.seed)) if chosen.folds else 0.0
    return Found(
        variant, chosen, space, study, confirmed(confirmations, study, chosen, ratio), jobs
    )


@contextmanager
def _images(folder: Path) -> Iterator[Path]:
    """Yield a folder for images of this process alone; take away those of processes that died."""
    mine = f".tmp-images-{socket.gethostname()}-"
    for old in folder.glob(f"{mine}*"):
        if not psutil.pid_exists(int(old.name.removeprefix(mine))):
            shutil.rmtree(old, ignore_errors=True)
    images = folder / f"{mine}{os.getpid()}"
    try:
        yield images
    finally:
        shutil.rmtree(images, ignore_errors=True)


def _train(study: Study, task: Task, jobs: int, gpus: list[str | None]) -> None:
    """Train in `jobs` processes what is left of `study`, and wait for what others still train.

    Raises:
        InputError: the variant itself cannot be trained.
    """
    is_written = False
    while True:
        repeat_unfinished(study)
        require_own(study)
        if number := left(study, task.trials):
            at_a_time = min(jobs, number)
            print(
                f"{study.study_name}: {number} trials to train, {at_a_time} at a time", flush=True
            )
            if not is_written:
                seed = int(task.params["search"]["seed"]) + task.again
                folds.write(task.images, folds.assign(task.params["search"]["folds"], seed))
                is_written = True
            started = time.monotonic()
            _in_processes(study, task, at_a_time, gpus)
            print(f"{number} trials in {time.monotonic() - started:.0f} s", flush=True)
            continue
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        others = states.count(TrialState.RUNNING)
        if not others:
            return
        print(f"waiting for {others} trials on other machines", flush=True)
        time.sleep(PATIENCE)


def _in_processes(study: Study, task: Task, jobs: int, gpus: list[str | None]) -> None:
    """Keep `jobs` processes at work until nothing is left to begin.

    Raises:
        InputError: the variant itself cannot be trained, or a process ends before it trains.
    """
    context = get_context("spawn")
    running: dict[Any, tuple[SpawnProcess, str | None]] = {}
    try:
        while True:
            while len(running) < jobs and left(study, task.trials):
                taken = [gpu for _, gpu in running.values()]
                gpu = min(gpus, key=taken.count)
                process = context.Process(target=work, args=[task, gpu])
                process.start()
                running[process.sentinel] = process, gpu
            if not running:
                return
            for ended in wait(list(running), timeout=PATIENCE):
                process, _ = running.pop(ended)
                if process.exitcode and not note_end(study, process.pid or 0):
                    raise InputError("a training has ended early; the same command goes on")
            require_own(study)
    except BaseException:
        for process, _ in running.values():
            process.kill()
        raise


def _take_over(variant: str, params: Mapping[str, Any], found: Found, is_wanted: bool) -> None:
    """Say how the winner becomes a variant, and make it one if that is wanted."""
    winner = found.winner
    if winner is None:
        print(f"nothing to take over: no trial is better than {variant} when trained again")
        return
    name = f"{variant}-tuned"
    value = taken_over(params, variant, found.changes(winner.number))
    if is_wanted:
        text = PARAMS_FILE.read_text(encoding="utf-8")
        new = added(text, "variants", name, value)
        check(parsed(new))
        with replacing(PARAMS_FILE) as file, naming(PARAMS_FILE):
            file.write_text(new, encoding="utf-8")
        print(f"params.yaml has the variant {name}; `dvc repro` trains it and compares it")
        return
    # Hydra merges a mapping with one that is there.
    anew = [f"~variants.{name}"] * (name in params["variants"])
    settings = [*anew, f"+variants.{name}={in_flow(value)}"]
    command = " ".join(f"-S {shlex.quote(setting)}" for setting in settings)
    print(f"to compare it on the test split, which nobody has seen yet:\n  dvc exp run {command}")


if __name__ == "__main__":
    run(main)
