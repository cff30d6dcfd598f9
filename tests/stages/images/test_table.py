"""table: what a table in the data set says of its images, however it is written."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.common.command import InputError
from stages.common.params import validate
from stages.images.find import DataSet, Found
from stages.images.schema import DecodeParams, LabelFolders, SplitFolders, TableParams
from tests.helpers import default_block, default_params, flat, write_zip

KAGGLE = {"file": "train.csv", "path": "file_name", "label": "label", "REAL": [0], "FAKE": [1]}
IMAGES = {f"images/{name}.png": flat(value) for value, name in enumerate(("a", "b", "c"))}


def listed(path: Path, table: dict[str, Any] | None, elsewhere: bool = False) -> Found:
    source = default_params()["source"]
    return DataSet(path, default_block("decode", DecodeParams)).list_images(
        validate(LabelFolders, source["labels"], "labels"),
        validate(SplitFolders, source["splits"], "splits"),
        None if table is None else validate(TableParams, table, "source.table"),
        elsewhere=elsewhere,
    )


def labels(path: Path, table: dict[str, Any] | None, elsewhere: bool = False) -> dict[str, str]:
    images = listed(path, table, elsewhere).images
    return dict(zip(images["path"], images["label"], strict=True))


def data_set(root: Path, content: str | bytes, name: str = "train.csv") -> Path:
    """Write a zip with `IMAGES` and a table."""
    data = content.encode() if isinstance(content, str) else content
    return write_zip(root / "data.zip", IMAGES | {name: data})


A_REAL_B_FAKE = {"images/a.png": "REAL", "images/b.png": "FAKE"}

TEXTS: dict[str, str | bytes] = {
    "as Kaggle writes it": "file_name,label\nimages/a.png,0\nimages/b.png,1\n",
    "with a mark of UTF-8": b"\xef\xbb\xbffile_name,label\nimages/a.png,0\nimages/b.png,1\n",
    "with semicolons": "file_name;label\nimages/a.png;0\nimages/b.png;1\n",
    "with semicolons, and commas in a column": (
        "a,b,c,d;file_name;label\n1,2,3;images/a.png;0\n,;images/b.png;1\n"
    ),
    "with tabs": "file_name\tlabel\nimages/a.png\t0\nimages/b.png\t1\n",
    "with quoted commas and line breaks": (
        'caption,file_name,label\n"a hill, a\nlake","images/a.png",0\n"""x""",images/b.png,1\n'
    ),
    "with line ends of Windows, and no last one": (
        "file_name,label\r\nimages/a.png,0\r\nimages/b.png,1"
    ),
    "with line ends of an old Macintosh": "file_name,label\rimages/a.png,0\rimages/b.png,1\r",
    "with an index that has no name": ",file_name,label\n0,images/a.png,0\n1,images/b.png,1\n",
    "with empty rows at the end": "file_name,label\nimages/a.png,0\nimages/b.png,1\n\n,\n , \n",
    "with spaces": "file_name , label\n images/a.png , 0\nimages/b.png, 1 \n",
    "with labels that became fractions": (
        "file_name,label\nimages/a.png,0.0\nimages/b.png,1.00\n"
    ),
    "with folders of Windows": "file_name,label\nimages\\a.png,0\n.\\images\\b.png,1\n",
    "as Unicode text of Excel": (
        "file_name\tlabel\nimages/a.png\t0\nimages/b.png\t1".encode("utf-16")
    ),
    "after empty lines and the separator of Excel": (
        "\r\nsep=;\r\nfile_name;label\r\nimages/a.png;0\r\nimages/b.png;1\r\n"
    ),
    "with a long text": (
        "file_name,label,text\nimages/a.png,0,\nimages/b.png,1," + "y" * 200_000 + "\n"
    ),
    "without suffixes": "file_name,label\nimages/a,0\nimages/b,1\n",
    "without folders": "file_name,label\na.png,0\nb.png,1\n",
    "with numbers of images alone": "file_name,label\na,0\nb,1\n",
    "in another order, by steps up": "label,file_name\n1,x/../images/b.png\n0,./images/a.png\n",
}  # fmt: skip


@pytest.mark.parametrize("written", TEXTS)
def test_a_text_however_it_is_written(tmp_path: Path, written: str) -> None:
    assert labels(data_set(tmp_path, TEXTS[written]), KAGGLE) == A_REAL_B_FAKE


@pytest.mark.parametrize(
    ("real", "fake", "values"),
    [
        (["human"], ["AI"], ("Human", "ai")),
        ([False], [True], ("False", "TRUE")),
        ([0.0], [1.0], ("0", "1")),
        (["0", "camera"], [1, 2], ("camera", "2")),
        (["no"], ["null"], ("no", "null")),
        (["r\u00e9el"], ["IA"], ("re\u0301el", "ia")),
        (["real photo"], ["NA"], ("Real Photo ", "na")),
    ],
)
def test_values_are_compared_as_text(
    tmp_path: Path, real: list[Any], fake: list[Any], values: tuple[str, str]
) -> None:
    text = "file_name,label\nimages/a.png,{}\nimages/b.png,{}\n".format(*values)
    table = KAGGLE | {"REAL": real, "FAKE": fake}
    assert labels(data_set(tmp_path, text), table) == A_REAL_B_FAKE


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        {"file_name": "images/a.png", "label": False, "caption": {"en": "a hill"}},
        {"file_name": "images/b.png", "label": True},
    ]
    text = "\ufeff" + "\n \n".join(map(json.dumps, rows)) + "\r\n\n"
    table = KAGGLE | {"file": "metadata.jsonl", "REAL": [False], "FAKE": [True]}
    assert labels(data_set(tmp_path, text, "metadata.jsonl"), table) == A_REAL_B_FAKE


def test_names_are_those_from_the_folder_of_the_table_first(tmp_path: Path) -> None:
    files = {f"{folder}a.png": flat(1) for folder in ("", "set/", "set/x/")}
    files["set/train.csv"] = b"file_name,label\na.png,0\nx/a.png,1\n"
    path = write_zip(tmp_path / "data.zip", files)
    found = labels(path, KAGGLE | {"file": "set/train.csv"})
    assert found == {"set/a.png": "REAL", "set/x/a.png": "FAKE"}
    table = b"file_name,label\na,0\n"
    path = write_zip(tmp_path / "data.zip", {**files, "train.csv": table})
    assert labels(path, KAGGLE) == {"a.png": "REAL"}
    text = "file_name,label\nimages/a.png,0\n../images/b.png,1\n"
    path = data_set(tmp_path, text, "tables/train.csv")
    assert labels(path, KAGGLE | {"file": "tables/train.csv"}) == A_REAL_B_FAKE


def test_a_name_is_the_same_however_its_accents_are_written(tmp_path: Path) -> None:
    files = {"re\u0301el.png": flat(1), "train.csv": "file_name,label\nr\u00e9el.png,0\n".encode()}
    assert labels(write_zip(tmp_path / "data.zip", files), KAGGLE) == {"r\u00e9el.png": "REAL"}


def test_each_folder_may_have_a_table_of_its_own(tmp_path: Path) -> None:
    """As the image folders of Hugging Face do, whose folders then name the splits."""
    files: dict[str, bytes] = {}
    for split in ("train", "test"):
        files |= {f"{split}/a.png": flat(1), f"{split}/b.png": flat(2)}
        rows = [{"file_name": "a.png", "label": 0}, {"file_name": "b.png", "label": 1}]
        files[f"{split}/metadata.jsonl"] = "\n".join(map(json.dumps, rows)).encode()
    path = write_zip(tmp_path / "data.zip", files)
    images = listed(path, KAGGLE | {"file": "*/metadata.jsonl"}).images
    assert images[["path", "split", "label"]].to_numpy().tolist() == [
        ["train/a.png", "train", "REAL"],
        ["train/b.png", "train", "FAKE"],
        ["test/a.png", "test", "REAL"],
        ["test/b.png", "test", "FAKE"],
    ]


def test_columns_of_split_and_group(tmp_path: Path) -> None:
    text = (
        "file_name,label,part,scene\n"
        "images/a.png,0,Train,007\nimages/b.png,1,val,beach\nimages/c.png,1,TESTING,\n"
    )
    images = listed(data_set(tmp_path, text), KAGGLE | {"split": "part", "group": "scene"}).images
    assert images["split"].tolist() == ["train", "validation", "test"]
    assert images["group"].tolist() == ["007", "beach", ""]


def test_what_no_row_names_is_passed_over_and_counted(tmp_path: Path) -> None:
    path = data_set(tmp_path, "file_name,label\nimages/a.png,0\n")
    assert listed(path, KAGGLE).passed_over == {
        "litter": 0,
        "images in no row": 2,
        "other files": 1,
    }


def test_the_table_of_another_data_set_counts_where_there_is_one(tmp_path: Path) -> None:
    path = data_set(tmp_path, TEXTS["as Kaggle writes it"])
    assert labels(path, KAGGLE, elsewhere=True) == A_REAL_B_FAKE
    folders = write_zip(tmp_path / "folders.zip", {"real/a.png": flat(1)})
    assert labels(folders, KAGGLE, elsewhere=True) == {"real/a.png": "REAL"}
    with pytest.raises(InputError, match=r"no file train.csv in the data set"):
        labels(folders, KAGGLE)


WRONG: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "a label that is not known": (
        "file_name,label\nimages/a.png,0\nimages/b.png,cat\n",
        {},
        "train.csv: line 3: label is 'cat'; source.table.REAL and FAKE have 0, 1",
    ),
    "no label": (
        "file_name,label\nimages/a.png,\n",
        {},
        "train.csv: line 2: label is ''; source.table.REAL and FAKE have 0, 1",
    ),
    "a file that is not there": (
        'file_name,label\n"images/a.png",0\nimages/gone.png,1\n',
        {},
        "train.csv: line 3: file_name: 'images/gone.png' is no file of the data set",
    ),
    "a file named twice": (
        "file_name,label\nimages/a.png,0\nimages/b.png,0\nimages/a,1\n",
        {},
        "train.csv: line 4: images/a.png has another row before, train.csv: line 2; keep one",
    ),
    "a split that is none": (
        "file_name,label,part\nimages/a.png,0,dev\n",
        {"split": "part"},
        "train.csv: line 2: part is 'dev'; source.splits has train, training, validation, valid",
    ),
    "no such column": (
        "id,label\na,0\n",
        {},
        "train.csv: no column 'file_name'; its columns are id, label",
    ),
    "a column twice": (
        "file_name,label,label\na,0,0\n",
        {},
        "train.csv: the column 'label' is there 2 times",
    ),
    "a row cut off": (
        "file_name,x,label\nimages/a.png,1,0\nimages/b.png\n",
        {},
        "train.csv: line 3: 1 values for 3 columns",
    ),
    "a quote that is not closed": (
        'file_name,label\n"images/a.png,0\nimages/b.png,1\n',
        {},
        "train.csv: line 3: unexpected end of data",
    ),
    "another encoding": (
        b"file_name,label\nimages/a.png,0\nimages/\xe9.png,1\n",
        {},
        "train.csv: line 3: not UTF-8; save it as UTF-8",
    ),
    "a label that is not known, after empty lines": (
        "\n\nfile_name,label\nimages/a.png,0\n\nimages/b.png,cat\n",
        {},
        "train.csv: line 6: label is 'cat'; ",
    ),
    "nothing": ("", {}, "train.csv: no column 'file_name'; its columns are "),
    "an absolute path": (
        "file_name,label\n/home/me/images/a.png,0\n",
        {},
        "train.csv: line 2: file_name: '/home/me/images/a.png' is an absolute path; name files "
        "from the table's folder, or from the root of the data set",
    ),
    "an absolute path of Windows": (
        "file_name,label\nC:\\images\\a.png,0\n",
        {},
        "train.csv: line 2: file_name: 'C:\\images\\a.png' is an absolute path",
    ),
    "a path that leads out": (
        "file_name,label\n../a.png,0\n",
        {},
        "train.csv: line 2: file_name: '../a.png' is no file of the data set",
    ),
    "no path": ("file_name,label\n,0\n", {}, "train.csv: line 2: file_name: names no file"),
    "no table of that name": (
        "file_name,label\n",
        {"file": "Train.csv"},
        "source.table.file: no file Train.csv in the data set; its tables are: train.csv",
    ),
    "no name of a table": (
        "file_name,label\n",
        {"file": None, "path": None},
        "source.table.file: must name the table in the data set, and source.table.path its ",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_meant_is_one_sentence(tmp_path: Path, what: str) -> None:
    content, changes, message = WRONG[what]
    path = data_set(tmp_path, content)
    with pytest.raises(InputError) as error:
        labels(path, KAGGLE | changes)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON: "),
        ("[1]", "line 2: expected names and values in {}, found [1]"),
        ('{"file_name": "b"}', "line 2: no column 'label'; its columns are file_name"),
    ],
)
def test_what_is_no_json_line_is_one_sentence(tmp_path: Path, line: str, message: str) -> None:
    text = f'{{"file_name": "a", "label": 0}}\n{line}\n'
    path = data_set(tmp_path, text, "metadata.jsonl")
    with pytest.raises(InputError) as error:
        labels(path, KAGGLE | {"file": "metadata.jsonl"})
    assert str(error.value).startswith(f"{path}: metadata.jsonl: {message}")


def test_a_name_that_may_be_two_files_is_refused(tmp_path: Path) -> None:
    files = {f"{folder}/a.png": flat(1) for folder in "xy"} | {"x/b.png": flat(2), "x/b.jpg": b""}
    for name, message in (("a", "'a' may be x/a.png or y/a.png"), ("x/b", "'x/b' may be x/b.png")):
        table = f"file_name,label\n{name},0\n".encode()
        with pytest.raises(InputError, match=message):
            labels(write_zip(tmp_path / "data.zip", files | {"train.csv": table}), KAGGLE)


def test_a_table_beside_the_data_set_is_refused_with_how_to_put_it_in(workspace: Path) -> None:
    Path("my data").mkdir()
    Path("my data/train.csv").write_text("file_name,label\n")
    archive = write_zip(Path("my data/a.zip"), IMAGES)
    folder = Path("my data/folder")
    (folder / "x").mkdir(parents=True)
    (folder / "x/a.png").write_bytes(flat(1))
    for path, how in (
        (archive, "`zip -j 'my data/a.zip' 'my data/train.csv'`"),
        (folder, "`cp 'my data/train.csv' 'my data/folder'`"),
    ):
        with pytest.raises(InputError) as error:
            labels(path, KAGGLE)
        assert str(error.value) == (
            f"{path}: source.table.file: no file train.csv in the data set, but my data/train.csv "
            f"beside it; put it in: {how}"
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "/data/train.csv"}, "file: must be a path from the root of the data set, such"),
        ({"file": "../train.csv"}, "file: must be a path from the root of the data set, such as"),
        ({"file": "a\\train.csv"}, "file: must be a path from the root of the data set, such as"),
        ({"file": "train.xlsx"}, "file: must end in one of .csv, .tsv, .jsonl, .parquet, found"),
        ({"path": None}, " file and path go together: a table, and its column of file names"),
        ({"REAL": [0, "Fake"], "FAKE": ["fake "]}, " 'fake' cannot be both REAL and FAKE"),
        ({"REAL": [1.0]}, " '1' cannot be both REAL and FAKE"),
        ({"REAL": []}, "REAL: must have at least 1 entries, found []"),
        ({"REAL": 0}, "REAL: must be a valid list, found 0"),
        ({"labels": "x"}, "labels: unknown key; did you mean 'label'?"),
    ],
)
def test_wrong_keys_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        validate(TableParams, KAGGLE | changes, "source.table")
    assert str(error.value).replace("table: ", "table. ").startswith(f"source.table.{message}")


def test_a_table_that_is_a_parquet_file(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = {"file_name": ["images/a.png", "b", None], "label": [0.0, 1.0, None]}
    parquet.write_table(pyarrow.table(table), tmp_path / "metadata.parquet")
    path = data_set(tmp_path, (tmp_path / "metadata.parquet").read_bytes(), "metadata.parquet")
    with pytest.raises(InputError, match=r"metadata.parquet: row 3: file_name: names no file"):
        labels(path, KAGGLE | {"file": "metadata.parquet"})
    parquet.write_table(pyarrow.table(table).slice(0, 2), tmp_path / "metadata.parquet")
    path = data_set(tmp_path, (tmp_path / "metadata.parquet").read_bytes(), "metadata.parquet")
    assert labels(path, KAGGLE | {"file": "metadata.parquet"}) == A_REAL_B_FAKE
    with pytest.raises(InputError, match=r"parquet: no column 'part'; its columns are file_name, "):
        labels(path, KAGGLE | {"file": "metadata.parquet", "split": "part"})
    path = data_set(tmp_path, b"PAR1 and no more", "metadata.parquet")
    with pytest.raises(InputError, match=r"metadata.parquet: damaged Parquet file: "):
        labels(path, KAGGLE | {"file": "metadata.parquet"})
