"""A process that trains one trial after another until there is none left."""

import os
import threading
import time
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from stages.common.command import InputError
from stages.configure.search import Range, SearchParams
from stages.networks.config import FrozenConfig, ModelConfig
from tools.search.folds import Folds, assign, load, write
from tools.search.space import config_of, from_texts, in_words, suggest
from tools.search.study import here, index_of, next_index, open_study, storage

RENEWED = 10
"""Trials after which a process ends and another one starts: Keras keeps some of each in memory."""
WORD = 60
"""Seconds after which a trial that is not finished says how far it is."""


class Task(NamedTuple):
    """What a worker is to do: a plain value, which goes to another process."""

    variant: str
    params: dict[str, Any]
    space: dict[str, list[Any] | Range]
    study: str
    storage: str | None
    journal: Path
    images: Path
    """The folder of folders, by number, that `tools.search.folds` has written."""
    trials: int
    prune: bool

    def write_folds(self) -> None:
        """Write the folder of images of each time that is trained: 0, or 1 and more if again."""
        search = SearchParams.model_validate(self.params["search"])
        for again in [0] if self.trials else range(1, search.confirm.times + 1):
            write(self.images / str(again), assign(search.folds, search.seed + again))


def left(study: Study, trials: int) -> int:
    """Return how many trials of `trials` in all nobody has begun, and of those that wait."""
    there = study.get_trials(deepcopy=False)
    waiting = sum(trial.state == TrialState.WAITING for trial in there)
    return waiting + max(0, trials - next_index(there))


class SurplusError(InputError):
    """Two workers have begun the last trial at the same moment."""


def work(task: Task) -> None:
    """Train trials of the study, some, or until all are there."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    worker = _Worker(task)
    try:
        for _ in range(RENEWED):
            if not worker.has_more():
                return
            worker.study.optimize(
                worker.value, n_trials=1, catch=(InputError,), callbacks=[worker.say]
            )
    except KeyboardInterrupt:
        os._exit(1)  # the parent says it


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


class _Worker:
    def __init__(self, task: Task):
        # Imported here, by the processes that train alone.
        from stages.networks.runtime import configure, tf
        from tools.search.train import Backbones

        self.task = task
        self.search = SearchParams.model_validate(task.params["search"])
        kept = storage(task.storage, task.journal)
        self.study = open_study(task.study, kept, self.search, task.prune)
        self.backbones = Backbones()
        self.folds: dict[int, Folds] = {}
        config = config_of(task.params, task.variant, {})
        configure(config.threads, config.instruction_set)
        tf.get_logger().setLevel("ERROR")  # that each trial has functions of its own

    def has_more(self) -> bool:
        """Return whether a trial is left; where none waits, enqueue the next one."""
        if not left(self.study, self.task.trials):
            return False
        states = [trial.state for trial in self.study.get_trials(deepcopy=False)]
        if TrialState.WAITING not in states:
            self.study.enqueue_trial({}, here())
        return True

    def value(self, trial: Trial) -> float:
        """Train a trial; return what it is judged by."""
        for name, value in here().items():
            trial.set_user_attr(name, value)
        trials = self.study.get_trials(deepcopy=False)
        confirms = "of" in trial.user_attrs
        number = trial.user_attrs["of"] if confirms else index_of(trials[trial.number], trials)
        if number >= self.task.trials and not confirms:
            trial.set_user_attr("surplus", True)
            raise SurplusError
        again = trial.user_attrs.get("time", 0)
        self.name = f"trial {number}" + f", again {again}" * bool(again)
        changes = suggest(trial, self.task.space)
        try:
            # The first one is the variant itself, with all digits.
            config = config_of(self.task.params, self.task.variant, changes if number else {})
            return self._train(trial, config, again)
        except InputError as error:
            trial.set_user_attr("why", str(error))
            raise

    def _train(self, trial: Trial, config: ModelConfig | FrozenConfig, again: int) -> float:
        """Train the folds number `again`; report what each epoch gives, until all have ended."""
        from tools.search.train import by_epoch

        if again not in self.folds:
            folder = self.task.images / str(again)
            self.folds = {again: load(folder, self.search.folds is not None)}
        folds, metric = self.folds[again], self.search.metric
        if isinstance(config, FrozenConfig):
            epochs = iter([self.backbones.fit(config, folds, again)])
        else:
            config = config.model_copy(update={"seed": (config.seed + again) % 2**32})
            epochs = by_epoch(config, folds)
        said = time.monotonic()
        for number, epoch in enumerate(epochs):
            values = getattr(epoch, metric)
            value = float(np.mean(values))
            if not np.isfinite(value):
                raise InputError(f"{metric} on validation is not finite in epoch {number + 1}")
            trial.report(value, number)
            trial.set_user_attr("folds", values)
            trial.set_user_attr("seen", time.time())
            if isinstance(config, ModelConfig):
                if time.monotonic() - said > WORD:
                    said = time.monotonic()
                    place = f"epoch {number + 1} of {config.epochs}"
                    print(f"{self.name}: {place}, {metric} {value:.3f}", flush=True)
                if number + 1 < config.epochs and trial.should_prune():
                    raise optuna.TrialPruned
        return value

    def say(self, study: Study, trial: FrozenTrial) -> None:
        """Print a line on what came of a trial."""
        if "surplus" in trial.user_attrs:
            return
        if "why" in trial.user_attrs:
            what = f"failed: {trial.user_attrs['why']}"
        else:
            folds = trial.user_attrs["folds"]
            what = f"{self.search.metric} {np.mean(folds):.3f}"
            if trial.state == TrialState.PRUNED:
                what = f"stopped after epoch {len(trial.intermediate_values)}, {what}"
            elif len(folds) > 1:
                what += f" ({min(folds):.3f} to {max(folds):.3f})"
        seconds = trial.duration.total_seconds() if trial.duration else 0
        values = in_words(from_texts(self.task.space, trial.params))
        print(f"{self.name}: {what}, {seconds:.0f} s; {values}", flush=True)
