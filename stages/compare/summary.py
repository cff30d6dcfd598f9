"""reports/comparison.md and .json: what the comparison found, for people and for programs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common.manifest import LABELS
from stages.compare.verdicts import in_words
from stages.pages.headline import headline, held_out_table
from stages.pages.markdown import table
from stages.pages.slice_table import rest_in_words, slice_table


def describe_changes(
    configs: Mapping[str, Mapping[str, Any]], baseline: str
) -> dict[str, dict[str, Any]]:
    """Return for each variant the values in which its configuration differs from the baseline's."""
    return {variant: _changes(config, configs[baseline]) for variant, config in configs.items()}


def describe_models(
    configs: Mapping[str, Mapping[str, Any]], baseline: str
) -> dict[str, dict[str, Any]]:
    """Return as `describe_changes` does in what the variants' networks differ, whatever their kind.

    What a network has no use for is no difference. What only the baseline's has no use for is one
    where the variants that use it differ in it.
    """
    short = {variant: _in_few_words(config) for variant, config in configs.items()}
    known = short[baseline]
    told = {
        key
        for config in short.values()
        for key, value in config.items()
        if key in known or any(other.get(key, value) != value for other in short.values())
    }
    return {
        variant: _changes(
            {
                key: _in_short(value) if isinstance(value, list) and key not in known else value
                for key, value in config.items()
                if key in told
            },
            {key: value for key, value in known.items() if key in config},
        )
        for variant, config in short.items()
    }


def _in_few_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with a size as one value, and of a backbone what tells it from others."""
    few = dict(config)
    if few.get("input_size"):
        few["input_size"] = "x".join(map(str, few["input_size"]))
    if backbone := few.get("backbone"):
        few["backbone"] = Path(backbone["weights"]).name
        few["backbone.layers"] = _in_short(backbone["layers"])
        few["backbone.trainable"] = backbone["trainable"]
    return few


def _changes(config: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    ours, theirs = _comparable(config, other)
    keys = dict.fromkeys([*ours, *theirs])
    different = [key for key in keys if ours.get(key) != theirs.get(key)]
    return {key: ours.get(key, "none") for key in different}


def _comparable(
    config: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both with an entry for each value; lists of unlike length are one value each."""
    ours, theirs = dict(config), dict(other)
    for key, value in config.items():
        if isinstance(value, list) and len(value) != len(other.get(key, value)):
            ours[key], theirs[key] = _in_short(value), _in_short(other[key])
    return _flatten(ours), _flatten(theirs)


def _in_short(entries: list[Any]) -> str | dict[str, str]:
    """Return the entries as one text, or of mappings a text a key: the filters of all layers.

    What is the same in each mapping stands there once.
    """
    if entries and all(isinstance(entry, Mapping) for entry in entries):
        keys = dict.fromkeys(key for entry in entries for key in entry)
        texts = {key: [in_plain_words(entry.get(key)) for entry in entries] for key in keys}
        return {
            key: "-".join(found if len(set(found)) > 1 else found[:1])
            for key, found in texts.items()
        }
    return "-".join(map(in_plain_words, entries))


def _flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(config, Mapping):
        items = list(config.items())
    elif isinstance(config, list):
        items = list(enumerate(config))
    else:
        return {prefix: config}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def changes_in_words(changes: Mapping[str, Any]) -> str:
    """Return the changes of one variant as `key value, key value`."""
    return (
        ", ".join(f"{key} {in_plain_words(value)}" for key, value in changes.items()) or "nothing"
    )


def in_plain_words(value: Any) -> str:
    """Return a value of a parameter as a person reads it."""
    return "none" if value is None else in_yaml(value)


