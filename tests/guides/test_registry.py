"""docs/registry.md, followed by someone who registers models and by others without a clone."""

import hashlib
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from tests.guides.guide import Guide
from tests.helpers import Project, edit_params

pytestmark = pytest.mark.slow

FILES = ("base.h5", "base.json", "base.md")
V2 = {"v1.0.0": "v2.0.0"}


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of the model in `folder`, of its calibration and its card."""
    return {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in FILES}


def test_versions_are_registered_fetched_and_taken_back(project: Project, tmp_path: Path) -> None:
    server, site_cache = tmp_path / "server.git", {"DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    project.run("git", "init", "--quiet", "--bare", "--initial-branch", "main", str(server))
    project.run("git", "remote", "add", "origin", str(server))
    project.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    project.commit("share")
    names = {"git@git.example.com:team/photos.git": str(server)}
    guide, guide_v2 = Guide("registry.md", names), Guide("registry.md", {**names, **V2})

    def elsewhere(name: str) -> Project:
        """Return an empty folder, as on a machine without a clone."""
        (tmp_path / name).mkdir()
        return Project(tmp_path / name)

    guide.follow("Register a version", project)
    guide.follow("Say which version is in use", project)
    v1 = hashes(project.root / "models")
    predictions = pd.read_csv(project.root / "data/predictions/base.csv", index_col="path")

    edit_params(project.root, {"variants.base": {"seed": 2}})
    project.repro("card@base")
    project.commit("another seed")
    guide_v2.follow("Register a version", project)
    v2 = hashes(project.root / "models")
    assert all(v1[name] != v2[name] for name in FILES)

    shown, lock = guide.follow("See what there is", project)
    assert ["base", "v2.0.0", "v1.0.0"] in [line.split()[1::2] for line in shown.splitlines()]
    assert shown.count("registration") == 2
    made = {out["path"]: out["md5"] for out in yaml.safe_load(lock)["stages"]["train@base"]["outs"]}
    assert made["models/base.h5"] == v1["base.h5"]

    user = elsewhere("user")
    _, compared = guide.follow("Fetch a version", user, site_cache)
    assert hashes(user.root) == v1
    assert compared.count(v1["base.h5"]) == 2
    _apply(user, project.root / "data/small.zip", predictions)

    in_use = elsewhere("in-use")
    guide.follow("Fetch the version in use", in_use, site_cache)
    assert hashes(in_use.root) == v1
    assert hashlib.md5((in_use.root / "prod.h5").read_bytes()).hexdigest() == v1["base.h5"]

    nobody = Guide("registry.md", {**guide.names, "'base#prod'": "'base#nobody'"})
    nothing = elsewhere("nothing")
    with pytest.raises(pytest.fail.Exception, match="no such stage"):
        nobody.follow("Fetch the version in use", nothing, site_cache)
    assert list(nothing.root.iterdir()) == []

    guide_v2.follow("Say which version is in use", project)
    moved = elsewhere("moved")
    guide.follow("Fetch the version in use", moved, site_cache)
    assert hashes(moved.root) == v2
    assert hashlib.md5((moved.root / "prod.h5").read_bytes()).hexdigest() == v2["base.h5"]

    guide.follow("Take a version back", project)
    get = ("dvc", "artifacts", "get", str(server), "base", "--force")
    user.run(*get, "--stage", "prod", env=site_cache)
    assert hashes(user.root) == v1
    refused = user.run(*get, "--rev", "v2.0.0", check=False, env=site_cache)
    assert "Unable to find artifact 'base @ v2.0.0'" in refused.stderr.splitlines()[-1]


def _apply(user: Project, archive: Path, predictions: pd.DataFrame) -> None:
    """Run the example of the card that was fetched: p_fake and answer are those of evaluate."""
    fences = MarkdownIt().parse((user.root / "base.md").read_text(encoding="utf-8"))
    (example,) = [fence.content for fence in fences if fence.info == "python"]
    path = str(predictions.index[~predictions["unlike"]][0])  # of which the card knows nothing
    with zipfile.ZipFile(archive) as images:
        (user.root / "image.png").write_bytes(images.read(path))
    p_fake, answer = user.run("python", "-c", example).stdout.split()
    assert float(p_fake) == pytest.approx(predictions.loc[path, "p_fake"], abs=1e-4)
    assert answer == predictions.loc[path, "answer"]


def test_what_the_guide_warns_of(project: Project, tmp_path: Path) -> None:
    """A mistyped name is registered; a version that was deprecated only is handed out."""
    project.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    project.commit("share")
    project.run("dvc", "push")
    for name in ("bsae", "sgd"):
        project.run("gto", "register", name, "--version", "v1.0.0")
    project.run("gto", "deprecate", "sgd", "v1.0.0")
    shown = {line.split()[1]: line for line in project.run("gto", "show").stdout.splitlines()[3:-1]}
    assert "v1.0.0" in shown["bsae"]
    assert "v1.0.0" not in shown["sgd"]

    (tmp_path / "user").mkdir()
    user = Project(tmp_path / "user")
    get = ("dvc", "artifacts", "get", str(project.root))
    user.run(*get, "sgd", "--rev", "v1.0.0")
    assert (user.root / "sgd.h5").read_bytes() == (project.root / "models/sgd.h5").read_bytes()
    refused = user.run(*get, "bsae", "--rev", "v1.0.0", check=False)
    assert "Unable to find artifact 'bsae'" in refused.stderr.splitlines()[-1]
