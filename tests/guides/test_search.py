"""docs/search.md, followed with real searches of small networks."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.guides.guide import Guide
from tests.helpers import Project, edit_params

pytestmark = pytest.mark.slow

SPACE = {"epochs": [1, 8], "learning_rate": {"low": 0.001, "high": 0.01, "log": True}}
"""The variant is trained for one epoch, which is too little."""
TAKEN = r"dvc exp run -S '\+variants\.base-tuned=(.*)'"


@pytest.fixture
def small(project: Project) -> Project:
    """The finished project with a small search."""
    search = {"search.folds": 2, "search.confirm": {"best": 1, "times": 1}}
    edit_params(project.root, search | {"search.space": SPACE})
    project.commit("search")
    return project


def test_from_a_search_to_a_variant_and_its_comparison(small: Project) -> None:
    guide = Guide("search.md", {"--trials 40": "--trials 3"})
    (printed,) = guide.follow("Search", small)
    assert "3 trials to train" in printed
    assert "open search/base/index.html in a browser" in printed
    winner = re.search(TAKEN, printed)
    assert winner
    before = (small.root / "params.yaml").read_text()
    (taken,) = guide.follow("Take the winner over", small)
    assert "trials to train" not in taken, "all of it was done"
    after = (small.root / "params.yaml").read_text()
    assert yaml.safe_load(after)["variants"]["base-tuned"] == yaml.safe_load(winner[1])
    assert after.replace(f"  base-tuned: {winner[1]}\n", "") == before
    assert "Running stage 'train@base-tuned'" in taken
    assert "Running stage 'train@base'" not in taken
    assert (small.root / "metrics/base-tuned.json").exists()
    # The printed command gives the same, whatever base-tuned was before.
    printed = small.run("python", "-m", "tools.search", "base", "--trials", "3").stdout
    edit_params(small.root, {"variants.base-tuned": {"dropout": 0.1}})
    command = next(line for line in printed.splitlines() if "dvc exp run -S" in line)
    small.run("bash", "-c", command)
    assert yaml.safe_load((small.root / "params.yaml").read_text()) == yaml.safe_load(after)


def test_machines_share_trials_and_agree(small: Project, tmp_path: Path) -> None:
    others = [small.copy_to(tmp_path / name) for name in ("one", "two")]
    names = {"/shared": str(tmp_path), "--trials 40": "--trials 4 --jobs 1"}
    guide = Guide("search.md", names)
    with ThreadPoolExecutor() as pool:
        both = pool.map(lambda o: guide.follow("Let several machines search", o)[0], others)
        printed = list(both)
    found = [re.search(TAKEN, text) for text in printed]
    assert found[0] and found[1]
    assert found[0][1] == found[1][1]
    # `trial 3: ...` is said where it was trained: each trial once, by one of the two.
    trained = [re.findall(r"^trial (\d+): accuracy", text, re.MULTILINE) for text in printed]
    assert sorted(trained[0] + trained[1]) == ["0", "1", "2", "3"]
    tables = [pd.read_csv(other.root / "search/base/trials.csv") for other in others]
    assert tables[0].equals(tables[1])


def test_a_grid_is_an_experiment_for_each_value(small: Project) -> None:
    Guide("search.md").follow("Or take a grid", small)
    table = pd.read_csv(io.StringIO(small.run("dvc", "exp", "show", "--csv").stdout))
    (column,) = (name for name in table.columns if name.endswith("train.learning_rate"))
    rates = table.dropna(subset="Experiment").set_index("Experiment")[column]
    assert {"grid-1": 0.0005, "grid-2": 0.002}.items() <= rates.to_dict().items()
