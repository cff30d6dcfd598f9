"""source: whatever the layout, each image gets its split, label, group and use."""

import hashlib
import io
import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from stages.common.command import InputError
from stages.images.archive import read_files
from stages.images.schema import DecodeParams
from stages.source.audit import exact_duplicates
from stages.source.counts import count
from stages.source.images import Images
from stages.source.organise import pixels
from stages.source.schema import SourceParams
from tests.helpers import (
    CIFAKE,
    data_set_with_copies,
    default_block,
    file_of,
    flat,
    patches,
    png,
    small_data_set,
    write_zip,
)

COUNTS = {"train": 6, "validation": 3, "test": 4}


def images(path: Path, processes: int | None = None, **changes: Any) -> Images:
    params = default_block("source", SourceParams, path=str(path), **changes)
    return Images(params, default_block("decode", DecodeParams), processes)


def organised(source: Images, found: pd.DataFrame) -> pd.DataFrame:
    return source.organise(found, source.near_pairs(found))


def manifest_of(path: Path, **changes: Any) -> pd.DataFrame:
    source = images(path, **changes)
    return organised(source, source.read().images)


def used(manifest: pd.DataFrame) -> dict[str, int]:
    sizes = manifest[manifest["status"] == "used"].groupby("split").size()
    return {str(split): size for split, size in sizes.items()}


def test_a_row_describes_the_image(workspace: Path) -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    files = small_data_set(COUNTS) | {"train/FAKE/0012 (2).png": png(pixels)}
    manifest = manifest_of(write_zip(workspace / "data.zip", files))
    row = manifest.set_index("path").loc["train/FAKE/0012 (2).png"]
    assert row.to_dict() == {
        "split": "train",
        "label": "FAKE",
        "group": "",
        "slice": "automobile",
        "cluster": "",
        "width": 7,
        "height": 5,
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "status": "used",
    }
    assert manifest[["split", "label", "path"]].apply(tuple, axis=1).is_monotonic_increasing


@pytest.mark.parametrize(
    ("name", "name_of_class"),
    [
        ("0003", "airplane"),
        ("12 (2)", "automobile"),
        ("12 (10)", "truck"),
        ("12 (11)", ""),
        ("a", ""),
    ],
)
def test_the_suffix_of_cifakes_names_is_the_cifar_10_class(
    workspace: Path, name: str, name_of_class: str
) -> None:
    files = small_data_set(COUNTS)
    files |= {f"train/REAL/{name}.png": flat(9), "train/REAL/7 (3).png": flat(8)}
    manifest = manifest_of(write_zip(workspace / "data.zip", files))
    assert manifest.set_index("path").loc[f"train/REAL/{name}.png", "slice"] == name_of_class


def test_plain_numbers_alone_are_no_classes(workspace: Path) -> None:
    manifest = manifest_of(write_zip(workspace / "data.zip", small_data_set(COUNTS)))
    assert set(manifest["slice"]) == {""}


@pytest.fixture
def with_duplicates(workspace: Path) -> Path:
    # The order of storage must not decide which copy is the first.
    files = dict(reversed(data_set_with_copies().items()))
    return write_zip(workspace / "data.zip", files)


def test_drop_keeps_test_whole_and_train_before_validation(with_duplicates: Path) -> None:
    status = manifest_of(with_duplicates).set_index("path")["status"]
    assert status[status != "used"].to_dict() == {
        "train/REAL/a2.png": "duplicate of train/REAL/a1.png",
        "train/REAL/b.png": "duplicate of test/FAKE/b.png",
        "validation/REAL/a.png": "duplicate of train/REAL/a1.png",
        "validation/FAKE/b.png": "duplicate of test/FAKE/b.png",
    }


