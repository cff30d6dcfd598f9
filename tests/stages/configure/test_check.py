"""check: what is wrong in any block of params.yaml is said before anything runs."""

import copy
from typing import Any

import pytest

from stages.common.command import InputError
from stages.configure.check import BLOCKS, check
from tests.helpers import default_params


def params(**changes: Any) -> dict[str, Any]:
    """Return this repository's parameters with `changes` by name, dots written as __."""
    found = copy.deepcopy(default_params())
    for name, value in changes.items():
        *parents, key = name.split("__")
        block = found
        for parent in parents:
            block = block[parent]
        block[key] = value
    return found


def test_the_committed_parameters_are_allowed() -> None:
    assert list(check(params())) == list(params()["variants"])
    assert set(params()) == set(BLOCKS), "each block has a schema"


def test_order_and_more_sets_change_nothing() -> None:
    turned = dict(reversed(params(external={"sd15": "data/sd15.zip"}).items()))
    assert check(turned) == check(params())


def test_the_gate_may_name_what_is_measured_on_an_external_set() -> None:
    sets = {"sd15": "data/sd15.zip"}
    check(params(external=sets, gate={"roc_auc_on_sd15": 0.02, "accuracy_perturbed": 0.1}))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "of source": ({"source__duplicates": "keep"}, "source.duplicates: must be 'drop', 'report'"),
    "of decode": ({"decode__max_pixels": 0}, "decode.max_pixels: must be greater than or equal"),
    "of preprocess": ({"preprocess__image_size": [32]}, "preprocess.image_size: must have at"),
    "of robustness": (
        {"robustness__jpeg_quality": [200]},
        "robustness.jpeg_quality.0: must be less than or equal to 100, found 200",
    ),
    "of evaluate": ({"evaluate__batch_size": "7"}, "evaluate.batch_size: must be a valid integer"),
    "of train": ({"train__epochs": 0}, "train.epochs: must be greater than or equal to 1, found 0"),
    "of a recipe": ({"recipes__small__epoch": 1}, "recipes.small.epoch: unknown key; did you mean"),
    "of a variant": ({"variants__sgd": {"x": 1}}, "variants.sgd.x: unknown key; did you mean"),
    "of the gate": ({"gate__accuracy": "low"}, "gate.accuracy: must be a number from 0 on or 'bey"),
    "of a search": ({"search__folds": 1}, "search.folds: must be greater than or equal to 2"),
    "of a search's key": (
        {"search__space": {"learning_rat": [0.1, 0.2]}},
        "search.space.learning_rat: unknown key of train; did you mean 'learning_rate'?",
    ),
    "of a search's list": (
        {"search__space": {"augmentation.flip": ["none", "diagonal"]}},
        "search.space.augmentation.flip: must be 'none', 'horizontal', 'vertical' or 'both', found",
    ),
    "of a search's range": (
        {"search__space": {"dropout": {"low": 0.0, "high": 1.0}}},
        "search.space.dropout: must be less than 1, found 1.0",
    ),
    "a range upside down": (
        {"search__space": {"dropout": {"low": 0.5, "high": 0.1}}},
        "search.space.dropout.range: high: must be above low (0.5), found 0.1",
    ),
    "a logarithm of 0": (
        {"search__space": {"weight_decay": {"low": 0.0, "high": 0.1, "log": True}}},
        "search.space.weight_decay.range: low: must be above 0 where log is true, found 0.0",
    ),
    "one value to choose from": (
        {"search__space": {"optimizer": ["adam"]}},
        "search.space.optimizer: must have at least 2 different values, found ['adam']",
    ),
    "a search for luck": (
        {"search__space": {"seed": [1, 2]}},
        "search.space.seed: is not searched: it makes no network better, only luckier",
    ),
    "a search of a block": (
        {"search__space": {"augmentation": ["none", "both"]}},
        "search.space.augmentation: holds other keys; name one, such as augmentation.flip",
    ),
    "a search of a recipe": (
        {"search__space": {"recipe": [None, "vg"]}},
        "search.space.recipe: no recipe 'vg'; did you mean 'vgg'?",
    ),
    "a search of a recipe that says where it trains": (
        {"search__space": {"recipe": [None, "fast"]}},
        "search.space.recipe: fast sets threads, which is not searched: it says where a network is",
    ),
    "best weights of several machines": (
        {"train__strategy": "multi_worker", "train__keep": "best"},
        "train: strategy: multi_worker needs keep last and patience null, found best and None",
    ),
    "a baseline that was renamed": (
        {"compare__baseline": "bsae"},
        "compare.baseline: no variant 'bsae'; did you mean 'base'?",
    ),
    "a key at the top": ({"trian": {"epochs": 3}}, "trian: unknown key; did you mean 'train'?"),
    "a key at the top that is no text": ({"2024": 1}, "2024: unknown key; did you mean"),
    "no variants": ({"variants": {}}, "variants: expected names and what each one changes"),
    "variants that are null": ({"variants": None}, "variants: expected names and what each one"),
    "a variant without quotes": (
        {"variants": {2024: {}, "base": {}}},
        "variants.2024: a name must be a text; write it in quotes, '2024':",
    ),
    "a variant that is a command": (
        {"variants": {"$(touch x)": {}, "base": {}}},
        "variants.$(touch x): a name has at most 64 lower-case letters, digits, - and _, and",
    ),
    "sets that are a path": (
        {"external": "data/sd15.zip"},
        "external: must be names and paths, such as {sd15: data/sd15.zip}, or {} for none, found",
    ),
    "sets that are null": ({"external": None}, "external: must be names and paths, such as"),
    "a set that is a command": ({"external": {"`x`": "a"}}, "external.`x`: a name has at most 64"),
    "a set called as the own": ({"external": {"test": "a"}}, "external.test: the name of the own"),
    "a set without a path": ({"external": {"sd15": None}}, "external.sd15: must be the path of a"),
    "a metric of the gate": (
        {"gate": {"acuracy": 0.1}},
        "gate.acuracy: unknown metric; did you mean 'accuracy'?",
    ),
    "a set as it was named before": (
        {"external": {"path": "data/x.zip"}},
        "external.path: a set needs a name, such as {sd15: data/x.zip}",
    ),
    "two pairs that make one stage": (
        {
            "variants": {"base": {}, "base-robust": {}},
            "external": {"sd15": "a.zip", "robust-sd15": "b.zip"},
        },
        "external.sd15: with variant 'base-robust' it makes the same stage as 'robust-sd15' with "
        "'base': base-robust-sd15; rename one",
    ),
    "a URL": (
        {"source__path": "s3://bucket/photos.zip"},
        "source.path: must be a file or a folder here, found a URL; `dvc import-url "
        "s3://bucket/photos.zip data/photos.zip` fetches it",
    ),
    "a set behind a URL": (
        {"external": {"sd15": "gs://bucket/sets/"}},
        "external.sd15: must be a file or a folder here, found a URL; `dvc import-url gs://bucket/",
    ),
    "a set of several paths": ({"external": {"sd15": ["a"]}}, "external.sd15: must be the path"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_with_its_key(what: str) -> None:
    changes, message = WRONG[what]
    with pytest.raises(InputError) as error:
        check(params(**changes))
    assert str(error.value).startswith(f"params.yaml: {message}")


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_that_is_missing_is_named(block: str) -> None:
    without = {name: value for name, value in params().items() if name != block}
    with pytest.raises(InputError, match=f"^params.yaml: {block}: missing$"):
        check(without)
