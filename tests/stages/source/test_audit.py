"""audit: what is wrong with a data set is found, counted and said in words."""

import io
import json
from itertools import product
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter, ImageOps

from stages.common.command import InputError
from stages.common.params import validate
from stages.images.near_copies import near_pairs
from stages.source.audit import Audit, audit, near_duplicates, small_test
from stages.source.schema import AuditParams
from tests.helpers import (
    REPOSITORY,
    data_set_with_copies,
    edit_params,
    file_of,
    flat,
    patches,
    png,
    run_stage,
    small_data_set,
    write_zip,
)
from tests.stages.images.test_metadata import BAD as BAD_METADATA
from tests.stages.source.test_images import images

COUNTS = {"train": 20, "validation": 6, "test": 8}
LEVELS = {
    "exact_duplicates": "warn",
    "conflicting_labels": "warn",
    "near_duplicates": "warn",
    "near_duplicate_bits": 4,
    "shared_groups": "warn",
    "short_cuts": "warn",
    "short_cut_limit": 0.7,
    "leave_slice_out": "warn",
    "small_test": "warn",
}


def audit_of(path: Path, levels: dict[str, str] | None = None, **changes: Any) -> Audit:
    source = images(path, **changes)
    found = source.read().images
    pairs = source.near_pairs(found)
    manifest = source.organise(found, pairs)
    params = validate(AuditParams, LEVELS | (levels or {}), "audit")
    return audit(found, manifest, params, pairs, seed=1)


def messages(result: Audit) -> dict[str, str]:
    return {finding.name: finding.message for finding in result.findings}


def scene(seed: int) -> Image.Image:
    return patches(seed, 64, 64)


def scenes(real: dict[str, Any] | None = None, fake: dict[str, Any] | None = None) -> dict:
    """Return a data set of scenes by file name, each label stored with options of its own."""
    files, seed = {}, 0
    for split, count in COUNTS.items():
        for label, options in (("REAL", real), ("FAKE", fake)):
            for number in range(count):
                seed += 1
                files[f"{split}/{label}/{number:03}"] = file_of(scene(seed), **(options or {}))
    return files


def test_exact_duplicates_are_counted_within_and_across_splits(tmp_path: Path) -> None:
    result = audit_of(write_zip(tmp_path / "data.zip", data_set_with_copies()))
    assert result.numbers["duplicates"] == {
        "train_in_test": 1,
        "validation_in_test": 1,
        "validation_in_train": 2,
        "inside_train": 1,
        "inside_validation": 0,
        "inside_test": 1,
    }
    assert messages(result)["exact_duplicates"] == (
        "images with equal pixels: 1 train in test, 1 validation in test, 2 validation in train, "
        "1 inside train, 1 inside test"
    )
    assert result.numbers["conflicting_labels"] == 1
    expected = "1 different images are there both as REAL and as FAKE"
    assert messages(result)["conflicting_labels"] == expected
    assert result.copies["path"].iloc[0].endswith("/b.png"), "those with two labels come first"
    assert len(result.copies) == 5


def test_copies_with_two_labels_are_named_first(tmp_path: Path) -> None:
    files = small_data_set(COUNTS)
    files["test/FAKE/copy.png"] = files["test/FAKE/0000.png"]
    files["validation/REAL/conflict.png"] = files["validation/FAKE/0000.png"]
    result = audit_of(write_zip(tmp_path / "data.zip", files))
    assert result.copies.to_numpy().tolist() == [
        ["validation/REAL/conflict.png", "validation/FAKE/0000.png"],
        ["test/FAKE/copy.png", "test/FAKE/0000.png"],
    ]


