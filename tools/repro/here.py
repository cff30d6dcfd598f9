"""Variants side by side on this machine, in this workspace."""

import itertools
import logging
import queue
from collections.abc import Callable

import dask
from distributed import Client, Future, LocalCluster

from tools.repro.machine import facts
from tools.repro.processes import Ended, run_dvc
from tools.repro.variants import Outcome, Variant

Reproduce = Callable[[str, list[str], str | None], Ended]
"""Reproduces stages of a variant, given by name, on a GPU or on what there is."""

_gpus: queue.PriorityQueue[tuple[int, str | None]] = queue.PriorityQueue()
"""One for each variant that there is room for, those of the lowest places first."""


def reproduce(variants: list[Variant], jobs: int, gpus: list[str]) -> list[Outcome]:
    """Train `variants`, the longest first, as many at a time as `jobs` allow, and measure them."""
    return in_turn(variants, jobs, gpus, _with_dvc)


def in_turn(
    variants: list[Variant], jobs: int, gpus: list[str], reproduce: Reproduce
) -> list[Outcome]:
    """Call `reproduce` for the training of each variant, then for what measures it.

    Jobs are taken by those that train: while a variant is measured, the next one trains. All take
    memory, so there are at most twice as many.
    """
    places = range(2 * jobs)
    _gpus.queue[:] = list(zip(places, itertools.cycle(gpus or [None]), strict=False))
    variants = sorted(variants, key=lambda v: (-v.jobs(jobs), -v.work()))
    with (
        # Looks a hundred times a second at what the threads do, which is to wait.
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(
            n_workers=1,
            processes=False,  # each is a DVC of its own
            threads_per_worker=len(places),
            resources={"job": jobs},
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        ended: list[Future] = []
        for place, variant in enumerate(variants):
            train, *measure = variant.stages()
            trained = client.submit(
                _on_a_gpu, reproduce, variant, [train], None, pure=False,
                resources={"job": variant.jobs(jobs)}, priority=-place,
            )  # fmt: skip
            ended.append(client.submit(_on_a_gpu, reproduce, variant, measure, trained, pure=False))
        return sorted(client.gather(ended))


def _on_a_gpu(
    reproduce: Reproduce, variant: Variant, stages: list[str], before: Outcome | None
) -> Outcome:
    """Reproduce `stages` on a GPU that has the least to do; not if `before` has failed."""
    if before and before.failed:
        return before
    place, gpu = _gpus.get()
    try:
        status, ran = reproduce(variant.name, stages, gpu if variant.on_one_device else None)
    finally:
        _gpus.put((place, gpu))
    if before:
        return before._replace(failed=status != 0)
    trained = f"train@{variant.name}" in ran
    return Outcome(variant.name, status != 0, facts() if trained else {})


def _with_dvc(name: str, stages: list[str], gpu: str | None) -> Ended:
    environment = {}
    if gpu is not None:
        # Two variants on one GPU must not each take all of its memory.
        environment = {"CUDA_VISIBLE_DEVICES": gpu, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    return run_dvc(
        ["--wait-for-lock", "repro", "--single-item", *stages],
        lambda line: print(f"{name}: {line}", flush=True),
        environment=environment,
    )
