"""read_parquet: the rows of Parquet files are images, as those of an archive are."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.common.command import InputError
from stages.images.archive import is_archive, list_files, read_files
from tests.helpers import flat, write_zip
from tests.stages.images.test_archive import contents
from tests.stages.images.test_table import labels, listed

pyarrow = pytest.importorskip("pyarrow")

IMAGE = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})


def image(data: bytes | None, path: str | None = None) -> dict[str, Any]:
    return {"bytes": data, "path": path}


def shard(
    path: Path,
    images: list[Any],
    names: list[str] | None = None,
    rows: int = 100,
    kind: Any = IMAGE,
    **columns: list[Any],
) -> Path:
    """Write a Parquet file as Hugging Face exports it: `names` of the classes in `label`."""
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table({"image": pyarrow.array(images, kind), **columns})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    parquet.write_table(table, path, row_group_size=rows)
    return path


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_rows_are_files(tmp_path: Path) -> None:
    rows = [image(flat(1), "x.PNG"), image(jpeg()), image(b"what", "a/b.webp"), image(b"what")]
    path = shard(tmp_path / "pictures.parquet", rows)
    assert is_archive(path)
    assert contents(path) == {
        "pictures/0.png": flat(1),
        "pictures/1.jpg": jpeg(),
        "pictures/2.webp": b"what",
        "pictures/3.raw": b"what",
    }
    assert list_files(path).sizes["pictures/1.jpg"] == len(jpeg())


@pytest.mark.parametrize("rows", [1, 7, 50, 1000])
def test_row_groups_make_no_difference(tmp_path: Path, rows: int) -> None:
    files = {f"x/{number:03}.png": flat(number) for number in range(120)}
    path = shard(tmp_path / "x.parquet", [image(data) for data in files.values()], rows=rows)
    assert list(read_files(path, list_files(path).sizes)) == list(files.items())
    wanted = ("x/003.png", "x/049.png", "x/050.png", "x/119.png")
    assert dict(read_files(path, set(wanted))) == {name: files[name] for name in wanted}
    with pytest.raises(InputError, match=r"x/120\.png: not here any more"):
        list(read_files(path, {"x/003.png", "x/120.png"}))


def test_a_row_group_without_a_wanted_row_is_not_read(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", [image(flat(n)) for n in range(20)], rows=10)
    from pyarrow import parquet

    column = parquet.read_metadata(path).row_group(0).column(0)
    data = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.parquet: damaged Parquet file"):
        list_files(path)
    assert dict(read_files(path, {"x/17.png"})) == {"x/17.png": flat(17)}


@pytest.mark.parametrize(
    ("kind", "images"),
    [
        (pyarrow.binary(), [flat(1), flat(2)]),
        (pyarrow.large_binary(), [flat(1), flat(2)]),
        (pyarrow.binary_view(), [flat(1), flat(2)]),
        (pyarrow.struct({"bytes": pyarrow.large_binary()}), [image(flat(1)), image(flat(2))]),
        (pyarrow.struct({"path": pyarrow.string(), "bytes": pyarrow.binary()}), [image(flat(1))]),
    ],
)
def test_columns_that_hold_images(tmp_path: Path, kind: Any, images: list[Any]) -> None:
    if pyarrow.types.is_struct(kind):
        images = [{field.name: row[field.name] for field in kind} for row in images]
    path = shard(tmp_path / "x.parquet", images, kind=kind)
    assert list(contents(path).values()) == [flat(1), flat(2)][: len(images)]


def test_a_folder_of_shards_and_no_image_is_one_data_set(tmp_path: Path) -> None:
    for name in ("test-00000-of-00001", "train-00001-of-00002", "train-00000-of-00002"):
        shard(tmp_path / f"set/data/{name}.parquet", [image(flat(1))], ["real", "fake"], label=[1])
    (tmp_path / "set/README.md").write_text("what it is")
    (tmp_path / "set/.cache").mkdir()
    (tmp_path / "set/.cache/x.parquet").write_bytes(b"")
    images = listed(tmp_path / "set", None).images
    assert images[["path", "split", "label"]].to_numpy().tolist() == [
        ["data/test/00000-of-00001/0.png", "test", "FAKE"],
        ["data/train/00000-of-00002/0.png", "train", "FAKE"],
        ["data/train/00001-of-00002/0.png", "train", "FAKE"],
    ]
    (tmp_path / "set/real").mkdir()
    (tmp_path / "set/real/1.png").write_bytes(flat(1))
    assert labels(tmp_path / "set", None) == {"real/1.png": "REAL"}, "a folder of images"


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train-00000-of-00002-ab", "train-00001-of-00002-cd", "test-00000-of-00001-ef"), True),
        (("default/train/0000", "default/train/0001", "default/test/0000"), True),
        (("a/partial-train/0000", "a/partial-train/0001", "a/partial-test/0000"), True),
        (("train_0", "train_1", "test_0"), True),
        (("faces.train.0", "faces.train.1", "faces.test.0"), True),
        (("train0", "train1", "test0"), True),
        (("part-0", "part-1", "part-2"), False),
    ],
)
def test_a_word_in_the_names_of_shards_is_the_split(
    tmp_path: Path, names: tuple[str, ...], splits: bool
) -> None:
    for number, name in enumerate(names):
        shard(tmp_path / f"set/{name}.parquet", [image(flat(number))], label=["real"])
    found = listed(tmp_path / "set", None).images["split"]
    assert sorted(found) == (["test", "train", "train"] if splits else [""] * 3)


TWO = [image(flat(1)), image(flat(2))]
REAL_FAKE = {"x/0.png": "REAL", "x/1.png": "FAKE"}


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (["Fake", "Real"], [1, 0]),
        (["AI", "photo"], [1, 0]),
        (None, ["Real", "fake"]),
    ],
)
def test_names_of_classes_are_those_of_folders(
    tmp_path: Path, names: list[str] | None, values: list[Any]
) -> None:
    assert labels(shard(tmp_path / "x.parquet", TWO, names, label=values), None) == REAL_FAKE


@pytest.mark.parametrize(
    ("names", "values", "real", "fake"),
    [
        (None, [0, 1], [0], [1]),
        (None, [0.0, 1.0], [0], [1]),
        (None, [False, True], [False], [True]),
        (["human", "sdxl", "flux"], [0, 2], ["Human"], ["sdxl", "flux"]),
    ],
)
def test_params_may_name_column_and_values(
    tmp_path: Path, names: list[str] | None, values: list[Any], real: list[Any], fake: list[Any]
) -> None:
    if names is not None:
        path = shard(tmp_path / "x.parquet", TWO, names, label=values)
        assert labels(path, {"label": "label", "REAL": real, "FAKE": fake}) == REAL_FAKE
    path = shard(tmp_path / "x.parquet", TWO, target=[names[v] if names else v for v in values])
    assert labels(path, {"label": "target", "REAL": real, "FAKE": fake}) == REAL_FAKE


def test_columns_of_split_and_group(tmp_path: Path) -> None:
    path = shard(
        tmp_path / "train.parquet", TWO, label=[0, 1], part=["train", "test"], scene=[7, None]
    )
    table = {"label": "label", "REAL": [0], "FAKE": [1]}
    assert listed(path, table).images["split"].tolist() == ["train", "train"]
    images = listed(path, table | {"split": "part", "group": "scene"}).images
    assert images["split"].tolist() == ["train", "test"]
    assert images["group"].tolist() == ["7", ""]


def test_a_table_for_files_is_not_for_the_rows_of_another_set(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", TWO, ["real", "fake"], label=[0, 1])
    table = {"file": "a.csv", "path": "id", "label": "kind", "REAL": [0], "FAKE": [1]}
    assert labels(path, table, elsewhere=True) == REAL_FAKE
    with pytest.raises(InputError, match=r"source.table.file: must be null for Parquet files, "):
        labels(path, table)
    rows = {"label": "kind", "REAL": [0], "FAKE": [1]}
    archive = write_zip(tmp_path / "x.zip", {"real/1.png": flat(1)})
    assert labels(archive, rows, elsewhere=True) == {"real/1.png": "REAL"}
    with pytest.raises(InputError, match=r"x.parquet: no column 'kind'; its columns are image, la"):
        labels(path, rows, elsewhere=True)


def test_an_image_that_is_null_is_an_empty_file(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", [image(flat(1)), image(None), None])
    assert contents(path) == {"x/0.png": flat(1), "x/1.raw": b"", "x/2.raw": b""}


def test_what_cannot_be_meant_is_one_sentence(tmp_path: Path) -> None:
    cases = [
        (
            shard(tmp_path / "a.parquet", [image(flat(1)), image(None, "x.png")], label=[0, 1]),
            "a.parquet: row 1: names an image, 'x.png', and does not hold it; export the images",
        ),
        (
            shard(tmp_path / "b.parquet", ["x"], kind=pyarrow.string(), label=["real"]),
            "b.parquet: no image; expected one column of images, as bytes; its columns are image, ",
        ),
        (
            shard(tmp_path / "c.parquet", [flat(1)], kind=pyarrow.binary(), label=[b"cat"]),
            "c.parquet: c/0.png: label is 'cat'; source.labels has real",
        ),
        (
            shard(tmp_path / "d.parquet", TWO, kind=IMAGE, klass=[0, 1]),
            "d.parquet: no column 'label'; its columns are image, klass",
        ),
        (
            shard(tmp_path / "e.parquet", TWO, label=[0, 1]),
            "e.parquet: e/0.png: label is '0'; source.labels has real, 0_real",
        ),
        (
            shard(tmp_path / "f.parquet", TWO, ["real", "fake"], label=[0, -1]),
            "f.parquet: f/1.png: label is '-1'; source.labels has real, 0_real",
        ),
    ]
    for path, message in cases:
        with pytest.raises(InputError) as error:
            labels(path, None)
        assert message in str(error.value)
        assert str(error.value).count(str(path)) == 1
        assert "\n" not in str(error.value)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    path = shard(tmp_path / "x.parquet", [image(random.bytes(5000)) for _ in range(20)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"x.parquet: damaged Parquet file: "):
        list_files(path)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"set/x.parquet: damaged Parquet file: "):
        list_files(folder)


def test_without_pyarrow_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shard(tmp_path / "x.parquet", TWO)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError) as error:
        list_files(path)
    assert str(error.value) == (
        f"{path}: needs the package pyarrow; `pip install -r requirements-parquet.txt`"
    )


def test_one_row_group_is_in_memory_at_a_time(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = [image(random.bytes(100_000), "x.jpg") for _ in range(200)]
    path = shard(tmp_path / "x.parquet", images, rows=10)
    pool = pyarrow.proxy_memory_pool(pyarrow.default_memory_pool())
    before = pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pool)
    try:
        for _ in read_files(path, list_files(path).sizes):
            pass
    finally:
        pyarrow.set_memory_pool(before)
    assert 1_000_000 < pool.max_memory() < 5_000_000, "of 20 MB; a row group is 1 MB"
