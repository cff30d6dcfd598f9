"""source: every layout gives the same manifest, and duplicates, splits and samples are right."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.command import InputError
from stages.params import validate
from stages.source import Images, SourceParams, count
from tests.helpers import CIFAKE, png, small_data_set, write_zip

COUNTS = {"train": 6, "validation": 3, "test": 4}
HALF = small_data_set({"train": 1})["train/REAL/0000.png"][:1000]


def images(path: Path, **changes: object) -> Images:
    values = {
        "path": str(path),
        "validation_fraction": 0.25,
        "duplicates": "drop",
        "samples": {},
        "seed": 1,
    }
    return Images(validate(SourceParams, values | changes, "source"))


def manifest_of(path: Path, **changes: object) -> pd.DataFrame:
    source = images(path, **changes)
    return source.organise(source.read())


def used(manifest: pd.DataFrame) -> dict[str, int]:
    sizes = manifest[manifest["status"] == "used"].groupby("split").size()
    return {str(split): size for split, size in sizes.items()}


def flat(value: int) -> bytes:
    """Return a 4x4 image whose pixels all have `value`."""
    return png(np.full((4, 4, 3), value, np.uint8))


def test_a_row_describes_the_image(workspace: Path) -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    files = small_data_set(COUNTS) | {"train/FAKE/0012 (2).png": png(pixels)}
    manifest = manifest_of(write_zip(workspace / "data.zip", files))
    row = manifest.set_index("path").loc["train/FAKE/0012 (2).png"]
    assert row.to_dict() == {
        "split": "train",
        "label": "FAKE",
        "group": "automobile",
        "width": 7,
        "height": 5,
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "status": "used",
    }
    assert manifest[["split", "label", "path"]].apply(tuple, axis=1).is_monotonic_increasing


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("0003", "airplane"),
        ("12 (2)", "automobile"),
        ("12 (10)", "truck"),
        ("12 (11)", ""),
        ("a", ""),
    ],
)
def test_the_suffix_names_the_cifar_10_class(workspace: Path, name: str, group: str) -> None:
    files = small_data_set(COUNTS) | {f"train/REAL/x/{name}.png": flat(9)}
    manifest = manifest_of(write_zip(workspace / "data.zip", files))
    assert manifest.set_index("path").loc[f"train/REAL/x/{name}.png", "group"] == group


def test_zip_tar_and_folder_give_the_same_manifest(workspace: Path) -> None:
    files = small_data_set(COUNTS)
    expected = manifest_of(write_zip(workspace / "data.zip", files))
    assert used(expected) == {"train": 12, "validation": 6, "test": 8}
    shutil.unpack_archive(workspace / "data.zip", workspace / "folder")
    pd.testing.assert_frame_equal(manifest_of(workspace / "folder"), expected)
    for kind, suffix in (("tar", ".tar"), ("gztar", ".tar.gz"), ("xztar", ".tar.xz")):
        shutil.make_archive(str(workspace / "data"), kind, workspace / "folder")
        pd.testing.assert_frame_equal(manifest_of(workspace / f"data{suffix}"), expected)


@pytest.fixture
def with_duplicates(workspace: Path) -> Path:
    """Train: two copies of A, one of B, which is in test. Validation: C, A and B. Test: B twice."""
    a, b, c, d, e = (flat(value) for value in (10, 20, 30, 40, 50))
    files = {
        "train/REAL/a1.png": a,
        "train/REAL/a2.png": a,
        "train/REAL/b.png": b,
        "train/FAKE/d.png": d,
        "validation/REAL/a.png": a,
        "validation/REAL/c.png": c,
        "validation/FAKE/b.png": b,
        "validation/FAKE/e.png": e,
        "test/REAL/b.png": b,
        "test/FAKE/b.png": b,
    }
    # The order of storage must not decide which copy is the first.
    return write_zip(workspace / "data.zip", dict(reversed(files.items())))


def test_drop_keeps_test_whole_and_train_before_validation(with_duplicates: Path) -> None:
    status = manifest_of(with_duplicates).set_index("path")["status"]
    assert status[status != "used"].to_dict() == {
        "train/REAL/a2.png": "duplicate of train/REAL/a1.png",
        "train/REAL/b.png": "duplicate of test/FAKE/b.png",
        "validation/REAL/a.png": "duplicate of train/REAL/a1.png",
        "validation/FAKE/b.png": "duplicate of test/FAKE/b.png",
    }


def test_report_uses_all_and_counts(with_duplicates: Path) -> None:
    source = images(with_duplicates, duplicates="report")
    found = source.read()
    manifest = source.organise(found)
    assert set(manifest["status"]) == {"used"}
    counts = count(found, manifest)
    assert counts["duplicates"] == {
        "train_in_test": 1,
        "validation_in_test": 1,
        "validation_in_train": 2,
        "inside_train": 1,
        "inside_validation": 0,
        "inside_test": 1,
    }
    assert counts["used"] == counts["found"]
    assert counts["used"]["train"] == {"REAL": 3, "FAKE": 1}


def test_error_names_a_duplicate(with_duplicates: Path) -> None:
    with pytest.raises(InputError, match=r"has the pixels of .*, 5 in all"):
        manifest_of(with_duplicates, duplicates="error")


def test_equal_bytes_in_another_shape_are_no_duplicate(workspace: Path) -> None:
    files = small_data_set(COUNTS)
    files["train/REAL/wide.png"] = png(np.full((2, 8, 3), 9, np.uint8))
    files["train/REAL/high.png"] = png(np.full((8, 2, 3), 9, np.uint8))
    assert set(manifest_of(write_zip(workspace / "data.zip", files))["status"]) == {"used"}


def test_validation_is_carved_by_label_and_class(workspace: Path) -> None:
    random = np.random.default_rng(0)
    files = {
        f"{split}/{label}/{number} ({group}).png": png(
            random.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        )
        for split in ("train", "test")
        for label in ("REAL", "FAKE")
        for group in (2, 3)
        for number in range(8)
    }
    path = write_zip(workspace / "data.zip", files)
    manifest = manifest_of(path)
    carved = manifest[manifest["split"] == "validation"]
    assert used(manifest) == {"train": 24, "validation": 8, "test": 32}
    assert carved.groupby(["label", "group"]).size().tolist() == [2, 2, 2, 2]
    assert all(carved["path"].str.startswith("train/"))
    pd.testing.assert_frame_equal(manifest_of(path), manifest)
    assert not manifest_of(path, seed=2).equals(manifest)


def test_samples_are_balanced_and_seeded(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", small_data_set(COUNTS))
    samples = {"train": 5, "validation": None, "test": 2}
    manifest = manifest_of(path, samples=samples)
    assert used(manifest) == {"train": 5, "validation": 6, "test": 2}
    chosen = manifest[manifest["status"] == "used"]
    assert chosen[chosen["split"] == "train"].groupby("label").size().to_dict() == {
        "FAKE": 2,
        "REAL": 3,
    }
    assert set(manifest["status"]) == {"used", "not sampled"}
    pd.testing.assert_frame_equal(manifest_of(path, samples=samples), manifest)
    assert not manifest_of(path, samples=samples, seed=2).equals(manifest)


def broken_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write a zip one of whose images has a damaged byte."""
    write_zip(path, files)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 255
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"train/REAL/x.png": b""}, "train/REAL/x.png: not an image"),
        ({"train/REAL/x.png": b"hello"}, "train/REAL/x.png: not an image"),
        ({"train/REAL/x.png": HALF}, "train/REAL/x.png: not a readable image"),
        ({"x.png": flat(1)}, "x.png: expected one folder of train|validation|test"),
        ({"train/REAL/FAKE/x.png": flat(1)}, "found ['train', 'REAL', 'FAKE']"),
    ],
)
def test_a_wrong_file_is_named(workspace: Path, extra: dict[str, bytes], message: str) -> None:
    path = write_zip(workspace / "data.zip", small_data_set(COUNTS) | extra)
    with pytest.raises(InputError) as error:
        manifest_of(path)
    assert message in str(error.value)
    assert "0x" not in str(error.value), "no object's address"


