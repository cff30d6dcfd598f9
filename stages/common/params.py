"""Reading parameters: the one place where YAML becomes typed values, or one clear error."""

import datetime
import difflib
import re
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.common.command import InputError

PARAMS_FILE = Path("params.yaml")


class Schema(BaseModel):
    """A block of parameters: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


AnySchema = TypeVar("AnySchema", bound=Schema)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but where DVC, which reads YAML 1.2, would see another value.

    `1e-3` is a number, and `off`, `no` and their like are texts: of truth values there are only
    `true` and `false`, https://yaml.org/spec/1.2.2/#103-core-schema.
    """


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in the YAML file `path`.

    Raises:
        InputError: the file is missing, is no YAML, or holds something else than a mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values, found {_show(content)}")
    return content


def read_block(block: str, schema: type[AnySchema], path: Path = PARAMS_FILE) -> AnySchema:
    """Return what `path` holds at `block`, see `read_value`, validated against `schema`.

    Raises:
        InputError: as `read_value`, or `validate` refuses it.
    """
    return validate(schema, read_value(block, path), f"{path}: {block}")


def read_value(name: str, path: Path = PARAMS_FILE) -> Any:
    """Return what `path` holds at `name`: a key, or keys from the outermost on, `source.labels`.

    Raises:
        InputError: as `read_yaml`, or there is no such key.
    """
    value: Any = read_yaml(path)
    keys = name.split(".")
    for depth, key in enumerate(keys):
        if not isinstance(value, dict):
            place = ".".join(keys[:depth])
            raise InputError(f"{path}: {place}: must be keys and values, found {_show(value)}")
        if key not in value:
            raise InputError(f"{path}: {'.'.join(keys[: depth + 1])}: missing")
        value = value[key]
    return value


def validate(schema: type[AnySchema], value: Any, where: str) -> AnySchema:
    """Return `value` as a `schema`.

    Raises:
        InputError: one line naming `where`, the key, what was found and what is allowed.
    """
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        problems = error.errors()
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        # A mistyped key is also a missing one; the first tells more.
        first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
        raise InputError(_sentence(schema, first, where) + more) from None


def require_value(schema: type[Schema], value: Any, key: str, where: str) -> None:
    """Refuse a `value` in which what stands at the dotted `key` is not allowed by itself.

    Raises:
        InputError: one line as of `validate`; what is wrong elsewhere is passed over.
    """
    try:
        schema.model_validate(value)
    except ValidationError as error:
        parts = key.split(".")
        for problem in error.errors():
            if [str(part) for part in problem["loc"][: len(parts)]] == parts:
                raise InputError(_sentence(schema, problem, where)) from None


def require_name(name: Any, where: str) -> None:
    """Refuse a name of a variant, recipe or data set that cannot be one of a file and a stage.

    Raises:
        InputError: it has other characters than these, is too long, or is no text.
    """
    if isinstance(name, int | float | datetime.date) and not isinstance(name, bool):
        raise InputError(f"{where}: a name must be a text; write it in quotes, '{name}':")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise InputError(
            f"{where}: a name has at most 64 lower-case letters, digits, - and _, and starts "
            f"with a letter or digit, found {name!r}"
        )


def nearest(word: str, known: list[str]) -> str:
    """Return the entry of `known` that is spelled most like `word`."""
    return difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]


def _sentence(schema: type[BaseModel], problem: Any, where: str) -> str:
    place = where + "".join(f".{part}" for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            key = str(problem["loc"][-1])
            known = list(_schema_at(schema, problem["loc"][:-1]).model_fields)
            return f"{place}: unknown key; did you mean '{nearest(key, known)}'?"
        case "missing":
            return f"{place}: missing"
        case "model_type":
            return f"{place}: must be keys and values, found {_show(problem['input'])}"
        case "too_short" | "too_long" as bound:
            number = problem["ctx"]["min_length" if bound == "too_short" else "max_length"]
            least = "at least" if bound == "too_short" else "at most"
            return f"{place}: must have {least} {number} entries, found {_show(problem['input'])}"
        case "value_error":
            return f"{place}: {problem['ctx']['error']}"
        case _:
            allowed = problem["msg"].replace("Input should be", "must be")
            return f"{place}: {allowed}, found {_show(problem['input'])}"


def _schema_at(schema: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the schema nested in `schema` at `location`, as pydantic names places."""
    for part in location:
        if isinstance(part, str) and part in schema.model_fields:
            annotation = schema.model_fields[part].annotation
            nested = [
                kind
                for kind in (annotation, *get_args(annotation))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ]
            schema = nested[0] if nested else schema
    return schema


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
