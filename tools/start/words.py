"""What is in a data set, and what only a person can decide about it, in words."""

from itertools import count
from pathlib import Path
from shlex import quote
from textwrap import fill
from typing import Any

import pandas as pd

from stages.common.manifest import LABELS, in_words
from stages.source.audit import NOT_CHECKED, small_test
from stages.source.counts import splits_of
from tools.start.survey import Survey

Row = tuple[str, str]
"""What it is about, and a text."""
SHOWN = 10
"""Slices of a label that are named."""
TITLES = {
    "leave_slice_out": "new slices",
    "conflicting_labels": "labels",
    "near_duplicates": "splits",
    "shared_groups": "splits",
    NOT_CHECKED: "unknown",
}
"""Of findings of the audit that no proposal mends."""


def section(title: str, rows: list[Row]) -> str:
    """Return a title, and a paragraph for each of `rows`, for a terminal; "" without any."""
    hang = " " * 13
    paragraphs = [
        fill(
            text,
            100,
            initial_indent=f"  {name:10} ",
            subsequent_indent=hang,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for name, text in rows
    ]
    return "\n".join([title, *paragraphs]) + "\n" if rows else ""


def what_is_there(survey: Survey) -> list[Row]:
    """Return what a person should know of the data set."""
    images, counts = survey.images, survey.counts
    rows = []
    for label in LABELS:
        of_label = images[images["label"] == label]
        formats = ", ".join(
            f"{n:,} {name}" for name, n in of_label["format"].value_counts().items()
        )
        slices = of_label["slice"][of_label["slice"] != ""].value_counts()
        named = [f"{name} {number:,}" for name, number in slices.head(SHOWN).items()]
        named += [f"and {len(slices) - SHOWN:,} more"] * (len(slices) > SHOWN)
        shown = f"; slices: {', '.join(named)}" if named else "; no slices"
        rows.append((label, f"{len(of_label):,} images ({formats}){shown}"))
    short = images[["width", "height"]].min(axis=1)
    size = f"shorter side {short.min():,} to {short.max():,} pixels, on average {short.mean():,.0f}"
    if images[["width", "height"]].nunique().max() == 1:
        size = f"all {images['width'].iloc[0]:,} x {images['height'].iloc[0]:,} pixels"
    rows.append(("size", size))
    who = "as the data set says" if survey.names_splits else "drawn at random"
    splits = [
        f"{name.replace('_', ' ')} {in_words(counts['used'][name])}" for name in splits_of(images)
    ]
    rows.append(("splits", f"{who}: {'; '.join(splits)}"))
    left_out = {why: number for why, number in counts["left_out"].items() if number}
    alike = f"{survey.look_alikes:,} images look like another one, and count as one with it"
    alike = alike if survey.look_alikes else "no image looks like another one"
    rows.append(("copies", f"{alike}; left out: {in_words(left_out) or 'none'}"))
    if counts["groups"]["number"]:
        alone = counts["groups"]["images_without"]
        rows.append(("groups", f"{counts['groups']['number']:,}; {alone:,} images are in none"))
    found, limit = survey.audit.numbers.get("short_cuts"), survey.params.audit.short_cut_limit
    if found:
        above = {name: value for name, value in found.items() if value > limit}
        told = ", ".join(f"{name} {value:.3f}" for name, value in (above or found).items())
        what = "tell REAL from FAKE without looking at the image" if above else "none"
        rows.append(("short cuts", f"{what}: {told} (0.5 is chance, {limit} the limit)"))
    return rows


def decisions(survey: Survey) -> list[Row]:
    """Return what no program can know or mend."""
    images, said = survey.images, {f.name: f.message for f in survey.audit.findings}
    rows = []
    if survey.params.path.startswith(("/", "../")):
        what = "is outside of this folder, where others will not find it: move it to data/"
        rows.append(("path", f"{survey.params.path} {what}"))
    if "small_test" in said:
        needed = next(n for n in count(1) if not small_test(_alone(n)))
        of_all = "" if survey.names_splits else f" (of {needed / survey.params.test_fraction:.0f})"
        rows.append(("few images", f"{said['small_test']}; {needed} test images{of_all} would do"))
    without = [label for label in LABELS if (images["slice"][images["label"] == label] == "").all()]
    if without:
        rows.append(
            (
                "slices",
                f"nothing says what {' and '.join(without)} images show, or what made them, so "
                "you will not learn how models do on new subjects or generators: sort the images "
                "into folders below the label's, or see source.slice_pattern and source.groups",
            )
        )
    if not survey.counts["groups"]["number"]:
        rows.append(
            (
                "groups",
                "do several images show one scene? They belong in one split: name them "
                "in a groups.csv in the data set (path, group, slice), or by source.group_pattern",
            )
        )
    return rows + [(title, said[name]) for name, title in TITLES.items() if name in said]


def _alone(number: int) -> pd.DataFrame:
    """Return `number` images, each an observation of its own."""
    return pd.DataFrame({"path": [str(n) for n in range(number)], "cluster": ""})


def next_commands(data: str, is_written: bool, configs: dict[str, Any]) -> str:
    """Return the commands that lead on from here.

    Args:
        is_written: params.yaml says what is proposed.
        configs: the variants that are proposed.
    """
    apply = f"python -m tools.start {quote(data)} --apply"
    lines = [] if is_written else [(apply, "writes these values")]
    backbones = {name: config["backbone"] for name, config in configs.items() if config["backbone"]}
    missing = [name for name, one in backbones.items() if not Path(one["weights"]).exists()]
    if missing:
        what = f"fetches the pretrained network of {', '.join(missing)}"
        lines.append(("make backbone", what))
    lines.append(("make repro", "then open reports/index.html"))
    width = max(len(command) for command, _ in lines)
    title = "Next" + " (params.yaml has these values)" * is_written
    return "\n".join([title, *(f"  {one:{width}}  # {what}" for one, what in lines)]) + "\n"
