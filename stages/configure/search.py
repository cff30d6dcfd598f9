"""What a search may vary of a variant: the block `search` of params.yaml."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from stages.common.command import InputError
from stages.common.params import PARAMS_FILE, Schema, nearest, require_value
from stages.configure.resolve import merge, resolve
from stages.configure.schema import ModelSchema

WHERE = f"{PARAMS_FILE}: search.space"
OF_MACHINES = dict.fromkeys(
    ("strategy", "instruction_set", "threads"),
    "it says where a network is trained, and not what it becomes",
)
NOT_SEARCHED = {
    "seed": "it makes no network better, only luckier",
    "validation_steps": "a search looks at all images",
    **OF_MACHINES,
}


class Range(Schema):
    """Numbers from the lowest to the highest."""

    low: int | float = Field(description="lowest value")
    high: int | float = Field(description="highest value")
    log: bool = Field(default=False, description="as likely between 1 and 10 as between 10 and 100")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"high: must be above low ({self.low}), found {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low: must be above 0 where log is true, found {self.low}")
        return self


Values = Annotated[
    Annotated[list[Any], Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(lambda values: "list" if isinstance(values, list) else "range"),
]


class Confirmation(Schema):
    """How the best trials are measured once more, since the best of many was lucky, too."""

    best: int = Field(ge=1, le=100, description="trials that are trained again")
    times: int = Field(ge=1, le=100, description="times, each with other folds and another seed")


class SearchParams(Schema):
    """How `python -m tools.search` looks for better values of `train`; no stage reads it."""

    metric: Literal["accuracy", "loss"] = Field(
        description="what is compared: accuracy (the more, the better) or loss, of images that are "
        "not trained on"
    )
    folds: Annotated[int, Field(ge=2, le=50)] | None = Field(
        description="parts of train and validation together, of which each is left out once; null: "
        "train on train and measure on validation"
    )
    prune: bool = Field(
        description="stop a trial that is not in the best quarter of those before it, of the same "
        "recipe, conv_layers, epochs and schedule"
    )
    confirm: Confirmation
    seed: int = Field(ge=0, lt=2**32, description="decides the folds, and what is tried")
    space: dict[str, Values] = Field(
        min_length=1,
        description="what may vary: a key of train, such as augmentation.flip, or recipe; and its "
        "values, as a list or as low, high, log",
    )


def check_space(search: SearchParams, train: dict[str, Any], recipes: dict[str, Any]) -> None:
    """Refuse a space with a key or value that no variant could have.

    Each value is looked at by itself: what does not go with another one is a trial that fails.

    Raises:
        InputError: the message names key and value.
    """
    for key, values in search.space.items():
        where = f"{WHERE}.{key}"
        for value in [values.low, values.high] if isinstance(values, Range) else values:
            if key == "recipe":
                _require_recipe(value, train, recipes, where)
            else:
                _require_known(key, train, where)
                changed = merge(train, nested({key: value}))
                require_value(ModelSchema, changed, key, WHERE)
        if not isinstance(values, Range) and len({str(value) for value in values}) < 2:
            raise InputError(f"{where}: must have at least 2 different values, found {values}")


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values`, by dotted key, as keys within keys."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        inner = value
        for part in reversed(key.split(".")):
            inner = {part: inner}
        result = merge(result, inner)
    return result


def _require_recipe(value: Any, train: dict[str, Any], recipes: dict[str, Any], where: str) -> None:
    if value is None:
        return
    if str(value) not in recipes:
        close = f"; did you mean '{nearest(str(value), list(recipes))}'?" if recipes else ""
        raise InputError(f"{where}: no recipe {value!r}{close}")
    config = resolve(train, recipes, {"x": {"recipe": value}})["x"]
    for key in OF_MACHINES:
        if config.get(key, train[key]) != train[key]:
            raise InputError(
                f"{where}: {value} sets {key}, which is not searched: {OF_MACHINES[key]}; "
                f"set train.{key}"
            )


def _require_known(key: str, train: dict[str, Any], where: str) -> None:
    if key in NOT_SEARCHED:
        raise InputError(f"{where}: is not searched: {NOT_SEARCHED[key]}")
    block: Any = train
    for part in key.split("."):
        if not isinstance(block, dict) or part not in block:
            known = ["recipe", *_keys(train)]
            raise InputError(
                f"{where}: unknown key of train; did you mean '{nearest(key, known)}'?"
            )
        block = block[part]
    if isinstance(block, dict):
        raise InputError(f"{where}: holds other keys; name one, such as {key}.{next(iter(block))}")


def _keys(block: dict[str, Any], before: str = "") -> list[str]:
    """Return all dotted keys of values in `block`."""
    keys = []
    for name, value in block.items():
        if isinstance(value, dict):
            keys += _keys(value, f"{before}{name}.")
        else:
            keys.append(before + name)
    return keys
