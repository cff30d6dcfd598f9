"""compare: the tables behind the figures, and the words of the comparison."""

import pandas as pd

from stages import figures
from stages.compare import confusion, describe_changes, long_curves, to_markdown


def test_confusion_counts_every_cell_even_empty_ones() -> None:
    predictions = pd.DataFrame(
        {
            "variant": ["a"] * 5,
            "label": ["REAL", "REAL", "FAKE", "FAKE", "FAKE"],
            "p_fake": [0.5, 0.1, 0.7, 0.8, 0.9],
        }
    )
    assert confusion(predictions).values.tolist() == [
        ["a", "REAL", "REAL", 1],
        ["a", "REAL", "FAKE", 1],
        ["a", "FAKE", "REAL", 0],
        ["a", "FAKE", "FAKE", 3],
    ]


def test_curves_have_a_row_for_each_split_and_epochs_count_from_1() -> None:
    curves = pd.DataFrame(
        {
            "variant": ["a", "a"],
            "epoch": [0, 1],
            "accuracy": [0.5, 0.6],
            "loss": [0.7, 0.6],
            "val_accuracy": [0.4, 0.5],
            "val_loss": [0.9, 0.8],
        }
    )
    assert long_curves(curves).values.tolist() == [
        ["a", "train", 1, 0.5, 0.7],
        ["a", "train", 2, 0.6, 0.6],
        ["a", "validation", 1, 0.4, 0.9],
        ["a", "validation", 2, 0.5, 0.8],
    ]


def test_changes_name_nested_keys_and_missing_layers() -> None:
    configs = {
        "base": {"epochs": 20, "conv_layers": [{"filters": 32}, {"filters": 32}]},
        "small": {"epochs": 10, "conv_layers": [{"filters": 8}]},
    }
    assert describe_changes(configs, "base") == {
        "base": "",
        "small": "epochs 10, conv_layers.0.filters 8, conv_layers.1.filters none",
    }


def test_the_table_is_ordered_by_accuracy_and_shows_the_difference() -> None:
    metrics = pd.DataFrame({"accuracy": [0.7, 0.75], "loss": [0.6, 0.5]}, index=["base", "wide"])
    text = to_markdown(metrics, {"base": "", "wide": "dense_units 1024"}, "base")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[2] == "| wide | dense_units 1024 | 0.7500 | 0.5000 | +0.0500 |"
    assert rows[3] == "| base | nothing | 0.7000 | 0.6000 |  |"


def test_the_figures_show_every_variant() -> None:
    names = [f"v{number}" for number in range(7)]
    metrics = pd.DataFrame({"accuracy": [0.5] * 7, "loss": [1.0] * 7}, index=names)
    bars = figures.metrics(metrics).axes[0]
    assert bars.get_legend_handles_labels()[1] == names
    matrices = confusion(pd.DataFrame({"variant": names, "label": "REAL", "p_fake": 0.1}))
    titles = [axes.get_title() for axes in figures.confusion(matrices).axes]
    assert titles[:7] == names
