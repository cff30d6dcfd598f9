"""start: what it proposes for which data set, in words, and what of params.yaml it leaves alone."""

import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.common.command import InputError
from stages.common.params import read_yaml
from stages.configure.check import check
from stages.images.schema import DecodeParams
from stages.source.images import Images
from stages.source.schema import SourceParams
from tests.helpers import (
    REPOSITORY,
    default_block,
    default_params,
    file_of,
    patches,
    png,
    write_zip,
)
from tools.start.params_text import edited
from tools.start.proposal import Proposal, propose
from tools.start.survey import look

FOLDERS = {"REAL": "real", "FAKE": "fake"}
Sizes = dict[str, dict[str, int]]
"""How many images there are, by label and slice."""
ENOUGH: Sizes = {
    "REAL": {"animals": 40, "landscapes": 30, "offices": 25},
    "FAKE": {"dalle": 40, "midjourney": 30, "sdxl": 25},
}
PHOTOGRAPHS = {
    "preprocess.image_size": [224, 224],
    "preprocess.aspect": "crop",
    "preprocess.whole": True,
    "preprocess.crops": 2,
    "preprocess.align": {"shorter_side": 256, "jpeg_quality": 90},
    "variants": {
        "photo": {"recipe": "photo"},
        "photo-small": {"recipe": "photo-small"},
        "small": {"recipe": "small", "input_size": [32, 32]},
    },
    "evaluate.batch_size": 32,
    "robustness.samples": 20,
    "compare.baseline": "small",
}


def noise(seed: int, width: int = 32, height: int = 32) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return png(pixels.astype(np.uint8))


def files(sizes: Sizes, picture: Any = noise, top: str = "") -> dict[str, bytes]:
    """Return `picture(number)`, unlike any other, in a folder of each label and slice."""
    names = [
        f"{top}{FOLDERS[label]}/{name}/{number}"
        for label, slices in sizes.items()
        for name, count in slices.items()
        for number in range(count)
    ]
    return {f"{name}.png": picture(seed) for seed, name in enumerate(names)}


def photograph(seed: int) -> bytes:
    return file_of(patches(seed, 176, 136), "JPEG", quality=90)


def source(path: Path) -> Images:
    params = default_block("source", SourceParams, path=str(path))
    return Images(params, default_block("decode", DecodeParams), 1)


def proposed(path: Path, variants: dict[str, Any] | None = None) -> Proposal:
    params = default_params()
    return propose(look(source(path)), check(params | {"variants": variants or params["variants"]}))


def run(*arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["start", *arguments])
        runpy.run_module("tools.start.__main__")["main"]()


@pytest.fixture
def here(workspace: Path) -> Path:
    """The current folder, with this repository's params.yaml."""
    shutil.copy(REPOSITORY / "params.yaml", workspace)
    return workspace


def test_photographs_are_seen_whole_and_in_crops_by_networks_of_three_kinds(here: Path) -> None:
    path = write_zip(here / "a.zip", files(ENOUGH, photograph))
    assert proposed(path).values == PHOTOGRAPHS | {
        "source.path": str(path),
        "source.hold_out": ["offices", "sdxl"],
    }


@pytest.mark.parametrize(
    ("sizes", "held_out"),
    [
        ({"REAL": {"a": 60, "b": 30}, "FAKE": {"": 90}}, ["b"]),  # of one label alone
        ({"REAL": {"a": 80, "b": 40, "c": 22}, "FAKE": {"x": 90}}, ["c"]),  # 28 would be a fifth
        ({"REAL": {"a": 60, "b": 19}, "FAKE": {"x": 60, "y": 20}}, ["y"]),  # 19 tell too little
        ({"REAL": {"a": 49, "b": 20}, "FAKE": {"x": 50, "y": 20}}, ["y"]),  # 49 teach too little
        ({"REAL": {"a": 50, "b": 50}, "FAKE": {"x": 90}}, ["b"]),  # the first is the largest
        # A subject of both labels is held out once.
        ({"REAL": {"cat": 60, "dog": 30}, "FAKE": {"cat": 30, "dog": 60}}, ["dog"]),
        ({"REAL": {"": 60}, "FAKE": {"": 60}}, []),
    ],
)
def test_a_slice_of_each_label_is_held_out_if_there_is_one_to_spare(
    sizes: Sizes, held_out: list[str], tmp_path: Path
) -> None:
    path = write_zip(tmp_path / "a.zip", files(sizes))
    assert look(source(path)).hold_out == held_out


