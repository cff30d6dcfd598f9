"""The promises of the pipeline, each tried with real DVC in a project of its own."""

import hashlib
import json
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
    __cpu_dispatch__,
    __cpu_features__,
)

from tests.helpers import (
    Project,
    edit_params,
    small_data_set,
    stages_run,
    write_zip,
)

pytestmark = pytest.mark.slow

SGD = {"train@sgd", "evaluate@sgd", "card@sgd"}
BASE = {"train@base", "evaluate@base", "card@base"}
CARDS = {"card@base", "card@sgd"}
END = {"compare", "report"}

# What is edited, what must run again, and what may: where the numbers stay the same, the stages
# that read them have nothing new. Edits that reach different stages are made at once: what runs is
# then what each of them reaches, and nothing else.
EDITS: dict[str, tuple[dict[str, Any], set[str], set[str]]] = {
    "a variant's own key; of source, the manifest stays; what none uses; the gate": (
        {
            "variants.sgd.learning_rate": 0.02,
            "source.validation_fraction": 0.3,
            "recipes.small.epochs": 2,
            "train.head_l2": 2.0,
            "gate.roc_auc": 0.01,
        },
        {"configure", "source", *SGD, *END},
        set(),
    ),
    "a key of train, which sgd overrides; the curves of sgd, not its model; the audit": (
        {
            "train.learning_rate": 0.002,
            "variants.sgd.validation_steps": 1,
            "source.audit.short_cuts": "off",
        },
        {"configure", "source", *BASE, "train@sgd", "card@sgd", *END},
        set(),
    ),
    "decode, the pixels stay; compare": (
        {"decode.max_pixels": 2000, "compare.baseline": "sgd"},
        {"configure", "source", "preprocess", "perturb", *END},
        set(),
    ),
    "evaluate": (
        {"evaluate.batch_size": 7},
        {"configure", "evaluate@base"},
        {"card@base"},
    ),
    "robustness": (
        {"robustness.blur_sigma": [3.0]},
        {"configure", "perturb", "evaluate@base", "card@base"},
        set(),
    ),
    "preprocess": (
        {"preprocess.image_size": [16, 16]},
        {"configure", "preprocess", "perturb", *BASE},
        set(),
    ),
}
FOR_ONE_VARIANT = ("evaluate", "robustness", "preprocess")
"""Edits that reach every variant alike: looked at up to the card of one.

What follows a card, or numbers, is that of the edits above.
"""


BY_EXP_RUN = "robustness"
"""The edit that is not made by hand: what DVC makes of a value does not depend on where it stands.

So are numbers, in tests/guides/test_experiments.py.
"""


@pytest.mark.parametrize("edit", EDITS)
def test_only_what_is_affected_reruns(project: Project, edit: str) -> None:
    changes, must, may = EDITS[edit]
    targets = ["card@base"] if edit in FOR_ONE_VARIANT else []
    if edit == BY_EXP_RUN:
        settings = [f"--set-param={key}={value}" for key, value in changes.items()]
        ran = stages_run(project.run("dvc", "exp", "run", *settings, *targets).stdout)
    else:
        edit_params(project.root, changes)
        ran = project.repro(*targets)
    assert must <= set(ran) <= must | may
    assert len(ran) == len(set(ran))


def test_an_external_set_is_prepared_and_measured_alone(project: Project) -> None:
    edit_params(project.root, {"variants.base": None, "compare.baseline": "sgd"})
    for name, seed in (("other", 1), ("fakes", 2)):
        files = small_data_set({"test": 2}, seed=seed)
        chosen = {path: data for path, data in files.items() if name == "other" or "FAKE" in path}
        write_zip(project.root / f"data/{name}.zip", chosen)
    added = ("dvc", "exp", "run", "-S", "+external.other=data/other.zip", "evaluate_external")
    first = {"configure", "external@other", "evaluate_external@sgd-other"}
    assert set(stages_run(project.run(*added).stdout)) == first
    more = project.run("dvc", "exp", "run", "-S", "+external.fakes=data/fakes.zip").stdout
    second = {"configure", "external@fakes", "evaluate_external@sgd-fakes", "card@sgd", *END}
    assert set(stages_run(more)) == second
    report = json.loads((project.root / "reports/comparison.json").read_text())
    found = report["variants"]["sgd"]["sets"]
    assert list(found) == ["fakes", "other"], "in any order of the block"
    assert (found["other"]["images"], found["fakes"]["images"]) == (4, 2)
    assert "roc_auc" not in found["fakes"]
    assert "data/fakes.zip" in (project.root / "models/sgd.md").read_text()
    assert "On other data sets" in (project.root / "reports/index.html").read_text()


