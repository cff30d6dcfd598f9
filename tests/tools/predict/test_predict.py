"""predict: what evaluate said of the test split, said of any image."""

import csv
import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers import REPOSITORY, Project
from tools.predict.output import write_json, write_table
from tools.predict.rows import Row

PREDICT = ("python", "-m", "tools.predict")
COLUMNS = [
    "file", "variant", "width", "height", "answer", "why", "p_fake", "views", "views_disagree",
    "explanation", "error",
]  # fmt: skip


def predicted(project: Project, *arguments: str, status: int = 0) -> list[dict[str, str]]:
    """Return the rows of `tools.predict` in CSV, as texts."""
    result = project.run(*PREDICT, "--format", "csv", *arguments, check=False)
    assert result.returncode == status, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


def of_base(project: Project) -> pd.DataFrame:
    """Return the predictions of evaluate for `base`, as texts, by path."""
    return pd.read_csv(project.root / "data/predictions/base.csv", dtype=str).set_index("path")


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "3"])
def test_the_test_split_has_exactly_the_predictions_of_evaluate(
    finished_project: Project, processes: str
) -> None:
    """Among all other images of the archive, which share its batches."""
    rows = predicted(
        finished_project, "data/small.zip", "--variant", "base", "--processes", processes
    )
    with zipfile.ZipFile(finished_project.root / "data/small.zip") as archive:
        assert [row["file"] for row in rows] == [f"data/small.zip/{n}" for n in archive.namelist()]
    assert len(rows) == 141
    found = {row["file"].removeprefix("data/small.zip/"): row for row in rows}
    expected = of_base(finished_project)
    assert len(expected) == 40
    for path, row in expected.iterrows():
        assert float(found[str(path)]["p_fake"]) == float(row["p_fake"])
        assert found[str(path)]["answer"] == row["answer"]
        assert np.float32(found[str(path)]["p_fake"]) == np.float32(row["p_fake"])
    assert {row["variant"] for row in rows} == {"base"}
    assert {row["views"] for row in rows} == {"1"}
    assert list(rows[0]) == COLUMNS


