"""verify: the same bytes are called identical, and of others the first that differ are named."""

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest
import yaml

from stages.common.command import InputError
from tests.helpers import Project
from tools.repro.machine import facts
from tools.repro.record import read_record, record
from tools.verify import first_epoch, first_tensor, main


def network(path: Path, **change: float) -> Path:
    """Write a network of two layers; `change` is added to the first number of a layer's kernel."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="second")]
    model = keras.Sequential([keras.Input((4,)), *layers], name="network")
    for name, value in change.items():
        kernel, bias = model.get_layer(name).get_weights()
        kernel[0, 0] += value
        model.get_layer(name).set_weights([kernel, bias])
    model.save(path)
    return path


@pytest.mark.usefixtures("tensorflow")
def test_the_first_tensor_that_differs_is_named(tmp_path: Path) -> None:
    before = network(tmp_path / "a.h5")
    assert first_tensor(before, network(tmp_path / "b.h5")) is None
    after = network(tmp_path / "c.h5", first=0.25, second=1)
    found = first_tensor(before, after)
    assert found is not None
    assert "first/kernel" in found
    assert found.endswith(": 1 of 12 numbers, by up to 0.25")
    assert "second/kernel" in str(first_tensor(before, network(tmp_path / "d.h5", second=1)))


def test_the_first_epoch_that_differs_is_named(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("epoch,accuracy,loss\n0,0.5,0.7\n1,0.6,0.65\n2,0.7,0.6\n")
    new.write_text(old.read_text())
    assert first_epoch(old, new) is None
    new.write_text("epoch,accuracy,loss\n0,0.5,0.7\n1,0.6,0.650001\n2,0.8,0.5\n")
    assert first_epoch(old, new) == "epoch 2: loss 0.65 before, 0.650001 now"
    new.write_text("epoch,accuracy,loss\n0,0.5,0.7\n")
    assert first_epoch(old, new) == "3 epochs before, 1 now"


def entry(name: str, model: str) -> dict[str, Any]:
    """Return what dvc.lock holds of the training of a variant."""
    command = f"python -m stages.train {name}"
    return {"cmd": command, "outs": [{"path": f"models/{name}.h5", "md5": model}]}


def write_lock(root: Path, models: dict[str, str]) -> None:
    """Write a dvc.lock in which the models have these hashes, and the configurations to it."""
    (root / "configs").mkdir(exist_ok=True)
    stages = {}
    for name, model in models.items():
        (root / f"configs/{name}.yaml").touch()
        stages[f"train@{name}"] = entry(name, model)
    # DVC keeps the entry of a variant that was removed.
    stages["train@removed"] = entry("removed", "none")
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def test_a_machine_is_recorded_once_and_stays_that_of_its_models(workspace: Path) -> None:
    file = workspace / "reports/machine.json"
    write_lock(workspace, {"a": "one", "b": "two", "pulled": "nine"})
    record({})
    assert not file.exists()
    record({"a": facts(), "b": facts()})
    assert read_record("one") == read_record("two") == facts()
    assert read_record("nine") == {}, "nobody knows where it was trained"
    other = facts() | {"processor": "another"}
    before = file.read_text()
    record({"a": other, "b": other})
    assert file.read_text() == before, "the same bytes came out"
    write_lock(workspace, {"a": "one", "b": "three", "pulled": "nine"})
    record({"b": other})
    assert read_record("one") == facts() != other
    assert read_record("three") == other
    assert read_record("two") == {}
    assert "removed" not in file.read_text()
    assert len(json.loads(file.read_text())) == 2


def test_facts_name_what_decides_the_bytes() -> None:
    found = facts()
    assert found["tensorflow"] and found["keras"] == keras.__version__
    assert all(isinstance(value, str) and value for value in found.values())
    assert {"processor", "instructions", "cores", "gpus", "system", "python"} <= set(found)


@pytest.mark.slow
def test_other_bytes_are_not(project: Project) -> None:
    """A network in whose last layer one number was changed after it was trained."""
    model = project.root / "models/base.h5"
    with h5py.File(model, "r+") as file:
        weights = file["model_weights/probabilities"]
        name = next(n for n in weights.attrs["weight_names"] if "kernel" in str(n))
        weights[name][0, 0] += 0.5
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    for stage in lock["stages"].values():
        for entry in (*stage.get("outs", []), *stage["deps"]):
            if entry["path"] == "models/base.h5":
                entry["md5"] = hashlib.md5(model.read_bytes()).hexdigest()
    (project.root / "dvc.lock").write_text(yaml.safe_dump(lock))
    project.commit()
    result = project.run("python", "-m", "tools.verify", "base", check=False)
    assert result.returncode == 1
    assert "base: different\n" in result.stdout
    assert "first epoch that differs: none, the curves are the same" in result.stdout
    assert "probabilities/kernel: 1 of 16 numbers, by up to 0.5" in result.stdout
    assert "not recorded" in result.stdout


@pytest.mark.slow
def test_what_cannot_be_verified_is_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    lock, model, code = Path("dvc.lock"), Path("models/base.h5"), Path("stages/train/model.py")

    def refused(name: str = "base") -> str:
        monkeypatch.setattr("sys.argv", ["verify", name])
        with pytest.raises(InputError) as error:
            main()
        return str(error.value)

    assert refused("bsae") == "dvc.lock: no variant 'bsae'; did you mean 'base'?"
    model.unlink()
    model.write_text("another")
    message = "models/base.h5: not the file of dvc.lock; `dvc checkout` or `dvc pull` it"
    assert refused() == message
    code.write_text(code.read_text() + "#\n")
    assert refused().endswith("differ from HEAD; commit them")
    lock.unlink()
    assert refused() == "dvc.lock: no such file; run `dvc repro` first"
