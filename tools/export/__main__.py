"""Export a variant's network for programs without this pipeline.

Writes to exports/VARIANT: the network in each format that is named, what was fitted for it on
validation (VARIANT.json) and its model card (VARIANT.md). In goes what goes into models/VARIANT.h5,
views of images as 0..255; out come the probabilities of REAL and FAKE. Each export is run by its
own runtime on validation images, and kept only if its log-odds are those of the original.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages.common.arrays import load_split
from stages.common.command import InputError, command_line, run
from stages.common.files import replacing
from stages.common.params import nearest, read_block, read_value
from stages.evaluate.classifier import Classifier
from stages.evaluate.schema import EvaluateParams
from stages.networks.runtime import keras, set_up
from tools.export.agreement import BATCH, TOLERANCE, furthest, milliseconds, trial
from tools.export.formats import FORMATS, Run, load_keras, require

EXPORTS = Path("exports")


def _files(variant: str) -> list[Path]:
    """Return what is needed of `variant`: the network, what was fitted for it, its card."""
    known = sorted(read_value("variants"))
    if variant not in known:
        raise InputError(
            f"params.yaml: variants: no {variant!r}; did you mean {nearest(variant, known)!r}?"
        )
    files = [Path("models") / f"{variant}.{kind}" for kind in ("h5", "json", "md")]
    for file in files:
        if not file.exists():
            raise InputError(f"{file}: not here; run `dvc pull` or `dvc repro card@{variant}`")
    return files


def _row(path: Path, differ: str, program: Run, inputs: Mapping[str, np.ndarray]) -> str:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    alone, together = (milliseconds(program, inputs, most) for most in (1, BATCH))
    return f"{size / 1000:>9,.0f}  {differ:>8}  {alone:>9.2f}  {together:>10.2f}"


def main() -> None:
    parser = command_line("tools.export", __doc__)
    parser.add_argument("variant", help="a name in params.yaml")
    parser.add_argument("--format", nargs="+", choices=FORMATS, required=True, help="one or more")
    arguments = parser.parse_args()
    params = read_block("evaluate", EvaluateParams)
    original, *beside = _files(arguments.variant)
    set_up(0, params.threads, params.instruction_set)
    classifier = Classifier(original, params.batch_size)
    network = keras.models.load_model(original, compile=False)
    for name in arguments.format:
        require(name, network, original)
    inputs, expected = trial(classifier, load_split("validation"))

    folder = EXPORTS / arguments.variant
    copies = [(file, folder / file.name) for file in beside]
    if any(copy.exists() and copy.read_bytes() != file.read_bytes() for file, copy in copies):
        shutil.rmtree(folder)  # exports of another model
    paths = {name: folder / FORMATS[name].file.format(arguments.variant) for name in FORMATS}
    width = max(len(str(path)) for path in paths.values())
    print(f"{'':{width}}  {'kilobytes':>9}  {'log-odds':>8}  {'ms a view':>9}  {'in batches':>10}")
    first = _row(original, "", load_keras(original, params.threads), inputs)
    print(f"{original!s:{width}}  {first}", flush=True)
    for name, path in paths.items():  # in one order, on which names in ONNX files depend
        if name not in arguments.format:
            continue
        with replacing(path) as file:
            FORMATS[name].write(network, file)
            program = FORMATS[name].load(file, params.threads)
            differ = furthest(program(inputs), expected)
            if not differ <= TOLERANCE:  # NaN is not
                raise InputError(
                    f"{path}: not written: its log-odds of {len(expected)} validation views are "
                    f"up to {differ:.2g} from those of {original}, more than {TOLERANCE:g}"
                )
            row = _row(file, f"{differ:.0e}", program, inputs)
        print(f"{path!s:{width}}  {row}", flush=True)
    for file, copy in copies:
        with replacing(copy) as new:
            shutil.copyfile(file, new)
    print(
        f"\nlog-odds: furthest from those of {original}, of {len(expected)} validation views; "
        f"{TOLERANCE:g} is allowed\nms: a view alone, and in batches of {BATCH}, "
        f"threads: {params.threads}\nbeside them: {' and '.join(file.name for file in beside)}"
    )


if __name__ == "__main__":
    run(main)
