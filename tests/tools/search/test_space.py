"""space: what a trial sets is what was listed, and a winner is written as what it changes."""

from typing import Any

import optuna
import pytest

from stages.common.command import InputError
from stages.configure.resolve import merge
from stages.configure.search import Range
from tests.helpers import default_params
from tools.search.space import (
    as_texts,
    config_of,
    from_texts,
    own_values,
    suggest,
    taken_over,
    widened,
)

SPACE: dict[str, Any] = {
    "recipe": [None, "vgg"],
    "learning_rate": Range(low=0.001, high=0.01, log=True),
    "dense_units": Range(low=64, high=256),
    "augmentation.flip": ["none", "both"],
}


def params(**variants: Any) -> dict[str, Any]:
    return merge(default_params(), {"variants": variants})


def test_the_variants_own_values_are_part_of_what_is_tried() -> None:
    config = config_of(params(odd={"learning_rate": 0.05, "batch_size": 5}), "odd", {}).model_dump()
    space = SPACE | {"batch_size": [16, 32]}
    own = own_values(space, config)
    assert own == {
        "recipe": None, "learning_rate": 0.05, "dense_units": 512, "augmentation.flip": "none",
        "batch_size": 5,
    }  # fmt: skip
    wide = widened(space, own)
    assert wide["learning_rate"] == Range(low=0.001, high=0.05, log=True)
    assert wide["dense_units"] == Range(low=64, high=512)
    assert wide["batch_size"] == [5, 16, 32]
    assert wide["augmentation.flip"] == ["none", "both"]
    trial = optuna.create_study().ask()
    trial.study.enqueue_trial(as_texts(wide, own))
    assert suggest(trial.study.ask(), wide) == own


def test_what_is_tried_has_three_digits_within_the_range() -> None:
    found = {"learning_rate": 0.00234567, "dense_units": 123, "recipe": '"vgg"'}
    assert from_texts(SPACE, found) == {
        "learning_rate": 0.00235, "dense_units": 123, "recipe": "vgg",
    }  # fmt: skip
    narrow = {"dropout": Range(low=0.12345, high=0.12349)}
    assert from_texts(narrow, {"dropout": 0.12346}) == {"dropout": 0.12345}


@pytest.mark.parametrize(
    ("variant", "space", "message"),
    [
        (
            {},
            {"weight_decay": Range(low=1e-5, high=0.1, log=True)},
            "the variant has 0.0, which is",
        ),
        ({}, {"steps_per_epoch": Range(low=5, high=9)}, "the variant has null, which is not part"),
        (
            {"recipe": "photo"},
            {"dropout": [0.1, 0.2]},
            "search.space.dropout: has no use in this variant; leave it out",
        ),
    ],
)
def test_a_space_that_does_not_suit_the_variant_is_refused(
    variant: Any, space: Any, message: str
) -> None:
    crops = {"preprocess": {"crops": 8}}
    config = config_of(params(x=variant) | crops, "x", {}).model_dump()
    with pytest.raises(InputError, match=message):
        widened(space, own_values(space, config))


def test_the_winner_sets_what_it_changes_and_no_more() -> None:
    """vgg has a rate of 0.003, a dropout of 0.2 and flips horizontally."""
    changes = {
        "recipe": "vgg", "learning_rate": 0.003, "dropout": 0.3, "augmentation.flip": "both",
        "augmentation.shift": 0.0,
    }  # fmt: skip
    taken = taken_over(params(), "base", changes)
    assert taken == {"recipe": "vgg", "dropout": 0.3, "augmentation": {"flip": "both"}}
    assert config_of(params(new=taken), "new", {}) == config_of(params(), "base", changes)
    taken = taken_over(params(), "sgd", changes | {"recipe": None, "learning_rate": 0.02})
    assert taken == {
        "optimizer": "sgd", "learning_rate": 0.02, "dropout": 0.3, "augmentation": {"flip": "both"},
    }  # fmt: skip
