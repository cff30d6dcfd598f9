"""The Markdown page of a review, section by section."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from stages.common.command import InputError
from stages.common.manifest import MANIFEST
from stages.compare.summary import describe_changes, in_yaml, p_in_words
from stages.compare.verdicts import BETTER, NO_EVIDENCE, WORSE
from stages.evaluate.statistics import SIGNIFICANCE, Interval, holm
from stages.pages.markdown import code, table
from tools.review import revisions
from tools.review.changed_answers import answer_tests, answers_section
from tools.review.revisions import Revision

UNCHANGED, NOT_TESTED = "unchanged", "not tested"
METRICS = {
    "validation_accuracy": "validation accuracy",
    "validation_roc_auc": "validation ROC AUC",
    "held_out_accuracy": "held-out accuracy",
    "held_out_roc_auc": "held-out ROC AUC",
    "accuracy": "accuracy",
    "answered": "answered",
    "accuracy_answered": "accuracy of answers",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "ece_calibrated": "ECE",
    "brier_score_calibrated": "Brier score",
    "accuracy_perturbed": "perturbed",
}
Rises = Mapping[tuple[str, str], Interval]
"""By how much a metric of a variant rose, by variant and metric."""
DATA = ("source", "decode", "preprocess")
MODELS = ("train", "variants")


def changed_parameters(old: Revision, new: Revision) -> dict[str, tuple[Any, Any]]:
    """Return old and new value by dotted name; "none" where there is none."""
    both = {"old": old.params, "new": new.params}
    before, after = describe_changes(both, "new")["old"], describe_changes(both, "old")["new"]
    return {name: (before[name], value) for name, value in after.items()}


def reach(old: Revision, new: Revision) -> list[str]:
    """Return sentences on which models the changed parameters reach."""
    changed = changed_parameters(old, new)
    models = [
        f"{variant} ({what})"
        for variant in [*new.configs, *(name for name in old.configs if name not in new.configs)]
        for what in [_change(old.configs.get(variant), new.configs.get(variant))]
        if what
    ]
    lines = [f"Models reached, as configs/ says: {', '.join(models)}."] if models else []
    blocks = {_block(name) for name in changed}
    for block in sorted(blocks):
        if block in DATA:
            lines.append(f"`{block}` reaches every model, through its images.")
        elif block in MODELS and not models:
            lines.append(f"`{block}` reaches no model: no configuration differs.")
        elif block not in MODELS:
            lines.append(f"`{block}` reaches no model, only how models are measured or reported.")
    return lines


def _block(name: str) -> str:
    # What the audit finds is reported, or stops the pipeline: it changes no image.
    return "source.audit" if name.startswith("source.audit.") else name.split(".")[0]


def _change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    if before is None:
        return "new"
    if after is None:
        return "removed"
    return "changed" if before != after else ""


def compare_accuracies(paired: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a variant: the accuracy's rise, its interval, Holm's p, and the verdict.

    Variants whose predictions are the same image by image are no tests, and do not count as such.

    Args:
        paired: of each variant, what `revisions.pair` returned; at least one.
    """
    rows = {variant: revisions.difference(both, "accuracy") for variant, both in paired.items()}
    tested = [variant for variant, both in paired.items() if not revisions.is_same(both)]
    p_values = [revisions.accuracy_p_value(paired[variant]) for variant in tested]
    adjusted = dict(zip(tested, holm(p_values), strict=True))
    verdicts = {}
    for variant, row in rows.items():
        if variant not in adjusted:
            verdicts[variant] = UNCHANGED
        elif adjusted[variant] >= SIGNIFICANCE:
            verdicts[variant] = NO_EVIDENCE
        else:
            verdicts[variant] = BETTER if row.mean > 0 else WORSE
    return pd.DataFrame(
        {
            "difference": {variant: row.mean for variant, row in rows.items()},
            "low": {variant: row.low for variant, row in rows.items()},
            "high": {variant: row.high for variant, row in rows.items()},
            "p_adjusted": pd.Series(adjusted, dtype=float).reindex(list(rows)),
            "verdict": verdicts,
        }
    )


