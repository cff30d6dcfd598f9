"""params: a value means to the stages what it means to DVC."""

from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml

from stages.common.command import InputError
from stages.common.params import read_block, read_value, read_yaml
from stages.images.schema import LabelFolders


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


def test_a_dotted_name_leads_to_a_block_in_a_block(workspace: Path) -> None:
    Path("params.yaml").write_text("source: {path: x, labels: {REAL: [a], FAKE: [b]}}\n")
    assert read_value("source.path") == "x"
    assert read_block("source.labels", LabelFolders) == LabelFolders(REAL=["a"], FAKE=["b"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("other: 1", "params.yaml: source: missing"),
        ("source: {path: x}", "params.yaml: source.labels: missing"),
        ("source: [x]", "params.yaml: source: must be keys and values, found ['x']"),
        ("source: {labels: 5}", "params.yaml: source.labels: must be keys and values, found 5"),
        ("source: {labels: {REAL: [a]}}", "params.yaml: source.labels.FAKE: missing"),
        (
            "source: {labels: {REAL: [a], FAK: [b]}}",
            "params.yaml: source.labels.FAK: unknown key; did you mean 'FAKE'? (and 1 more)",
        ),
        (
            "source: {labels: {REAL: [a], FAKE: [b], FAK: []}}",
            "params.yaml: source.labels.FAK: unknown key; did you mean 'FAKE'?",
        ),
    ],
)
def test_a_wrong_block_in_a_block_is_named_in_full(
    workspace: Path, text: str, message: str
) -> None:
    Path("params.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        read_block("source.labels", LabelFolders)
    assert str(error.value) == message
