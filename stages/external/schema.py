"""What the block `external` of params.yaml may be."""

from typing import Any

from stages.common.arrays import OWN
from stages.common.command import InputError
from stages.common.params import PARAMS_FILE, require_name
from stages.images.schema import require_here


def check_sets(value: Any) -> dict[str, str]:
    """Return the block `external`: the path of each external data set by its name.

    Raises:
        InputError: it is no mapping of names to paths.
    """
    where = f"{PARAMS_FILE}: external"
    if not isinstance(value, dict):
        raise InputError(
            f"{where}: must be names and paths, such as {{sd15: data/sd15.zip}}, or {{}} for none, "
            f"found {value!r}"
        )
    for name, path in value.items():
        require_name(name, f"{where}.{name}")
        if name == "path":
            raise InputError(f"{where}.path: a set needs a name, such as {{sd15: {path}}}")
        if name == OWN:
            raise InputError(f"{where}.{name}: the name of the own test split; take another")
        if not isinstance(path, str) or not path:
            raise InputError(f"{where}.{name}: must be the path of a data set, found {path!r}")
        try:
            require_here(path)
        except ValueError as error:
            raise InputError(f"{where}.{name}: {error}") from None
    return value