def test_a_wrong_archive_is_named(workspace: Path) -> None:
    files = small_data_set(COUNTS)
    whole = write_zip(workspace / "whole.zip", files)
    (workspace / "cut.zip").write_bytes(whole.read_bytes()[:-200])
    (workspace / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08\x00" + bytes(40))
    (workspace / "text.txt").write_text("hello")
    broken_zip(workspace / "broken.zip", files)
    for name, message in {
        "missing.zip": "no such file",
        "cut.zip": "expected a zip, a tar or a folder",
        "cut.tar.gz": "expected a zip, a tar or a folder",
        "text.txt": "expected a zip, a tar or a folder",
        "broken.zip": "Bad CRC-32",
    }.items():
        with pytest.raises(InputError) as error:
            manifest_of(workspace / name)
        assert name in str(error.value)
        assert message in str(error.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_image_that_is_twice_in_the_archive_is_refused(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", small_data_set(COUNTS))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train/REAL/0000.png", flat(3))
    with pytest.raises(InputError, match=r"train/REAL/0000\.png: twice in the archive"):
        manifest_of(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_is_one_sentence_for_every_compression(workspace: Path, method: int) -> None:
    path = workspace / "data.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("train/REAL/0000.png", HALF * 3)
    data = bytearray(path.read_bytes())
    data[60:400] = bytes(340)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"train/REAL/0000\.png: "):
        manifest_of(path)


def test_an_empty_archive_has_no_images(workspace: Path) -> None:
    with pytest.raises(InputError, match="no REAL image to use in split 'train'"):
        manifest_of(write_zip(workspace / "data.zip", {}))


def test_a_class_of_one_image_does_not_stop_the_carving(workspace: Path) -> None:
    files = small_data_set({"train": 8, "test": 2}) | {"train/REAL/7 (2).png": flat(9)}
    files = {name.replace("/00", "/image00"): data for name, data in files.items()}
    manifest = manifest_of(write_zip(workspace / "data.zip", files))
    assert used(manifest) == {"train": 12, "validation": 5, "test": 4}


def test_a_photograph_is_turned_as_its_camera_says(workspace: Path) -> None:
    write_zip(workspace / "data.zip", small_data_set(COUNTS))
    shutil.unpack_archive(workspace / "data.zip", workspace / "folder")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(workspace / "folder/train/REAL/turned.jpg", exif=exif)
    row = manifest_of(workspace / "folder").set_index("path").loc["train/REAL/turned.jpg"]
    assert (row["width"], row["height"]) == (4, 8)


def test_sixteen_bits_a_colour_are_refused(workspace: Path) -> None:
    write_zip(workspace / "data.zip", small_data_set(COUNTS))
    shutil.unpack_archive(workspace / "data.zip", workspace / "folder")
    Image.new("I;16", (8, 4), 700).save(workspace / "folder/train/REAL/deep.png")
    with pytest.raises(InputError, match=r"deep\.png: expected 8 bits a colour"):
        manifest_of(workspace / "folder")


def test_a_cut_off_tar_is_refused(workspace: Path) -> None:
    write_zip(workspace / "data.zip", small_data_set(COUNTS))
    shutil.unpack_archive(workspace / "data.zip", workspace / "folder")
    shutil.make_archive(str(workspace / "data"), "gztar", workspace / "folder")
    whole = (workspace / "data.tar.gz").read_bytes()
    (workspace / "data.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"data\.tar\.gz: damaged archive"):
        manifest_of(workspace / "data.tar.gz")


def test_a_split_without_a_label_is_refused(workspace: Path) -> None:
    files = small_data_set(COUNTS)
    files = {name: data for name, data in files.items() if not name.startswith("test/FAKE")}
    with pytest.raises(InputError, match="no FAKE image to use in split 'test'"):
        manifest_of(write_zip(workspace / "data.zip", files))


def test_more_samples_than_images_are_refused(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", small_data_set(COUNTS))
    message = r"source\.samples\.test: 10 needs 5 REAL images, and there are 4"
    with pytest.raises(InputError, match=message):
        manifest_of(path, samples={"test": 10})


def test_too_few_images_to_carve_from_are_refused(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", small_data_set({"train": 1, "test": 1}))
    with pytest.raises(InputError, match=r"source\.validation_fraction: cannot take 0\.25 of 2"):
        manifest_of(path)


def test_the_studys_archive(cifake_800: Path) -> None:
    dropped = manifest_of(cifake_800)
    assert used(dropped) == {"train": 800, "validation": 200, "test": 1000}
    assert used(manifest_of(cifake_800, duplicates="report")) == {
        "train": 800,
        "validation": 735,
        "test": 1000,
    }
    row = dropped.set_index("path").loc["validation/REAL/0004 (9).jpg/0004 (9).jpg"]
    assert (row["split"], row["label"], row["group"]) == ("validation", "REAL", "ship")


@pytest.mark.slow
def test_all_of_cifake() -> None:
    path = CIFAKE / "cifake.zip"
    if not path.exists():
        pytest.skip("data/cifake.zip is not here; the README says how to get it")
    source = images(path, validation_fraction=0.1)
    found = source.read()
    duplicates = count(found, found)["duplicates"]
    # As others have counted them in this archive.
    assert (duplicates["inside_train"], duplicates["inside_test"]) == (920, 12)
    manifest = source.organise(found)
    sizes = used(manifest)
    assert sizes["test"] == 10_140
    kept = sizes["train"] + sizes["validation"]
    assert sizes["validation"] == pytest.approx(kept / 10, abs=1)
    shares = manifest[manifest["split"] == "validation"].groupby(["label", "group"]).size()
    whole = manifest[manifest["split"] != "test"].query("status == 'used'")
    expected = whole.groupby(["label", "group"]).size() / 10
    assert np.allclose(shares, expected, atol=1)


def test_grey_and_palette_images_become_rgb(workspace: Path) -> None:
    files = small_data_set(COUNTS)
    write_zip(workspace / "data.zip", files)
    folder = workspace / "folder"
    shutil.unpack_archive(workspace / "data.zip", folder)
    Image.new("L", (3, 3), 77).save(folder / "train/REAL/grey.png")
    Image.new("P", (3, 3)).save(folder / "train/REAL/palette.gif")
    manifest = manifest_of(folder).set_index("path")
    expected = hashlib.sha256(bytes([77] * 27)).hexdigest()
    assert manifest.loc["train/REAL/grey.png", "sha256"] == expected
    assert manifest.loc["train/REAL/palette.gif", "status"] == "used"
