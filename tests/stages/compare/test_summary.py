"""summary: the report's numbers as strict JSON, and its tables and words."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.compare.summary import (
    by_validation,
    changes_in_words,
    choice_note,
    describe_changes,
    describe_models,
    details_table,
    models_table,
    runs_table,
    same_in_words,
    sets_table,
    slices_note,
    slices_table,
    to_json,
    to_markdown,
)


def test_changes_name_nested_keys_and_other_layers_in_short() -> None:
    configs = {
        "base": {"epochs": 20, "conv_layers": [{"filters": 32}, {"filters": 32}]},
        "small": {"epochs": 10, "conv_layers": [{"filters": 8, "batch_normalization": True}]},
        "deep": {
            "epochs": 20,
            "conv_layers": [{"filters": n, "padding": "same"} for n in (8, 16, 16)],
        },
        "wide": {"epochs": 20, "conv_layers": [{"filters": 32}, {"filters": 64}]},
        "same": {"epochs": 20, "conv_layers": [{"filters": 32}, {"filters": 32}]},
    }
    changes = describe_changes(configs, "base")
    assert changes == {
        "base": {},
        "small": {
            "epochs": 10,
            "conv_layers.filters": "8",
            "conv_layers.batch_normalization": "true",
        },
        "deep": {"conv_layers.filters": "8-16-16", "conv_layers.padding": "same"},
        "wide": {"conv_layers.1.filters": 64},
        "same": {},
    }
    assert changes_in_words(changes["small"]) == (
        "epochs 10, conv_layers.filters 8, conv_layers.batch_normalization true"
    )
    assert changes_in_words(changes["same"]) == "nothing"
    assert describe_changes(configs, "small")["base"] == {
        "epochs": 20,
        "conv_layers.filters": "32",
        "conv_layers.batch_normalization": "none",
    }


def test_a_change_from_nothing_or_to_nothing_is_one() -> None:
    configs: dict[str, dict[str, Any]] = {
        "base": {"steps": None, "flip": "none"},
        "some": {"steps": 5, "flip": "both"},
    }
    assert describe_changes(configs, "base")["some"] == {"steps": 5, "flip": "both"}
    assert describe_changes(configs, "some")["base"] == {"steps": None, "flip": "none"}


BACKBONE = {"weights": "data/backbones/lite.h5", "md5": "a" * 32, "trainable": False}
OWN: dict[str, Any] = {"views": "whole", "input_size": None, "threads": 1, "backbone": None}
OWN |= {"epochs": 20, "conv_layers": [{"filters": 8}, {"filters": 8}], "dropout": 0.5}
FROZEN: dict[str, Any] = {"views": "both", "input_size": [224, 160], "threads": 1, "head_l2": 1.0}
FROZEN |= {"backbone": BACKBONE | {"layers": ["top"]}}


def test_a_frozen_backbone_does_not_list_what_it_has_no_use_for() -> None:
    configs = {"base": OWN, "long": OWN | {"epochs": 40}, "photo": FROZEN}
    changes = describe_models(configs, "base")
    words = {variant: changes_in_words(found) for variant, found in changes.items()}
    assert words == {
        "base": "nothing",
        "long": "epochs 40",
        "photo": "views both, input_size 224x160, backbone lite.h5",
    }
    assert changes_in_words(describe_models(configs, "photo")["long"]) == (
        "views whole, input_size none, backbone none, epochs 40"
    )


def test_frozen_backbones_are_told_apart_by_what_they_alone_have() -> None:
    """Also from a baseline that has none of it; a file's hash is told by its name."""
    others = {
        "photo": FROZEN,
        "loose": FROZEN | {"head_l2": 0.1},
        "deep": FROZEN | {"backbone": BACKBONE | {"layers": ["middle", "top"]}},
    }
    shared = "views both, input_size 224x160"
    changes = describe_models({"base": OWN} | others, "base")
    assert {name: changes_in_words(changes[name]) for name in others} == {
        "photo": f"{shared}, head_l2 1.0, backbone lite.h5, backbone.layers top",
        "loose": f"{shared}, head_l2 0.1, backbone lite.h5, backbone.layers top",
        "deep": f"{shared}, head_l2 1.0, backbone lite.h5, backbone.layers middle-top",
    }
    changes = describe_models(others, "photo")
    assert changes == {
        "photo": {},
        "loose": {"head_l2": 0.1},
        "deep": {"backbone.layers": "middle-top"},
    }