def in_yaml(value: Any) -> str:
    """Return a value as params.yaml has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def to_json(
    clusters: np.ndarray,
    changes: Mapping[str, Mapping[str, Any]],
    metrics: pd.DataFrame,
    robustness: pd.DataFrame,
    sets: Mapping[str, Mapping[str, Any]],
    slices: pd.DataFrame,
    runs: pd.DataFrame,
    of_models: pd.DataFrame,
) -> str:
    """Return all numbers of the comparison, by variant and by model, as JSON.

    Args:
        clusters: the name of the cluster of each test image: str, [N].
        sets: of each variant, what was measured on each external data set; {} without any.
        slices: the accuracies on each slice, with a column `variant` first.
    """
    report = {
        "words": in_words(runs, of_models),
        "test_images": len(clusters),
        "test_observations": len(np.unique(clusters)),
        "variants": {
            variant: {
                "differs_in": changes[variant],
                "comparison": of_run,
                "metrics": _by_name(metrics)[variant],
                "robustness": _by_name(robustness)[variant],
                **({"sets": sets[variant]} if sets[variant] else {}),
                "slices": slices[slices["variant"] == variant].iloc[:, 1:].to_dict("records"),
            }
            for variant, of_run in _by_name(runs).items()
        },
        "models": _by_name(of_models),
    }
    return json.dumps(report, indent=2) + "\n"


def _by_name(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the `rows` by index, with None for what is missing."""
    values = rows.round(6).astype(object)
    values = values.where(values.notna(), None)
    rows_by_name: dict[Any, dict[Any, Any]] = values.to_dict("index")
    return rows_by_name


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return the comparison in short, best on validation first.

    Args:
        report: what `to_json` returned, read again.
    """
    variants, sets = report["variants"], sets_table(report)
    return (
        "\n\n".join(
            [
                f"# Comparison of {len(variants)} variants",
                best_in_words(report),
                *filter(None, [best_held_out(report)]),
                verdicts_in_words(report),
                *(
                    ["## Models", MODELS_NOTE, models_table(report), "## Training runs"]
                    * has_seeds(report)
                ),
                runs_table(report),
                choice_note(report),
                "## In detail",
                details_table(report),
                runs_note(report),
                *(["## On other data sets", sets, SETS_NOTE] if sets else []),
                "## By slice",
                slices_table(report),
                slices_note(report),
            ]
        )
        + "\n"
    )


def best_in_words(report: Mapping[str, Any]) -> str:
    """Return which variant of `report` to choose by validation, and what it is worth: Markdown."""
    name, best = next(iter(by_validation(report["variants"]).items()))
    found = headline(best["metrics"], pd.DataFrame(best["slices"]), best.get("sets", {}))
    of_all = f"the best of {len(report['variants'])} on validation, "
    text = (
        f"Take **{name}**: {of_all * (len(report['variants']) > 1)}measured on "
        f"{report['test_observations']:,} independent observations "
        f"({report['test_images']:,} images). {found}"
    )
    if not has_held_out(report):
        return text
    held_out = {v: row["metrics"]["held_out_accuracy"] for v, row in report["variants"].items()}
    highest = max(held_out, key=lambda variant: held_out[variant])
    if held_out[highest] == held_out[name]:
        return text
    other = _with_interval(report["variants"][highest]["metrics"], "held_out_accuracy")
    return f"{text} Highest on these: **{highest}**, {other}."


def same_in_words(report: Mapping[str, Any]) -> str:
    """Return which variants of `report` are one network, so that one curve hides another's."""
    return " ".join(
        f"{name} is the same network as {first}, and its curves lie under those of {first}."
        for name, row in report["variants"].items()
        if (first := row["comparison"]["same_network_as"])
    )


def verdicts_in_words(report: Mapping[str, Any]) -> str:
    """Return which variants of `report` are better than the baseline, and where."""
    alone = len(report["variants"]) == 1
    return report["words"] + " This is of the own test images alone." * (not alone)


def best_held_out(report: Mapping[str, Any]) -> str:
    """Return a Markdown table of the same variant on each slice that is held out; "" for none."""
    best = next(iter(by_validation(report["variants"]).values()))
    return held_out_table(pd.DataFrame(best["slices"]))