def test_report_uses_all(with_duplicates: Path) -> None:
    assert set(manifest_of(with_duplicates, duplicates="report")["status"]) == {"used"}


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
    manifest = manifest_of(path, validation_fraction=0.25)
    carved = manifest[manifest["split"] == "validation"]
    assert used(manifest) == {"train": 24, "validation": 8, "test": 32}
    assert carved.groupby(["label", "slice"]).size().tolist() == [2, 2, 2, 2]
    assert all(carved["path"].str.startswith("train/"))
    again = manifest_of(path, validation_fraction=0.25)
    pd.testing.assert_frame_equal(again, manifest)
    assert not manifest_of(path, validation_fraction=0.25, seed=2).equals(manifest)


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


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train/REAL", "test/REAL"),
        ("Training/Nature", "TESTING/nature"),
        ("some/where/real/train", "else/where/test/real/deep/down"),
        ("real/camera/train", "test/photos"),
    ],
)
def test_folders_name_split_and_label_in_any_case_and_order(
    workspace: Path, train: str, test: str
) -> None:
    files = {f"{train}/a{n}.png": flat(n) for n in range(8)}
    files |= {f"{test}/a{n}.png": flat(50 + n) for n in range(2)}
    files |= {f"train/AI/{n}.png": flat(100 + n) for n in range(8)}
    files |= {f"test/synthetic/{n}.png": flat(200 + n) for n in range(2)}
    path = write_zip(workspace / "data.zip", files)
    manifest = manifest_of(path, validation_fraction=0.25)
    assert used(manifest) == {"train": 12, "validation": 4, "test": 4}
    assert manifest.groupby("split")["label"].value_counts().unstack().to_dict("list") == {
        "FAKE": [2, 6, 2],
        "REAL": [2, 6, 2],
    }


def test_a_files_own_name_is_no_folder(workspace: Path) -> None:
    files = small_data_set(COUNTS) | {"train/REAL/ai": flat(1), "train/REAL/test": flat(2)}
    manifest = manifest_of(write_zip(workspace / "data.zip", files)).set_index("path")
    for path in ("train/REAL/ai", "train/REAL/test"):
        assert manifest["split"][path] == "train"
        assert manifest["label"][path] == "REAL"


def test_labels_go_by_the_folders_that_params_name(workspace: Path) -> None:
    labels = {"REAL": ["Kamera"], "FAKE": ["erzeugt"]}
    files = {f"kamera/{n}.png": flat(n) for n in range(10)}
    files |= {f"ERZEUGT/{n}.png": flat(100 + n) for n in range(10)}
    manifest = manifest_of(write_zip(workspace / "data.zip", files), labels=labels)
    assert set(manifest["label"][manifest["path"].str.startswith("kamera")]) == {"REAL"}
    assert set(manifest["label"][manifest["path"].str.startswith("ERZEUGT")]) == {"FAKE"}


def without_splits(scenes: int) -> dict[str, bytes]:
    """Return `scenes` scenes with two photographs and one generated image each, by file name."""
    values = iter(range(256))
    return {
        f"{label}/scene{scene:02}_{view}.png": flat(next(values))
        for scene in range(scenes)
        for label, view in (("real", 1), ("real", 2), ("ai", 1))
    }


