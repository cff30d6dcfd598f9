"""data_page: what the audit found is in words and pictures, from what `source` wrote."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.report.data_page import Shown, data_page, data_pictures
from tests.helpers import REPOSITORY, edit_params, png, run_stage, write_zip
from tests.stages.images.test_metadata import BAD as BAD_METADATA
from tests.stages.source.test_audit import LEVELS, leaking_data_set


class Data:
    """A data set with leaks, after `source`."""

    def __init__(self, root: Path, changes: dict[str, Any], files: dict[str, bytes]):
        self.root = root
        write_zip(root / "data.zip", leaking_data_set() | files)
        (root / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
        edit_params(root, {"source.path": "data.zip", **changes})
        run_stage("source")
        self.audit: dict[str, Any] = json.loads((root / "reports/data.json").read_text())
        self.shown = Shown.read(root / "data/audit")
        self.page = data_page("data.zip", self.audit, self.shown, {})

    def original(self, name: str) -> np.ndarray:
        """Return the pixels of an image of the data set."""
        with zipfile.ZipFile(self.root / "data.zip") as archive:
            return np.asarray(Image.open(io.BytesIO(archive.read(name))))


def test_it_shows_pairs_and_a_sheet_a_split_and_label(workspace: Path) -> None:
    data = Data(workspace, {}, {})
    shown = re.findall(r"\]\((data/[^)]+)\)", data.page)
    pictures = data_pictures(data.shown)
    assert sorted(shown) == sorted(pictures)
    assert len(shown) == 1 + 6
    # Names of files cannot break the table.
    assert r"| train: `train/REAL/near\|'1'` | test: `test/REAL/001` |" in data.page

    pair = pixels(pictures["data/pair-01.png"])
    assert pair.shape == (100, 200, 3)
    left, right = pair[18:82, 18:82], pair[18:82, 118:182]
    np.testing.assert_array_equal(right, data.original("test/REAL/001"))
    assert 0 < np.abs(left - right).mean() < 5

    sheet = pixels(pictures["data/test-FAKE.png"])
    assert sheet.shape == (100, 800, 3)
    np.testing.assert_array_equal(sheet[18:82, 18:82], data.original("test/FAKE/000"))


def pixels(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture))).astype(int)


def test_every_finding_is_told(workspace: Path) -> None:
    data = Data(workspace, {}, {})
    assert len(data.audit["findings"]) == 4
    for finding in data.audit["findings"]:
        assert finding["message"] in data.page
    assert "| `train/REAL/copy` | `test/REAL/000` |" in data.page, "the copy by pixels"


def test_bad_metadata_is_told_where_there_is_any(workspace: Path) -> None:
    data = Data(workspace, {}, {})
    assert "metadata that" not in data.page
    data = Data(workspace, {}, {"train/REAL/a.png": BAD_METADATA["PNG, EXIF"]})
    assert "Images with metadata that cannot be read: 1; they count as if" in data.page


def test_what_was_not_looked_for_is_not_called_clean(workspace: Path) -> None:
    names = [name for name, level in LEVELS.items() if level == "warn"]
    data = Data(workspace, {f"source.audit.{name}": "off" for name in names}, {})
    assert "## Findings\n\nNone." in data.page
    assert data.page.count("Not looked for.") == 3


def test_slices_that_were_left_out_have_a_table(workspace: Path) -> None:
    data = Data(workspace, {}, {})
    assert "## Leave one slice out\n\nNot possible: the findings say why." in data.page
    data.audit["leave_slice_out"] = [
        {"slice": "a|b", "label": "REAL", "images": 43}
        | {"accuracy_seen": 0.9111, "accuracy_left_out": 0.0299}
    ]
    page = data_page("data.zip", data.audit, data.shown, {})
    assert r"| `a\|b` | REAL | 43 | 0.911 | 0.030 |" in page


def test_what_is_left_in_the_arrays_stands_beside_the_audit_of_the_files(workspace: Path) -> None:
    data = Data(workspace, {}, {})
    start = "## Short cuts that are left\n\n"
    assert "Too few images to tell." in data.page[data.page.index(start) :]
    found = {"mean colour (whole)": 0.6272, "spectrum (whole)": 0.65, "all of these": 0.711}
    page = data_page("data.zip", data.audit, data.shown, found)
    of_arrays = page[page.index(start) : page.index("## Leave one slice out")]
    assert (
        "| mean colour (whole) | 0.627 |\n| spectrum (whole) | 0.650 |\n| all of these | 0.711 |"
        in of_arrays
    )
    assert page.index("## Short cuts\n") < page.index(start)


def subjects(number: int) -> dict[str, bytes]:
    """Return noise, the images of each label in folders of what they show: sea, and `number`."""
    random = np.random.default_rng(0)
    names = ["sea"] * 4 + [f"{place % number:03}" for place in range(2 * number)]
    return {
        f"{label}/{name}/{place}.png": png(random.integers(0, 256, (8, 8, 3)).astype(np.uint8))
        for label in ("real", "fake")
        for place, name in enumerate(names)
    }


def test_what_is_held_out_is_counted_with_the_other_splits(workspace: Path) -> None:
    said = "path,group,slice\n" + "".join(f"real/sea/{place}.png,one,\n" for place in (0, 1, 2))
    files = subjects(10) | {"groups.csv": (said + "real/003/7.png,two,\n").encode()}
    write_zip(workspace / "data.zip", files)
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(workspace, {"source.path": "data.zip", "source.hold_out": ["sea"]})
    run_stage("source")
    audit = json.loads((workspace / "reports/data.json").read_text())
    page = data_page("data.zip", audit, Shown.read(workspace / "data/audit"), {})
    header = "| split | REAL | FAKE | REAL in use | FAKE in use | observations in use |"
    assert header in page
    assert "| held_out | 4 | 4 | 4 | 4 | 6 |" in page, "three of them are one"
    assert " | held_out REAL | held_out FAKE |\n" in page
    assert "| `one` | 0 | 0 | 0 | 0 | 0 | 0 | 3 | 0 |" in page
    assert page.count("| `two` | ") == 1, "which has nothing held out"
    assert "| slice | label | train | validation | test | held_out |" in page
    assert "| `sea` | REAL | 0 | 0 | 0 | 4 |" in page


def test_the_largest_slices_are_on_the_page_by_the_names_of_their_folders(
    workspace: Path,
) -> None:
    write_zip(workspace / "data.zip", subjects(31))
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(workspace, {"source.path": "data.zip"})
    run_stage("source")
    audit = json.loads((workspace / "reports/data.json").read_text())
    page = data_page("data.zip", audit, Shown.read(workspace / "data/audit"), {})
    # 32 slices of either label, of which that of the sea are larger than the others.
    assert len(re.findall(r"^\| `\w+` \| (REAL|FAKE) \|", page, re.MULTILINE)) == 60
    assert len(re.findall(r"^\| `sea` \|", page, re.MULTILINE)) == 2
    assert "| `007` | REAL |" in page
    assert "and 4 more, in data/manifest.csv" in page


@pytest.mark.parametrize(("number", "end"), [(3, ""), (25, "and 5 more, in data/manifest.csv")])
def test_images_that_cannot_be_read_are_listed_up_to_twenty(
    workspace: Path, number: int, end: str
) -> None:
    files = {f"train/REAL/bad{place:02}.png": b"" for place in range(number)}
    data = Data(workspace, {"source.on_unreadable": "skip"}, files)
    assert data.page.count("| an empty file |") == min(number, 20)
    assert ("more, in data/manifest.csv" in data.page) == bool(end)
    assert end in data.page
