"""reports/machine.json: which machine trained the models of dvc.lock."""

import json
from pathlib import Path
from typing import Any

from stages.common.command import InputError
from stages.common.files import replacing
from stages.networks.config import CONFIGS
from tools.repro.repair import LOCK, read_stages

RECORD = Path("reports/machine.json")


def trained() -> dict[str, dict[str, str]]:
    """Return the MD5 of what training wrote, by variant, of those in configs/, and path.

    Raises:
        InputError: there is no dvc.lock, or it cannot be read.
    """
    if not LOCK.exists():
        raise InputError(f"{LOCK}: no such file; run `dvc repro` first")
    stages = read_stages(LOCK)
    names = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    return {
        name: {
            out["path"]: out["md5"]
            for out in stages[f"train@{name}"].get("outs", [])
            if "md5" in out
        }
        for name in names
        if f"train@{name}" in stages
    }


def read_record(model: str) -> dict[str, str]:
    """Return the machine that trained the network whose MD5 is `model`; empty if not recorded."""
    if not RECORD.exists():
        return {}
    machines = json.loads(RECORD.read_text())
    return next((m["facts"] for m in machines if model in m["models"].values()), {})


def record(just_trained: dict[str, dict[str, str]]) -> None:
    """Write which machine trained the models of dvc.lock, where that is known.

    Args:
        just_trained: the machine that has just trained a variant, by its name. Where the same bytes
            had been recorded before, they stay the other machine's.
    """
    if not just_trained:
        return
    machines: list[dict[str, Any]] = []
    for variant, outs in trained().items():
        model = outs[f"models/{variant}.h5"]
        of_model = read_record(model) or just_trained.get(variant)
        if of_model is None:
            continue
        known = next((m for m in machines if m["facts"] == of_model), None)
        if known is None:
            known = {"facts": of_model, "models": {}}
            machines.append(known)
        known["models"][variant] = model
    with replacing(RECORD) as file:
        file.write_text(json.dumps(machines, indent=2) + "\n")
