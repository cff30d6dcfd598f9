"""A process that trains one trial after another until there is none left."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from stages.common.command import InputError
from stages.configure.search import Range, SearchParams
from stages.networks.config import FrozenConfig, ModelConfig
from tools.search.folds import load
from tools.search.space import config_of, from_texts, in_words, suggest
from tools.search.study import OWN, SAYS, here, identity, next_index, open_study, storage

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
    storage: str
    images: Path
    """The folder that `tools.search.folds` has written."""
    trials: int
    prune: bool
    again: int = 0
    """0: the search; or else how often its best have been trained, which gives folds and seed."""


def left(study: Study, trials: int) -> int:
    """Return how many trials of `trials` in all nobody has begun, and of those that wait."""
    there = study.get_trials(deepcopy=False)
    waiting = sum(trial.state == TrialState.WAITING for trial in there)
    return waiting + max(0, trials - next_index(there))


class SurplusError(InputError):
    """Two workers have begun the last trial at the same moment."""


def work(task: Task, gpu: str | None) -> None:
    """Train trials of the study, some, or until all are there; on one GPU, where there are any."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if gpu is not None:
        os.environ |= {"CUDA_VISIBLE_DEVICES": gpu, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    worker = _Worker(task)
    try:
        for _ in range(RENEWED):
            if not worker.has_more():
                return
            try:
                worker.study.optimize(
                    worker.value, n_trials=1, catch=(InputError,), callbacks=[worker.say]
                )
            except (UpdateFinishedTrialError, ValueError):  # Optuna's, of a trial that has ended
                print(f"{worker.name}: another machine took it for dead and trains it", flush=True)
    except KeyboardInterrupt:
        os._exit(1)  # the parent says it


@contextmanager
def _saying_that_it_lives(trial: Trial) -> Iterator[None]:
    """Let other machines know, while a trial is trained, that its worker lives."""
    ended = threading.Event()

    def say() -> None:
        with suppress(UpdateFinishedTrialError):
            while not ended.wait(SAYS):
                trial.set_user_attr("seen", time.time())

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


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
        kept = storage(task.storage)
        self.study = open_study(task.study, kept, self.search, task.prune)
        self.backbones = Backbones()
        self.folds = load(task.images, self.search.folds is not None)
        self.failures = (tf.errors.OpError, ValueError, MemoryError)
        self.name = ""
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
        number = identity(trials[trial.number], trials)
        if number >= self.task.trials and not confirms:
            trial.set_user_attr("surplus", True)
            raise SurplusError
        again = self.task.again
        self.name = f"trial {number}" + f", again {again}" * bool(again)
        changes = suggest(trial, self.task.space)
        try:
            # The first one is the variant itself, with all digits.
            config = config_of(self.task.params, self.task.variant, changes if number else {})
            with _saying_that_it_lives(trial):
                return self._train(trial, config, is_own=number == OWN)
        except InputError as error:
            trial.set_user_attr("why", str(error))
            raise
        except self.failures as error:
            why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            trial.set_user_attr("why", why)
            raise InputError(why) from None

    def _train(self, trial: Trial, config: ModelConfig | FrozenConfig, is_own: bool) -> float:
        """Train the folds; report what each epoch gives, until all have ended."""
        from tools.search.train import by_epoch

        folds, metric, again = self.folds, self.search.metric, self.task.again
        if isinstance(config, FrozenConfig):
            epochs = iter([self.backbones.fit(config, folds)])
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
            if isinstance(config, ModelConfig):
                if time.monotonic() - said > WORD:
                    said = time.monotonic()
                    place = f"epoch {number + 1} of {config.epochs}"
                    print(f"{self.name}: {place}, {metric} {value:.3f}", flush=True)
                if not is_own and number + 1 < config.epochs and trial.should_prune():
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
