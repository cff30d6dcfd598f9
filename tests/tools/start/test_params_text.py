"""params_text: what is added to params.yaml leaves every other character as it is."""

from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from tools.start.params_text import added, in_flow, parsed

TEXT = """\
# The models.
variants: # a name each
  base: {}  # as it is
  wide:
    dense_units: 1024 # more

# How they are compared.
compare: {baseline: base}
"""
VALUE = {"recipe": None, "augmentation": {"flip": "both"}, "learning_rate": 1e-05}


def test_an_entry_comes_after_the_last_one() -> None:
    text = added(TEXT, "variants", "base-tuned", VALUE)
    line = "  base-tuned: {recipe: null, augmentation: {flip: both}, learning_rate: 1e-05}\n"
    assert text == TEXT.replace("# more\n", f"# more\n{line}")
    assert parsed(text)["variants"]["base-tuned"] == VALUE


@pytest.mark.parametrize("name", ["base", "wide"])
def test_an_entry_that_is_there_is_replaced(name: str) -> None:
    text = added(TEXT, "variants", name, VALUE)
    expected = parsed(TEXT)
    expected["variants"][name] = VALUE
    assert parsed(text) == expected
    for comment in ("# The models.", "# a name each", "# How they are compared."):
        assert comment in text


def test_a_block_in_one_line_and_one_at_the_end_of_the_file() -> None:
    assert added("variants: {base: {}}\n", "variants", "x", {"epochs": 3}) == (
        "variants: {base: {}, x: {epochs: 3}}\n"
    )
    assert added("variants:\n  base: {}", "variants", "x", {"epochs": 3}) == (
        "variants:\n  base: {}\n  x: {epochs: 3}"
    )


def test_what_stands_in_one_line_dvc_sets_as_it_is(tmp_path: Path) -> None:
    layers = [{"filters": 4}, {"filters": 5, "padding": "same"}]
    value = VALUE | {"conv_layers": layers, "dropout": 0.0, "weights": "data/b/one-2.h5"}
    file = tmp_path / "params.yaml"
    file.write_text(TEXT)
    change = [f"+variants.x={in_flow(value)}", "~variants.wide"]
    apply_overrides(file, change)
    assert parsed(file.read_text())["variants"] == {"base": {}, "x": value}