def test_without_split_folders_a_share_goes_to_validation_and_test(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", without_splits(20))
    manifest = manifest_of(path, test_fraction=0.3, validation_fraction=0.1)
    sizes = manifest.groupby(["split", "label"]).size().to_dict()
    assert sizes == {
        ("test", "FAKE"): 6,
        ("test", "REAL"): 12,
        ("train", "FAKE"): 12,
        ("train", "REAL"): 24,
        ("validation", "FAKE"): 2,
        ("validation", "REAL"): 4,
    }
    again = manifest_of(path, test_fraction=0.3, validation_fraction=0.1)
    pd.testing.assert_frame_equal(again, manifest)
    other = manifest_of(path, test_fraction=0.3, validation_fraction=0.1, seed=2)
    assert not other.equals(manifest)


def test_images_of_a_group_stay_in_one_split(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", without_splits(20))
    together = manifest_of(path, group_pattern=r"(scene\d+)_")
    assert together.groupby("group")["split"].nunique().tolist() == [1] * 20
    assert together["group"].str.fullmatch(r"scene\d\d").all()
    # Each scene has two photographs and one generated image: 4 of 20 scenes a split.
    assert used(together) == {"train": 36, "validation": 12, "test": 12}
    apart = manifest_of(path)
    scene = apart["path"].str.extract(r"(scene\d+)", expand=False)
    assert apart.groupby(scene)["split"].nunique().max() > 1, "without a pattern they are mixed"


def test_equal_pixels_and_groups_stay_together_when_all_are_used(workspace: Path) -> None:
    """Scene n has images n and n + 1, so that equal images tie each five scenes together."""
    files = {}
    for scene in range(60):
        label = "real" if scene < 30 else "fake"
        for view in (0, 1):
            value = scene + view if scene % 5 < 4 else scene
            files[f"{label}/scene{scene:02}_{view}.png"] = flat(value)
    path = write_zip(workspace / "data.zip", files)
    manifest = manifest_of(path, duplicates="report", group_pattern=r"(scene\d+)_")
    assert manifest.groupby("sha256")["split"].nunique().max() == 1
    assert manifest.groupby("group")["split"].nunique().max() == 1
    assert set(used(manifest)) == {"train", "validation", "test"}


def test_a_large_group_does_not_fill_a_small_split(workspace: Path) -> None:
    """120 of 180 images are of one scene, in both labels; a share of 0.2 is 36."""
    scenes = [("real", 0, 60), ("fake", 0, 60)]
    scenes += [(label, scene, 2) for scene in range(1, 16) for label in ("real", "fake")]
    files, value = {}, 0
    for label, scene, size in scenes:
        for number in range(size):
            value += 1
            name = f"s{scene}" if scene == 0 else f"s{scene}{label}"
            files[f"{label}/{name}_{number}.png"] = flat(value)
    path = write_zip(workspace / "data.zip", files)
    for seed in range(5):
        manifest = manifest_of(path, group_pattern=r"(s\w+)_", seed=seed)
        assert set(manifest["split"][manifest["group"] == "s0"]) == {"train"}
        assert 0 < used(manifest)["test"] <= 36


def test_equal_pixels_stay_in_one_split_when_all_are_used(workspace: Path) -> None:
    files = {f"{label}/{n}.png": flat(n // 2) for label in ("real",) for n in range(40)}
    files |= {f"fake/{n}.png": flat(100 + n // 2) for n in range(40)}
    path = write_zip(workspace / "data.zip", files)
    manifest = manifest_of(path, duplicates="report")
    assert set(manifest["status"]) == {"used"}
    assert manifest.groupby("sha256")["split"].nunique().max() == 1


def test_a_train_split_that_lies_in_test_leaves_nothing_to_carve_from(workspace: Path) -> None:
    files = {f"test/{label}/{n}.png": flat(n) for n, label in enumerate(("real", "fake"))}
    files |= {name.replace("test", "train"): data for name, data in files.items()}
    with pytest.raises(InputError, match="no REAL image to use in split 'train'"):
        manifest_of(write_zip(workspace / "data.zip", files))


def test_a_missing_test_split_is_taken_from_train(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", small_data_set({"train": 20, "validation": 5}))
    assert used(manifest_of(path)) == {"train": 32, "validation": 10, "test": 8}


def test_litter_and_other_files_are_passed_over_and_counted(workspace: Path) -> None:
    files = small_data_set(COUNTS) | {
        "__MACOSX/train/REAL/._0000.png": b"litter",
        "train/FAKE/Thumbs.db": b"litter",
        "README.txt": b"about this data set",
        "train/fake/metadata.csv": b"a,b",
        "train/FAKE/README.md": b"",
        "train/FAKE/part.zip": b"PK",
        "train/FAKE/weights.bin": b"x" * 100_000,
    }
    path = write_zip(workspace / "data.zip", files)
    source = images(path)
    source.data_set.decoding = default_block("decode", DecodeParams, max_pixels=10_000)
    found = source.read()
    assert len(found.images) == 26
    assert found.passed_over == {"litter": 2, "other files": 5}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_accents_are_accents_however_they_are_written(
    workspace: Path, kind: str, form: Literal["NFC", "NFD"]
) -> None:
    """By macOS in the archive, and by whoever typed the parameters."""
    files = {f"r\u00e9el/for\u00eat{n % 8}_{n}.png": flat(n) for n in range(40)}
    files |= {f"g\u00e9n\u00e9r\u00e9/for\u00eat{n % 8}_{n}.png": flat(n + 50) for n in range(40)}
    stored = {unicodedata.normalize(form, name): data for name, data in files.items()}
    path = workspace / f"data.{kind}"
    if kind == "zip":
        write_zip(path, stored)
    else:
        for name, data in stored.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    for typed in ("NFC", "NFD"):
        labels = {"REAL": ["R\u00c9EL"], "FAKE": ["g\u00e9n\u00e9r\u00e9"]}
        manifest = manifest_of(
            path,
            labels={
                label: [unicodedata.normalize(typed, name) for name in names]
                for label, names in labels.items()
            },
            group_pattern=unicodedata.normalize(typed, "(for\u00eat[0-9])_"),
        )
        assert sorted(manifest["path"]) == sorted(files)
        assert set(manifest["group"]) == {f"for\u00eat{n}" for n in range(8)}
        assert (manifest.loc[manifest["label"] == "REAL", "path"].str[:4] == "r\u00e9el").all()
        assert set(dict(read_files(path, set(manifest["path"])))) == set(files)


@pytest.mark.parametrize("name", ["notes/../../x.png", "/etc/x.png", "other/a\rb.png"])
def test_a_bad_name_blocks_nothing_outside_the_label_folders(workspace: Path, name: str) -> None:
    files = small_data_set(COUNTS) | {"README.md": b"hello", name: flat(1)}
    found = images(write_zip(workspace / "data.zip", files)).read()
    assert found.passed_over == {"litter": 0, "other files": 2}
    assert len(found.images) == 2 * sum(COUNTS.values())


def test_a_name_that_is_not_utf8_blocks_nothing_outside_the_label_folders(workspace: Path) -> None:
    folder = workspace / "data"
    for name, data in small_data_set(COUNTS).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    Path(os.fsdecode(bytes(folder) + b"/caf\xe9.png")).write_bytes(b"1")
    packed = Path(shutil.make_archive(str(workspace / "packed"), "tar", folder))
    for path in (folder, packed):
        assert images(path).read().passed_over == {"litter": 0, "other files": 1}
    Path(os.fsdecode(bytes(folder) + b"/train/REAL/caf\xe9.png")).write_bytes(b"1")
    packed = Path(shutil.make_archive(str(workspace / "packed"), "tar", folder))
    for path in (folder, packed):
        with pytest.raises(InputError, match=r"train/REAL/caf\\xe9.png: a name that is not UTF-8"):
            images(path).read()


def test_a_link_blocks_nothing_outside_the_label_folders(workspace: Path) -> None:
    folder = workspace / "data"
    for name, data in small_data_set(COUNTS).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "train/notes.txt").symlink_to("/etc/passwd")
    found = images(folder).read()
    assert found.passed_over == {"litter": 0, "other files": 1}
    assert len(found.images) == 2 * sum(COUNTS.values())
    for name in ("train/REAL/deep/link.png", "train/FAKE.png", "fake"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to("/etc/passwd")
        if name == "train/FAKE.png":  # no folder of its path is one
            assert images(folder).read().passed_over["other files"] == 2
        else:
            with pytest.raises(InputError, match=f"{name}: a symbolic link out of the data set"):
                images(folder).read()
        (folder / name).unlink()


def test_unreadable_images_are_skipped_and_named(workspace: Path) -> None:
    files = small_data_set(COUNTS)
    whole = files["train/REAL/0000.png"]
    files |= {
        "train/REAL/cut.png": whole[:1000],
        "train/REAL/empty.png": b"",
        "train/FAKE/notes.png": b"hello",
    }
    path = write_zip(workspace / "data.zip", files)
    source = images(path, on_unreadable="skip")
    found = source.read()
    manifest = organised(source, found.images)
    left_out = manifest[manifest["status"] != "used"].set_index("path")["status"]
    assert left_out.to_dict() == {
        "train/REAL/cut.png": "unreadable: damaged or cut off: image file is truncated",
        "train/REAL/empty.png": "unreadable: an empty file",
        "train/FAKE/notes.png": "unreadable: damaged, or no image of a known format: "
        "JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF",
    }
    assert used(manifest) == {"train": 12, "validation": 6, "test": 8}
    assert count(found.images, manifest, found.passed_over)["left_out"] == {
        "unreadable": 3,
        "duplicate": 0,
        "held out": 0,
        "near copy": 0,
        "not sampled": 0,
    }


def test_counts_are_by_split_label_and_group(workspace: Path) -> None:
    files = without_splits(20) | {"real/alone.png": flat(200), "ai/copy.png": flat(0)}
    source = images(
        write_zip(workspace / "data.zip", files),
        group_pattern=r"(scene\d+)_",
        samples={"train": 10},
    )
    found = source.read()
    manifest = organised(source, found.images)
    counts = count(found.images, manifest, found.passed_over)
    assert counts["found"]["train"] == {"REAL": 41, "FAKE": 21}
    assert counts["used"]["train"] == {"REAL": 5, "FAKE": 5}
    in_use = manifest[manifest["status"] == "used"]
    assert counts["left_out"]["not sampled"] == 61 - len(in_use)
    assert counts["left_out"]["duplicate"] == 1
    assert counts["groups"]["number"] == in_use["group"][in_use["group"] != ""].nunique()
    name, group = next(iter(counts["groups"]["largest"].items()))
    assert sum(n for labels in group.values() for n in labels.values()) == 3
    assert name == min(in_use["group"].value_counts().loc[lambda sizes: sizes == 3].index)


def test_any_number_of_processes_finds_the_same(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", small_data_set({"train": 300, "test": 20}))
    one, two, three = (images(path, processes).read().images for processes in (1, 2, 3))
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(one, three)


def test_an_empty_archive_has_no_images(workspace: Path) -> None:
    with pytest.raises(InputError, match="no REAL image to use in split 'train'"):
        manifest_of(write_zip(workspace / "data.zip", {}))


def test_a_class_of_one_image_does_not_stop_the_carving(workspace: Path) -> None:
    files = small_data_set({"train": 8, "test": 2}) | {"train/REAL/7 (2).png": flat(9)}
    files = {name.replace("/00", "/image00"): data for name, data in files.items()}
    manifest = manifest_of(write_zip(workspace / "data.zip", files))
    assert used(manifest) == {"train": 14, "validation": 3, "test": 4}


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
    with pytest.raises(InputError, match=r"source\.validation_fraction: 2 images are too few to"):
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
    assert (row["split"], row["label"], row["slice"]) == ("validation", "REAL", "ship")


@pytest.mark.slow
def test_all_of_cifake() -> None:
    path = CIFAKE / "cifake.zip"
    if not path.exists():
        pytest.skip("data/cifake.zip is not here; docs/your-data.md says how to get it")
    source = images(path, validation_fraction=0.1)
    found = source.read().images
    # As others have counted them in this archive.
    assert exact_duplicates(found) == {
        "train_in_test": 208,
        "validation_in_test": 0,
        "validation_in_train": 0,
        "inside_train": 920,
        "inside_validation": 0,
        "inside_test": 12,
    }
    in_test = set(pixels(found)[found["split"] == "test"])
    shared = found[(found["split"] == "train") & pixels(found).isin(in_test)]
    assert set(shared["label"]) == {"FAKE"}
    manifest = organised(source, found)
    sizes = used(manifest)
    assert sizes["test"] == 10_140
    kept = sizes["train"] + sizes["validation"]
    # Clusters are drawn whole, and are a little larger than one image.
    assert sizes["validation"] == pytest.approx(kept / 10, abs=5)
    shares = manifest[manifest["split"] == "validation"].groupby(["label", "slice"]).size()
    whole = manifest[manifest["split"] != "test"].query("status == 'used'")
    expected = whole.groupby(["label", "slice"]).size() / 10
    assert np.allclose(shares, expected, atol=5)


def photograph(seed: int) -> Image.Image:
    return patches(seed, 160, 120)


COPIES = {
    "resized": lambda image: file_of(image.resize((120, 90), Image.Resampling.LANCZOS)),
    "recompressed": lambda image: file_of(image, "JPEG", quality=60),
    "mirrored": lambda image: file_of(ImageOps.mirror(image), "JPEG", quality=90),
    "re-saved": file_of,
}


def with_copies(number: int) -> dict[str, bytes]:
    files = {}
    for seed in range(number):
        image, folder = photograph(seed), ("real", "fake")[seed % 2]
        files[f"{folder}/{seed:03}.jpg"] = file_of(image, "JPEG", quality=95)
        files |= {f"{folder}/{name}-{seed}.png": copy(image) for name, copy in COPIES.items()}
    return files


def sides(manifest: pd.DataFrame) -> pd.Series:
    """Return on how many sides the copies of each photograph are."""
    seed = manifest["path"].str.extract(r"(\d+)\.")[0].astype(int)
    return manifest.groupby(seed)["split"].nunique()


def test_made_copies_are_on_one_side_of_splits_that_are_drawn(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", with_copies(24))
    assert sides(manifest_of(path)).max() == 1
    manifest = manifest_of(path, near_copies="ignore")
    assert (sides(manifest) > 1).sum() > 12
    assert set(manifest["cluster"]) == {""}


def test_near_copies_of_given_test_images_may_be_left_out_of_training(workspace: Path) -> None:
    files = small_data_set(COUNTS)
    files["test/REAL/a.jpg"] = file_of(photograph(1), "JPEG", quality=95)
    files["train/REAL/b.png"] = COPIES["mirrored"](photograph(1))
    files["validation/FAKE/c.png"] = COPIES["resized"](photograph(1))
    path = write_zip(workspace / "data.zip", files)
    assert (
        used(manifest_of(path))["train"] == used(manifest_of(path, near_copies="ignore"))["train"]
    )
    status = manifest_of(path, near_copies="drop").set_index("path")["status"]
    assert status[status != "used"].to_dict() == {
        "train/REAL/b.png": "near copy of test/REAL/a.jpg",
        "validation/FAKE/c.png": "near copy of test/REAL/a.jpg",
    }


def test_a_slice_is_the_folder_below_the_labels(workspace: Path) -> None:
    files = {
        f"{folder}/{number}.png": flat(place * 20 + number)
        for place, folder in enumerate(
            ("real/cats/deep", "real/dogs", "real", "train/fake/sd", "fake/test")
        )
        for number in range(8)
    }
    files = {name: data for name, data in files.items() if not name.startswith("train")}
    manifest = manifest_of(write_zip(workspace / "data.zip", files), splits=None)
    found = manifest.groupby(manifest["path"].str.rpartition("/")[0])["slice"].unique()
    assert found.map(list).to_dict() == {
        "real/cats/deep": ["cats"],
        "real/dogs": ["dogs"],
        "real": [""],
        "fake/test": ["test"],
    }


def test_a_pattern_names_slices_and_what_is_held_out_is_nowhere_else(workspace: Path) -> None:
    random = np.random.default_rng(0)
    files = {
        f"{label}/{name}_{number}.png": png(random.integers(0, 256, (9, 9, 3)).astype(np.uint8))
        for label in ("real", "fake")
        for name in ("cats", "dogs", "cars")
        for number in range(10)
    }
    copy = Image.open(io.BytesIO(files["real/dogs_1.png"]))
    files["real/cats_copy.png"] = file_of(copy, compress_level=0)
    files["fake/cats_alike.png"] = file_of(ImageOps.mirror(copy))
    path = write_zip(workspace / "data.zip", files)
    pattern = r"([a-z]+)_\w+\.png"
    manifest = manifest_of(path, slice_pattern=pattern, hold_out=["dogs"])
    by_split = manifest.groupby("slice")["split"].unique().map(set).to_dict()
    assert by_split["dogs"] == {"held_out"}
    assert not {"held_out"} & (by_split["cats"] | by_split["cars"])
    status = manifest.set_index("path")["status"]
    assert status["real/cats_copy.png"] == "duplicate of real/dogs_1.png"
    assert status["fake/cats_alike.png"] == "held out with real/dogs_1.png"
    with pytest.raises(
        InputError, match=r"hold_out: 'birds' is no slice; there are cars, cats, dog"
    ):
        manifest_of(path, slice_pattern=pattern, hold_out=["birds"])


def test_a_csv_in_the_data_set_says_groups_and_slices(workspace: Path) -> None:
    files = small_data_set({"some": 20})
    rows = [f"{name},{'photograph' if number < 9 else ''}," for number, name in enumerate(files)]
    files["groups.csv"] = "\n".join(
        ["path,group,slice", *rows[:-1], f"{[*files][-1]},,sd"]
    ).encode()
    path = write_zip(workspace / "data.zip", files)
    manifest = manifest_of(path)
    assert (manifest["group"] == "photograph").sum() == 9
    assert manifest[manifest["group"] != ""]["split"].nunique() == 1
    assert manifest["slice"].value_counts()["sd"] == 1
    assert set(manifest_of(path, groups=None)["group"]) == {""}
    files["groups.csv"] = b"path,group,slice\ngone.png,a,\n"
    wrong = write_zip(workspace / "wrong.zip", files)
    with pytest.raises(InputError, match=r"groups.csv: line 2: path: 'gone.png' is no file of the"):
        manifest_of(wrong)
    with pytest.raises(InputError, match=r"source.groups: no file grops.csv in the data set"):
        manifest_of(path, groups="grops.csv")
    name = min(files)
    files["groups.csv"] = f"path,group,slice\n{name},a,\n{name},b,\n".encode()
    with pytest.raises(InputError, match=r"line 3: .* has another row before; keep"):
        manifest_of(write_zip(workspace / "twice.zip", files))


def test_a_slice_of_a_table_is_the_same_in_both_spellings_of_an_accent(workspace: Path) -> None:
    files = small_data_set({"some": 20})
    rows = [f"{name},,{unicodedata.normalize('NFD', 'réel')}" for name in [*files][:4]]
    files["groups.csv"] = "\n".join(["path,group,slice", *rows]).encode()
    manifest = manifest_of(write_zip(workspace / "data.zip", files), hold_out=["réel"])
    assert (manifest["split"] == "held_out").sum() == 4


@pytest.mark.parametrize("duplicates", ["drop", "report"])
def test_nothing_of_a_cluster_that_is_held_out_is_learned(workspace: Path, duplicates: str) -> None:
    random = np.random.default_rng(0)
    files = {
        f"{label}/{name}/{number}.png": png(random.integers(0, 256, (9, 9, 3)).astype(np.uint8))
        for label in ("real", "fake")
        for name in ("cats", "dogs")
        for number in range(12)
    }
    held_out = Image.open(io.BytesIO(files["real/dogs/1.png"]))
    files["real/cats/same.png"] = file_of(held_out)
    for name in ("alike", "twin"):
        files[f"fake/cats/{name}.png"] = file_of(ImageOps.mirror(held_out))
    files["groups.csv"] = b"path,group,slice\nreal/dogs/2.png,shot,\nfake/cats/2.png,shot,\n"
    path = write_zip(workspace / "data.zip", files)
    manifest = manifest_of(path, hold_out=["dogs"], duplicates=duplicates)
    learned = manifest[(manifest["split"] != "held_out") & (manifest["status"] == "used")]
    for name in ("real/cats/same", "fake/cats/alike", "fake/cats/twin", "fake/cats/2"):
        assert f"{name}.png" not in set(learned["path"]), name
    assert len(learned) == 23


def frame_of(video: int, number: int) -> bytes:
    return file_of(photograph(video), "JPEG", quality=60 + number)


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_met_where_near_copies_are_many(workspace: Path, seed: int) -> None:
    """As frames of videos are: six of ten and twelve of five a label."""
    files = {
        f"{label}/{video}-{frame}.jpg": file_of(
            photograph(place * 100 + video), "JPEG", quality=60 + frame
        )
        for place, label in enumerate(("real", "fake"))
        for video in range(18)
        for frame in range(10 if video < 6 else 5)
    }
    sizes = used(manifest_of(write_zip(workspace / "data.zip", files), seed=seed))
    assert sizes["test"] == pytest.approx(48, abs=10)
    assert sizes["validation"] == pytest.approx(48, abs=10)
