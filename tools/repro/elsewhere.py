"""Variants on the workers of a Dask scheduler, which share nothing but DVC's remote."""

import logging
import tempfile
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
from distributed import Client, KilledWorker, as_completed
from dvc.repo import Repo

from stages.common.command import InputError
from stages.common.params import PARAMS_FILE
from stages.common.progress import progress
from tools.programs import git
from tools.repro import machine, processes, variants, worker
from tools.repro.repair import LOCK
from tools.repro.variants import Outcome, Variant
from tools.repro.worker import Commit, Introduction

CODE = ("stages", "tools", "dvc.yaml", ".dvc", ".dvcignore", "requirements*.txt")
PATIENCE = 60
"""Seconds in which the first worker is expected to join."""


def reproduce_on(address: str, chosen: list[Variant], inputs: list[str]) -> list[Outcome]:
    """Reproduce the variants `chosen` on the workers of the scheduler at `address`.

    Each is a task: a worker trains and measures it in a scratch clone of this commit, with the
    params.yaml and dvc.lock that are here. It takes the inputs from DVC's default remote, and
    leaves the results there, from where they come here.

    Args:
        inputs: the stages whose outputs a variant needs.

    Raises:
        InputError: there is no such scheduler, or no worker; code is not committed; a worker
            cannot use the remote, or would come to other bytes.
    """
    commit = _commit(chosen, inputs)
    with _connected(address) as client:
        _refuse_unlike(client, _introductions(client, commit), chosen)
        print(f"{address}: {_in_words(client)}", flush=True)
        _dvc("push", *inputs)
        outcomes = reproduce(client, commit, chosen)
    failed = {one.name for one in outcomes if one.failed}
    if stages := [s for one in chosen if one.name not in failed for s in one.stages()]:
        # DVC finds what the workers did in the run cache of the remote.
        _dvc("repro", "--single-item", "--pull", *stages)
    return outcomes


