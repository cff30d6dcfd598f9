"""reference: docs/parameters.md is what the schemas say, of every key that there is."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from stages.common.params import Schema, read_yaml
from tests.helpers import REPOSITORY
from tools.reference import PAGE, Parameter, page, parameters, readers


def test_the_page_is_current() -> None:
    params = read_yaml(REPOSITORY / "params.yaml")
    stages = read_yaml(REPOSITORY / "dvc.yaml")["stages"]
    written = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    assert written == page(params, stages), "run `python -m tools.reference`"


def leaves(value: Any, key: str) -> set[str]:
    """Return the dotted names of all values in `value`, those in lists of mappings with []."""
    if isinstance(value, dict):
        return set().union(*(leaves(part, f"{key}.{name}") for name, part in value.items()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {key}.union(*(leaves(part, f"{key}[]") for part in value))
    return {key}


def test_every_key_of_params_yaml_is_on_the_page_and_explained() -> None:
    params = read_yaml(REPOSITORY / "params.yaml")
    text = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.\[\]]+)` \| (.*) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    assert all(meaning and allowed for _, _, allowed, meaning in rows)
    named = {key for key, *_ in rows}
    params["search"]["space"] = "any keys of train"
    others = ("recipes", "variants", "gate")
    expected = set().union(*(leaves(v, k) for k, v in params.items() if k not in others))
    assert expected <= named
    # A layer has keys that no layer of the base model sets, and a block may be null.
    more = (
        *("train.conv_layers[].", "train.backbone.", "preprocess.align."),
        *("source.table.", "source.splits"),
    )
    assert all(key.startswith(more) for key in named - expected)
    assert all(f"`{block}`" in text for block in others)


class Inner(Schema):
    """Nested."""

    share: float = Field(gt=0, lt=1, description="a share")


class Outer(Schema):
    """A block."""

    number: int = Field(5, ge=1, le=4096, description="a number")
    maybe: int | None = Field(ge=0, description="or none")
    kind: Literal["a", "b"] = Field(description="a kind")
    on: bool = Field(False, description="a switch")
    none: int = Field(0, ge=0, description="none")
    pair: list[Annotated[int, Field(ge=0)]] = Field(min_length=2, max_length=2, description="two")
    some: list[str] = Field(min_length=1, description="texts")
    inner: Inner
    perhaps: Inner | None = Field(description="or nothing")
    many: list[Inner] = Field(description="several")


def test_what_is_allowed_is_said_in_words() -> None:
    schema = Outer.model_json_schema()
    assert list(parameters(schema, "block", schema["$defs"])) == [
        Parameter("block.number", "whole number from 1 to 4,096, default `5`", "a number"),
        Parameter("block.maybe", "whole number from 0 or `null`", "or none"),
        Parameter("block.kind", "`a`, `b`", "a kind"),
        Parameter("block.on", "`true`, `false`, default `false`", "a switch"),
        Parameter("block.none", "whole number from 0, default `0`", "none"),
        Parameter("block.pair", "list of 2 entries of: whole number from 0", "two"),
        Parameter("block.some", "list of at least 1 of: text", "texts"),
        Parameter("block.inner.share", "number above 0 below 1", "a share"),
        Parameter("block.perhaps", "keys or `null`", "or nothing"),
        Parameter("block.perhaps.share", "number above 0 below 1", "a share"),
        Parameter("block.many", "list", "several"),
        Parameter("block.many[].share", "number above 0 below 1", "a share"),
    ]


@pytest.mark.parametrize(
    ("block", "names"),
    [("source", ["source", "external"]), ("train", ["configure"])],
)
def test_readers_are_the_stages_that_declare_the_block(block: str, names: list[str]) -> None:
    stages = {
        "source": {"params": ["source"]},
        "external": {"params": ["source.labels"]},
        "configure": {"params": ["train", "variants"]},
        "train": {"foreach": "...", "do": {"params": [{"configs/x.yaml": None}]}},
        "report": {},
    }
    assert readers(block, stages) == names


def test_the_tool_writes_the_page(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tools import reference

    for name in ("params.yaml", "dvc.yaml"):
        (workspace / name).write_text((REPOSITORY / name).read_text())
    (workspace / "docs").mkdir()
    monkeypatch.setattr("sys.argv", ["reference"])
    reference.main()
    assert (workspace / PAGE).read_text() == (REPOSITORY / PAGE).read_text()