def compared(
    seeds: int = 1, external: bool = False, held_out: tuple[str, ...] = ()
) -> tuple[Any, ...]:
    """Return what to_json takes: base, the worse `sgd` and the better `wide`, by hand."""
    variants = pd.Index(["base", "sgd", "wide"], name="variant")
    metrics = pd.DataFrame(
        {
            "accuracy": [0.7, 0.65, 0.75],
            "accuracy_low": [0.67, 0.62, 0.72],
            "accuracy_high": [0.73, 0.68, 0.78],
            "roc_auc": [0.8, 0.7, 0.9],
            "ece": [0.1, 0.2, 0.3],
            "ece_calibrated": [0.02, 0.03, 0.0404],
            "accuracy_at_threshold": [0.71, 0.66, 0.76],
            "validation_accuracy": [0.72, 0.67, 0.78],
            "answered": [0.5, 0.0, 0.625],
            "accuracy_answered": [0.9, float("nan"), 0.875],
        },
        index=variants,
    )
    if held_out:
        of_held_out: dict[str, Any] = {"accuracy": [0.6, 0.5, 0.55], "images": 1200}
        of_held_out |= {"accuracy_low": 0.41, "accuracy_high": 0.63, "observations": 7}
        of_held_out |= {f"accuracy_{label.lower()}": 0.6 for label in held_out}
        metrics = metrics.assign(**{f"held_out_{key}": of_held_out[key] for key in of_held_out})
    columns = ["variant", "label", "slice", "split", "images", "observations", "accuracy"]
    columns += ["accuracy_low", "accuracy_high"]
    slices = pd.DataFrame(
        [
            (variant, label, name, split, images, images - 4, share, share - 0.1, share + 0.05)
            for variant, worse in (("base", 0.0), ("sgd", 0.1), ("wide", 0.05))
            for label, name, split, images, share in (
                ("REAL", "", "test", 500, 0.9 - worse),
                ("FAKE", "a|b", "test", 300, 0.8 - worse),
                ("FAKE", "", "test", 200, 0.7 - worse),
                ("FAKE", "sd", "held_out", 1200, 0.6 - worse),
            )
        ],
        columns=columns,
    )
    robustness = pd.DataFrame({"accuracy_perturbed": [0.6, 0.61, 0.62]}, index=variants)
    sets: dict[str, dict[str, Any]] = {variant: {} for variant in variants}
    if external:
        for variant, accuracy in (("base", 0.5), ("sgd", 0.4), ("wide", 0.55)):
            interval = {"accuracy_low": accuracy - 0.02, "accuracy_high": accuracy + 0.02}
            of_both = {"images": 1200, "observations": 700, "accuracy": accuracy, **interval}
            of_both["roc_auc"] = accuracy + 0.1
            of_fakes: dict[str, float] = {"images": 60, "observations": 60}
            of_fakes |= {"accuracy": 1.0, "accuracy_low": 0.94, "accuracy_high": 1.0}
            sets[variant] = {"sd15": of_both, "fakes": of_fakes}
    runs = pd.DataFrame(
        {
            "model": ["base", "sgd", "wide"],
            "difference": [0.0, -0.05, 0.05],
            "difference_low": [0.0, -0.09, 0.02],
            "difference_high": [0.0, -0.01, 0.08],
            "p_value": [float("nan"), 0.02, 0.00001],
            "p_adjusted": [float("nan"), 0.0204, 0.00002],
            "verdict": ["baseline", "worse", "better"],
            "same_network_as": None,
        },
        index=variants,
    )
    of_models = pd.DataFrame(
        {
            "runs": [1, 1, seeds],
            "accuracy": [0.7, 0.65, 0.75],
            "deviation": [None, None, 0.011 if seeds > 1 else None],
            "p_value": [None, None, 0.01 if seeds > 1 else None],
            "lowest": [0.7, 0.65, 0.74],
            "highest": [0.7, 0.65, 0.76],
            "difference": [0.0, -0.05, 0.05],
            "difference_low": [0.0, -0.09, 0.02],
            "difference_high": [0.0, -0.01, 0.08],
            "p_adjusted": [None, None, 0.01 if seeds > 1 else None],
            "verdict": pd.Series(
                ["baseline", None, "better" if seeds > 1 else None], index=variants, dtype=object
            ),
        },
        index=variants.rename("model"),
    )
    changes: dict[str, dict[str, Any]] = {
        "base": {},
        "sgd": {"optimizer": "sgd"},
        "wide": {"dense_units": 1024},
    }
    clusters = np.repeat(np.arange(520), [25] * 20 + [1] * 500)
    return clusters, changes, metrics, robustness, sets, slices, runs, of_models