def test_near_duplicates_across_splits_are_found_and_paired(tmp_path: Path) -> None:
    files = scenes()
    copy = scene(1).filter(ImageFilter.GaussianBlur(0.5))
    smaller = scene(1).resize((60, 60), Image.Resampling.BICUBIC)
    files |= {"test/REAL/blurred": file_of(copy), "validation/REAL/smaller": file_of(smaller)}
    # Within a split, a copy is no leak.
    files["train/REAL/second"] = file_of(copy.filter(ImageFilter.GaussianBlur(0.7)))
    result = audit_of(write_zip(tmp_path / "data.zip", files))
    assert result.numbers["near_duplicates"] == {
        "train_like_test": 2,
        "test_like_train": 1,
        "validation_like_test": 1,
        "test_like_validation": 1,
        "validation_like_train": 1,
        "train_like_validation": 2,
    }
    pairs = result.near_pairs[["path", "other_path"]].to_numpy().tolist()
    assert {frozenset(pair) for pair in pairs} == {
        frozenset(pair)
        for pair in (
            ("train/REAL/000", "test/REAL/blurred"),
            ("train/REAL/second", "test/REAL/blurred"),
            ("validation/REAL/smaller", "test/REAL/blurred"),
            ("train/REAL/000", "validation/REAL/smaller"),
            ("train/REAL/second", "validation/REAL/smaller"),
        )
    }
    assert result.near_pairs["bits"].is_monotonic_increasing


def test_near_duplicates_are_imagehashs(tmp_path: Path) -> None:
    """Against ImageHash's own distance, of the picture or its mirror image, over all pairs."""
    files = small_data_set({"train": 12, "validation": 4, "test": 5})
    found = images(write_zip(tmp_path / "data.zip", files)).read().images
    pictures = {name: Image.open(io.BytesIO(data)) for name, data in files.items()}
    hashes = {name: imagehash.phash(picture) for name, picture in pictures.items()}
    mirrored = {name: imagehash.phash(ImageOps.mirror(p)) for name, p in pictures.items()}
    bits = {
        (one, other): min(
            hashes[one] - hashes[other],
            mirrored[one] - hashes[other],
            hashes[one] - mirrored[other],
        )
        for one, other in product(files, files)
        if one.startswith("train") and other.startswith("test")
    }
    near = {one for (one, _), apart in bits.items() if apart <= 22}
    counts, pairs = near_duplicates(found, found, near_pairs(found, 22))
    assert 0 < len(near) < 24
    assert counts["train_like_test"] == len(near)
    across = pairs[(pairs["split"] == "train") & (pairs["other_split"] == "test")]
    assert len(across)
    for row in across.itertuples():
        assert row.bits == bits[str(row.path), str(row.other_path)]


def test_equal_images_are_no_near_duplicates(tmp_path: Path) -> None:
    files = scenes()
    files["test/REAL/copy"] = files["train/REAL/000"]
    result = audit_of(write_zip(tmp_path / "data.zip", files), duplicates="report")
    assert not any(result.numbers["near_duplicates"].values())
    assert result.numbers["duplicates"]["train_in_test"] == 1


def test_a_data_set_without_short_cuts_has_none(tmp_path: Path) -> None:
    result = audit_of(write_zip(tmp_path / "data.zip", scenes()))
    assert set(messages(result)) == {"small_test", "not_checked"}
    by_hand = ["size", "format", "JPEG tables", "metadata", "mean colour", "file size"]
    assert list(result.numbers["short_cuts"]) == [*by_hand, "all of these"]
    assert result.numbers["short_cuts"]["size"] == 0.5


SHORT_CUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "format": ({"kind": "WEBP", "lossless": True}, {}),
    "JPEG tables": ({"kind": "JPEG", "quality": 95}, {"kind": "JPEG", "quality": 75}),
    "metadata": ({"kind": "JPEG", "comment": b"a camera"}, {"kind": "JPEG"}),
    "file size": ({"compress_level": 9}, {"compress_level": 0}),
}


@pytest.mark.parametrize("short_cut", SHORT_CUTS)
def test_each_short_cut_is_found_and_said_in_words(tmp_path: Path, short_cut: str) -> None:
    result = audit_of(write_zip(tmp_path / "data.zip", scenes(*SHORT_CUTS[short_cut])))
    assert result.numbers["short_cuts"][short_cut] == 1.0
    text = messages(result)["short_cuts"]
    assert f"{short_cut} with accuracy 1.000" in text
    assert "(limit 0.7); a model may learn that instead" in text


