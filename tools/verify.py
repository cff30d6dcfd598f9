"""Train a variant again in a scratch clone, and say whether the same bytes come out.

If not, exits with 1 and says which epoch of the training curves and which tensor of the network
differ first. The clone is of HEAD. The data come from DVC's cache, which stays as it is; a
backbone, which Git does not have, is copied. `tools.repro` records in reports/machine.json what the
models were trained on.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from stages.common.command import InputError, command_line, run
from stages.common.params import nearest
from stages.networks.config import read_config
from tools.programs import in_one_line, require
from tools.repro.machine import facts
from tools.repro.record import read_record, trained


def first_epoch(before: Path, after: Path) -> str | None:
    """Return the first line in which two files of training curves differ, in words, or None."""
    old, new = (pd.read_csv(path, dtype=str) for path in (before, after))
    for epoch in range(max(len(old), len(new))):
        if epoch >= min(len(old), len(new)):
            return f"{len(old)} epochs before, {len(new)} now"
        for column in old.columns:
            values = old[column][epoch], new[column][epoch]
            if values[0] != values[1]:
                return f"epoch {epoch + 1}: {column} {values[0]} before, {values[1]} now"
    return None


def first_tensor(before: Path, after: Path) -> str | None:
    """Return the first tensor in which two networks differ, in the order of the layers, or None."""
    old, new = _tensors(before), _tensors(after)
    if list(old) != list(new):
        return "the networks have other layers"
    for name, value in old.items():
        if value.shape != new[name].shape:
            return f"{name}: shape {value.shape} before, {new[name].shape} now"
        if not np.array_equal(value, new[name], equal_nan=True):
            differ = value != new[name]
            most = np.max(np.abs(value[differ].astype(float) - new[name][differ].astype(float)))
            return f"{name}: {differ.sum():,} of {value.size:,} numbers, by up to {most:.3g}"
    return None


def _tensors(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        weights = file["model_weights"]
        return {
            str(name): weights[layer][name][()]
            for layer in weights.attrs["layer_names"]
            for name in weights[layer].attrs["weight_names"]
        }


def verify(variant: str, expected: dict[str, str]) -> bool:
    """Train `variant` again, print what differs, and return whether nothing does."""
    for path, digest in expected.items():
        if not Path(path).exists() or _md5(Path(path)) != digest:
            raise InputError(f"{path}: not the file of dvc.lock; `dvc checkout` or `dvc pull` it")
    with tempfile.TemporaryDirectory(prefix="verify-") as scratch:
        # Git clones whole repositories; the project may be a folder of one.
        top = _run(["git", "rev-parse", "--show-toplevel"]).removesuffix("\n")
        _run(["git", "clone", "--quiet", top, f"{scratch}/clone"])
        prefix = _run(["git", "rev-parse", "--show-prefix"]).removesuffix("\n")
        clone = Path(scratch) / "clone" / prefix
        cache = _run(["dvc", "cache", "dir"]).strip()
        _run(["dvc", "cache", "dir", "--local", cache], clone)
        _run(["dvc", "checkout", "data/processed/train", "data/processed/validation"], clone)
        backbone = read_config(variant).backbone
        if backbone and Path(backbone.weights).exists():  # train says so where it is missing
            (clone / backbone.weights).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(backbone.weights, clone / backbone.weights)
        print(f"{variant}: training again", flush=True)
        command = ["dvc", "repro", "--single-item", "--force", "--no-run-cache", "--no-commit"]
        again = subprocess.run([*command, f"train@{variant}"], cwd=clone, stdout=sys.stderr)
        if again.returncode:
            raise InputError(f"{variant}: could not be trained again; the reason is above")
        if all(_md5(clone / path) == digest for path, digest in expected.items()):
            print(f"{variant}: identical")
            return True
        network, curves = f"models/{variant}.h5", f"plots/training/{variant}.csv"
        epoch = first_epoch(Path(curves), clone / curves)
        tensor = first_tensor(Path(network), clone / network)
        print(f"{variant}: different")
        print(f"  first epoch that differs: {epoch or 'none, the curves are the same'}")
        print(f"  first tensor that differs: {tensor or 'none, they are the same'}")
        return False


def _run(command: list[str], folder: Path = Path()) -> str:
    require(command[0])
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        said = in_one_line(result.stderr or result.stdout)
        raise InputError(f"`{' '.join(command)}` failed: {said}")
    return result.stdout


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def show_facts(variant: str, before: dict[str, str]) -> None:
    """Print what this machine and the one that trained `variant` are, side by side."""
    now = facts()
    rows = [(variant, "trained on", "this machine")]
    rows += [(name, before.get(name, "not recorded"), value) for name, value in now.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, then, value in rows:
        print(f"{name:{widths[0]}}  {then:{widths[1]}}  {value}")


def main() -> None:
    parser = command_line("tools.verify", __doc__)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help="which (default: all)")
    arguments = parser.parse_args()
    outputs = trained()
    for variant in arguments.variants:
        if variant not in outputs:
            close = nearest(variant, list(outputs))
            raise InputError(f"dvc.lock: no variant '{variant}'; did you mean '{close}'?")
    if _run(["git", "status", "--porcelain", "dvc.lock", "dvc.yaml", "configs", "stages"]):
        raise InputError("dvc.lock, dvc.yaml, configs or stages differ from HEAD; commit them")
    chosen = arguments.variants or list(outputs)
    same = [verify(variant, outputs[variant]) for variant in chosen]
    for name in chosen:
        print()
        show_facts(name, read_record(outputs[name][f"models/{name}.h5"]))
    sys.exit(not all(same))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    run(main)