def strictly(text: str) -> Any:
    """Return the JSON `text`; NaN and Infinity, which only Python writes, are refused."""

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_numbers_are_strict_json_by_variant_and_model() -> None:
    report = strictly(to_json(*compared(external=True)))
    assert list(report) == ["words", "test_images", "test_observations", "variants", "models"]
    assert report["words"].startswith("Better than base: wide. Worse than base: sgd.")
    assert (report["test_images"], report["test_observations"]) == (1000, 520)
    assert list(report["variants"]) == list(report["models"]) == ["base", "sgd", "wide"]
    sgd = report["variants"]["sgd"]
    assert list(sgd) == ["differs_in", "comparison", "metrics", "robustness", "sets", "slices"]
    assert sgd["differs_in"] == {"optimizer": "sgd"}
    assert sgd["comparison"]["p_adjusted"] == 0.0204
    assert sgd["metrics"]["accuracy"] == 0.65
    assert sgd["robustness"]["accuracy_perturbed"] == 0.61
    assert sgd["sets"]["sd15"]["accuracy"] == 0.4
    assert [row["accuracy"] for row in sgd["slices"]] == pytest.approx([0.8, 0.7, 0.6, 0.5])
    assert sgd["slices"][3]["slice"] == "sd"
    assert sgd["slices"][3]["split"] == "held_out"
    assert report["variants"]["base"]["comparison"]["p_value"] is None
    assert report["models"]["wide"]["deviation"] is None
    assert report["models"]["wide"]["runs"] == 1


def test_variants_are_in_the_order_of_validation_and_not_of_test() -> None:
    accuracies = {"a": (0.9, 0.5), "b": (0.7, 0.8), "c": (0.6, 0.8)}
    variants = {
        name: {"metrics": {"accuracy": test, "validation_accuracy": validation}}
        for name, (test, validation) in accuracies.items()
    }
    assert list(by_validation(variants)) == ["b", "c", "a"]


