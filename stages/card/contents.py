"""What a model card says, and what the Hugging Face Hub reads of it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from stages.common.manifest import LABELS
from stages.pages.headline import headline, held_out_table
from stages.pages.markdown import code, table, with_interval
from stages.pages.slice_table import rest_in_words, slice_table
from stages.pages.templates import render

TEMPLATE = Path(__file__).with_name("card.md.jinja")
LICENCE = "apache-2.0"
"""That of the models, as the hub writes it: https://huggingface.co/docs/hub/repositories-licenses."""
HUB_METRICS = ["accuracy", "precision", "recall", "f1", "roc_auc", "brier_score"]
"""What the hub knows by the same name, https://huggingface.co/evaluate-metric."""
WEIGHTED = {"precision", "recall", "f1"}
CALIBRATED = {"log loss": "loss", "Brier score": "brier_score", "calibration error": "ece"}
"""What was measured before and after calibration, by its name in metrics/<variant>.json."""
HELD_OUT = {
    "accuracy on REAL": "held_out_accuracy_real",
    "accuracy on FAKE": "held_out_accuracy_fake",
    "ROC AUC": "held_out_roc_auc",
}
"""What is measured of slices that are held out if their labels allow it, by its name there."""
KINDS = {
    "jpeg": "JPEG compression",
    "blur": "blur",
    "noise": "noise",
    "downscale": "scaling down and up",
}
"""The kinds of perturbation, by their name in metrics/robustness/<variant>.json."""


def kind(config: Mapping[str, Any]) -> str:
    """Return what a network with this configuration is."""
    backbone = config["backbone"]
    if backbone is None:
        return "A convolutional network"
    pretrained = f"pretrained network, {code(Path(backbone['weights']).name)},"
    if backbone["trainable"]:
        return f"A {pretrained} trained further,"
    return f"A logistic regression on the features of a {pretrained}"


def views_in_words(config: Mapping[str, Any], crops: int) -> str:
    """Return what a network with this configuration looks at, of `crops` parts an image."""
    parts = f"{crops} crop{'s' * (crops > 1)} of"
    return {
        "whole": "images",
        "crops": f"{parts} each image",
        "both": f"the whole of each image and {parts} it",
    }[config["views"]]


def fits_in_words(sets: Mapping[str, float | None]) -> str:
    """Return which labels fit, see `stages.evaluate.conformal`."""
    up_to, start = sets["real_up_to"], sets["fake_from"]
    real = "always" if up_to is None else f"up to log-odds of {up_to:.3f}"
    fake = "always" if start is None else f"from {'log-odds of ' * (up_to is None)}{start:.3f} on"
    return f"REAL fits {real}, FAKE {fake}"


def metadata(
    variant: str,
    metrics: Mapping[str, float],
    sets: Mapping[str, Mapping[str, float]],
    data_set: str,
) -> dict[str, Any]:
    """Return the metadata of the card, as the hub specifies it.

    Specification: https://github.com/huggingface/hub-docs/blob/main/modelcard.md.

    Args:
        sets: what was measured on each external data set, by its path.
        data_set: the path of what it was trained and tested on.
    """
    results = [_result(metrics, {"name": data_set, "type": "imagefolder", "split": "test"})]
    results += [
        _result(found, {"name": path, "type": "imagefolder"}) for path, found in sets.items()
    ]
    return {
        "license": LICENCE,
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["ai-generated-image-detection"],
        "metrics": HUB_METRICS,
        "model-index": [{"name": variant, "results": results}],
    }


def _result(metrics: Mapping[str, float], data_set: dict[str, str]) -> dict[str, Any]:
    """Return an entry of `results`: those of `metrics` that the hub knows."""
    found = [
        {"type": name, "value": metrics[name]}
        | ({"args": {"average": "weighted"}} if name in WEIGHTED else {})
        for name in HUB_METRICS
        if name in metrics
    ]
    return {"task": {"type": "image-classification"}, "dataset": data_set, "metrics": found}


def images_table(audit: Mapping[str, Any]) -> str:
    """Return a Markdown table of how many images of each label each split has in use."""
    rows = [[split, *of_label.values()] for split, of_label in audit["used"].items()]
    return table(["split", *next(iter(audit["used"].values()))], rows)