def compare_metrics(old: Revision, new: Revision, paired: Mapping[str, pd.DataFrame]) -> Rises:
    """Return the rise, with its interval, of each variant's metrics that predictions tell.

    Args:
        paired: of each variant, what `revisions.pair` returned.
    """
    return {
        (variant, metric): revisions.difference(both, metric)
        for variant, both in paired.items()
        for metric in METRICS
        if metric in (*revisions.MEANS, *revisions.RANKINGS)
        and all(metric in side.metrics.get(variant, {}) for side in (old, new))
    }


def opening(
    old: Revision,
    new: Revision,
    verdicts: Mapping[str, str],
    rises: Rises,
    answers: pd.DataFrame,
) -> str:
    """Return the outcome in words, each sentence with the metric that it is about.

    Args:
        verdicts: on the accuracy of each variant that both have.
        rises: what `compare_metrics` returned.
        answers: what `answer_tests` returned.
    """
    words = {
        "better in": BETTER,
        "worse in": WORSE,
        "no evidence of a difference in": NO_EVIDENCE,
    }
    accuracy = [
        f"{start} {', '.join(names)}"
        for start, word in words.items()
        if (names := _with(verdicts, word))
    ]
    parts = {
        "Accuracy at p_fake 0.5": ["; ".join(accuracy)] * bool(accuracy),
        "Answers": [
            f"{'more' if row['right'] > row['right_old'] else 'less'} often right in "
            f"{row['variant']} (p {'' if row['p'] < 0.001 else '= '}{p_in_words(row['p'])})"
            for row in answers.to_dict("records")
            if row["p"] < SIGNIFICANCE
        ],
        "Other metrics whose interval leaves out 0": [
            f"{METRICS[metric]} of {variant} ({'up' if rise.mean > 0 else 'down'} by "
            f"{abs(rise.mean):.3f})"
            for (variant, metric), rise in rises.items()
            if metric != "accuracy" and (rise.low > 0 or rise.high < 0)
        ],
        "Unchanged": _with(verdicts, UNCHANGED),
        "Not tested": _with(verdicts, NOT_TESTED),
        "Added": [variant for variant in new.configs if variant not in old.configs],
        "Removed": [variant for variant in old.configs if variant not in new.configs],
    }
    return " ".join(f"{what}: {', '.join(names)}." for what, names in parts.items() if names)


def _with(verdicts: Mapping[str, str], word: str) -> list[str]:
    return [variant for variant, verdict in verdicts.items() if verdict == word]


def parameters_section(old: Revision, new: Revision) -> list[str]:
    """Return paragraphs on changed parameters and models, none if there are none."""
    rows = [
        [code(name), code(in_yaml(before)), code(in_yaml(after))]
        for name, (before, after) in changed_parameters(old, new).items()
    ]
    lines = reach(old, new)
    weights = [
        variant
        for variant in new.configs
        if variant in old.configs and old.models.get(variant) != new.models.get(variant)
    ]
    if weights:
        lines.append(f"Networks with other weights, as dvc.lock says: {', '.join(weights)}.")
    if not rows and not lines:
        return []
    header = ["parameter", old.name, new.name]
    return ["## Parameters and models", *[table(header, rows)] * bool(rows), " ".join(lines)]


def metrics_section(
    old: Revision,
    new: Revision,
    rises: Rises,
    accuracies: pd.DataFrame,
    verdicts: Mapping[str, str],
) -> list[str]:
    """Return paragraphs on the metrics of variants where one differs, none if there are none.

    Args:
        rises: what `compare_metrics` returned, of the variants that can be paired.
        accuracies: what `compare_accuracies` returned.
        verdicts: of each variant that both have.
    """
    variants = [
        variant for variant in verdicts if old.metrics.get(variant) != new.metrics.get(variant)
    ]
    alone = [name for name in new.configs if name not in old.configs]
    if not variants and not alone:
        return []
    rows = [
        [variant, name, *_values(old, new, variant, metric, rises)]
        for variant in [*variants, *alone]
        for metric, name in METRICS.items()
        if any(metric in side.metrics.get(variant, {}) for side in (old, new))
    ]
    p_values = {} if accuracies.empty else accuracies["p_adjusted"].dropna().to_dict()
    tests = [
        [variant, p_in_words(p_values.get(variant)), verdicts[variant]] for variant in variants
    ]
    return [
        "## Metrics",
        METRICS_NOTE,
        table(["variant", "metric", old.name, new.name, "difference"], rows),
        *([ACCURACY_NOTE, table(["variant", "p", "accuracy"], tests)]) * bool(tests),
    ]


