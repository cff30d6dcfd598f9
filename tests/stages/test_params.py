"""params: a value means to the stages what it means to DVC."""

from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml

from stages.params import read_yaml


@pytest.mark.parametrize(
    "text",
    [
        "off",
        "on",
        "no",
        "Yes",
        "y",
        "true",
        "True",
        "FALSE",
        "1e-3",
        "1E5",
        "5",
        "0.5",
        "null",
        "~",
    ],
)
def test_a_value_is_what_dvc_reads(workspace: Path, text: str) -> None:
    Path("params.yaml").write_text(f"key: {text}\n")
    expected = load_yaml("params.yaml")["key"]
    found = read_yaml(Path("params.yaml"))["key"]
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool)
