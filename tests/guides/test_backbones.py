"""docs/backbones.md: a backbone is made, shared without a word to others, and may be another."""

import hashlib
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.guides.guide import Guide
from tests.helpers import REPOSITORY, Project, index_at_hand, link_environment

pytestmark = pytest.mark.slow

GUIDE = Guide("backbones.md", {'weights="imagenet"': "weights=None"})
CLEAN = "Data and pipelines are up to date.\n"


@pytest.mark.usefixtures("tensorflow")
def test_one_is_at_hand(project: Project) -> None:
    link_environment(project.root)
    with index_at_hand():
        (printed,) = GUIDE.follow("Get one", project)
    file = project.root / "data/backbones/efficientnet-lite0.h5"
    md5 = hashlib.md5(file.read_bytes()).hexdigest()
    assert printed.endswith(f"data/backbones/efficientnet-lite0.h5: written, md5 {md5}\n")
    page = (REPOSITORY / "docs/backbones.md").read_text()
    assert md5 in page
    assert project.run("git", "status", "--porcelain", "data").stdout == ""

    rows = re.findall(r"^\| (`.+`) \| (\d+)x(\d+)x(\d+) \|$", page, re.MULTILINE)
    expected = {
        name: tuple(map(int, shape)) for names, *shape in rows for name in names[1:-1].split("`, `")
    }
    assert len(expected) == 20, "stem, 16 blocks, two depthwise ones, head"
    network = keras.models.load_model(file, compile=False)
    outputs = {name: network.get_layer(name).output for name in expected}
    found = keras.Model(network.inputs, outputs)([np.zeros((1, 224, 224, 3))])
    assert {name: tuple(output.shape[1:]) for name, output in found.items()} == expected


def test_a_team_shares_one_and_who_has_none_hears_nothing_of_it(
    project: Project, tmp_path: Path
) -> None:
    project.run("git", "init", "--quiet", "--bare", "-b", "main", str(tmp_path / "origin.git"))
    project.run("git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    project.run("dvc", "remote", "add", "--default", "team", str(tmp_path / "storage"))
    project.run("dvc", "push")
    project.commit("name a remote")
    project.run("git", "push", "--quiet", "--set-upstream", "origin", "main")
    bob = project.clone_to(tmp_path / "bob")
    bob.run("git", "remote", "set-url", "origin", str(tmp_path / "origin.git"))
    bob.run("dvc", "pull")

    file = project.root / "data/backbones/efficientnet-lite0.h5"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    GUIDE.follow("Share one", project)
    tracked = project.run("git", "ls-files", "data/backbones").stdout.split()
    assert f"{file.relative_to(project.root)}.dvc" in tracked
    assert str(file.relative_to(project.root)) not in tracked
    assert project.run("dvc", "status").stdout == CLEAN

    bob.run("git", "pull", "--quiet")
    theirs = bob.root / file.relative_to(project.root)
    assert bob.run("dvc", "status").stdout == CLEAN
    assert bob.repro() == []
    bob.run("dvc", "pull")
    assert not theirs.exists()
    GUIDE.follow("Take a colleague's", bob)
    assert theirs.read_bytes() == b"weights"
    assert bob.run("dvc", "status").stdout == CLEAN
    assert bob.run("git", "status", "--porcelain").stdout == ""


def test_a_better_one_is_of_keras_own_layers(project: Project) -> None:
    (project.root / "data/backbones").mkdir()
    printed, _ = GUIDE.follow("Bring a better one", project)
    *layers, digest = printed.splitlines()
    assert {"stem_conv", "block1a_project_activation", "top_activation"} <= set(layers)
    file = project.root / "data/backbones/efficientnetv2-b0.h5"
    assert digest.startswith(hashlib.md5(file.read_bytes()).hexdigest())
    assert project.run("git", "status", "--porcelain", "data").stdout == ""
    read = "import sys, keras; keras.models.load_model(sys.argv[1])"
    for path in sorted(file.parent.iterdir()):
        project.run(sys.executable, "-c", read, str(path))