def results_table(
    metrics: Mapping[str, float],
    robustness: Mapping[str, float],
    sets: Mapping[str, Mapping[str, float]],
    error_rate: float,
) -> str:
    """Return a Markdown table of what was measured, see `page` for the arguments."""
    rows = [
        ["accuracy on validation, as trained", f"{metrics['validation_accuracy']:.3f}"],
        ["ROC AUC on validation", f"{metrics['validation_roc_auc']:.3f}"],
        ["accuracy", with_interval(metrics, "accuracy")],
        ["accuracy on REAL", f"{metrics['accuracy_real']:.3f}"],
        ["accuracy on FAKE", f"{metrics['accuracy_fake']:.3f}"],
        ["accuracy at its threshold", f"{metrics['accuracy_at_threshold']:.3f}"],
        *_answers(metrics),
        *(
            [
                f"coverage of {label}, at least {1 - error_rate:g} promised",
                with_interval(metrics, f"coverage_{label.lower()}"),
            ]
            for label in LABELS
        ),
        ["F1", f"{metrics['f1']:.3f}"],
        ["ROC AUC", f"{metrics['roc_auc']:.3f}"],
        *(
            [
                f"FAKE recognised at {share}% false alarms",
                f"{metrics[f'recall_fake_at_{share}pct_false_alarms']:.3f}",
            ]
            for share in (1, 5)
        ),
        *(
            [
                f"{words}, as trained → calibrated",
                f"{metrics[name]:.3f} → {metrics[f'{name}_calibrated']:.3f}",
            ]
            for words, name in CALIBRATED.items()
        ),
        ["accuracy on perturbed images", f"{robustness['accuracy_perturbed']:.3f}"],
        *(
            [f"accuracy under {words}", f"{robustness[f'accuracy_{kind}']:.3f}"]
            for kind, words in KINDS.items()
            if f"accuracy_{kind}" in robustness
        ),
    ]
    if "held_out_accuracy" in metrics:
        where = f"{metrics['held_out_images']:,} images of slices held out"
        rows.append([f"accuracy on {where}", with_interval(metrics, "held_out_accuracy")])
        rows += [
            [f"{words} of these", f"{metrics[name]:.3f}"]
            for words, name in HELD_OUT.items()
            if name in metrics
        ]
        rows += _answers(metrics, "held_out_", " of these")
    for path, found in sets.items():
        where = f"{found['images']:,} images of {code(path)}"
        rows.append([f"accuracy on {where}", with_interval(found, "accuracy")])
        if "roc_auc" in found:
            rows.append(["ROC AUC on these", f"{found['roc_auc']:.3f}"])
        rows += _answers(found, of=" of these")
    return table(["metric", "value"], rows)


def _answers(metrics: Mapping[str, float], prefix: str = "", of: str = "") -> list[list[str]]:
    """Return rows on answers that may be UNSURE, of the metrics with this prefix."""
    rows = [[f"answered{of}", f"{metrics[f'{prefix}answered']:.3f}"]]
    name = f"{prefix}accuracy_answered"
    if name in metrics:
        has_interval = f"{name}_low" in metrics
        value = with_interval(metrics, name) if has_interval else f"{metrics[name]:.3f}"
        rows.append(["accuracy of the answers", value])
    return [*rows, [f"unlike{of}", f"{metrics[f'{prefix}unlike']:.3f}"]]


def worse_calibrated(metrics: Mapping[str, float]) -> list[str]:
    """Return what is worse after calibration than before, in words; less is better."""
    return [
        words for words, name in CALIBRATED.items() if metrics[f"{name}_calibrated"] > metrics[name]
    ]


def share_of_larger_label(audit: Mapping[str, Any]) -> float:
    """Return which share of the test images a guess of always the same label is right about."""
    of_label = audit["used"]["test"].values()
    return float(max(of_label) / sum(of_label))


def page(
    variant: str,
    digest: str,
    config: Mapping[str, Any],
    preprocess: Mapping[str, Any],
    background: tuple[int, ...],
    fitted: Mapping[str, Any],
    metrics: Mapping[str, float],
    robustness: Mapping[str, float],
    sets: Mapping[str, Mapping[str, float]],
    slices: pd.DataFrame,
    audit: Mapping[str, Any],
    left: Mapping[str, float],
    data_set: str,
) -> str:
    """Return the card as Markdown, see `metadata` for `sets` and `data_set`.

    Args:
        digest: MD5 of the network's file.
        config: what configs/<variant>.yaml holds.
        preprocess: the block of params.yaml.
        background: red, green, blue beside padded images.
        fitted, metrics, robustness, slices: what `evaluate` wrote of the variant.
        audit: what reports/data.json holds; its findings may be joined by others.
        left: what data/processed/short_cuts.json holds.
    """
    about = metadata(variant, metrics, sets, data_set)
    height, width = preprocess["image_size"]
    size = config["input_size"] or preprocess["image_size"]
    is_other_size = list(size) != list(preprocess["image_size"])
    in_size = f"to {size[0]}x{size[1]} pixels (height and width)"
    text = render(
        TEMPLATE,
        metadata=yaml.safe_dump(about, sort_keys=False, allow_unicode=True),
        variant=variant,
        md5=digest,
        preprocess=preprocess,
        height=height,
        width=width,
        filter=preprocess["resample"].upper(),
        background=tuple(background),
        kind=kind(config),
        headline=headline(metrics, slices, sets),
        held_out=held_out_table(slices),
        seen=views_in_words(config, preprocess["crops"]),
        views=(config["views"] != "crops") + (config["views"] != "whole") * preprocess["crops"],
        scales=f" The network scales them {in_size}." if is_other_size else "",
        cuts=f" The network cuts their middle {in_size}." if is_other_size else "",
        says_which=config["views"] == "both" and is_other_size,
        fitted=fitted,
        fits=fits_in_words(fitted["sets"]),
        config=config,
        # A line for each layer and each value.
        configuration=yaml.safe_dump(
            dict(config), sort_keys=False, default_flow_style=None, width=sys.maxsize
        ),
        metrics=metrics,
        audit=audit,
        left=left,
        data_set=code(data_set),
        guess=share_of_larger_label(audit),
        images=images_table(audit),
        worse=worse_calibrated(metrics),
        results=results_table(metrics, robustness, sets, fitted["error_rate"]),
        slices=slice_table({"accuracy": slices}) if slices["slice"].any() else "",
        rest_of_slices=rest_in_words(slices),
    )
    return text + "\n"
