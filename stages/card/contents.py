"""card: describe one variant's network, with its numbers, for whoever gets it.

In:  models/<variant>.h5 and .json, configs/<variant>.yaml, metrics/<variant>.json and
     metrics/robustness/<variant>.json, reports/data.json.
Out: models/<variant>.md. It begins with what the Hugging Face Hub reads,
     https://huggingface.co/docs/hub/model-cards; then it goes in the order of Mitchell et al.,
     Model Cards for Model Reporting, 2019, https://arxiv.org/abs/1810.03993.
"""

import json
import sys
from collections.abc import Mapping
from hashlib import md5
from pathlib import Path
from typing import Any

import jinja2
import yaml

from stages.command import InputError, command_line, run
from stages.config import ModelConfig
from stages.files import replacing
from stages.markdown import code, table
from stages.params import read_value, read_yaml, validate

TEMPLATE = Path(__file__).with_name("card.md.jinja")
AUDIT = Path("reports/data.json")
HUB_METRICS = ["accuracy", "precision", "recall", "f1", "roc_auc", "brier_score"]
"""What the hub knows by the same name, https://huggingface.co/evaluate-metric."""
WEIGHTED = {"precision", "recall", "f1"}
CALIBRATED = {"log loss": "loss", "Brier score": "brier_score", "calibration error": "ece"}
"""What was measured before and after calibration, by its name in metrics/<variant>.json."""
KINDS = {
    "jpeg": "JPEG compression",
    "blur": "blur",
    "noise": "noise",
    "downscale": "scaling down and up",
}
"""The kinds of perturbation, by their name in metrics/robustness/<variant>.json."""


def metadata(
    variant: str,
    metrics: Mapping[str, float],
    robustness: Mapping[str, float],
    data_set: str,
    external: str,
) -> dict[str, Any]:
    """Return the metadata of the card, as the hub specifies it.

    Specification: https://github.com/huggingface/hub-docs/blob/main/modelcard.md.

    Args:
        data_set: the path of what it was trained and tested on.
        external: the path of what it was tried on as well, if `robustness` has numbers of that.
    """
    results = [_result(metrics, {"name": data_set, "type": "imagefolder", "split": "test"})]
    elsewhere = {
        name.removeprefix("external_"): value
        for name, value in robustness.items()
        if name.startswith("external_")
    }
    if elsewhere:
        results.append(_result(elsewhere, {"name": external, "type": "imagefolder"}))
    return {
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
    metrics: Mapping[str, float], robustness: Mapping[str, float], external: str
) -> str:
    """Return a Markdown table of what was measured, see `metadata` for the arguments."""
    rows = [
        ["accuracy", _with_interval(metrics, "accuracy")],
        ["accuracy on REAL", f"{metrics['accuracy_real']:.3f}"],
        ["accuracy on FAKE", f"{metrics['accuracy_fake']:.3f}"],
        ["accuracy at its threshold", f"{metrics['accuracy_at_threshold']:.3f}"],
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
    if "external_images" in robustness:
        where = f"{robustness['external_images']:,} images of {code(external)}"
        rows += [
            [f"accuracy on {where}", _with_interval(robustness, "external_accuracy")],
            ["ROC AUC on these", f"{robustness['external_roc_auc']:.3f}"],
        ]
    return table(["metric", "value"], rows)


def worse_calibrated(metrics: Mapping[str, float]) -> list[str]:
    """Return what is worse after calibration than before, in words; less is better."""
    return [
        words for words, name in CALIBRATED.items() if metrics[f"{name}_calibrated"] > metrics[name]
    ]


def share_of_larger_label(audit: Mapping[str, Any]) -> float:
    """Return which share of the test images a guess of always the same label is right about."""
    of_label = audit["used"]["test"].values()
    return float(max(of_label) / sum(of_label))


def _with_interval(metrics: Mapping[str, float], name: str) -> str:
    low, high = metrics[f"{name}_low"], metrics[f"{name}_high"]
    return f"{metrics[name]:.3f} ({low:.3f} to {high:.3f})"


def _in_short(config: ModelConfig) -> str:
    """Return `config` as YAML, a line for each layer and each value."""
    return yaml.safe_dump(
        config.model_dump(), sort_keys=False, default_flow_style=None, width=sys.maxsize
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return what the JSON file `path` holds.

    Raises:
        InputError: the file is missing or is no JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}; run `dvc repro`") from None
    return content


def main() -> None:
    parser = command_line("stages.card", __doc__)
    parser.add_argument("variant", help="a name in models/, without .h5")
    variant = parser.parse_args().variant
    data_set, external = (str(read_value(f"{block}.path")) for block in ("source", "external"))
    preprocess = read_value("preprocess")
    network = Path("models") / f"{variant}.h5"
    config_path = Path("configs") / f"{variant}.yaml"
    config = validate(ModelConfig, read_yaml(config_path), str(config_path))
    calibration = read_json(network.with_suffix(".json"))
    metrics = read_json(Path("metrics") / f"{variant}.json")
    robustness = read_json(Path("metrics/robustness") / f"{variant}.json")
    audit = read_json(AUDIT)
    try:
        digest = md5(network.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{network}: {error.strerror}; run `dvc repro train@{variant}`") from None

    about = metadata(variant, metrics, robustness, data_set, external)
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        metadata=yaml.safe_dump(about, sort_keys=False, allow_unicode=True),
        variant=variant,
        md5=digest,
        preprocess=preprocess,
        height=preprocess["image_size"][0],
        width=preprocess["image_size"][1],
        calibration=calibration,
        config=_in_short(config),
        metrics=metrics,
        audit=audit,
        data_set=code(data_set),
        guess=share_of_larger_label(audit),
        images=images_table(audit),
        worse=worse_calibrated(metrics),
        results=results_table(metrics, robustness, external),
    )
    path = network.with_suffix(".md")
    with replacing(path) as file:
        file.write_text(page, encoding="utf-8")
    print(f"{path}: accuracy {_with_interval(metrics, 'accuracy')}")


if __name__ == "__main__":
    run(main)
