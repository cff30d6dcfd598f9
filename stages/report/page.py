"""report: one page that tells a person everything, in one file that needs no network.

In:  what compare, evaluate and source wrote for people and programs.
Out: reports/index.html.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markdown_it import MarkdownIt

from stages.command import InputError, command_line, run
from stages.files import replacing
from stages.gallery import KINDS, read_gallery
from stages.markdown import code, table
from stages.summary import (
    MODELS_NOTE,
    by_accuracy,
    has_seeds,
    models_table,
    runs_note,
    runs_table,
)

PAGE = Path("reports/index.html")
TEMPLATE = Path(__file__).with_name("report.html.jinja")
COMPARISON = Path("reports/comparison.json")
FIGURES = Path("reports/figures")
AUDIT = Path("reports/data.md")
GALLERY = Path("plots/gallery")
ROBUSTNESS = Path("plots/all/robustness.csv")


def data_uri(picture: Path) -> str:
    """Return the PNG file `picture` as an address that holds all of it."""
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


def to_html(markdown: str, folder: Path = Path("reports"), level: int = 0) -> str:
    """Return `markdown` as HTML, with the pictures that it names, relative to `folder`, inside.

    Args:
        level: how much deeper its headings are to stand.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{int(token.tag[1:]) + level}"
        for child in token.children or []:
            if child.type == "image":
                child.attrs["src"] = data_uri(folder / str(child.attrs["src"]))
                child.attrs["loading"] = "lazy"
    return str(parser.renderer.render(tokens, parser.options, {}))


def differing_parameters(variants: Mapping[str, Any]) -> str:
    """Return a Markdown table: a row for each parameter that is not the same for all variants.

    An empty cell means the baseline's value, which the first column has.
    """
    keys = dict.fromkeys(key for row in variants.values() for key in row["differs_in"])
    if not keys:
        return "All variants have the same parameters."
    others = [name for name, row in variants.items() if row["differs_in"]]
    rows = [
        [code(key), *(str(variants[name]["differs_in"].get(key, "")) for name in others)]
        for key in keys
    ]
    return table(["parameter", *others], rows)


def all_metrics(variants: Mapping[str, Any]) -> str:
    """Return a Markdown table: a row for each metric, a column for each variant."""
    rows = []
    for part in ("metrics", "robustness"):
        for name in dict.fromkeys(name for row in variants.values() for name in row[part]):
            found = [row[part].get(name) for row in variants.values()]
            rows.append([code(name), *("" if v is None else f"{v:.4f}" for v in found)])
    return table(["metric", *variants], rows)


def perturbed(robustness: pd.DataFrame) -> str:
    """Return a Markdown table of accuracies: a row for each perturbation, a column a variant."""
    if robustness.empty:
        return "No perturbations are asked for."
    names = (robustness["kind"] + " " + robustness["level"]).where(
        robustness["level"] != "none", "none"
    )
    wide = robustness.assign(name=names).drop_duplicates(["variant", "name"])
    wide = wide.pivot(index="name", columns="variant", values="accuracy")
    wide = wide.loc[names.unique(), robustness["variant"].unique()]
    rows = [
        [str(name), *(f"{value:.3f}" for value in values)]
        for name, *values in wide.itertuples(name=None)
    ]
    return table(["perturbation", *map(str, wide.columns)], rows)


def gallery(folder: Path) -> list[tuple[str, list[dict[Any, Any]]]]:
    """Return the examples in `folder` by kind, each with its pictures in it."""
    examples: list[dict[Any, Any]] = read_gallery(folder).to_dict("records")
    for example in examples:
        example |= {name: data_uri(Path(example[name])) for name in ("image", "heat")}
    return [(kind, [e for e in examples if e["kind"] == kind]) for kind in KINDS]


def main() -> None:
    command_line("stages.report", __doc__).parse_args()
    try:
        report = json.loads(COMPARISON.read_text())
        robustness = pd.read_csv(ROBUSTNESS, dtype={"level": str})
        variants = report["variants"]
        galleries = {variant: gallery(GALLERY / variant) for variant in variants}
        figures = {file.stem: data_uri(file) for file in sorted(FIGURES.glob("*.png"))}
        audit = to_html(AUDIT.read_text(encoding="utf-8"), level=1)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; run `dvc repro report`") from None

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        words=report["words"],
        images=report["test_images"],
        best=next(iter(by_accuracy(variants).items())),
        baseline=next(iter(variants)),
        variants=list(variants),
        runs=to_html(runs_table(report)),
        runs_note=runs_note(report),
        models=to_html(models_table(report)) if has_seeds(report) else "",
        models_note=MODELS_NOTE,
        parameters=to_html(differing_parameters(variants)),
        metrics=to_html(all_metrics(variants)),
        perturbed=to_html(perturbed(robustness)),
        figures=figures,
        galleries=galleries,
        audit=audit,
    )
    with replacing(PAGE) as file:
        file.write_text(page, encoding="utf-8")
    print(f"{PAGE}: {len(page) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