def test_what_a_split_cannot_do_without_is_not_held_out(tmp_path: Path) -> None:
    names: list[str] = []
    for split, fake in (("train", "x"), ("validation", "x"), ("test", "y")):
        sizes = {"REAL": {"a": 30, "b": 25}, "FAKE": {fake: 60}}
        names += files(sizes, bytes, f"{split}/")
    pictures = {name: noise(seed) for seed, name in enumerate(names)}
    survey = look(source(write_zip(tmp_path / "a.zip", pictures)))
    # Of the 180 FAKE, y is not the largest, but all that test has.
    assert (survey.hold_out, survey.names_splits) == (["b"], True)


@pytest.mark.parametrize(
    ("shapes", "image_size"),
    [([(32, 32)], [32, 32]), ([(48, 40)], [40, 48]), ([(60, 30), (90, 50), (70, 80)], [50, 50])],
)
def test_small_images_are_seen_whole_at_their_size(
    shapes: list[tuple[int, int]], image_size: list[int], tmp_path: Path
) -> None:
    def picture(seed: int) -> bytes:
        return noise(seed, *shapes[seed % len(shapes)])

    sizes = {"REAL": {"": 30}, "FAKE": {"": 30}}
    values = proposed(write_zip(tmp_path / "a.zip", files(sizes, picture))).values
    assert values["preprocess.image_size"] == image_size
    assert (values["preprocess.crops"], values["preprocess.whole"]) == (0, True)
    assert (values["evaluate.batch_size"], values["robustness.samples"]) == (250, 1000)
    assert "variants" not in values and "compare.baseline" not in values


