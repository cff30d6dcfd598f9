"""layout: what folders name, in the layouts that public data sets have."""

import pytest

from stages.common.command import InputError
from stages.images.layout import places

LABELS = {
    "real": "REAL", "0_real": "REAL", "nature": "REAL", "photo": "REAL",
    "fake": "FAKE", "1_fake": "FAKE", "ai": "FAKE", "gan": "FAKE", "diffusion": "FAKE",
}  # fmt: skip
SPLITS = {"train": "train", "training": "train", "val": "validation", "test": "test"}


def found(*paths: str, splits: dict[str, str] = SPLITS) -> dict[str, tuple[str, str]]:
    found = places(paths, LABELS, splits)
    return {path: (place.split, place.label) for path, place in found.items()}


LAYOUTS: dict[str, dict[str, tuple[str, str]]] = {
    "splits, then labels": {
        "train/REAL/x.png": ("train", "REAL"),
        "Test/FAKE/x.png": ("test", "FAKE"),
    },
    "labels, then splits": {
        "real/val/x.png": ("validation", "REAL"),
        "fake/train/x.png": ("train", "FAKE"),
    },
    "a class of trains, without splits (ForenSynths)": {
        "progan/airplane/0_real/x.png": ("", "REAL"),
        "progan/train/1_fake/y.png": ("", "FAKE"),
    },
    "a class of trains at the top": {
        "airplane/0_real/x.png": ("", "REAL"),
        "train/1_fake/y.png": ("", "FAKE"),
    },
    "a class of trains inside of a split": {
        "test/progan/train/1_fake/y.png": ("test", "FAKE"),
        "train/progan/car/0_real/y.png": ("train", "REAL"),
    },
    "only the test split, with a class of trains": {
        "test/train/1_fake/y.png": ("test", "FAKE"),
        "test/car/0_real/y.png": ("test", "REAL"),
    },
    "generators that lie at unlike depths (GenImage)": {
        "ADM/imagenet_ai_adm/train/ai/x.png": ("train", "FAKE"),
        "BigGAN/val/nature/x.png": ("validation", "REAL"),
    },
    "a subject that is called as a label": {
        "fake/nature/x.png": ("", "FAKE"),
        "real/people/x.png": ("", "REAL"),
    },
    "labels at unlike depths": {
        "a/real/x.png": ("", "REAL"),
        "b/c/fake/2020/x.png": ("", "FAKE"),
    },
    "an outer folder that is called as a label": {
        "gan/0_real/x.png": ("", "REAL"),
        "gan/1_fake/y.png": ("", "FAKE"),
    },
    "an outer folder that is called as a split": {
        "test/train/real/x.png": ("train", "REAL"),
        "test/val/fake/y.png": ("validation", "FAKE"),
        "test/test/fake/z.png": ("test", "FAKE"),
    },
    "generators that are called as labels": {
        "diffusion/sd15/real/x.png": ("", "REAL"),
        "gan/progan/fake/y.png": ("", "FAKE"),
    },
    "splits at unlike depths": {
        "some/where/real/train/x.png": ("train", "REAL"),
        "test/fake/y.png": ("test", "FAKE"),
    },
    "one label alone": {
        "fake/midjourney/x.png": ("", "FAKE"),
        "fake/dalle/y.png": ("", "FAKE"),
    },
    "some files without a suffix": {
        "train/real/000": ("train", "REAL"),
        "train/real/1.png": ("train", "REAL"),
        "test/fake/001": ("test", "FAKE"),
    },
    "files without a suffix": {
        "train/real/000": ("train", "REAL"),
        "test/fake/001": ("test", "FAKE"),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_that_people_have(layout: str) -> None:
    expected = LAYOUTS[layout]
    assert found(*expected) == expected
    assert found(*reversed(expected)) == expected, "in any order"


def test_with_no_splits_allowed_a_folder_of_that_name_is_a_folder() -> None:
    paths = ("train/real/x.png", "test/fake/x.png", "other/fake/x.png")
    assert {split for split, _ in found(*paths, splits={}).values()} == {""}


def test_files_beside_the_images_are_of_no_label_and_disturb_nobody() -> None:
    expected = LAYOUTS["splits, then labels"]
    beside = ["README.md", "train/metadata.csv", "real/fake/notes.txt", "REAL/list.txt"]
    assert found(*beside, *expected) == expected
    inside = found("train/REAL/metadata.csv", *expected)["train/REAL/metadata.csv"]
    assert inside == ("train", "REAL"), "what is in a label's folder is looked into"


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ["train/real/x.png", "test/fake/x.png", "more/fake/y.png"],
            "more/fake/y.png: no folder of its path names a split, as one of train/real/x.png "
            "does; name one in every path, or in none; `source.splits: null` if these are no ",
        ),
        (["test/real/x.png", "more/fake/y.png"], "more/fake/y.png: no folder of its path names a"),
        (["test/real/x.png", "real/y.png"], "real/y.png: no folder of its path names a split"),
        (["gan/0_real/x.png"], "gan/0_real/x.png: its folders name two labels: gan and 0_real"),
        (
            ["fake/gan/x.png", "real/photo/y.png", "stray.jpg"],
            "stray.jpg: no folder of its path names a label; source.labels knows real, 0_real",
        ),
        (
            ["some/where/real/train/x.png", "test/fake/y.png", "test/train/real/z.png"],
            "test/train/real/z.png: its folders name two splits: test and train",
        ),
        (["real/x.png", "x.JPG"], "x.JPG: no folder of its path names a label; source.labels "),
        (["a/real/x.png", "b/c/real/ai/z/y.png"], "its folders name two labels: real and ai"),
    ],
)
def test_what_cannot_be_told_is_refused(paths: list[str], message: str) -> None:
    with pytest.raises(InputError, match="name") as error:
        found(*paths)
    assert message in str(error.value)
