"""The whole of params.yaml, checked before anything else runs."""

from itertools import product
from typing import Any

from stages.common.command import InputError
from stages.common.params import PARAMS_FILE, Schema, nearest, validate
from stages.compare.schema import CompareParams, GateParams
from stages.configure.resolve import resolve
from stages.configure.search import SearchParams, check_space
from stages.evaluate.schema import METRICS, OF_ANY_SET, EvaluateParams
from stages.external.schema import check_sets
from stages.images.schema import DecodeParams
from stages.perturb.schema import RobustnessParams
from stages.preprocess.schema import PreprocessParams
from stages.source.schema import SourceParams

SCHEMAS: dict[str, type[Schema]] = {
    "source": SourceParams,
    "decode": DecodeParams,
    "preprocess": PreprocessParams,
    "evaluate": EvaluateParams,
    "robustness": RobustnessParams,
    "compare": CompareParams,
    "search": SearchParams,
    "gate": GateParams,
}
MODELS = ("train", "recipes", "variants")
BLOCKS = [*SCHEMAS, "external", *MODELS]


def check(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the complete configuration of every variant, by name.

    Args:
        params: what params.yaml holds.

    Raises:
        InputError: something in `params`, in whichever block, is not allowed, or is missing.
    """
    for key in params:
        if key not in BLOCKS:
            close = nearest(str(key), BLOCKS)
            raise InputError(f"{PARAMS_FILE}: {key}: unknown key; did you mean '{close}'?")
    for block in BLOCKS:
        if block not in params:
            raise InputError(f"{PARAMS_FILE}: {block}: missing")
    for block, schema in SCHEMAS.items():
        validate(schema, params[block], f"{PARAMS_FILE}: {block}")
    sets = check_sets(params["external"])
    configs = resolve(*(params[block] for block in MODELS))
    search = SearchParams.model_validate(params["search"])
    check_space(search, params["train"], params["recipes"])
    preprocess = PreprocessParams.model_validate(params["preprocess"])
    for name, config in configs.items():
        _require_views(config, preprocess, f"{PARAMS_FILE}: variants.{name}")
    _require_unlike_stages(list(configs), list(sets))
    _require_known_metrics(list(params["gate"]), list(sets))
    baseline = params["compare"]["baseline"]
    if baseline not in configs:
        raise InputError(
            f"{PARAMS_FILE}: compare.baseline: no variant '{baseline}'; "
            f"did you mean '{nearest(baseline, list(configs))}'?"
        )
    return configs


def _require_views(config: dict[str, Any], preprocess: PreprocessParams, where: str) -> None:
    """Refuse a network that is to see what `preprocess` does not make."""
    views, size = config["views"], config["input_size"]
    if views != "crops" and not preprocess.whole:
        raise InputError(f"{where}.views: {views} needs preprocess.whole true, found false")
    if views != "whole" and not preprocess.crops:
        raise InputError(f"{where}.views: {views} needs preprocess.crops of at least 1, found 0")
    if size and any(map(int.__gt__, size, preprocess.image_size)):
        raise InputError(
            f"{where}.input_size: must be at most preprocess.image_size, "
            f"{preprocess.image_size}, found {size}"
        )


def _require_unlike_stages(variants: list[str], sets: list[str]) -> None:
    """Refuse names of which two pairs would make one stage: DVC runs evaluate_external@a-b."""
    pairs: dict[str, tuple[str, str]] = {}
    for variant, name in product(variants, sets):
        other = pairs.setdefault(f"{variant}-{name}", (variant, name))
        if other != (variant, name):
            raise InputError(
                f"{PARAMS_FILE}: external.{name}: with variant '{variant}' it makes the same stage "
                f"as '{other[1]}' with '{other[0]}': {variant}-{name}; rename one"
            )


def _require_known_metrics(metrics: list[str], sets: list[str]) -> None:
    known = [*METRICS, *(f"{metric}_on_{name}" for name in sets for metric in OF_ANY_SET)]
    for metric in metrics:
        if metric not in known:
            close = nearest(metric, known)
            raise InputError(
                f"{PARAMS_FILE}: gate.{metric}: unknown metric; did you mean '{close}'?"
            )
