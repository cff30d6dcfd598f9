"""A wrong data set gets one clear sentence and exit status 1, and earlier outputs stay."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stages.common.command import InputError, run
from tests.helpers import REPOSITORY, edit_params, flat, run_stage, small_data_set, write_zip
from tests.stages.images.test_archive import BAD as BAD_ARCHIVES

COUNTS = {"train": 6, "validation": 3, "test": 4}
WHOLE = small_data_set({"train": 1})["train/REAL/0000.png"]


def large() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (2000, 1000)).save(buffer, "PNG")
    return buffer.getvalue()


def without(start: str) -> dict[str, bytes]:
    files = small_data_set(COUNTS)
    return {name: data for name, data in files.items() if not name.startswith(start)}


def added(**extra: bytes) -> dict[str, bytes]:
    return small_data_set(COUNTS) | extra


Case = tuple[dict[str, bytes], dict[str, Any], str]
BAD_IMAGES: dict[str, Case] = {
    "truncated": (
        added(**{"train/REAL/x.png": WHOLE[:1000]}),
        {},
        "train/REAL/x.png: unreadable: damaged or cut off: image file is truncated; "
        "`source.on_unreadable: skip` leaves such images out",
    ),
    "empty": (
        added(**{"train/REAL/x.png": b""}),
        {},
        "train/REAL/x.png: unreadable: an empty file",
    ),
    "not an image, by its name one": (
        added(**{"train/REAL/x.png": b"hello"}),
        {},
        "train/REAL/x.png: unreadable: damaged, or no image of a known format: JPEG, PNG",
    ),
    "an image without a suffix, cut off": (
        added(**{"train/REAL/x": WHOLE[:1000]}),
        {},
        "train/REAL/x: unreadable: damaged or cut off: image file is truncated",
    ),
    "nothing but archives in it": (
        {"train/REAL/part1.zip": b"PK", "train/FAKE/part1.zip": b"PK"},
        {},
        "bad.zip: no image in it, but train/REAL/part1.zip; unpack archives inside of archives",
    ),
    "decompression bomb": (
        added(**{"train/REAL/x.png": large()}),
        {"decode.max_pixels": 1_999_999},
        "train/REAL/x.png: unreadable: 2000x1000 pixels are more than decode.max_pixels, 1999999",
    ),
    "file too large for an image": (
        added(**{"train/REAL/x.png": b"x" * 16_001}),
        {"decode.max_pixels": 2000},
        "train/REAL/x.png: unreadable: 16001 bytes are more than an image of decode.max_pixels",
    ),
    "label without an image": (
        {name: data for name, data in small_data_set(COUNTS).items() if "FAKE" not in name},
        {},
        "no FAKE image to use in split 'train' "
        "(0 found: 0 unreadable, 0 duplicate, 0 held out, 0 near copy, 0 not sampled); "
        "each of train, validation and test needs images of both labels",
    ),
    "split with one label": (
        without("test/REAL"),
        {},
        "no REAL image to use in split 'test'",
    ),
    "no image": ({}, {}, "no REAL image to use in split 'train'"),
    "two labels in a path": (
        {"train/REAL/x.png": flat(1), "train/more/REAL/ai/z/x.png": flat(1)},
        {},
        "error: bad.zip: train/more/REAL/ai/z/x.png: its folders name two labels: REAL and ai",
    ),
    "no label in a path": (
        added(**{"train/x.JPG": flat(1)}),
        {},
        "train/x.JPG: no folder of its path names a label; source.labels knows real, 0_real",
    ),
    "split folders for some": (
        added(**{"REAL/x.png": flat(1)}),
        {},
        "REAL/x.png: no folder of its path names a split, as one of train/REAL/0000.png does",
    ),
    "fewer images than samples": (
        added(),
        {"source.samples.test": 10},
        "source.samples.test: 10 needs 5 REAL images, and there are 4",
    ),
    "duplicates": (
        added(**{"train/REAL/x.png": WHOLE}),
        {"source.duplicates": "error"},
        "source.duplicates: train/REAL/x.png has the pixels of train/REAL/0000.png",
    ),
    "a finding that is an error": (
        added(**{"train/REAL/x.png": WHOLE}),
        {"source.audit.exact_duplicates": "error"},
        "source.audit.exact_duplicates: images with equal pixels: 1 inside train; `warn` instead",
    ),
    "no regular expression": (
        added(),
        {"source.group_pattern": "(scene"},
        "params.yaml: source.group_pattern: must be a regular expression, found '(scene'",
    ),
    "an ambiguous regular expression": (
        added(),
        {"source.group_pattern": "[[a-z]+_"},
        "params.yaml: source.group_pattern: must be a regular expression, found '[[a-z]+_'",
    ),
    "a pattern that matches nothing": (
        added(),
        {"source.group_pattern": "scene"},
        "source.group_pattern: 'scene' matches no path; one is train/REAL/0000.png",
    ),
    "a path as the name of a folder": (
        added(),
        {"source.labels.REAL": ["a/b"]},
        "params.yaml: source.labels.REAL.0: ",
    ),
    "all that there is unreadable": (
        added() | {f"test/REAL/000{n}.png": b"x" for n in range(4)},
        {"source.on_unreadable": "skip"},
        "no REAL image to use in split 'test' "
        "(4 found: 4 unreadable, 0 duplicate, 0 held out, 0 near copy, 0 not sampled)",
    ),
    "a folder for two splits": (
        added(),
        {"source.splits.test": ["test", "Val"]},
        "params.yaml: source.splits: 'val' cannot be of two splits",
    ),
    "a folder for two labels": (
        added(),
        {"source.labels.REAL": ["real", "AI"]},
        "params.yaml: source.labels: 'ai' cannot be both REAL and FAKE",
    ),
    "nothing left to train on": (
        added(),
        {"source.test_fraction": 0.8},
        "validation_fraction and test_fraction leave nothing to train on",
    ),
}


@pytest.fixture
def finished(workspace: Path) -> Path:
    """A folder in which source has run."""
    write_zip(workspace / "good.zip", small_data_set(COUNTS))
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(workspace, {"source.path": "good.zip"})
    run_stage("source")
    return workspace


def outputs(root: Path) -> dict[Path, bytes]:
    files = [*(root / "data").rglob("*"), *(root / "reports").rglob("*")]
    return {file: file.read_bytes() for file in files if file.is_file()}


def refusal(root: Path, changes: dict[str, Any]) -> str:
    """Run source with `changes` to params.yaml; return what it says on its way out."""
    before = outputs(root)
    assert len(before) > 2 + 4
    edit_params(root, changes)
    with pytest.raises(SystemExit) as stop:
        run(lambda: run_stage("source"))
    assert outputs(root) == before
    assert not list(root.rglob(".tmp-*"))
    message = str(stop.value.code)  # a text: Python prints it and ends with status 1
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("what", BAD_IMAGES)
def test_wrong_images_are_one_sentence_and_lose_nothing(finished: Path, what: str) -> None:
    files, changes, message = BAD_IMAGES[what]
    write_zip(finished / "bad.zip", files)
    assert message in refusal(finished, {"source.path": "bad.zip", **changes})


def test_what_a_message_quotes_cannot_break_its_line() -> None:
    def main() -> None:
        raise InputError("a\nb\x1b[31m")

    with pytest.raises(SystemExit) as stop:
        run(main)
    assert stop.value.code == "error: a?b?[31m"


@pytest.mark.parametrize("what", BAD_ARCHIVES)
def test_wrong_archives_are_one_sentence_and_lose_nothing(
    finished: Path, tmp_path_factory: pytest.TempPathFactory, what: str
) -> None:
    make: Callable[[Path], Path]
    make, message = BAD_ARCHIVES[what]
    path = make(tmp_path_factory.mktemp("bad"))
    assert message in refusal(finished, {"source.path": str(path)})
