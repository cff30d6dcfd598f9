"""What the blocks `compare` and `gate` of params.yaml may be."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainValidator

from stages.common.params import Schema

BEYOND_INTERVAL = "beyond_interval"


class CompareParams(Schema):
    """The block `compare` of params.yaml."""

    baseline: str = Field(description="the variant that the others are measured against")


def _tolerance(value: Any) -> float | str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != BEYOND_INTERVAL and not (is_number and 0 <= value < float("inf")):
        raise ValueError(f"must be a number from 0 on or '{BEYOND_INTERVAL}', found {value!r}")
    result: float | str = value
    return result


class GateParams(Schema):
    """The block `gate` of params.yaml: any metric, and the largest fall allowed."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[float | str, PlainValidator(_tolerance)]]
