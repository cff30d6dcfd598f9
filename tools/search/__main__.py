"""Look for better values of a variant's parameters, and never at the test split.

    python -m tools.search base --trials 40            # goes on where it was stopped
    python -m tools.search base --trials 40 --apply    # makes the winner a variant, base-tuned

What may vary stands in the block `search` of params.yaml. Each trial is trained on all but one of
some parts of train and validation, the folds, and measured on the rest; the first one is the
variant as it is. The best are then trained again, with other folds and seeds, and these numbers
count. All of it is kept in search/VARIANT, with a page to open in a browser.

Several machines with the same command and the same --storage share the work: docs/search.md.
"""

import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import TrialState

from stages.common.command import InputError, command_line, positive, run
from stages.common.files import naming, replacing
from stages.common.params import PARAMS_FILE, nearest, read_yaml
from stages.configure.check import check
from stages.configure.search import SearchParams
from stages.images.parallel import available_cores
from stages.networks.config import ModelConfig
from tools.repro.plan import stale
from tools.search import folds
from tools.search.confirm import confirmed, enqueue
from tools.search.report import Found, in_terminal, write
from tools.search.space import as_texts, config_of, own_values, taken_over, widened
from tools.search.study import (
    here,
    open_study,
    origin,
    repeat_unfinished,
    storage,
)
from tools.search.trials import Task, left, work
from tools.start.params_text import added, in_flow, parsed

ROOT = Path("search")
"""Where searches are kept: no output of a stage, and ignored by Git and DVC."""
PATIENCE = 5
"""Seconds between two looks at what other machines still train."""


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
        metavar="URL",
        help="database of Optuna that several machines share, such as sqlite:////shared/search.db "
        "(default: a file in search/VARIANT)",
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
    found = search(variant, params, arguments.trials, arguments.jobs, arguments.storage)
    write(ROOT / variant, found)
    sys.stdout.write(in_terminal(found))
    print(f"the page: open {ROOT / variant / 'index.html'} in a browser")
    _take_over(variant, params, found, arguments.apply)


def search(
    variant: str, params: Mapping[str, Any], trials: int, jobs: int | None, url: str | None
) -> Found:
    """Run what is left of the search and of its confirmation; return what came of them."""
    chosen = SearchParams.model_validate(params["search"])
    config = config_of(params, variant, {})
    if isinstance(config, ModelConfig) and config.strategy != "single":
        raise InputError(f"{variant}: strategy {config.strategy} cannot be searched; set single")
    own = own_values(chosen.space, config.model_dump())
    space = widened(chosen.space, own)
    images = ROOT / variant / ".tmp-images"
    block = chosen.model_dump(exclude={"confirm"})
    parts = (config.model_dump(), block, params["recipes"], folds.digest())
    name = f"{variant}-{origin(*parts)[:8]}"
    journal = ROOT / variant / "trials.journal"
    kept = storage(url, journal)
    study = open_study(name, kept, chosen, chosen.prune)
    again = open_study(f"{name}-again", kept, chosen, prune=False)
    task = Task(variant, dict(params), space, name, url, journal, images, trials, chosen.prune)
    jobs = jobs or max(1, available_cores() // config.threads)
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(as_texts(space, own), here())
    _train(study, task, jobs)
    enqueue(again, study, chosen)
    _train(again, task._replace(study=again.study_name, trials=0, prune=False), jobs)
    shutil.rmtree(images, ignore_errors=True)
    ratio = folds.ratio(folds.assign(chosen.folds, chosen.seed))
    return Found(variant, chosen, space, study, confirmed(again, study, chosen, ratio), jobs)


def _train(study: Study, task: Task, jobs: int) -> None:
    """Train in `jobs` processes what is left of `study`, and wait for what others still train."""
    while True:
        repeat_unfinished(study)
        if number := left(study, task.trials):
            at_a_time = min(jobs, number)
            print(
                f"{study.study_name}: {number} trials to train, {at_a_time} at a time", flush=True
            )
            task.write_folds()
            started = time.monotonic()
            _in_processes(study, task, at_a_time)
            print(f"{number} trials in {time.monotonic() - started:.0f} s", flush=True)
            continue
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        others = states.count(TrialState.RUNNING)
        if not others:
            return
        print(f"waiting for {others} trials on other machines", flush=True)
        time.sleep(PATIENCE)


def _in_processes(study: Study, task: Task, jobs: int) -> None:
    """Keep `jobs` processes at work until nothing is left to begin."""
    context = get_context("spawn")
    running: dict[Any, SpawnProcess] = {}
    try:
        while True:
            while len(running) < jobs and left(study, task.trials):
                process = context.Process(target=work, args=[task])
                process.start()
                running[process.sentinel] = process
            if not running:
                return
            for ended in wait(list(running)):
                if running.pop(ended).exitcode:
                    raise InputError("a training has ended early; the same command goes on")
    except BaseException:
        for process in running.values():
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
    new = "" if name in params["variants"] else "+"  # what Hydra asks for
    setting = shlex.quote(f"{new}variants.{name}={in_flow(value)}")
    print(
        f"to compare it on the test split, which nobody has seen yet:\n  dvc exp run -S {setting}"
    )


if __name__ == "__main__":
    run(main)