class Call:
    """A call that can be sent to where the project's code is not, as the code goes with it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        self.call = partial(function, *arguments)

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        """Return how it is unpickled: as a function of no arguments."""
        for module in (machine, processes, variants, worker):
            cloudpickle.register_pickle_by_value(module)
        return cloudpickle.loads, (cloudpickle.dumps(self.call),)

    def __call__(self) -> Any:
        """Make it here."""
        return self.call()


def _dvc(*arguments: str) -> None:
    if processes.run_dvc(list(arguments), _show, stderr=None).status:
        raise InputError(f"--cluster: `dvc {arguments[0]}` failed (why stands above)")


def _show(line: str) -> None:
    print(line, flush=True)


def _commit(chosen: list[Variant], inputs: list[str]) -> Commit:
    with Repo() as repo:
        if not repo.config["core"].get("remote"):
            raise InputError(
                "--cluster: DVC has no default remote, by which workers get inputs and give "
                "results; name one with `dvc remote add --default` and commit .dvc/config"
            )
    if changed := git("status", "--porcelain", "--untracked-files=all", "--", *CODE):
        path = changed.decode().splitlines()[0][3:]
        raise InputError(f"--cluster: {path} is not committed; workers get the last commit")
    for path in sorted({one.weights for one in chosen if one.weights}):
        if not git("ls-files", "--", f"{path}.dvc"):
            raise InputError(
                f"--cluster: {path} is not in DVC, from which workers get it; "
                "docs/backbones.md says how to share it"
            )
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "commit.bundle"
        git("bundle", "create", "--quiet", str(bundle), "HEAD")
        files = {path.as_posix(): path.read_bytes() for path in (PARAMS_FILE, LOCK)}
        return Commit(bundle.read_bytes(), files, inputs)


def _connected(address: str) -> Client:
    """Return a client of the scheduler at `address`, once that has a worker."""
    logging.disable(logging.CRITICAL)  # what Dask logs with tracebacks is said here in sentences
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--cluster: no answer from {address}; start one with `dask scheduler`: {error}"
        ) from None
    try:
        client.wait_for_workers(1, PATIENCE)
    except TimeoutError:
        client.close()
        raise InputError(
            f"--cluster: {address} has no worker; start one with `dask worker {address}`"
        ) from None
    return client


def _introductions(client: Client, commit: Commit) -> dict[str, Introduction]:
    """Return what each worker says of itself, by its address."""
    versions: Any = client.get_versions()
    here = versions["client"]["packages"]
    for address, there in versions["workers"].items():
        for package in ("python", "dask", "distributed", "cloudpickle"):
            theirs = there["packages"][package]
            # Functions can be sent from one Python 3.11 to another, and not to 3.12.
            if theirs.rpartition(".")[0] != here[package].rpartition(".")[0]:
                raise InputError(
                    f"--cluster: worker {address} has {package} {theirs}, here is {here[package]}"
                )
    asked = {
        address: client.submit(Call(worker.introduce, commit), workers=[address], pure=False)
        for address in versions["workers"]
    }
    return client.gather(asked)


def _refuse_unlike(
    client: Client, introduced: dict[str, Introduction], chosen: list[Variant]
) -> None:
    """Refuse a worker that cannot do its part, or would come to other bytes than this machine."""
    facts, family = machine.facts(), machine.family()
    same = list(machine.LIBRARIES)
    if any(one.config.instruction_set is None for one in chosen):
        same.append("instructions")
    gpus = {}
    for address, one in introduced.items():
        who = f"--cluster: worker {address} on {one.host}"
        for name in same:
            if one.facts[name] != facts[name]:
                raise InputError(
                    f"{who} has {name} {one.facts[name]}, here is {facts[name]}: "
                    "its networks could have other bytes"
                )
        if one.family != family:
            raise InputError(
                f"{who} has a processor of the family {one.family}, here is {family}: "
                "its networks could have other bytes"
            )
        if one.problem:
            raise InputError(f"{who} cannot write to DVC's remote: {one.problem}")
        if _gpus(client, address) or not any(_gpus(client, other) for other in introduced):
            gpus[one.facts["gpus"]] = who
    if len(gpus) > 1:
        raise InputError(f"{[*gpus.values()][1]} has other GPUs than others: {', '.join(gpus)}")


def _gpus(client: Client, address: str) -> float:
    """Return how many GPUs a worker was started with, as Dask's resource GPU."""
    return client.scheduler_info(n_workers=-1)["workers"][address]["resources"].get("GPU", 0)


def _in_words(client: Client) -> str:
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    words = f"{len(workers)} workers, {sum(one['nthreads'] for one in workers)} variants at a time"
    return f"{words}; dashboard {client.dashboard_link}"


def reproduce(client: Client, commit: Commit, chosen: list[Variant]) -> list[Outcome]:
    """Reproduce the variants `chosen` on the workers that `client` reaches, the longest first.

    Where workers have GPUs, as Dask's resource GPU, only these train.
    """
    topic = f"tools.repro-{uuid.uuid4()}"
    client.subscribe_topic(topic, lambda event: _show(event[1]))
    most = max(_gpus(client, address) for address in client.scheduler_info(n_workers=-1)["workers"])
    futures = {}
    for place, one in enumerate(sorted(chosen, key=lambda v: -v.work())):
        # One that trains on all GPUs needs a worker with all of them.
        gpus = min(1, most) if one.on_one_device else most
        future = client.submit(
            Call(worker.reproduce, commit, one.name, one.stages()[:-1], one.weights, topic),
            key=f"{one.name}-{uuid.uuid4()}",
            priority=-place,
            resources={"GPU": gpus} if gpus else None,
        )
        futures[future] = one.name
    outcomes = []
    ended = as_completed(futures)
    for future in progress(ended, desc="trained", total=len(futures), unit=" variants"):
        if future.cancelled():
            raise InputError(
                "--cluster: the scheduler is gone; what workers have pushed stays in DVC's remote"
            )
        error = future.exception()
        if error:
            why = "its workers were killed again and again"
            why = why if isinstance(error, KilledWorker) else f"{type(error).__name__}: {error}"
            _show(f"{futures[future]}: {why}")
        outcomes.append(Outcome(futures[future], True, {}) if error else future.result())
    return sorted(outcomes)