JUNK = [
    "__pycache__/model.cpython-311.pyc",
    ".ipynb_checkpoints/model-checkpoint.py",
    ".DS_Store",
    "._model.py",
    ".model.py.swp",
    "model.py.swp",
    "4913",
    ".#model.py",
    "model.py~",
    "#model.py#",
    "model.py.bak",
    "model.py.orig",
    "model.py.rej",
    "model_BASE_123.py",
    "model.pyc",
    "Thumbs.db",
    "desktop.ini",
    "nohup.out",
]


def test_what_means_the_same_and_junk_run_nothing_and_a_new_module_does(project: Project) -> None:
    params = yaml.safe_load((project.root / "params.yaml").read_text())
    turned = {key: _turn(value) for key, value in reversed(params.items())}
    text = "# another comment\n\n" + yaml.safe_dump(turned, sort_keys=False, indent=6)
    (project.root / "params.yaml").write_text(text)
    (project.root / "README.md").write_text("another text")
    (project.root / "tests").mkdir(exist_ok=True)
    (project.root / "tests/test_new.py").write_text("")
    for folder in sorted((project.root / "stages").iterdir()):
        for name in JUNK:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("junk")
    assert project.repro() == []
    (project.root / "stages/report/new.py").write_text("")
    assert project.repro() == ["configure", "report"]


def _turn(value: Any) -> Any:
    """Return `value` with the keys of every mapping in the opposite order."""
    if isinstance(value, dict):
        return {key: _turn(value[key]) for key in reversed(value)}
    return value


def test_one_more_allowed_value_runs_configure_alone(project: Project) -> None:
    schema = project.root / "stages/configure/schema.py"
    optimizers = '"rmsprop", "nadam"]'
    assert optimizers in schema.read_text()
    schema.write_text(schema.read_text().replace(optimizers, '"rmsprop", "nadam", "lion"]'))
    assert project.repro() == ["configure"]
    edit_params(project.root, {"variants.lion": {"optimizer": "lion"}})
    assert project.repro("train") == ["configure", "train@lion"], "of all variants"


def older_processor() -> dict[str, str]:
    """Return an environment in which libraries find no instructions newer than AVX2.

    TensorFlow's own kernels are compiled for less, and `instruction_set` is for oneDNN.
    """
    wide = [name for name in __cpu_dispatch__ if name.startswith(("AVX512", "X86_V4"))]
    hidden = ("AVX512F", "AVX512VL", "AVX512BW", "AVX512DQ", "AVX512CD")
    return {
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in wide if __cpu_features__[name]),
        "OPENBLAS_CORETYPE": "Haswell",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in hidden),
    }


CHEAP = {"source", "preprocess", "perturb", "configure", "card@base", *END}
"""The stages that never import TensorFlow."""


