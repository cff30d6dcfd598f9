"""What each model's configuration is: inheritance resolved, and all of it checked."""

from typing import Any

from stages.common.command import InputError
from stages.common.params import PARAMS_FILE, nearest, require_name, validate
from stages.configure.schema import ModelSchema


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes`: mappings are merged key by key, all else is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def resolve(train: Any, recipes: Any, variants: Any) -> dict[str, dict[str, Any]]:
    """Return the complete configuration of every variant, by name.

    A variant, and a recipe, is `train` with its changes; or, if it names another recipe, that one
    with its changes.

    Raises:
        InputError: a name, key or value that is not allowed; the message says where and why.
    """
    base = validate(ModelSchema, train, f"{PARAMS_FILE}: train").model_dump()
    if not isinstance(recipes, dict):
        raise InputError(f"{PARAMS_FILE}: recipes: expected names and what each one changes")
    if not isinstance(variants, dict) or not variants:
        raise InputError(f"{PARAMS_FILE}: variants: expected names and what each one changes")
    for name in recipes:
        require_name(name, f"{PARAMS_FILE}: recipes.{name}")
        _resolved(base, recipes, {"recipe": name}, f"{PARAMS_FILE}: recipes.{name}")
    configs = {}
    for name, changes in variants.items():
        where = f"{PARAMS_FILE}: variants.{name}"
        require_name(name, where)
        configs[name] = _resolved(base, recipes, changes, where)
    return configs


def _resolved(
    base: dict[str, Any],
    recipes: dict[str, Any],
    changes: Any,
    where: str,
    within: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return what `changes` makes of the one of `recipes` that it names, or else of `base`.

    Args:
        within: the recipes that led here, from the outermost on.
    """
    if not isinstance(changes, dict):
        raise InputError(f"{where}: expected keys of train and values, found {changes!r}")
    own = {key: value for key, value in changes.items() if key != "recipe"}
    if "recipe" in changes:
        name = changes["recipe"]
        if not isinstance(name, str) or name not in recipes:
            known = f"; did you mean '{nearest(str(name), list(recipes))}'?" if recipes else ""
            raise InputError(f"{where}.recipe: no recipe {name!r}{known}")
        if name in within:
            raise InputError(f"{where}.recipe: goes round: {' > '.join((*within, name))}")
        place = f"{PARAMS_FILE}: recipes.{name}"
        base = _resolved(base, recipes, recipes[name], place, (*within, name))
    return validate(ModelSchema, merge(base, own), where).model_dump()
