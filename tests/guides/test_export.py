"""docs/export.md, followed up to an answer without Keras."""

import hashlib
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.guides.guide import Guide
from tests.helpers import Project, link_environment

FORMATS = ("onnx", "tflite", "saved_model", "keras")
GUIDE = Guide("export.md", {"small": "base"})


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of each file of `folder`."""
    return {
        file.name: hashlib.md5(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if file.is_file()
    }


@pytest.mark.slow
def test_exports_answer_as_the_pipeline_does(project: Project) -> None:
    link_environment(project.root)
    GUIDE.follow("Write the files", project)
    made = hashes(project.root / "exports/base")
    assert set(made) == {"base.onnx", "base.tflite", "base.keras", "base.json", "base.md"}
    assert (project.root / "exports/base/base-saved_model/saved_model.pb").exists()
    assert project.run("git", "status", "--porcelain", "exports").stdout == ""

    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(project.root / "photo.png")
    predict = "python -m tools.predict --variant base --format json photo.png"
    (row,) = json.loads(project.run(*shlex.split(predict)).stdout)
    (printed,) = GUIDE.follow("Use one elsewhere", project)
    assert float(printed) == pytest.approx(row["p_fake"], abs=1e-4), "scaled by the same filter"

    card = project.root / "models/base.md"
    card.write_text(f"{card.read_text()}Of another training.\n")
    project.run("python", "-m", "tools.export", "base", "--format", "keras")
    left = {file.name for file in (project.root / "exports/base").iterdir()}
    assert left == {"base.keras", "base.json", "base.md"}, "those of the former model are gone"
    project.run("git", "checkout", "--quiet", "models/base.md")

    shutil.rmtree(project.root / "exports")
    project.run("python", "-m", "tools.export", "base", "--format", *reversed(FORMATS))
    assert hashes(project.root / "exports/base") == made