def test_variants_that_need_crops_do_not_stay_with_small_images(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", files({"REAL": {"": 30}, "FAKE": {"": 30}}))
    params = default_params()
    larger = params["preprocess"] | {"image_size": [224, 224], "crops": 2}
    configs = check(
        params
        | {
            "preprocess": larger,
            "variants": {"photo": {"recipe": "photo"}},
            "compare": {"baseline": "photo"},
        }
    )
    values = propose(look(source(path)), configs).values
    assert values["variants"] == {"small": {"recipe": "small"}}
    assert values["compare.baseline"] == "small"


def test_apply_changes_the_proposed_values_and_not_a_letter_besides(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_zip(here / "a.zip", files(ENOUGH, photograph))
    before = (here / "params.yaml").read_text()
    run("a.zip")
    printed = capsys.readouterr().out
    assert (here / "params.yaml").read_text() == before
    assert sorted(path.name for path in here.iterdir()) == ["a.zip", "params.yaml"]

    run("a.zip", "--apply")
    after = (here / "params.yaml").read_text()
    old, new = before.splitlines(), after.splitlines()
    first = old.index("variants:") + 1
    assert new[first : first + 3] == [
        "  photo: {recipe: photo}",
        "  photo-small: {recipe: photo-small}",
        "  small: {recipe: small, input_size: [32, 32]}",
    ]
    del old[first : first + 6], new[first : first + 3]
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert [b.partition(" #")[0] for _, b in changed] == [
        "  path: a.zip",
        "  hold_out: [offices, sdxl]",
        "  image_size: [224, 224]",
        "  aspect: crop",
        "  crops: 2",
        "  align: {shorter_side: 256, jpeg_quality: 90}",
        "  batch_size: 32",
        "  samples: 20",
        "  baseline: small",
    ]
    assert [a.partition(" #")[2] for a, _ in changed] == [b.partition(" #")[2] for _, b in changed]
    assert list(check(read_yaml(here / "params.yaml"))) == ["photo", "photo-small", "small"]

    shown = printed.split("\n\n")[2]
    assert shown.startswith("source:\n  path: a.zip\n  hold_out: [offices, sdxl]\npreprocess:\n")
    run("a.zip", "--apply")
    assert (here / "params.yaml").read_text() == after
    assert sorted(path.name for path in here.iterdir()) == ["a.zip", "params.yaml"]


def test_a_person_reads_what_is_there_what_to_do_and_why(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_zip(here / "a.zip", files(ENOUGH, photograph) | {"real/offices/note.txt": b"x"})
    run("a.zip")
    printed = capsys.readouterr().out
    titles = ["What is there: a.zip", "What I propose for params.yaml, and why"]
    titles += ["What only you can decide", "Next"]
    assert [line for line in printed.splitlines() if line in titles] == titles
    assert max(map(len, printed.splitlines())) <= 100
    text = " ".join(printed.split())
    assert "REAL 95 images (95 JPEG); slices: animals 40, landscapes 30, offices 25" in text
    assert "size all 176 x 136 pixels" in text
    assert "held out 25 REAL, 25 FAKE" in text
    assert "offices (25 REAL) and sdxl (25 FAKE): never trained on" in text
    assert "base, epoch, sgd, sigmoid, val, which `git checkout params.yaml` brings back" in text
    # 141 is the least n for which Wilson's interval of 0.9 n is no wider than 0.1.
    assert "141 test images (of 705) would do" in text
    assert "python -m tools.start a.zip --apply # writes these values make backbone # fet" in text

    weights = Path(read_yaml(here / "params.yaml")["recipes"]["photo"]["backbone"]["weights"])
    weights.parent.mkdir(parents=True)
    weights.touch()
    run("a.zip", "--apply")
    printed = capsys.readouterr().out
    assert printed.split("Next")[1].startswith(" (params.yaml has these values)\n  make repro")


def test_values_of_any_style_are_replaced_and_what_stands_after_them_stays(here: Path) -> None:
    text = """\
source:
  hold_out: # slices
    - é # one
    - other

  # about the path
  path:
variants: # models
  base:
    epochs: 1
    layers:
    - {a: 1}
  last:
    list: [1,
      2] # two lines

# about what comes
compare: {baseline: base, "x": 1} # end
"""
    slices = ["1e3", "no", "null", "12", "a: b", "ü, x"]
    new = edited(
        text,
        {
            "source.hold_out": slices,
            "source.path": "data/é #1.zip",
            "variants": {"a": {"recipe": "x"}, "b": {}},
            "compare.baseline": "a",
        },
    )
    (here / "new.yaml").write_text(new)
    assert read_yaml(here / "new.yaml") == {
        "source": {"hold_out": slices, "path": "data/é #1.zip"},
        "variants": {"a": {"recipe": "x"}, "b": {}},
        "compare": {"baseline": "a", "x": 1},
    }
    comments = ["slices", "about the path", "models", "two lines", "about what comes", "end"]
    assert re.findall(r"# ([a-z ]+)$", new, re.MULTILINE) == comments
    assert edited(text, {"compare.x": 1, "source.path": None}) == text


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"real/1.png": noise(1), "real/2.png": noise(2)},
        {"real/1.png": noise(1), "fake/2.png": b"no image"},
        {"real/1.png": noise(1), "fake/2.png": noise(2)},
        {"real/fake/1.png": noise(1), "fake/2.png": noise(2)},
    ],
)
def test_what_source_refuses_is_refused_in_its_words(content: dict[str, bytes], here: Path) -> None:
    write_zip(here / "a.zip", content)
    images = source(Path("a.zip"))
    with pytest.raises(InputError) as refused:
        found = images.read().images
        images.organise(found, images.near_pairs(found))
    before = (here / "params.yaml").read_bytes()
    with pytest.raises(InputError, match=re.escape(str(refused.value))):
        run("a.zip", "--apply")
    assert (here / "params.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (
            ["x/train/real/1.png", "x/train/sd/1.png", "x/test/mj/2/3.png"],
            "2 of 3 .* sd .1., mj .1.",
        ),
        (["holiday/1.png", "holiday/2.png"], "2 of 2 .* holiday .2."),
        (["1.png"], "1 of 1 .* the outermost folder .1."),
    ],
)
def test_folders_that_name_no_label_are_listed_with_the_key_to_set(
    names: list[str], folders: str, here: Path
) -> None:
    write_zip(here / "a.zip", {name: noise(seed) for seed, name in enumerate(names)})
    with pytest.raises(InputError, match=f"^a.zip: {folders}; .* source.labels.REAL .*FAKE$"):
        run("a.zip")


def test_a_wrong_path_or_params_are_named(here: Path) -> None:
    with pytest.raises(InputError, match=r"^none\.zip: no such file or folder$"):
        run("none.zip")
    with pytest.raises(InputError, match=r"source\.path: must be a file or a folder here, found a"):
        run("s3://bucket/a.zip")
    (here / "params.yaml").write_text("source: {}\n")
    with pytest.raises(InputError, match=r"^params\.yaml: "):
        run("none.zip")