MODELS_NOTE = (
    "Variants that differ in nothing but their seed are one model. Its accuracy is the mean of "
    "its runs, ± their standard deviation. p: Student's t-test over the seeds, after Holm's "
    "correction. A model is called better or worse if p is below 0.05 and the interval leaves out "
    "0."
)


def runs_note(report: Mapping[str, Any]) -> str:
    """Return what stands below `runs_table`: what its columns are."""
    unless = ", unless the seeds of its model or of the baseline's say that it may be theirs"
    return (
        f"Measured on the same {report['test_images']:,} test images; an image counts as FAKE from "
        "a probability of 0.5 on. In brackets: 95% intervals over "
        f"{report['test_observations']:,} independent observations ({report['test_images']:,} "
        "images): images of one cluster, such as one scene, count as one. p: the exact sign-flip "
        "test against the baseline, which is McNemar's exact test where each image stands alone, "
        f"after Holm's correction; below 0.05 a variant is called better or worse"
        f"{unless * has_seeds(report)}. At its threshold: accuracy of the verdicts at the "
        "threshold that was chosen on validation. Answered: share of images that are called REAL "
        "or FAKE, not UNSURE; right of these: accuracy of such answers. ECE: expected calibration "
        "error as trained → after temperature scaling on validation. Perturbed: mean accuracy on "
        "test images under every kind of perturbation, of as many as robustness.samples says."
    )


def choice_note(report: Mapping[str, Any]) -> str:
    """Return what stands below `runs_table`: by which of its columns to choose."""
    text = (
        "Choose by validation: accuracy on the validation split, as trained, is what the variants "
        "are sorted by. The test split is for the last look. In brackets: 95% intervals."
    )
    if not has_held_out(report):
        return text
    held_out = next(iter(report["variants"].values()))["metrics"]
    text += (
        f" Held out: accuracy on {held_out['held_out_images']:,} images "
        f"({held_out['held_out_observations']:,} independent observations) of slices that nothing "
        "was trained, validated or calibrated on. It is the more honest one, as none of its "
        "subjects and generators were seen."
    )
    for label, other in (LABELS, LABELS[::-1]):
        if f"held_out_accuracy_{other.lower()}" not in held_out:
            text += f" Only {label} is held out, so there is no accuracy on {other} and no ROC AUC."
    return text


def has_held_out(report: Mapping[str, Any]) -> bool:
    """Return whether `report` has slices that were held out."""
    return "held_out_accuracy" in next(iter(report["variants"].values()))["metrics"]


def has_seeds(report: Mapping[str, Any]) -> bool:
    """Return whether `report` has a model that was trained with several seeds."""
    return any(model["runs"] > 1 for model in report["models"].values())


def runs_table(report: Mapping[str, Any]) -> str:
    """Return a Markdown table with a row for each variant of `report`: what matters most."""
    baseline = next(iter(report["variants"]))
    held_out = has_held_out(report)
    measured = ["accuracy", *["held_out_accuracy"] * held_out]
    rows = [
        [
            variant,
            *(_with_interval(row["metrics"], name) for name in measured),
            row["comparison"]["verdict"],
            _first(row["differs_in"]),
        ]
        for variant, row in by_validation(report["variants"]).items()
    ]
    header = ["variant", "accuracy", *["held out"] * held_out, "verdict"]
    return table([*header, f"differs from {baseline} in"], rows)


FIRST = 3
"""Parameters that `runs_table` names of a variant, at most."""


def _first(changes: Mapping[str, Any]) -> str:
    """Return the first of `changes` in words, and how many more there are."""
    text = changes_in_words(dict(list(changes.items())[:FIRST]))
    more = len(changes) - FIRST
    return f"{text} and {more} more" if more > 0 else text


