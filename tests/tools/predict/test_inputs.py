"""predict: what there is to look at behind a name."""

from pathlib import Path

import pytest

from stages.images.schema import DecodeParams
from tests.helpers import default_block, flat, write_zip
from tests.stages.images.test_archive import NFC, NFD, write_folder, zip_link
from tests.stages.source.test_images import images
from tools.predict.inputs import find, read

IMAGES = {"a.png": flat(1), "deep/b.png": flat(2)}


def test_what_is_no_image_blocks_nothing_in_an_archive(tmp_path: Path) -> None:
    more = {"/etc/notes.txt": b"", "../notes.txt": b"", "a\rb.txt": b"", "README": b""}
    place = find(str(write_zip(tmp_path / "data.zip", IMAGES | more)))
    assert (place.problem, place.images, place.passed_over) == ("", 2, 4)
    assert set(place.sizes or {}) == set(IMAGES)


@pytest.mark.parametrize("name", ["/etc/x.png", "../x.png", "a\rb.png"])
def test_an_image_with_a_bad_name_is_a_problem(tmp_path: Path, name: str) -> None:
    place = find(str(write_zip(tmp_path / "data.zip", IMAGES | {name: flat(1)})))
    assert place.problem.startswith(repr(name) if "\r" in name else name)


def test_a_link_is_a_problem_where_it_is_called_as_an_image(tmp_path: Path) -> None:
    assert find(str(zip_link(tmp_path / "a.zip"))).problem.startswith("train/link.png: a symbolic")
    assert (
        find(str(zip_link(tmp_path / "b.zip", "a.txt"))).problem == "no image in it, 1 other files"
    )


def test_images_are_read_by_composed_names(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "data.zip", {NFD: flat(1)})
    params = default_block("decode", DecodeParams)
    assert dict(read(find(str(path)), params)) == {f"{path}/{NFC}": flat(1)}
    folder = write_folder(tmp_path / "folder", {NFD: flat(1)})
    assert dict(read(find(str(folder)), params)) == {f"{folder}/{NFD}": flat(1)}


def test_parquet_files_are_read_as_archives_are(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from tests.stages.images.test_read_parquet import image, shard

    file = shard(tmp_path / "set/a.parquet", [image(flat(1)), image(b"x" * 99, "y.jpg")])
    decoding = default_block("decode", DecodeParams, max_pixels=24)
    for name in (file, tmp_path / "set"):
        place = find(str(name))
        assert (place.images, place.size, place.passed_over) == (2, file.stat().st_size, 0)
        assert dict(read(place, decoding)) == {
            f"{name}/a/0.png": flat(1),
            f"{name}/a/1.jpg": b"x" * 99,
        }
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    place = find(str(tmp_path / "b.parquet"))
    assert place.problem.startswith("damaged Parquet file: ")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_is_an_image_to_source_is_one_here(tmp_path: Path, kind: str) -> None:
    """By its suffix, readable or not, or by its bytes: as `source` counts what lies beside them."""
    files = {
        "real/1.png": flat(1),
        "real/no suffix": flat(2),
        "real/photo.jpg_large": flat(3),
        "fake/cut": flat(4)[:40],
        "fake/broken.png": b"x",
        "fake/notes.txt": b"hello",
        "fake/empty": b"",
        "fake/part.zip": b"PK\x03\x04",
        "README": b"RIFF and no picture",
    }
    path = tmp_path / "data"
    path = write_zip(path, files) if kind == "zip" else write_folder(path, files)
    place = find(str(path))
    decoding = default_block("decode", DecodeParams)
    seen = {name.removeprefix(f"{path}/") for name, _ in read(place, decoding)}
    assert (place.images, place.passed_over) == (5, 4)
    found = images(path, on_unreadable="skip").read()
    assert seen == set(found.images["path"])
    assert found.passed_over == {"litter": 0, "other files": 4}