def test_training_runs_are_in_a_table_best_first() -> None:
    report = json.loads(to_json(*compared()))
    report["variants"]["sgd"]["differs_in"] |= {"epochs": 5, "flip": None, "shift": 1, "zoom": 2}
    assert runs_table(report).splitlines() == [
        "| variant | accuracy | verdict | differs from base in |",
        "| --- | --- | --- | --- |",
        "| wide | 0.750 (0.720 to 0.780) | better | dense_units 1024 |",
        "| base | 0.700 (0.670 to 0.730) | baseline | nothing |",
        "| sgd | 0.650 (0.620 to 0.680) | worse | optimizer sgd, epochs 5, flip none and 2 more |",
    ]
    assert details_table(report).splitlines() == [
        "| variant | validation | difference | p | at its threshold | answered | right of these "
        "| ROC AUC | ECE | perturbed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| wide | 0.780 | +0.050 (+0.020 to +0.080) | < 0.001 | 0.760 | 0.625 | 0.875 | 0.900 "
        "| 0.300 → 0.040 | 0.620 |",
        "| base | 0.720 | +0.000 |  | 0.710 | 0.500 | 0.900 | 0.800 | 0.100 → 0.020 | 0.600 |",
        "| sgd | 0.670 | -0.050 (-0.090 to -0.010) | 0.020 | 0.660 | 0.000 |  | 0.700 "
        "| 0.200 → 0.030 | 0.610 |",
    ]


def test_curves_that_lie_under_others_are_named() -> None:
    report = json.loads(to_json(*compared()))
    assert same_in_words(report) == ""
    report["variants"]["sgd"]["comparison"]["same_network_as"] = "base"
    assert same_in_words(report) == (
        "sgd is the same network as base, and its curves lie under those of base."
    )


def test_what_is_held_out_stands_right_after_the_accuracy() -> None:
    report = json.loads(to_json(*compared(held_out=("REAL", "FAKE"))))
    lines = runs_table(report).splitlines()
    assert lines[0].startswith("| variant | accuracy | held out | verdict |")
    assert lines[2].startswith(
        "| wide | 0.750 (0.720 to 0.780) | 0.550 (0.410 to 0.630) | better |"
    )


def test_the_accuracy_of_the_best_never_stands_without_what_is_known_of_others() -> None:
    def opening(**measured: Any) -> str:
        text = to_markdown(json.loads(to_json(*compared(**measured))))
        return text[: text.index("Better than base")]

    own = (
        "# Comparison of 3 variants\n\nTake **wide**: the best of 3 on validation, measured on 520 "
        "independent observations (1,000 images). It is right about **75.0% of the test images** "
        "of its own data set (95% interval 72.0% to 78.0%). "
    )
    nothing = "No subjects or generators were held out: **expect less of others**."
    assert opening().startswith(own + nothing)
    elsewhere = "On other data sets: `sd15` 0.550 (0.530 to 0.570) and `fakes` 1.000 (0.940 to"
    assert opening(external=True).startswith(own + elsewhere)
    held_out = opening(held_out=("FAKE",))
    assert held_out.startswith(
        own + "Of 1,200 images of what it has never seen, `sd`, it gets **55.0%** right (41.0% to "
        "63.0%, over 7 independent observations): expect no more of other subjects and generators. "
        "Highest on these: **base**, 0.600 ("
    )
    assert "| `sd` | FAKE | 0.550 (0.450 to 0.600) | 1,200 | 1,196 |" in held_out


def test_the_note_says_what_to_choose_by_and_what_cannot_be_measured() -> None:
    nothing = choice_note(json.loads(to_json(*compared())))
    both = choice_note(json.loads(to_json(*compared(held_out=("REAL", "FAKE")))))
    fakes = choice_note(json.loads(to_json(*compared(held_out=("FAKE",)))))
    reals = choice_note(json.loads(to_json(*compared(held_out=("REAL",)))))
    assert nothing.startswith("Choose by validation")
    assert "Held out" not in nothing
    assert "1,200 images (7 independent observations)" in both
    assert both.startswith(nothing)
    assert "Only" not in both
    assert fakes == f"{both} Only FAKE is held out, so there is no accuracy on REAL and no ROC AUC."
    assert reals == f"{both} Only REAL is held out, so there is no accuracy on FAKE and no ROC AUC."
    assert fakes in to_markdown(json.loads(to_json(*compared(held_out=("FAKE",)))))