def details_table(report: Mapping[str, Any]) -> str:
    """Return a Markdown table with a row for each variant of `report`: what else is known."""
    header = [
        "variant",
        "validation",
        "difference",
        "p",
        "at its threshold",
        "answered",
        "right of these",
        "ROC AUC",
        "ECE",
        "perturbed",
    ]
    rows = [
        [
            variant,
            f"{row['metrics']['validation_accuracy']:.3f}",
            _with_interval(row["comparison"], "difference", "+"),
            p_in_words(row["comparison"]["p_adjusted"]),
            f"{row['metrics']['accuracy_at_threshold']:.3f}",
            f"{row['metrics']['answered']:.3f}",
            _number(row["metrics"].get("accuracy_answered")),
            f"{row['metrics']['roc_auc']:.3f}",
            f"{row['metrics']['ece']:.3f} → {row['metrics']['ece_calibrated']:.3f}",
            f"{row['robustness']['accuracy_perturbed']:.3f}",
        ]
        for variant, row in by_validation(report["variants"]).items()
    ]
    return table(header, rows)


SETS_NOTE = (
    "Accuracy of each variant on other data sets, which no model has seen, with its 95% "
    "interval over the independent observations; AUC: ROC AUC, of sets with both labels."
)


def sets_table(report: Mapping[str, Any]) -> str:
    """Return a Markdown table with a row for each external set, a column for each variant.

    The own test split stands first. Without external sets it is empty.
    """
    variants = by_validation(report["variants"])
    sets = list(next(iter(variants.values())).get("sets", {}))
    if not sets:
        return ""
    of_own = [_on_set(row["metrics"]) for row in variants.values()]
    rows = [["own test split", report["test_images"], report["test_observations"], *of_own]]
    for name in sets:
        found = [row["sets"][name] for row in variants.values()]
        rows.append([name, found[0]["images"], found[0]["observations"], *map(_on_set, found)])
    return table(["data set", "images", "observations", *variants], rows)


def _on_set(metrics: Mapping[str, float]) -> str:
    auc = f", AUC {metrics['roc_auc']:.3f}" if "roc_auc" in metrics else ""
    return _with_interval(metrics, "accuracy") + auc


def slices_table(report: Mapping[str, Any]) -> str:
    """Return a Markdown table with a row for each slice, a column for each variant."""
    variants = by_validation(report["variants"])
    return slice_table({name: pd.DataFrame(row["slices"]) for name, row in variants.items()})


def slices_note(report: Mapping[str, Any]) -> str:
    """Return what stands below `slices_table`: what a slice is, and how many are not shown."""
    slices = pd.DataFrame(next(iter(report["variants"].values()))["slices"])
    text = (
        "A slice is what images show, or what made them; other and all are images without one. "
        "Accuracy on a slice is the share of it that is recognised; in brackets, 95% intervals "
        "over the independent observations."
    )
    return f"{text} {rest_in_words(slices)}".rstrip()


def by_validation(variants: Mapping[str, Any]) -> dict[str, Any]:
    """Return `variants` of a report, best accuracy on validation first."""

    def key(item: tuple[str, Any]) -> tuple[float, float]:
        metrics = item[1]["metrics"]
        return -metrics["validation_accuracy"], -metrics["accuracy"]

    return dict(sorted(variants.items(), key=key))


def models_table(report: Mapping[str, Any]) -> str:
    """Return a Markdown table with a row for each model of `report`."""
    rows = [
        [
            model,
            row["runs"],
            f"{row['accuracy']:.3f}"
            + (f" ± {row['deviation']:.3f}" if row["deviation"] is not None else ""),
            f"{row['lowest']:.3f} to {row['highest']:.3f}" if row["runs"] > 1 else "",
            _with_interval(row, "difference", "+"),
            p_in_words(row["p_adjusted"]),
            row["verdict"] or "one run each",
        ]
        for model, row in sorted(report["models"].items(), key=lambda item: -item[1]["accuracy"])
    ]
    header = ["model", "runs", "accuracy", "from, to", "difference", "p", "verdict"]
    return table(header, rows)


def _with_interval(row: Mapping[str, Any], name: str, sign: str = "") -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low == high == 0:
        return f"{row[name]:{sign}.3f}"
    return f"{row[name]:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def p_in_words(p: float | None) -> str:
    """Return a p-value for a cell of a table."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
