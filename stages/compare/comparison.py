"""Which variants do better than the baseline, worse, or cannot be told from it.

Two kinds of luck are looked at. That of the test images: others would give another accuracy, so
variants are compared image by image, and the images of one cluster count once. That of the seed:
another one would give another network, so variants that differ in nothing but `seed` count as one
model, trained several times.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stages.compare.verdicts import BASELINE, BETTER, NO_EVIDENCE, OTHER_SEED, SAME, WORSE
from stages.evaluate.statistics import SIGNIFICANCE, holm, mean_interval, seed_test, sign_flip_test


def models_of(configs: Mapping[str, Mapping[str, Any]], baseline: str) -> dict[str, str]:
    """Return for each variant the name of its model: the variants that differ in `seed` alone.

    A model is called as its variant with the shortest name, or as the baseline if that is one.
    """
    runs: dict[str, list[str]] = {}
    for variant, config in configs.items():
        key = json.dumps({name: value for name, value in config.items() if name != "seed"})
        runs.setdefault(key, []).append(variant)
    names: dict[str, str] = {}
    for variants in runs.values():
        first = min(variants, key=lambda variant: (variant != baseline, len(variant), variant))
        names |= dict.fromkeys(variants, first)
    return {variant: names[variant] for variant in configs}


def compare_models(
    correct: pd.DataFrame, clusters: np.ndarray, models: Mapping[str, str]
) -> pd.DataFrame:
    """Return one row a model: its runs, and what they say against those of the baseline.

    `difference` is that of the mean accuracies, with a paired interval over the clusters
    of test images. `p_value` is of the t-test over seeds (null where each model has one run),
    `p_adjusted` after Holm's correction over all models. The verdict is `better` or `worse` if both
    agree that the difference is more than chance; it is null where nothing is known of the seeds.

    Args:
        correct: whether a variant (column) is right about a test image (row). The first column is
            of the baseline.
        clusters: the name of the cluster of each image: str, [N].
        models: each variant's model, see `models_of`.
    """
    baseline = models[str(correct.columns[0])]
    variants = list(map(str, correct))
    runs = {
        model: correct[[variant for variant in variants if models[variant] == model]]
        for model in dict.fromkeys(models[variant] for variant in variants)
    }
    baseline_accuracies = list(runs[baseline].mean())
    rows = []
    for model, of_model in runs.items():
        accuracies = list(of_model.mean())
        rise = of_model.mean(axis=1) - runs[baseline].mean(axis=1)
        difference = mean_interval(rise.to_numpy(), clusters)
        p_value = None if model == baseline else seed_test(accuracies, baseline_accuracies)
        rows.append(
            {
                "model": model,
                "runs": len(accuracies),
                "accuracy": float(np.mean(accuracies)),
                "deviation": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
                "lowest": min(accuracies),
                "highest": max(accuracies),
                "difference": difference.mean,
                "difference_low": difference.low,
                "difference_high": difference.high,
                "p_value": p_value,
            }
        )
    table = _with_adjusted(pd.DataFrame(rows).set_index("model"))
    verdicts: list[str | None] = []
    for model, row in zip(table.index, table.to_dict("records"), strict=True):
        beyond_images = row["difference_low"] > 0 or row["difference_high"] < 0
        beyond_seeds = row["p_adjusted"] < SIGNIFICANCE
        if model == baseline:
            verdicts.append(BASELINE)
        elif pd.isna(row["p_value"]):
            verdicts.append(None)
        else:
            verdicts.append(_word(row["difference"], beyond_images and beyond_seeds))
    return table.assign(verdict=pd.Series(verdicts, index=table.index, dtype=object))


def compare_runs(
    correct: pd.DataFrame,
    clusters: np.ndarray,
    models: Mapping[str, str],
    of_models: pd.DataFrame,
    same: Mapping[str, str],
) -> pd.DataFrame:
    """Return one row a variant, one training run: its accuracy against the baseline's.

    `same_network_as` names the earlier variant that is the same network, if there is one.
    `difference` has a paired interval; `p_value` is of the exact sign-flip test, `p_adjusted`
    after Holm's correction over the variants of other models and networks than the baseline's.
    The verdict is `better` or `worse` where that is below 0.05, unless several seeds of either
    model say that the difference may be one of seeds.

    Args:
        correct, clusters, models: as for `compare_models`.
        of_models: what that returned.
        same: what `same_networks` returns.
    """
    baseline = str(correct.columns[0])
    rows = []
    for variant in map(str, correct):
        difference = mean_interval(
            (correct[variant] * 1.0 - correct[baseline]).to_numpy(), clusters
        )
        other = models[variant] != models[baseline] and same.get(variant) != baseline
        rows.append(
            {
                "variant": variant,
                "model": models[variant],
                "same_network_as": same.get(variant),
                "accuracy": float(correct[variant].mean()),
                "difference": difference.mean,
                "difference_low": difference.low,
                "difference_high": difference.high,
                "p_value": sign_flip_test(
                    correct[variant].to_numpy(), correct[baseline].to_numpy(), clusters
                )
                if other
                else None,
            }
        )
    table = _with_adjusted(pd.DataFrame(rows).set_index("variant"))
    verdicts = []
    for variant, row in zip(table.index, table.to_dict("records"), strict=True):
        by_images = _word(row["difference"], row["p_adjusted"] < SIGNIFICANCE)
        by_seeds = of_models.loc[row["model"], "verdict"]
        if row["model"] == models[baseline]:
            verdicts.append(BASELINE if variant == baseline else OTHER_SEED)
        elif same.get(variant) == baseline:
            verdicts.append(SAME)
        else:
            verdicts.append(by_images if by_seeds in (None, by_images) else NO_EVIDENCE)
    return table.assign(verdict=verdicts)


def _with_adjusted(table: pd.DataFrame) -> pd.DataFrame:
    known = table["p_value"].dropna().astype(float)
    adjusted = pd.Series(holm(list(known)), index=known.index, dtype=float)
    return table.assign(p_value=table["p_value"].astype(float), p_adjusted=adjusted)


def _word(difference: float, is_more_than_chance: bool) -> str:
    if not is_more_than_chance:
        return NO_EVIDENCE
    return BETTER if difference > 0 else WORSE