def test_each_slice_has_a_row_with_every_variant() -> None:
    report = json.loads(to_json(*compared()))
    assert slices_table(report).splitlines() == [
        "| slice | label | images | observations | wide | base | sgd |",
        "| --- | --- | ---: | ---: | --- | --- | --- |",
        "| all | REAL | 500 | 496 | 0.850 (0.750 to 0.900) | 0.900 (0.800 to 0.950) "
        "| 0.800 (0.700 to 0.850) |",
        r"| `a\|b` | FAKE | 300 | 296 | 0.750 (0.650 to 0.800) | 0.800 (0.700 to 0.850) "
        "| 0.700 (0.600 to 0.750) |",
        "| other | FAKE | 200 | 196 | 0.650 (0.550 to 0.700) | 0.700 (0.600 to 0.750) "
        "| 0.600 (0.500 to 0.650) |",
        "| `sd`, held out | FAKE | 1,200 | 1,196 | 0.550 (0.450 to 0.600) "
        "| 0.600 (0.500 to 0.650) | 0.500 (0.400 to 0.550) |",
    ]
    text = to_markdown(report)
    assert slices_table(report) in text[text.index("## By slice") :]
    assert slices_note(report) in text
    assert "Not shown" not in text


def test_each_external_set_has_a_row_below_the_own_test_split() -> None:
    report = json.loads(to_json(*compared(external=True)))
    assert sets_table(report).splitlines() == [
        "| data set | images | observations | wide | base | sgd |",
        "| --- | ---: | ---: | --- | --- | --- |",
        "| own test split | 1,000 | 520 | 0.750 (0.720 to 0.780), AUC 0.900 "
        "| 0.700 (0.670 to 0.730), AUC 0.800 | 0.650 (0.620 to 0.680), AUC 0.700 |",
        "| sd15 | 1,200 | 700 | 0.550 (0.530 to 0.570), AUC 0.650 "
        "| 0.500 (0.480 to 0.520), AUC 0.600 | 0.400 (0.380 to 0.420), AUC 0.500 |",
        "| fakes | 60 | 60 | 1.000 (0.940 to 1.000) | 1.000 (0.940 to 1.000) "
        "| 1.000 (0.940 to 1.000) |",
    ]
    assert "## On other data sets" in to_markdown(report)
    without = json.loads(to_json(*compared()))
    assert sets_table(without) == ""
    assert "other data sets" not in to_markdown(without)


def test_models_are_in_a_table_best_first() -> None:
    lines = models_table(json.loads(to_json(*compared(seeds=3)))).splitlines()
    assert lines[0] == "| model | runs | accuracy | from, to | difference | p | verdict |"
    assert lines[2:] == [
        "| wide | 3 | 0.750 ± 0.011 | 0.740 to 0.760 | +0.050 (+0.020 to +0.080) | 0.010 "
        "| better |",
        "| base | 1 | 0.700 |  | +0.000 |  | baseline |",
        "| sgd | 1 | 0.650 |  | -0.050 (-0.090 to -0.010) |  | one run each |",
    ]


def test_models_are_shown_only_if_one_has_several_runs() -> None:
    one_each = to_markdown(json.loads(to_json(*compared())))
    several = to_markdown(json.loads(to_json(*compared(seeds=3))))
    assert "## Models" not in one_each
    assert "luck of the seed: sgd, wide." in one_each
    assert "luck of the seed: sgd." in several
    assert several.index("## Models") < several.index("## Training runs")
    assert models_table(json.loads(to_json(*compared(seeds=3)))) in several
    for text in (one_each, several):
        assert text.startswith("# Comparison of 3 variants\n\nTake **wide**: ")
        assert "\n\nBetter than base: wide." in text
        assert "the same 1,000 test images" in text
        assert "95% intervals over 520 independent observations (1,000 images)" in text
        assert "which is McNemar's exact test where each image stands alone" in text
    assert "unless the seeds" in several
    assert "unless the seeds" not in one_each
