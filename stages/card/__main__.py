"""card: describe one variant's network, with its numbers, for whoever gets it.

In:  models/<variant>.h5 and .json, configs/<variant>.yaml, metrics/<variant>.json and
     metrics/robustness/<variant>.json, metrics/sets/<variant>, plots/slices/<variant>.csv,
     reports/data.json, data/processed/findings.json and short_cuts.json.
Out: models/<variant>.md. It begins with what the Hugging Face Hub reads,
     https://huggingface.co/docs/hub/model-cards; then it goes in the order of Mitchell et al.,
     Model Cards for Model Reporting, 2019, https://arxiv.org/abs/1810.03993.
"""

from hashlib import md5
from pathlib import Path

import pandas as pd

from stages.card.contents import page
from stages.common.arrays import FINDINGS, SHORT_CUTS
from stages.common.command import InputError, command_line, run
from stages.common.files import read_json, replacing
from stages.common.manifest import TEXTS
from stages.common.params import read_value, read_yaml
from stages.pages.markdown import with_interval


def main() -> None:
    parser = command_line("stages.card", __doc__)
    parser.add_argument("variant", help="a name in models/, without .h5")
    variant = parser.parse_args().variant
    network = Path("models") / f"{variant}.h5"
    try:
        digest = md5(network.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{network}: {error.strerror}; run `dvc repro train@{variant}`") from None
    metrics = read_json(Path("metrics") / f"{variant}.json")
    sets = {
        path: read_json(Path("metrics/sets") / variant / f"{name}.json")
        for name, path in sorted(read_value("external").items())
    }
    slices_path = Path("plots/slices") / f"{variant}.csv"
    try:
        slices = pd.read_csv(slices_path, keep_default_na=False, dtype=TEXTS)
    except OSError as error:
        raise InputError(f"{slices_path}: {error.strerror}; run `dvc repro`") from None
    audit = read_json(Path("reports/data.json"))
    audit["findings"] += read_json(FINDINGS)
    text = page(
        variant,
        digest,
        read_yaml(Path("configs") / f"{variant}.yaml"),
        read_value("preprocess"),
        read_value("decode.background"),
        read_json(network.with_suffix(".json")),
        metrics,
        read_json(Path("metrics/robustness") / f"{variant}.json"),
        sets,
        slices,
        audit,
        read_json(SHORT_CUTS),
        str(read_value("source.path")),
    )
    path = network.with_suffix(".md")
    with replacing(path) as file:
        file.write_text(text, encoding="utf-8")
    print(f"{path}: accuracy {with_interval(metrics, 'accuracy')}")


if __name__ == "__main__":
    run(main)
