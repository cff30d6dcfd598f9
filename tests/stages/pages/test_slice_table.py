"""slice_table: which slices a page shows, and what it calls them."""

import pandas as pd

from stages.pages.slice_table import largest, marks, names, rest_in_words, slice_table


def table(rows: list[tuple[str, str, str, int]]) -> pd.DataFrame:
    """Return a table of label, slice, split and number of images."""
    found = pd.DataFrame(rows, columns=["label", "slice", "split", "images"])
    half = {"accuracy": 0.5, "accuracy_low": 0.25, "accuracy_high": 0.75}
    return found.assign(observations=found["images"], **half)


def test_images_without_a_slice_are_all_or_other_by_their_label() -> None:
    slices = table(
        [
            ("REAL", "", "test", 9),
            ("FAKE", "two\nlines", "test", 9),
            ("FAKE", "", "test", 9),
            ("FAKE", "sd", "held_out", 9),
        ]
    )
    assert names(slices).tolist() == ["all", "two?lines", "other", "sd"]
    assert marks(slices).tolist() == ["", "", "", ", held out"]


def test_of_a_label_the_thirty_largest_are_shown_and_what_is_held_out() -> None:
    """34 of REAL of 1 to 34 images, of which the second is held out; 2 of FAKE."""
    real = [("REAL", f"{n:02}", "held_out" if n == 2 else "test", n) for n in range(1, 35)]
    slices = table([*real, ("FAKE", "a", "test", 1), ("FAKE", "b", "test", 2)])
    shown = largest(slices)
    expected = ["02", *(f"{n:02}" for n in range(6, 35)), "a", "b"]
    assert shown["slice"].tolist() == expected, "in their order"
    assert rest_in_words(slices) == "Not shown are the smallest slices: 4 of REAL with 13 images."
    assert rest_in_words(shown) == ""
    lines = slice_table({"base": slices, "sgd": slices.assign(accuracy=0.6)}).splitlines()
    assert lines[0] == "| slice | label | images | observations | base | sgd |"
    assert lines[2] == (
        "| `02`, held out | REAL | 2 | 2 | 0.500 (0.250 to 0.750) | 0.600 (0.250 to 0.750) |"
    )
    assert len(lines) == 2 + 32


def test_the_rest_of_both_labels_is_summed_up() -> None:
    slices = table([(label, f"{n}", "test", 1000) for label in ("REAL", "FAKE") for n in range(32)])
    assert rest_in_words(slices) == (
        "Not shown are the smallest slices: 2 of REAL with 2,000 images, 2 of FAKE with 2,000 "
        "images."
    )