def test_size_and_colour_are_short_cuts(tmp_path: Path) -> None:
    files = scenes()
    for name in files:
        if "FAKE" in name:
            image = Image.open(io.BytesIO(files[name])).resize((48, 48))
            files[name] = file_of(image.point(lambda value: value // 4))
    numbers = audit_of(write_zip(tmp_path / "data.zip", files)).numbers["short_cuts"]
    assert numbers["size"] == numbers["mean colour"] == 1.0
    assert numbers["format"] == 0.5


def test_short_cuts_are_tried_on_groups_that_were_not_seen(tmp_path: Path) -> None:
    """Each group has a colour of its own: it tells the labels apart only if groups are mixed."""
    random = np.random.default_rng(0)
    files = {}
    for group in range(60):
        colour = random.integers(0, 250, 3)
        for view in range(4):
            pixels = np.clip(colour + random.integers(0, 5, (4, 4, 3)), 0, 255).astype(np.uint8)
            files[f"{'real' if group % 2 else 'fake'}/g{group}_{view}.png"] = png(pixels)
    path = write_zip(tmp_path / "data.zip", files)
    mixed = audit_of(path).numbers["short_cuts"]["mean colour"]
    apart = audit_of(path, group_pattern=r"(g\d+)_").numbers["short_cuts"]["mean colour"]
    assert mixed > 0.75
    assert apart < 0.65


def test_few_groups_of_many_images_tell_of_short_cuts(tmp_path: Path) -> None:
    files = {}
    for number in range(48):
        files[f"real/g{number % 12}_{number}"] = file_of(scene(number), "WEBP", lossless=True)
        files[f"fake/g{number % 12}_{number}"] = file_of(scene(100 + number))
    result = audit_of(write_zip(tmp_path / "data.zip", files), group_pattern=r"(g\d+)_")
    assert result.numbers["short_cuts"]["format"] == 1.0


def test_few_images_tell_nothing_of_short_cuts(tmp_path: Path) -> None:
    """And the audit says so: format alone tells these apart, and nothing else would warn."""
    files = {f"real/{number}": file_of(scene(number), "JPEG") for number in range(15)}
    files |= {f"fake/{number}": file_of(scene(100 + number)) for number in range(15)}
    result = audit_of(write_zip(tmp_path / "data.zip", files))
    assert result.numbers["short_cuts"] == {}
    assert messages(result)["not_checked"] == (
        "short cuts: 15 images a label are too few (25 needed); "
        "leave one slice out: the images have no slices"
    )
    assert result.findings[-1].level == "warn"
    off = audit_of(tmp_path / "data.zip", {"short_cuts": "off", "leave_slice_out": "off"})
    assert "not_checked" not in messages(off), "what a person switched off is no finding"


def test_groups_in_two_splits_are_found(tmp_path: Path) -> None:
    files = small_data_set(COUNTS) | {
        "train/REAL/scene7_a.png": flat(1),
        "test/REAL/scene7_b.png": flat(2),
        "train/REAL/scene8_a.png": flat(3),
        "train/REAL/scene8_b.png": flat(4),
    }
    path = write_zip(tmp_path / "data.zip", files)
    result = audit_of(path, group_pattern=r"(scene\d+)_")
    assert result.numbers["shared_groups"] == ["scene7"]
    expected = "1 groups have images in more than one split, such as 'scene7'"
    assert messages(result)["shared_groups"] == expected


def test_classes_are_no_groups_that_belong_together(tmp_path: Path) -> None:
    files = small_data_set(COUNTS)
    files |= {"train/REAL/1 (2).png": flat(1), "test/REAL/1 (2).png": flat(2)}
    result = audit_of(write_zip(tmp_path / "data.zip", files))
    assert result.numbers["shared_groups"] == []


def test_what_is_off_is_not_looked_for(tmp_path: Path) -> None:
    files = scenes(*SHORT_CUTS["format"])
    files["train/FAKE/copy"] = files["test/REAL/000"]
    path = write_zip(tmp_path / "data.zip", files)
    assert set(messages(audit_of(path))) >= {"exact_duplicates", "conflicting_labels", "short_cuts"}
    off = [name for name, level in LEVELS.items() if level == "warn"]
    result = audit_of(path, dict.fromkeys(off, "off"))
    assert result.findings == []
    assert not {"near_duplicates", "short_cuts", "leave_slice_out"} & set(result.numbers)


def test_a_test_split_that_shows_nothing_is_found() -> None:
    """Kish: 60**2 / (20 * 2**2 + 20) = 36; Wilson, of 0.9 * 36 right: 0.7606 to 0.9623."""
    test = pd.DataFrame({"path": [str(number) for number in range(60)], "cluster": ""})
    test.loc[:39, "cluster"] = [f"scene {number // 2}" for number in range(40)]
    assert small_test(test) == (
        "the test split has 40 independent observations (60 images), as good as 36 of equal size: "
        "at an accuracy of 0.9, its 95% interval would reach from 0.76 to 0.96"
    )

    def of(number: int) -> str:
        return small_test(pd.DataFrame({"path": map(str, range(number)), "cluster": ""}))

    n, z2 = next(n for n in range(10, 1000) if not of(n)), 1.959964**2
    assert width(n, z2) <= 0.1 < width(n - 1, z2)


def width(n: int, z2: float) -> float:
    return 2 / (1 + z2 / n) * (z2 * 0.9 * 0.1 / n + z2**2 / (4 * n**2)) ** 0.5


def leaking_data_set() -> dict[str, bytes]:
    """Return files of which a training image is in test, and another is nearly there."""
    files = scenes()
    files["train/REAL/copy"] = files["test/REAL/000"]
    copy = Image.open(io.BytesIO(files["test/REAL/001"])).filter(ImageFilter.GaussianBlur(0.5))
    files["train/REAL/near|`1`"] = file_of(copy)
    return files


@pytest.fixture
def leaking(workspace: Path) -> Path:
    """A folder in which source can run, on such a data set."""
    write_zip(workspace / "data.zip", leaking_data_set())
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(workspace, {"source.path": "data.zip"})
    return workspace


def test_an_error_stops_and_writes_nothing(leaking: Path) -> None:
    edit_params(leaking, {"source.audit.near_duplicates": "error"})
    with pytest.raises(InputError, match=r"source\.audit\.near_duplicates: images that differ in"):
        run_stage("source")
    assert not (leaking / "data").exists()
    assert not (leaking / "reports").exists()


def test_a_warning_is_printed_and_in_the_report(
    leaking: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_stage("source")
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning: " in line]
    report = json.loads((leaking / "reports/data.json").read_text())
    names = [finding["name"] for finding in report["findings"]]
    assert names == ["exact_duplicates", "near_duplicates", "small_test", "not_checked"]
    for finding, warning in zip(report["findings"], warnings, strict=True):
        assert finding["message"] in warning
    assert report["duplicates"]["train_in_test"] == 1
    assert report["used"]["train"] == {"REAL": 21, "FAKE": 20}


def test_all_may_be_off(leaking: Path) -> None:
    findings = [name for name, level in LEVELS.items() if level == "warn"]
    edit_params(leaking, {f"source.audit.{name}": "off" for name in findings})
    run_stage("source")
    assert json.loads((leaking / "reports/data.json").read_text())["findings"] == []


def test_the_manifest_lists_every_image_of_the_data_set(leaking: Path) -> None:
    run_stage("source")
    manifest = pd.read_csv(leaking / "data/manifest.csv")
    assert len(manifest) == 2 * sum(COUNTS.values()) + 2


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
def test_bad_metadata_is_counted_and_said_and_nothing_is_said_without(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    files = small_data_set({"train": 6, "validation": 3, "test": 4})
    for number, bad in enumerate(({}, BAD_METADATA), start=1):
        more = {f"train/REAL/{name}": data for name, data in bad.items()}
        edit_params(workspace, {"source.path": str(write_zip(Path(f"{number}.zip"), files | more))})
        run_stage("source")
        numbers = json.loads(Path("reports/data.json").read_text())
        told = [line for line in capsys.readouterr().err.splitlines() if "metadata" in line]
        if not bad:
            assert "bad_metadata" not in numbers
            assert not told
    assert numbers["bad_metadata"] == len(BAD_METADATA)
    assert numbers["left_out"]["unreadable"] == 0
    assert told == [
        f"warning: images with metadata that cannot be read: {len(BAD_METADATA)}, "
        "such as train/REAL/AVIF, EXIF; they count as if they had none"
    ]
