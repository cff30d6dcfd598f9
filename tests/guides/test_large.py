"""docs/large.md: recipes, all of CIFAKE, several variants at a time."""

import json
from pathlib import Path

import pytest
import yaml

from tests.guides.guide import Guide
from tests.helpers import Project

pytestmark = pytest.mark.slow

FEWER = "-S recipes.fast.steps_per_epoch=2 -S recipes.fast.batch_size=8 -S recipes.full.epochs=2"
GUIDE = Guide(
    "large.md",
    {
        "data/cifake.zip": "data/small.zip",
        "-S compare.baseline": f"{FEWER} -S compare.baseline",
        # What follows a training is that of any variant.
        "recipe=robust'": "recipe=robust' -S recipes.robust.epochs=1 train@base train@robust",
        "patience=5'": "patience=5' train@base",
    },
)


def test_a_recipe_becomes_a_variant(project: Project) -> None:
    (printed,) = GUIDE.follow("Recipes", project)
    assert "Running stage 'train@robust'" in printed
    assert "Stage 'train@base' didn't change, skipping" in printed
    config = yaml.safe_load((project.root / "configs/robust.yaml").read_text())
    assert config["augmentation"]["spoil"]["share"] == 0.5
    assert config["augmentation"]["flip"] == "both", "as small"
    assert len(config["conv_layers"]) == 5, "as vgg"


def test_two_recipes_take_the_place_of_the_variants(project: Project) -> None:
    GUIDE.follow("All of CIFAKE", project)
    report = json.loads((project.root / "reports/comparison.json").read_text())
    assert set(report["variants"]) == {"fast", "full"}
    assert report["variants"]["fast"]["comparison"]["verdict"] == "baseline"
    assert {path.name for path in (project.root / "configs").iterdir()} == {
        "fast.yaml",
        "full.yaml",
    }


def test_several_variants_at_a_time(project: Project) -> None:
    (printed,) = GUIDE.follow("Several variants at a time", project)
    assert printed.startswith("everything is up to date\n")


def test_a_training_is_watched_and_the_best_epoch_is_kept(project: Project) -> None:
    GUIDE.follow("Keep the best epoch, stop early", project)
    config = yaml.safe_load((project.root / "configs/base.yaml").read_text())
    assert (config["keep"], config["patience"]) == ("best", 5)
    (printed,) = GUIDE.follow("Watch a training", project)
    page = Path(printed.strip().removeprefix("file://")).read_text()
    assert '"val_loss"' in page
