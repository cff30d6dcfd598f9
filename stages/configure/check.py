"""The whole of params.yaml, checked before anything else runs."""

from typing import Any

from stages.common.command import InputError
from stages.common.params import PARAMS_FILE, Schema, nearest, validate
from stages.compare.schema import CompareParams, GateParams
from stages.configure.resolve import resolve
from stages.evaluate.schema import EvaluateParams, RobustnessParams
from stages.external.schema import check_sets
from stages.images.schema import DecodeParams
from stages.preprocess.schema import PreprocessParams
from stages.source.schema import SourceParams

SCHEMAS: dict[str, type[Schema]] = {
    "source": SourceParams,
    "decode": DecodeParams,
    "preprocess": PreprocessParams,
    "evaluate": EvaluateParams,
    "robustness": RobustnessParams,
    "compare": CompareParams,
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
    check_sets(params["external"])
    configs = resolve(*(params[block] for block in MODELS))
    baseline = params["compare"]["baseline"]
    if baseline not in configs:
        raise InputError(
            f"{PARAMS_FILE}: compare.baseline: no variant '{baseline}'; "
            f"did you mean '{nearest(baseline, list(configs))}'?"
        )
    return configs
