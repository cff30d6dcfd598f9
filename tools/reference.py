"""Write docs/parameters.md: every parameter, what it may be, and what it is, from the schemas.

A test refuses a page that is not what this writes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from stages.common.command import command_line, run
from stages.common.params import Schema, read_yaml
from stages.configure.check import SCHEMAS
from stages.configure.schema import ModelSchema
from stages.pages.markdown import code, table

PAGE = Path("docs/parameters.md")

BLOCKS: dict[str, type[Schema]] = {
    **{block: schema for block, schema in SCHEMAS.items() if block != "gate"},
    "train": ModelSchema,
}

TEXT = """\
# Every parameter

`params.yaml` holds them all, with a comment on each. This page is written by
`python -m tools.reference` from the schemas that refuse what is not allowed: unknown keys, other
types, values outside the ranges below. The values are those of this repository's `params.yaml`.
`dvc exp run --set-param KEY=VALUE` sets one, such as `-S train.epochs=30`. A change runs the
stages that read the block, then those that read what came out different.
"""

OTHERS = """\
## `recipes` and `variants`

Read by `configure`. A name, and the keys of `train` that it changes, such as
`wide: {dense_units: 1024}`. A nested key keeps its neighbours, a list is replaced. `recipe: NAME`
takes over the changes of a recipe first. Names have lower-case letters, digits, `-` and `_`.

## `external`

Read by `external`, `card`, `compare`; `evaluate_external` measures each set. Other data sets to try
the models on: a name, as those of variants, and a path, such as `{sd15: data/sd15.zip}`; `{}`:
none. `test` is the name of the own test split.

## `gate`

Read by `python -m tools.gate`, no stage. A metric of `metrics/` or `metrics/robustness/`, or of an
external set (`accuracy_on_<set>`), and how far it may fall against the main branch: a number from 0
on, or `beyond_interval`, which refuses a fall whose paired 95% interval leaves out 0.
"""


class Parameter(NamedTuple):
    """A key, as a reader of the page needs it."""

    key: str
    allowed: str
    meaning: str


def parameters(
    schema: dict[str, Any], key: str, definitions: dict[str, Any]
) -> Iterator[Parameter]:
    """Yield the keys of the JSON `schema` of an object, those of nested objects after their own.

    Args:
        key: the dotted name of the object.
        definitions: the schemas that a `$ref` in it may name.
    """
    for name, value in schema["properties"].items():
        nested = _resolved(value, definitions)
        place = f"{key}.{name}"
        options = [_resolved(option, definitions) for option in nested.get("anyOf", [nested])]
        blocks = [option for option in options if "properties" in option]
        if blocks:
            if len(options) > 1:
                yield Parameter(place, f"keys or {code('null')}", value.get("description", ""))
            yield from parameters(blocks[0], place, definitions)
            continue
        default = value.get("default")
        end = "" if default is None else f", default {code(str(default).lower())}"
        yield Parameter(place, allowed(nested) + end, value.get("description", ""))
        items = _resolved(nested.get("items", {}), definitions)
        if items.get("type") == "object":
            yield from parameters(items, f"{place}[]", definitions)


def _resolved(value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    name = value.get("$ref", "").removeprefix("#/$defs/")
    return definitions[name] if name else value


def allowed(schema: dict[str, Any]) -> str:
    """Return in words what a JSON `schema` of a single value or a list of them allows."""
    if "anyOf" in schema:
        return " or ".join(allowed(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(code(str(value)) for value in schema["enum"])
    if "const" in schema:
        return code(str(schema["const"]))
    match schema.get("type"):
        case "null":
            return code("null")
        case "boolean":
            return f"{code('true')}, {code('false')}"
        case "object":
            return "keys and values"
        case "array":
            return f"list{_length(schema)}" + (
                "" if "$ref" in schema["items"] else f" of: {allowed(schema['items'])}"
            )
        case "string":
            return "text"
        case kind:
            what = "whole number" if kind == "integer" else "number"
            return f"{what} {_range(schema)}".strip()


def _length(schema: dict[str, Any]) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least == most is not None:
        return f" of {least} entries"
    return (f" of at least {least}" if least else "") + (f" of at most {most}" if most else "")


def _range(schema: dict[str, Any]) -> str:
    words = {
        "minimum": "from {:,}",
        "exclusiveMinimum": "above {:,}",
        "maximum": "to {:,}",
        "exclusiveMaximum": "below {:,}",
    }
    return " ".join(text.format(schema[key]) for key, text in words.items() if key in schema)


def value_of(params: dict[str, Any], key: str) -> str:
    """Return the value of `params` at the dotted `key` as YAML in one line.

    "" for keys and values, inside of lists, and below a null.
    """
    if "[]" in key:
        return ""
    value: Any = params
    for part in key.split("."):
        if value is None:
            return ""
        value = value[part]
    if isinstance(value, dict):
        return ""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} entries"
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return code(text.removesuffix("\n").removesuffix("...").strip())


def readers(block: str, stages: dict[str, Any]) -> list[str]:
    """Return the stages of dvc.yaml that depend on `block` or on a key of it.

    `configure`, which checks all of params.yaml, is named where no other stage reads the block.
    """
    found = []
    for name, stage in stages.items():
        listed = stage.get("do", stage).get("params", [])
        if any(isinstance(entry, str) and entry.split(".")[0] == block for entry in listed):
            found.append(name)
    return found or ["configure"]


def page(params: dict[str, Any], stages: dict[str, Any]) -> str:
    """Return the page as Markdown.

    Args:
        params: what params.yaml holds.
        stages: the stages of dvc.yaml.
    """
    parts = [TEXT]
    for block, schema in BLOCKS.items():
        described = schema.model_json_schema()
        found = parameters(described, block, described.get("$defs", {}))
        rows = [
            [code(one.key), value_of(params, one.key), one.allowed, one.meaning] for one in found
        ]
        names = ", ".join(code(name) for name in readers(block, stages))
        parts += [
            f"## {code(block)}\n",
            f"Read by {names}.\n",
        ]
        parts.append(table(["key", "value", "allowed", "meaning"], rows) + "\n")
    return "\n".join([*parts, OTHERS])


def main() -> None:
    command_line("tools.reference", __doc__).parse_args()
    stages = read_yaml(Path("dvc.yaml"))["stages"]
    PAGE.write_text(page(read_yaml(Path("params.yaml")), stages), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    run(main)
