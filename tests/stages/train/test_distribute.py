"""distribute: several devices train the network that one does, and a lost worker is named."""

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml

from stages.train.distribute import strategy_for
from stages.train.unfit import UnfitError
from tests.helpers import REPOSITORY
from tests.stages.train.test_model import config, random_split

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]

TOLERANCE = 1e-4
"""Largest difference of a weight: devices add up the same numbers in another order."""

CHANGES: dict[str, Any] = {
    "epochs": 2, "batch_size": 8, "dropout": 0.0, "dense_units": 4, "validation_steps": None,
    "conv_layers": [{"filters": 4, "pool": 4, "batch_normalization": True}],
    "optimizer": "sgd", "learning_rate": 0.05, "augmentation": {"flip": "both"},
}  # fmt: skip
DEADLINE = 120


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """What `train` reads: arrays, and a configuration for each strategy."""
    for name, split in (("train", random_split(64)), ("validation", random_split(16, seed=1))):
        folder = tmp_path / "data/processed" / name
        folder.mkdir(parents=True)
        np.save(folder / "images.npy", split.images)
        np.save(folder / "labels.npy", split.labels)
    (tmp_path / "configs").mkdir()
    for strategy in ("single", "mirrored", "multi_worker"):
        write_config(tmp_path, strategy, strategy=strategy)
    return tmp_path


def write_config(root: Path, name: str, **changes: Any) -> None:
    chosen = config(**CHANGES | changes).model_dump(exclude={"head_l2"})
    (root / f"configs/{name}.yaml").write_text(yaml.safe_dump(chosen))


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """Whatever a test has started ends with it."""
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


def start(root: Path, variant: str, code: str = "", **environment: str) -> subprocess.Popen[str]:
    """Start `train`, after `code`, with its output in a pipe."""
    text = f"{code}\nimport runpy, sys\nsys.argv[1:] = ['{variant}']\n"
    text += "runpy.run_module('stages.train', run_name='__main__', alter_sys=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    STARTED.append(process)
    return process


def finish(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    return out


def two_workers(
    root: Path | Iterator[Path], variant: str = "multi_worker"
) -> list[subprocess.Popen[str]]:
    """Start two workers, in one folder or each in its own; the first is the chief."""
    roots = itertools.repeat(root) if isinstance(root, Path) else root
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for each in sockets:
        each.close()
    return [
        start(next(roots), variant, TF_CONFIG=json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        ))
        for index in range(2)
    ]  # fmt: skip


def weights(root: Path, variant: str) -> list[np.ndarray]:
    return keras.models.load_model(root / f"models/{variant}.h5", compile=False).get_weights()


def test_two_workers_and_two_devices_train_what_one_does(workspace: Path) -> None:
    """Of the workers the first alone writes."""
    finish(start(workspace, "single"))
    chief, other = two_workers(workspace)
    assert "epoch 2/2" in finish(chief)
    finish(other)
    written = sorted(path.name for path in (workspace / "models").iterdir())
    assert written == ["multi_worker.h5", "single.h5"]
    assert not (workspace / "checkpoints").exists()
    finish(start(workspace, "mirrored", SPLIT_PROCESSOR))
    expected = weights(workspace, "single")
    for strategy in ("multi_worker", "mirrored"):
        for found, one in zip(weights(workspace, strategy), expected, strict=True):
            np.testing.assert_allclose(found, one, atol=TOLERANCE, err_msg=strategy)


SPLIT_PROCESSOR = """
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
"""
"""Two parts of the processor stand for two GPUs."""


def test_a_dead_worker_is_named_and_training_goes_on_later(workspace: Path) -> None:
    """First the chief dies, then, once both go on, the other one."""
    write_config(workspace, "long", strategy="multi_worker", epochs=1000)
    kept = workspace / "checkpoints/long.h5"
    before = b""
    for dies in (0, 1):
        workers = two_workers(workspace, "long")
        if dies == 1:
            line = workers[0].stdout.readline()  # type: ignore[union-attr]
            assert re.fullmatch(r"going on after epoch [1-9]\d* of 1000\n", line)
        deadline = time.monotonic() + DEADLINE
        while (not kept.exists() or kept.read_bytes() == before) and time.monotonic() < deadline:
            assert all(worker.poll() is None for worker in workers), workers[0].communicate()
            time.sleep(0.05)
        workers[dies].send_signal(signal.SIGKILL)
        _, errors = workers[1 - dies].communicate(timeout=DEADLINE)
        workers[dies].communicate()
        assert workers[1 - dies].returncode == 1
        lines = [line for line in errors.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert "another worker cannot be reached any more; start all workers again" in lines[0]
        assert "Traceback" not in errors
        before = kept.read_bytes()


def test_a_worker_with_another_configuration_is_refused(workspace: Path) -> None:
    other = workspace.parent / "other"
    shutil.copytree(workspace, other)
    write_config(other, "multi_worker", strategy="multi_worker", seed=2)
    roots = iter([workspace, other])
    chief, worker = two_workers(roots)
    _, errors = worker.communicate(timeout=DEADLINE)
    assert worker.returncode == 1
    assert "are not those of the first worker; give all workers the same" in errors
    chief.communicate(timeout=DEADLINE)
    assert chief.returncode == 1
    assert not (workspace / "models").exists() or not list((workspace / "models").iterdir())


@pytest.mark.parametrize(
    "found",
    [None, "{", '{"cluster": {"worker": ["a:1"]}}',
     '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
     '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
     '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
     '{"cluster": {"ps": ["a:1"], "worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}'],
)  # fmt: skip
def test_workers_that_are_not_said_are_asked_for(
    found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if found is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", found)
    message = "multi_worker needs the environment variable TF_CONFIG on each worker"
    with pytest.raises(UnfitError, match=message):
        strategy_for(config(**CHANGES, strategy="multi_worker"))


def test_a_batch_that_cannot_be_shared_equally_is_refused(workspace: Path) -> None:
    write_config(workspace, "mirrored", strategy="mirrored", batch_size=7)
    process = start(workspace, "mirrored", SPLIT_PROCESSOR)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "batch_size: must be a multiple of the 2 devices, found 7" in errors
    assert "Traceback" not in errors