@pytest.fixture
def loose(finished_project: Project, tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    """A folder with ten of the test images, and what evaluate said of them, by name of file."""
    folder = tmp_path / "images"
    folder.mkdir()
    table = of_base(finished_project).iloc[::4]
    with zipfile.ZipFile(finished_project.root / "data/small.zip") as archive:
        names = []
        for number, path in enumerate(table.index):
            names.append(f"{number:02}.png")
            (folder / names[-1]).write_bytes(archive.read(path))
    return folder, table.set_axis(names)


@pytest.mark.slow
def test_one_image_a_folder_and_standard_input_give_the_same(
    finished_project: Project, loose: tuple[Path, pd.DataFrame]
) -> None:
    folder, expected = loose
    image = folder / "03.png"
    rows = predicted(finished_project, str(folder), str(image), "--variant", "base")
    assert [Path(row["file"]).name for row in rows] == [*expected.index, "03.png"]
    for row in rows:
        assert float(row["p_fake"]) == float(expected["p_fake"][Path(row["file"]).name])
    with image.open("rb") as stream:
        result = subprocess.run(
            [*PREDICT, "-", "--variant", "base", "--format", "json"], stdin=stream, text=True,
            cwd=finished_project.root, env=finished_project.environment(), capture_output=True,
        )  # fmt: skip
    (row,) = json.loads(result.stdout)
    assert row["file"] == "-"
    assert row["p_fake"] == float(expected["p_fake"]["03.png"])
    assert list(row) == COLUMNS


@pytest.mark.slow
def test_a_bad_image_is_one_line_and_the_exit_status(
    finished_project: Project, loose: tuple[Path, pd.DataFrame]
) -> None:
    folder, expected = loose
    good = (folder / "00.png").read_bytes()
    (folder / "01.png").write_bytes(good[:200])
    (folder / "02.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    rows = predicted(
        finished_project, str(folder), str(folder / "none.png"), "--variant", "base", status=1
    )
    assert len(rows) == 11
    by_name = {Path(row["file"]).name: row for row in rows}
    assert by_name["01.png"]["error"].startswith("damaged or cut off")
    assert by_name["02.png"]["error"] == "an empty file"
    assert by_name["none.png"]["error"] == "No such file or directory"
    assert by_name["01.png"]["answer"] == by_name["01.png"]["p_fake"] == ""
    for name in expected.index.difference(["01.png", "02.png"]):
        assert float(by_name[name]["p_fake"]) == float(expected["p_fake"][name])

    shown = finished_project.run(*PREDICT, str(folder), check=False)
    assert shown.returncode == 1
    lines = shown.stdout.splitlines()
    assert len(lines) == 11
    row = r"(REAL|FAKE|UNSURE) +\d\.\d{3} +(both fit|neither fits)? +32x32  1 +\S+/00\.png"
    assert re.fullmatch(row, lines[1])
    assert re.search(r"(up to a p_fake of 0\.\d{3}|never REAL), (FAKE from 0|never)", shown.stderr)
    assert "2 unreadable, 1 files that are no images" in shown.stderr
    assert "32x32 pixels, and knows images like those of data/small.zip" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.slow
def test_what_cannot_be_asked_is_one_sentence(project: Project) -> None:
    def error(*arguments: str) -> str:
        result = project.run(*PREDICT, *arguments, check=False)
        assert (result.returncode, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        return line

    image = "data/small.zip"
    for name in ("wide", "../models/base", ""):
        assert error(image, "--variant", name) == (
            f"error: --variant: no model {name!r} is here; there are base, sgd"
        )
    assert error(image, "--explain", "params.yaml") == (
        "error: params.yaml: no folder for pictures: File exists"
    )
    shutil.rmtree(project.root / "models")
    assert error(image).startswith("error: models: no model is here; run `dvc repro`")


@pytest.mark.slow
def test_who_reads_no_further_ends_it_quietly(finished_project: Project) -> None:
    # By the time that there is something to read, `true` has ended.
    shell = "python -m tools.predict data/small.zip --format {} | true; exit ${{PIPESTATUS[0]}}"
    for kind in ("table", "csv", "json"):
        result = finished_project.run("bash", "-c", shell.format(kind), check=False)
        assert (result.returncode, result.stderr) == (1, "")
    full = "python -m tools.predict data/small.zip > /dev/full"
    result = finished_project.run("bash", "-c", full, check=False)
    assert result.stderr == ("error: standard output: cannot be written: No space left on device\n")


@pytest.mark.slow
def test_on_a_terminal_rows_and_progress_stand_apart(finished_project: Project) -> None:
    command = ["stty cols 100 rows 40", "python -m tools.predict data/small.zip --variant base"]
    shown = finished_project.run("script", "-qec", "; ".join(command), "/dev/null").stdout
    assert "predict: 100%" in shown
    # A terminal shows what follows the last return to the start of a line.
    lines = [line.rpartition("\r")[2] for line in shown.replace("\r\n", "\n").splitlines()]
    rows = [line for line in lines if "data/small.zip/" in line]
    assert len(rows) == 141
    assert all(re.match(r"(REAL|FAKE|UNSURE) ", row) for row in rows)
    assert any(line.startswith("answer") for line in lines)


def test_help_says_what_it_cannot_know() -> None:
    text = Project(REPOSITORY).run(*PREDICT, "--help").stdout
    assert "What it cannot know: a model knows the cameras and generators of its" in text
    assert "(default: the best on validation)" in text


def test_rows_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def rows() -> Iterator[Row]:
        for number in range(3):
            asked.append(number)
            yield Row(f"{number}.png", "base", error="damaged\n")

    printed = write_table(rows())
    next(printed)
    assert asked == [0]
    assert capsys.readouterr().out.splitlines()[1].endswith("0.png: damaged?")


def test_a_row_whose_views_disagree_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row(f"{n}.png", "base", 9, 9, "REAL", "", 0.1, 3, bool(n)) for n in range(2)]
    assert list(write_table(rows)) == rows
    assert [line.split()[2:] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["9x9", "3", "0.png"], ["9x9", "3", "disagree", "1.png"]
    ]  # fmt: skip


def test_json_is_an_array_however_many_rows(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        rows = [Row(f"{n}.png", "base", error="damaged") for n in range(number)]
        assert list(write_json(rows)) == rows
        assert [row["file"] for row in json.loads(capsys.readouterr().out)] == [
            r.file for r in rows
        ]
