"""views: what preprocess makes of the images behind a name."""

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.images.schema import DecodeParams
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from tests.helpers import default_block, png
from tools.predict.inputs import Place, find, read
from tools.predict.pictures import views, views_of_files

DECODING = default_block("decode", DecodeParams, max_pixels=100_000)
PREPROCESS = Preprocess(default_block("preprocess", PreprocessParams, crops=2), DECODING)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_views_are_what_preprocess_makes_of_it() -> None:
    """A photograph on its side: the camera's EXIF data say how to turn it."""
    pixels = noise(64, 90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    found = views(buffer.getvalue(), PREPROCESS)
    assert (found.width, found.height) == (64, 90)
    upright = Image.fromarray(np.rot90(pixels, -1))
    np.testing.assert_array_equal(found.pixels, PREPROCESS.views(upright))


def test_why_an_image_cannot_be_read_stands_in_its_place() -> None:
    good = png(noise(32, 32))
    files: list[tuple[str, bytes | str]] = [
        ("good", good), ("cut", good[:100]), ("known", "no such file"),
        ("large", png(noise(400, 300))),
    ]  # fmt: skip
    found = dict(views_of_files(files, PREPROCESS))
    assert list(found) == ["good", "cut", "known", "large"]
    assert not isinstance(found["good"], str)
    assert str(found["cut"]).startswith("damaged or cut off")
    assert found["known"] == "no such file"
    assert str(found["large"]).startswith("300x400 pixels are more than decode.max_pixels")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, one of them deeper, an empty one, and what is no image."""
    root = tmp_path / "photos"
    (root / "deeper").mkdir(parents=True)
    (root / "b.png").write_bytes(b"the bytes of b")
    (root / "deeper/a.JPG").write_bytes(b"the bytes of a")
    (root / "notes.txt").write_text("no image")
    (root / ".hidden.png").write_bytes(b"no image")
    (root / "empty.png").touch()
    return root


EXPECTED = {
    "b.png": b"the bytes of b",
    "deeper/a.JPG": b"the bytes of a",
    "empty.png": "an empty file",
}


def zipped(folder: Path) -> Path:
    """Return a zip of the files in `folder`, beside it."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                packed.write(file, file.relative_to(folder))
    return archive


def found(path: Path) -> dict[str, bytes | str]:
    """Return what is read of `path`, by the names below it."""
    place = find(str(path))
    images = list(read(place, DECODING))
    assert len(images) == place.images, "the progress bar would not end at its end"
    return {name.removeprefix(f"{path}/"): data for name, data in images}


def test_a_folder_and_an_archive_give_their_images(folder: Path) -> None:
    for path in (folder, zipped(folder)):
        assert found(path) == EXPECTED
        assert find(str(path)).passed_over == 2
    assert find(str(folder)).size == 28


def test_a_single_file_is_an_image_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(b"bytes")
    assert found(file) == {str(file): b"bytes"}
    assert find(str(file)) == Place(str(file), size=5)


def test_what_is_none_of_them_has_a_reason(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "cut.zip").write_bytes(zipped(folder).read_bytes()[:-10])
    reasons = {
        "missing.png": "No such file or directory",
        "x" * 300: "File name too long",
        "pipe": "neither a file nor a folder",
        "nothing": "no image in it, 0 other files",
        "cut.zip": "damaged archive: File is not a zip file",
    }
    for name, reason in reasons.items():
        path = tmp_path / name
        assert found(path) == {str(path): reason}


def test_odd_files_in_a_folder_end_nothing(folder: Path) -> None:
    (folder / "dangling.png").symlink_to("nowhere")
    (folder / "outside.png").symlink_to("/dev/null")
    (folder / "a\nname.png").write_bytes(b"odd")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    assert found(folder) == EXPECTED | {
        "dangling.png": "No such file or directory",
        "outside.png": "not a file",
        "a\nname.png": b"odd",
        "pipe.png": "not a file",
    }


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_ends_nothing(folder: Path) -> None:
    (folder / "b.png").chmod(0)
    (folder / "deeper").chmod(0)
    assert found(folder) == {
        "b.png": "Permission denied",
        "empty.png": "an empty file",
        "deeper": "a folder that cannot be read",
    }
    (folder / "deeper").chmod(0o700)


def test_a_damaged_entry_of_a_zip_ends_nothing(folder: Path) -> None:
    archive = zipped(folder)
    archive.write_bytes(archive.read_bytes().replace(b"the bytes of b", b"the bytes OF b"))
    expected = EXPECTED | {"b.png": "Bad CRC-32 for file 'b.png'"}
    assert found(archive) == expected


def test_behind_a_damaged_place_of_a_tar_there_is_nothing(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "photos.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=0) as packed:
        for name in ("b.png", "deeper/a.JPG"):
            packed.add(folder / name, name)
    data = archive.read_bytes()
    place = find(str(archive))
    archive.write_bytes(data.replace(b"the bytes of b", b"the bytes OF b"))
    *images, (name, why) = read(place, DECODING)
    assert [data for _, data in images] == [b"the bytes OF b", b"the bytes of a"]
    assert name == str(archive), "gzip knows only at its end, and not where"
    assert "CRC" in str(why)


def test_standard_input_is_read_as_far_as_an_image_may_be_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = default_block("decode", DecodeParams, max_pixels=10)

    def given(data: bytes) -> bytes | str:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        ((name, found),) = read(find("-"), few)
        assert name == "-"
        return found

    assert given(b"bytes") == b"bytes"
    assert given(b"") == "an empty file"
    assert "more than an image of decode.max_pixels" in str(given(bytes(1000)))
    assert sys.stdin.buffer.tell() == 81, "8 bytes a pixel, and one that tells"
    monkeypatch.setattr("sys.stdin", None)
    assert list(read(find("-"), few)) == [("-", "standard input is closed")]
