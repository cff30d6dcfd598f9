"""configure: inheritance is resolved once, and what cannot be meant is refused with the key."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.common.command import InputError
from stages.common.params import read_yaml
from stages.configure.resolve import merge, resolve
from tests.helpers import REPOSITORY

PARAMS: dict[str, Any] = read_yaml(REPOSITORY / "params.yaml")


def test_the_five_models_of_the_study() -> None:
    configs = resolve(PARAMS["train"], PARAMS["recipes"], PARAMS["variants"])
    base = configs["base"]
    differences = {
        name: {key: value for key, value in config.items() if value != base[key]}
        for name, config in configs.items()
    }
    assert {name: differences[name] for name in ("base", "epoch", "sgd", "sigmoid", "val")} == {
        "base": {},
        "epoch": {"epochs": 10},
        "sgd": {"optimizer": "sgd", "learning_rate": 0.01},
        "sigmoid": {"activation": "sigmoid"},
        "val": {"validation_steps": 10},
    }
    assert (base["optimizer"], base["epochs"], base["activation"]) == ("adam", 20, "relu")
    assert base["validation_steps"] == 23


def test_mappings_merge_and_everything_else_is_replaced() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merge(base, {"a": {"c": [5]}}) == {"a": {"b": 1, "c": [5]}, "d": 3}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 3}


def test_a_nested_key_of_a_variant_keeps_its_neighbours() -> None:
    configs = resolve(PARAMS["train"], {}, {"flip": {"augmentation": {"flip": "horizontal"}}})
    assert configs["flip"]["augmentation"] == PARAMS["train"]["augmentation"] | {
        "flip": "horizontal"
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizr": "sgd"}, "variants.x.optimizr: unknown key; did you mean 'optimizer'?"),
        (
            {"augmentation": {"flipp": "none"}},
            "augmentation.flipp: unknown key; did you mean 'flip'?",
        ),
        (
            {"conv_layers": [{"filter": 3}]},
            "conv_layers.0.filter: unknown key; did you mean 'filters'? (and 1 more)",
        ),
        (
            {"conv_layers": [{"filters": 3, "kernel": 3}]},
            "conv_layers.0.kernel: unknown key; did you mean 'kernel_size'?",
        ),
        ({"conv_layers": []}, "conv_layers: must have at least 1 entries, found []"),
        ({"epochs": "20"}, "epochs: must be a valid integer, found '20'"),
        ({"epochs": 2.5}, "epochs: must be a valid integer, found 2.5"),
        ({"epochs": True}, "epochs: must be a valid integer, found True"),
        ({"epochs": 0}, "epochs: must be greater than or equal to 1, found 0"),
        ({"dropout": 1.0}, "dropout: must be less than 1, found 1.0"),
        ({"learning_rate": float("nan")}, "learning_rate: must be"),
        ({"learning_rate": -1}, "learning_rate: must be greater than 0, found -1"),
        ({"activation": "rely"}, "activation: must be 'relu', 'sigmoid'"),
        ({"momentum": 0.9}, "variants.x: momentum: 0.9 needs optimizer sgd or rmsprop, found adam"),
        ({"precision": "mixed_bfloat16"}, "precision: mixed_bfloat16 needs instruction_set null"),
        ({"xla": True}, "xla: true needs conv_layers without pool"),
        ({"conv_layers": [{"filters": 3, "shortcut": 2}]}, "shortcut of layer 1 must be at most 1"),
        ({"warmup_epochs": 2}, "warmup_epochs: 2.0 needs schedule cosine, found constant"),
        ({"schedule": "cosine", "warmup_epochs": 20}, "must be less than epochs (20), found 20.0"),
        (None, "variants.x: expected keys of train and values, found None"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(changes: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        resolve(PARAMS["train"], {}, {"x": changes})
    assert message in str(error.value)
    assert str(error.value).startswith("params.yaml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["../x", "A", "a b", "a.b", "", "-a", "a" * 65, True])
def test_a_name_that_is_no_file_name_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="a name has at most 64"):
        resolve(PARAMS["train"], {}, {name: {}})


def test_a_variant_changes_its_recipe_and_a_recipe_changes_train() -> None:
    recipes = {"quick": {"epochs": 2, "augmentation": {"flip": "both"}}}
    changes = {"recipe": "quick", "augmentation": {"shift": 0.1}}
    configs = resolve(PARAMS["train"], recipes, {"x": changes, "y": {}})
    augmentation = configs["y"]["augmentation"] | {"flip": "both", "shift": 0.1}
    assert configs["x"] == configs["y"] | {"epochs": 2, "augmentation": augmentation}
    assert configs["y"]["epochs"] == PARAMS["train"]["epochs"]
    assert changes["recipe"] == "quick"


def test_a_recipe_changes_another_whichever_comes_first() -> None:
    recipes = [("quick", {"recipe": "plain", "epochs": 2}), ("plain", {"epochs": 3, "seed": 4})]
    for order in (recipes, recipes[::-1]):
        config = resolve(PARAMS["train"], dict(order), {"x": {"recipe": "quick"}})["x"]
        assert (config["epochs"], config["seed"]) == (2, 4)


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        ({"quick": {}}, "variants.x.recipe: no recipe 'quik'; did you mean 'quick'?"),
        ({}, "variants.x.recipe: no recipe 'quik'"),
        (
            {"quik": {"recipe": "a"}, "a": {"recipe": "quik"}},
            "recipes.a.recipe: goes round: quik > a > quik",
        ),
        (
            {3: {}},
            "recipes.3: a name must be a text; write it in quotes, '3':",
        ),
        ({"quik": {"epoch": 1}}, "recipes.quik.epoch: unknown key; did you mean 'epochs'?"),
        ({"quik": None}, "recipes.quik: expected keys of train and values, found None"),
        (None, "recipes: expected names and what each one changes"),
    ],
)
def test_a_recipe_that_is_wrong_or_not_there_is_refused(recipes: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        resolve(PARAMS["train"], recipes, {"x": {"recipe": "quik"}})
    assert str(error.value) == f"params.yaml: {message}"


def test_no_variants_are_refused() -> None:
    with pytest.raises(InputError, match="variants: expected names"):
        resolve(PARAMS["train"], {}, {})


def test_a_base_that_is_missing_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"params\.yaml: train: must be keys and values, found None"
    ):
        resolve(None, {}, {"x": {}})


@pytest.mark.parametrize(("text", "number"), [("1e-3", 0.001), ("1E5", 1e5), ("2.5e-05", 2.5e-5)])
def test_exponents_are_numbers_as_for_dvc(tmp_path: Path, text: str, number: float) -> None:
    (tmp_path / "params.yaml").write_text(f"rate: {text}\n")
    assert read_yaml(tmp_path / "params.yaml") == {"rate": number}


def test_a_written_configuration_reads_back(tmp_path: Path) -> None:
    configs = resolve(PARAMS["train"], {}, {"x": {"learning_rate": 1e-05}})
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(configs["x"]))
    assert read_yaml(tmp_path / "x.yaml") == configs["x"]


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "a: \x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml: "):
        read_yaml(tmp_path / "params.yaml")
