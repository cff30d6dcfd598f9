"""params.yaml as text: some values are replaced, every other character stays."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node


def parsed(text: str) -> dict[str, Any]:
    """Return what `text` holds, as YAML 1.2, which DVC reads."""
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return content


def edited(text: str, values: Mapping[str, Any]) -> str:
    """Return `text` with `values`, by name such as `source.path`, where it has others.

    Args:
        text: it has a value for each of the names.
    """
    root, params, places = YAML(pure=True).compose(text), parsed(text), []
    for name, value in values.items():
        node, old = root, params
        for part in name.split("."):
            key, node = next(pair for pair in node.value if pair[0].value == part)
            old = old[part]
        start, end = node.start_mark.index, _end(node)
        if start == end:  # nothing there, which is null: after the colon
            start = end = text.index(":", key.end_mark.index) + 1
        if old != value:
            places.append((start, end, node, value))
    for start, end, node, value in sorted(places, key=lambda place: -place[0]):
        new = in_flow(value)
        if isinstance(node, MappingNode) and isinstance(value, dict) and not node.flow_style:
            indent = "\n" + " " * node.start_mark.column
            new = indent.join(f"{key}: {in_flow(one)}" for key, one in value.items())
        text = text[:start] + " " * (start == end) + new + text[end:]
    return text


def added(text: str, block: str, name: str, value: Any) -> str:
    """Return `text` with `name: value` at the end of the top-level `block`, or in its place there.

    Args:
        text: it has the block, which holds keys and values.
    """
    entries = parsed(text)[block]
    root = YAML(pure=True).compose(text)
    node = next(node for key, node in root.value if key.value == block)
    if node.flow_style:
        return edited(text, {block: entries | {name: value}})
    if name in entries:
        place = next(node for key, node in node.value if key.value == name)
        return text[: place.start_mark.index] + in_flow(value) + text[_end(place) :]
    end = text.find("\n", _end(node))
    end = len(text) if end < 0 else end
    return f"{text[:end]}\n{' ' * node.start_mark.column}{name}: {in_flow(value)}{text[end:]}"


def in_blocks(values: Mapping[str, Any]) -> str:
    """Return `values`, by name, as they stand in params.yaml."""
    lines, last = [], ""
    for name, value in values.items():
        block, _, key = name.partition(".")
        lines += [f"{block}:"] * (block != last)
        inside = {key: value} if key else value
        lines += [f"  {key}: {in_flow(one)}" for key, one in inside.items()]
        last = block
    return "\n".join(lines) + "\n"


def _end(node: Node) -> int:
    """Return where the text of `node` ends; to YAML, what follows a block is a part of it."""
    if isinstance(node, CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def in_flow(value: Any) -> str:
    """Return `value` in one line of YAML, which `dvc exp run -S` reads, too."""
    yaml, file = YAML(typ="safe", pure=True), io.StringIO()
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.default_flow_style, yaml.width, yaml.allow_unicode = True, 100_000, True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(value, file)
    return file.getvalue().removesuffix("...\n").rstrip("\n")
