"""params_text: what is added to params.yaml leaves every other character as it is."""

import pytest

from tools.start.params_text import added, parsed

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
