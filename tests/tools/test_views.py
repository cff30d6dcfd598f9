"""views: the whole image as training saw it, and tiles with the pixels that it has."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.command import InputError
from stages.pixels import DecodeParams
from stages.preprocess import Preprocess, PreprocessParams
from tests.helpers import default_block, png
from tools.views import Contents, contents, read, read_stream, tiles, views, views_of_files

DECODING = default_block("decode", DecodeParams, max_pixels=100_000)
PREPROCESS = Preprocess(default_block("preprocess", PreprocessParams), DECODING)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_tiles_are_pixels_of_the_image_spread_evenly() -> None:
    pixels = noise(70, 100)
    found = tiles(Image.fromarray(pixels), 32, 32)
    assert found.shape == (2, 3, 32, 32, 3)
    for row, top in enumerate((0, 38)):
        for column, left in enumerate((0, 34, 68)):
            expected = pixels[top : top + 32, left : left + 32]
            np.testing.assert_array_equal(found[row, column], expected)


@pytest.mark.parametrize(
    ("height", "width", "grid"),
    [
        (32, 32, (0, 0)),
        (63, 640, (0, 0)),
        (640, 63, (0, 0)),
        (64, 64, (2, 2)),
        (2000, 100, (8, 3)),
        (300, 4000, (8, 8)),
    ],
)
def test_an_image_twice_as_large_has_tiles_of_which_there_are_64_at_most(
    height: int, width: int, grid: tuple[int, int]
) -> None:
    found = tiles(Image.fromarray(noise(height, width)), 32, 32)
    assert found.shape == (*grid, 32, 32, 3)


def test_the_whole_is_what_preprocess_makes_of_it() -> None:
    """A photograph on its side: the camera's EXIF data say how to turn it."""
    pixels = noise(64, 90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    found = views(buffer.getvalue(), PREPROCESS)
    upright = np.rot90(pixels, -1)
    assert (found.width, found.height) == (64, 90)
    expected = Image.fromarray(upright).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found.whole, np.asarray(expected))
    np.testing.assert_array_equal(found.tiles[0, 0], upright[:32, :32])


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
    """Two images, one of them deeper, and what is no image."""
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


def test_a_folder_and_an_archive_give_their_images(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in folder.rglob("*"):
            if file.is_file():
                packed.write(file, file.relative_to(folder))
    for path in (folder, archive):
        found = contents(path)
        assert found.passed_over == 2
        assert dict(read(found, DECODING)) == {f"{path}/{n}": data for n, data in EXPECTED.items()}


def test_a_single_file_is_an_image_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(b"bytes")
    assert contents(file) == Contents(file, None, 0)
    assert list(read(contents(file), DECODING)) == [(str(file), b"bytes")]
    missing = tmp_path / "missing.png"
    found = dict(read(contents(missing), DECODING))
    assert found == {str(missing): "No such file or directory"}


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_without_permission_ends_nothing(folder: Path) -> None:
    (folder / "b.png").chmod(0)
    found = dict(read(contents(folder), DECODING))
    assert "Permission denied" in str(found[f"{folder}/b.png"])
    assert found[f"{folder}/deeper/a.JPG"] == b"the bytes of a"


def test_a_file_that_vanished_ends_nothing(folder: Path) -> None:
    found = contents(folder)
    (folder / "b.png").unlink()
    read_now = dict(read(found, DECODING))
    assert "not here any more" in str(read_now[f"{folder}/b.png"])
    assert read_now[f"{folder}/deeper/a.JPG"] == b"the bytes of a"


def test_a_damaged_archive_is_one_sentence(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.png", b"bytes")
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"photos\.zip: damaged archive"):
        contents(archive)


def test_a_stream_is_read_as_far_as_an_image_may_be_large() -> None:
    few = default_block("decode", DecodeParams, max_pixels=10)
    assert read_stream("-", io.BytesIO(b"bytes"), few) == ("-", b"bytes")
    assert read_stream("-", io.BytesIO(), few) == ("-", "an empty file")
    stream = io.BytesIO(bytes(1000))
    _, why = read_stream("-", stream, few)
    assert "more than an image of decode.max_pixels" in str(why)
    assert stream.tell() == 81, "8 bytes a pixel, and one that tells"