def test_each_stage_alone_elsewhere_on_one_older_core_gives_the_same_bytes(
    finished_project: Project, tmp_path: Path
) -> None:
    """It needs what it declares alone, writes nothing else, and is cheap without TensorFlow.

    Each runs in a folder that holds its deps and params only: the order of stages, the variants
    beside it and where the project lies cannot matter.
    """
    params = yaml.safe_load((finished_project.root / "params.yaml").read_text())
    elsewhere = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", **older_processor()}
    elsewhere["PYTHONDONTWRITEBYTECODE"] = "1"
    without_tensorflow = {"PYTHONPATH": str(poisoned(tmp_path / "poisoned"))}
    for name, stage in finished_project.lock().items():
        if name in SGD:
            continue  # the same entry of dvc.yaml as @base
        root = tmp_path / "a folder with spaces" / name
        root.mkdir(parents=True)
        for dep in stage["deps"]:
            source, target = finished_project.root / dep["path"], root / dep["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
        for file, values in stage.get("params", {}).items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            kept = _only(params, values) if file == "params.yaml" else values
            (root / file).write_text(yaml.safe_dump(kept))
        before = _files(root)
        command = ["taskset", "--cpu-list", "0", *shlex.split(stage["cmd"])]
        refused = Project(root).run(
            *command, check=name in CHEAP, env=elsewhere | without_tensorflow
        )
        assert ("poisoned" in refused.stderr) == (name not in CHEAP), name
        if name not in CHEAP:
            Project(root).run(*command, env=elsewhere)
        outs = [out["path"] for out in stage["outs"]]
        written = {path for path, digest in _files(root).items() if before.get(path) != digest}
        strays = [
            p for p in written if not any(p == out or p.startswith(out + "/") for out in outs)
        ]
        assert not strays, name
        for out in outs:
            assert _hashes(root / out) == _hashes(finished_project.root / out), f"{name}: {out}"


def poisoned(folder: Path) -> Path:
    """Return `folder` with a TensorFlow and a Keras that cannot be imported."""
    for name in ("tensorflow", "keras"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('poisoned')")
    return folder


def _only(params: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return what `params` holds at `names`, of which some may be dotted: `source.labels`."""
    kept: dict[str, Any] = {}
    for name in names:
        *parents, key = name.split(".")
        source, target = params, kept
        for parent in parents:
            source, target = source[parent], target.setdefault(parent, {})
        target[key] = source[key]
    return kept


def _files(root: Path) -> dict[str, str]:
    return {
        file.relative_to(root).as_posix(): hashlib.md5(file.read_bytes()).hexdigest()
        for file in root.rglob("*")
        if file.is_file()
    }


def _hashes(path: Path) -> dict[str, str]:
    return _files(path) if path.is_dir() else {"": hashlib.md5(path.read_bytes()).hexdigest()}


def test_no_test_image_is_in_training_or_validation(finished_project: Project) -> None:
    splits = {
        split: np.load(finished_project.root / f"data/processed/{split}/images.npy")
        for split in ("train", "validation", "test")
    }
    pixels = {split: {image.tobytes() for image in images} for split, images in splits.items()}
    assert len(splits["train"]) == 80, "the planted copy of a test image is left out"
    assert not pixels["test"] & (pixels["train"] | pixels["validation"])


BY_DVC = ("external", "source.duplicates", "trian", "variants")
"""Where DVC itself reads what is wrong, or might begin: of the others, `configure` alone runs."""


def test_a_wrong_value_is_one_line_and_leaves_earlier_outputs(project: Project) -> None:
    """For each block: one line, status 1, no traceback; put right, everything is there again."""
    wrong = {
        "train.learning_rte": (
            0.1,
            "train.learning_rte: unknown key; did you mean 'learning_rate'?",
        ),
        "variants.sgd.epochs": ("20", "variants.sgd.epochs: must be a valid integer, found '20'"),
        "source.duplicates": ("keep", "must be 'drop', 'report' or 'error', found 'keep'"),
        "decode.max_pixels": (0, "decode.max_pixels: must be greater than or equal to 1, found 0"),
        "source.audit.short_cuts": ("no", "must be 'error', 'warn' or 'off', found 'no'"),
        "preprocess.image_size": ([32], "image_size: must have at least 2 entries, found [32]"),
        "robustness.jpeg_quality": ([200], "must be less than or equal to 100, found 200"),
        "external.`touch x`": ("data/x.zip", "a name has at most 64 lower-case letters"),
        "trian": ({"epochs": 2}, "trian: unknown key; did you mean 'train'?"),
        "evaluate.batch_size": (0, "evaluate.batch_size: must be greater than or equal to 1"),
        "compare.baseline": ("bsae", "no variant 'bsae'; did you mean 'base'?"),
    }
    good = (project.root / "params.yaml").read_text()
    before = _files(project.root)
    for key, (value, message) in wrong.items():
        edit_params(project.root, {key: value})
        by_dvc = key.startswith(BY_DVC)
        command = ["dvc", "repro"] if by_dvc else ["python", "-m", "stages.configure"]
        result = project.run(*command, check=False)
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert result.returncode != 0
        assert len(errors) == 1, result.stderr
        assert message in errors[0]
        assert "Traceback" not in result.stderr
        if by_dvc:
            assert stages_run(result.stdout) == ["configure"], "nothing else had begun"
        lost = {p for p in before if not (project.root / p).exists() and not p.startswith(".")}
        # DVC removes the outputs of a stage with a run cache before it runs it.
        assert not {
            p
            for p in lost
            if p.endswith(".h5") or p.startswith(("reports", "configs", "plots/all"))
        }
        (project.root / "params.yaml").write_text(good)
    assert set(project.repro()) <= {"configure"}
    after = _files(project.root)
    kept = {p: h for p, h in before.items() if p.startswith(("data", "models", "me", "re"))}
    assert {p: after.get(p) for p in kept} == kept
