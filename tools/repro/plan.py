"""What DVC would do: which stages, and in which order."""

from collections.abc import Collection, Sequence

from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.utils.serialize import modify_yaml

from stages.common.command import InputError
from tools.programs import in_one_line
from tools.repro.repair import LOCK


def changed_stages() -> set[str]:
    """Return the stages whose inputs, parameters, code or results are not those in dvc.lock.

    Raises:
        InputError: DVC cannot tell; the message is its own.
    """
    try:
        with Repo() as repo:
            return set(repo.status())
    except DvcException as error:
        raise InputError(in_one_line(str(error))) from None


def stale(stages: Sequence[str], outputs: Collection[str]) -> list[str]:
    """Return those of `stages` whose parameters, or whose `outputs`, are not those in dvc.lock.

    No other file is opened: neither other outputs, nor what the stages read.

    Raises:
        InputError: DVC cannot tell; the message is its own.
    """
    try:
        with Repo() as repo:
            found = [stage for name in stages for stage in repo.stage.collect(name)]
            return [
                stage.addressing
                for stage in found
                if any(dep.status() for dep in stage.params)
                or any(out.status() for out in stage.outs if out.def_path in outputs)
            ]
    except DvcException as error:
        raise InputError(in_one_line(str(error))) from None


def stages_in_lock() -> list[str]:
    """Return the stages of dvc.lock, as they stand there; none if there is no such file."""
    with Repo() as repo:
        return list(Lockfile(repo, str(LOCK)).load().get("stages", {}))


def put_in_order(before: list[str]) -> None:
    """Write into dvc.lock the stages that it has gained in the order in which `dvc repro` does.

    Variants that are reproduced side by side end in any order.

    Args:
        before: the stages that it had; they stay where they are.
    """
    with Repo() as repo:
        planned = [stage.addressing for stage in plan_repro(get_active_graph(repo.index.graph))]
        now = stages_in_lock()
        order = before + [name for name in planned if name in now and name not in before]
        if now != order and set(now) == set(order):
            with repo.lock, modify_yaml(str(LOCK)) as lock:
                lock["stages"] = {name: lock["stages"][name] for name in order}
