"""The rooms of the house: who imports from whom, and whether dvc.yaml says so."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from tests.helpers import REPOSITORY, tracked

PIPELINE: dict[str, dict] = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
ENTRIES = {name: entry.get("do", entry) for name, entry in PIPELINE.items()}
FOLDERS = {name: entry["cmd"].split()[2].split(".")[1] for name, entry in ENTRIES.items()}
"""The folder of each stage's code, by the stage."""
SHARED = {"common", "images", "networks", "pages"}


def imported(file: Path) -> Iterator[str]:
    """Yield the modules of the project that `file` imports, such as `stages.common.files`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: an import that is not from the top"
            module = node.module or ""
            # `from stages.compare import curves` names a module, `from tools import lock` as well.
            inside = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if path_of(name).exists() else module for name in inside]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in ("stages", "tools"))


def path_of(module: str) -> Path:
    return REPOSITORY / (module.replace(".", "/") + ".py")


@cache
def modules() -> dict[str, set[str]]:
    """Return the modules of stages/, and what each imports from there."""
    files = sorted((REPOSITORY / "stages").glob("*/*.py"))
    return {
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts): {
            name for name in imported(file) if name.startswith("stages.")
        }
        for file in files
    }


def folder_of(module: str) -> str:
    return module.split(".")[1]


def arrows() -> dict[str, set[str]]:
    """Return the folders of stages/, and from which others each imports."""
    found: dict[str, set[str]] = {}
    for module, others in modules().items():
        found.setdefault(folder_of(module), set()).update(map(folder_of, others))
    return {folder: others - {folder} for folder, others in found.items()}


def reached(folder: str) -> set[str]:
    """Return the folders of all modules that those of `folder` import, however deep."""
    seen: set[str] = set()
    waiting = [module for module in modules() if folder_of(module) == folder]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += modules()[module]
    return set(map(folder_of, seen))


def declared(stage: str) -> set[str]:
    return {Path(dep).name for dep in ENTRIES[stage]["deps"] if dep.startswith("stages/")}


def test_every_folder_is_a_stage_or_shared() -> None:
    assert set(arrows()) == set(FOLDERS.values()) | SHARED
    inputs = re.compile(r"stages/\w+/[\w.]+\.(py|jinja)")  # of others, .dvcignore makes no inputs
    assert all(inputs.fullmatch(name) for name in tracked("stages"))


@pytest.mark.parametrize("stage", sorted(FOLDERS.keys() - {"configure"}))
def test_a_stage_declares_the_folders_that_it_imports_from_and_no_others(stage: str) -> None:
    assert declared(stage) == reached(FOLDERS[stage])


def test_configure_checks_every_block_so_that_all_code_is_its_input() -> None:
    assert ENTRIES["configure"]["deps"] == ["stages"]
    schemas = {path.parent.name for path in (REPOSITORY / "stages").glob("*/schema.py")}
    assert schemas <= reached("configure")


def test_what_is_shared_imports_from_no_stage() -> None:
    for folder in SHARED:
        assert reached(folder) <= SHARED, folder


def test_no_folder_imports_from_itself_through_others() -> None:
    assert list(TopologicalSorter(arrows()).static_order()), "a circle is a CycleError"


def test_nothing_that_presents_stands_before_training() -> None:
    assert not reached("train") & {"pages", "card", "compare", "report"}


def test_nobody_imports_from_a_main() -> None:
    """A stage's command reads, calls and writes; what others need has a module of its own."""
    files = [file for part in ("stages", "tools", "benchmarks") for file in sources(part)]
    for file in files:
        assert not [name for name in imported(REPOSITORY / file) if "__main__" in name], file


def test_no_two_modules_have_one_name() -> None:
    names = [Path(file).name for part in ("stages", "tools") for file in sources(part)]
    # In each folder a stage's command, and what its block of params.yaml may be.
    names = [name for name in names if name not in ("__main__.py", "schema.py")]
    assert sorted(names) == sorted(set(names))


def sources(folder: str) -> list[str]:
    return [name for name in tracked(folder) if name.endswith(".py")]