METRICS_NOTE = (
    "Choose on validation; the test split, to which a row belongs unless it says otherwise, is for "
    "the last look. For ECE and Brier score, less is better. In brackets: 95% paired intervals "
    "over the independent observations, for metrics that follow from the test predictions alone, "
    "not corrected for each other."
)
ACCURACY_NOTE = (
    "Accuracy, image by image; an image counts as FAKE from a p_fake of 0.5 on. p: the exact "
    "sign-flip test over the independent observations, which is McNemar's exact test if each "
    "image stands alone, after Holm's correction over the variants whose predictions differ. If a "
    "network was trained again, the difference may still be luck of the seed."
)


def _values(old: Revision, new: Revision, variant: str, metric: str, rises: Rises) -> list[str]:
    """Return the cells of the old and the new value, and of their difference."""
    before, after = (side.metrics.get(variant, {}).get(metric) for side in (old, new))
    cells = ["none" if value is None else f"{value:.3f}" for value in (before, after)]
    if before is None or after is None:
        return [*cells, ""]
    difference = f"{after - before:+.3f}"
    if rise := rises.get((variant, metric)):
        difference += f" ({rise.low:+.3f} to {rise.high:+.3f})"
    return [*cells, difference]


def missing(old: Revision, new: Revision) -> list[str]:
    """Return a sentence on each thing that is not at hand, and how to get it."""
    lines = []
    for side in (old, new):
        lines += [f"Not read: {why}." for why in side.refused.values()]
        variants = [
            variant for variant in side.configs if variant not in {*side.predictions, *side.refused}
        ]
        what = [f"the predictions of {', '.join(variants)}"] * bool(variants)
        if side.test_images is None and str(MANIFEST) not in side.refused:
            what.append(str(MANIFEST))
        if what:
            lines.append(revisions.how_to_get(" and ".join(what), side))
    if old.test_images is None or new.test_images is None:
        lines.append(f"Without both {MANIFEST}, test images of equal paths are taken to be equal.")
    return lines


def review(old: Revision, new: Revision, lock: str, pictures: Path, link: str | None = None) -> str:
    """Return the Markdown page; write the pictures to the folder `pictures`.

    Args:
        lock: whether dvc.lock matches the code, in words.
        link: the address of a page that has the pictures, to name in their place.
    """
    both = [variant for variant in new.configs if variant in old.configs]
    paired, unpaired = {}, []
    for variant in both:
        if variant not in old.predictions or variant not in new.predictions:
            continue
        try:
            paired[variant] = revisions.pair(old, new, variant)
        except InputError as error:
            unpaired.append(str(error))
    accuracies = compare_accuracies(paired) if paired else pd.DataFrame()
    verdicts = {
        variant: str(accuracies.loc[variant, "verdict"]) if variant in paired else NOT_TESTED
        for variant in both
    }
    rises = compare_metrics(old, new, paired)
    sections = [
        *parameters_section(old, new),
        *metrics_section(old, new, rises, accuracies, verdicts),
        *answers_section(old, paired, pictures, link),
    ]
    same = not sections and all(verdict == UNCHANGED for verdict in verdicts.values())
    found = (
        f"No differences from {old.name} in parameters, models, metrics and predictions."
        if same
        else opening(old, new, verdicts, rises, answer_tests(paired))
    )
    return "\n\n".join(
        [
            f"# Review against {old.name}",
            f"{found} {lock}",
            *unpaired,
            *missing(old, new),
            *sections,
        ]
    )
