"""What a trial changes of a variant, and what Optuna may choose from."""

import json
from collections.abc import Mapping
from typing import Any

from optuna import Trial

from stages.common.command import InputError
from stages.common.params import validate
from stages.configure.resolve import merge, resolve
from stages.configure.search import WHERE, Range, nested
from stages.networks.config import FrozenConfig, ModelConfig

DIGITS = 3
"""Of each number that is tried: more would say what no measurement can tell."""
Space = Mapping[str, list[Any] | Range]


def config_of(
    params: Mapping[str, Any], variant: str, changes: Mapping[str, Any]
) -> ModelConfig | FrozenConfig:
    """Return the configuration of `variant` with `changes`, by dotted key.

    Raises:
        InputError: no variant can have these.
    """
    chosen = {variant: with_changes(params["variants"][variant], changes)}
    config = resolve(params["train"], params["recipes"], chosen)[variant]
    if "head_l2" in config:
        return validate(FrozenConfig, config, variant)
    return validate(ModelConfig, config, variant)


def with_changes(variant: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a variant sets, with `changes`, by dotted key; a recipe of null is its own."""
    own = {key: value for key, value in changes.items() if (key, value) != ("recipe", None)}
    return merge(variant, nested(own))


def own_values(space: Space, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a variant has of each key of `space`, by key; no recipe but its own.

    Args:
        config: its complete configuration.

    Raises:
        InputError: it has no use for one of the keys.
    """
    values = {}
    for key in space:
        value: Any = config
        for part in key.split(".") if key != "recipe" else ():
            if not isinstance(value, dict) or part not in value:
                raise InputError(f"{WHERE}.{key}: has no use in this variant; leave it out")
            value = value[part]
        values[key] = None if key == "recipe" else value
    return values


def widened(space: Space, own: Mapping[str, Any]) -> dict[str, list[Any] | Range]:
    """Return `space` with a variant's own values in it: they are tried first.

    Raises:
        InputError: one of them cannot be part of its range.
    """
    wide: dict[str, list[Any] | Range] = {}
    for key, values in space.items():
        value = own[key]
        if isinstance(values, list):
            wide[key] = values if value in values else [value, *values]
            continue
        if not isinstance(value, int | float) or (values.log and value <= 0):
            raise InputError(
                f"{WHERE}.{key}: the variant has {json.dumps(value)}, which is not part of a range"
                f"{' with log' * values.log}; list the values to try"
            )
        low, high = min(values.low, value), max(values.high, value)
        whole = isinstance(values.low, int) and isinstance(values.high, int)
        kind = int if whole and isinstance(value, int) else float
        wide[key] = Range(low=kind(low), high=kind(high), log=values.log)
    return wide


def as_texts(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` as Optuna gets them: what comes from a list is a text."""
    texts = {}
    for key, value in values.items():
        listed = space[key]
        # As it is listed: 0 and 0.0 are one value, and two texts.
        texts[key] = json.dumps(listed[listed.index(value)]) if isinstance(listed, list) else value
    return texts


def from_texts(space: Space, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `as_texts` was given; numbers have `DIGITS` digits."""
    return {key: _value(space[key], value) for key, value in found.items()}


def _value(values: list[Any] | Range, found: Any) -> Any:
    if isinstance(values, list):
        return json.loads(found)
    if isinstance(found, int):
        return found
    return min(max(float(f"{found:.{DIGITS}g}"), values.low), values.high)


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """Return a value for each key of `space`, chosen by Optuna."""
    found: dict[str, Any] = {}
    for key, values in space.items():
        if isinstance(values, list):
            found[key] = trial.suggest_categorical(key, [json.dumps(value) for value in values])
        elif isinstance(values.low, int):
            found[key] = trial.suggest_int(key, values.low, int(values.high), log=values.log)
        else:
            found[key] = trial.suggest_float(key, values.low, values.high, log=values.log)
    return from_texts(space, found)


def taken_over(
    params: Mapping[str, Any], variant: str, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a new variant sets to be `variant` with `changes`: not what it has anyway."""
    recipe = {key: value for key, value in changes.items() if key == "recipe"}
    without = config_of(params, variant, recipe).model_dump()
    there = own_values({key: [] for key in changes}, without)
    different = {k: v for k, v in changes.items() if k in recipe or v != there[k]}
    return with_changes(params["variants"][variant], different)


def in_words(values: Mapping[str, Any]) -> str:
    """Return `values` as YAML has them, in one line."""
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    )
