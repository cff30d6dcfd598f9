"""docs/export.md, followed up to an answer without Keras."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest

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

    predictions = pd.read_csv(project.root / "data/predictions/base.csv", index_col="path")
    path = str(predictions.index[0])
    with zipfile.ZipFile(project.root / "data/small.zip") as images:
        (project.root / "photo.png").write_bytes(images.read(path))
    (printed,) = GUIDE.follow("Use one elsewhere", project)
    assert float(printed) == pytest.approx(predictions.loc[path, "p_fake"], abs=1e-4)

    shutil.rmtree(project.root / "exports")
    project.run("python", "-m", "tools.export", "base", "--format", *reversed(FORMATS))
    assert hashes(project.root / "exports/base") == made
