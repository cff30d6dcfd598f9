"""What each model's configuration is: inheritance resolved, and all of it checked."""

from typing import Any, NamedTuple

from stages.common.command import InputError
from stages.common.params import PARAMS_FILE, nearest, require_name, validate
from stages.configure.schema import ModelSchema
from stages.networks.config import FrozenConfig

OF_CONVOLUTIONS = {"conv_layers", "activation", "head"}
"""What a backbone stands in for."""
OF_FROZEN = set(FrozenConfig.model_fields)
"""All that matters to a network of which only a logistic regression is fitted."""


class Resolved(NamedTuple):
    """A variant or recipe, with all that it inherits."""

    config: dict[str, Any]
    """A value for every key of `train`."""
    changed: set[str]
    """The keys that it, or a recipe that it names, sets itself."""


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
    with its changes. A configuration holds no key that its network has no use for, so that an edit
    of `train` reaches no more models than it must.

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
        configs[name] = _in_use(_resolved(base, recipes, changes, where), where)
    return configs


def _in_use(resolved: Resolved, where: str) -> dict[str, Any]:
    """Return the values that the network of `resolved` has a use for.

    Raises:
        InputError: one that it has no use for was set.
    """
    config = resolved.config
    if config["backbone"] is None:
        unused, why = {"head_l2"}, "is for a backbone that is not trained; set backbone, too"
    elif config["backbone"]["trainable"]:
        unused = OF_CONVOLUTIONS | {"head_l2"}
        why = "has no use beside a backbone that is trained"
    else:
        unused = config.keys() - OF_FROZEN
        why = (
            "has no use beside a backbone that is not trained: only a logistic regression is "
            f"fitted; allowed are {', '.join(sorted(OF_FROZEN))}"
        )
    for key in config:
        if key in unused & resolved.changed:
            raise InputError(f"{where}.{key}: {why}")
    return {key: value for key, value in config.items() if key not in unused}


def _resolved(
    base: dict[str, Any],
    recipes: dict[str, Any],
    changes: Any,
    where: str,
    within: tuple[str, ...] = (),
) -> Resolved:
    """Return what `changes` makes of the one of `recipes` that it names, or else of `base`.

    Args:
        within: the recipes that led here, from the outermost on.
    """
    if not isinstance(changes, dict):
        raise InputError(f"{where}: expected keys of train and values, found {changes!r}")
    own = {key: value for key, value in changes.items() if key != "recipe"}
    changed = set(own)
    if "recipe" in changes:
        name = changes["recipe"]
        if not isinstance(name, str) or name not in recipes:
            known = f"; did you mean '{nearest(str(name), list(recipes))}'?" if recipes else ""
            raise InputError(f"{where}.recipe: no recipe {name!r}{known}")
        if name in within:
            raise InputError(f"{where}.recipe: goes round: {' > '.join((*within, name))}")
        place = f"{PARAMS_FILE}: recipes.{name}"
        base, inherited = _resolved(base, recipes, recipes[name], place, (*within, name))
        changed |= inherited
    return Resolved(validate(ModelSchema, merge(base, own), where).model_dump(), changed)
