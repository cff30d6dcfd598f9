"""findings: what the change of size costs, from sizes alone."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.preprocess.findings import findings
from stages.preprocess.schema import PreprocessParams
from tests.helpers import (
    REPOSITORY,
    default_block,
    edit_params,
    run_stage,
    small_data_set,
    write_zip,
)


def of(sizes: list[tuple[int, int]], **changes: Any) -> dict[str, str]:
    params = default_block("preprocess", PreprocessParams, **changes)
    found = findings(pd.DataFrame(sizes, columns=["width", "height"]), params)
    assert all(finding["level"] == "warn" for finding in found)
    return {finding["name"]: finding["message"] for finding in found}


def test_images_that_lose_most_pixels_and_their_shape() -> None:
    """By hand: 32 * 32 of 400 * 300 pixels are 0.85%; 4:3 becomes 1:1."""
    found = of([(400, 300), (32, 32), (4000, 3000)])
    assert found == {
        "few_pixels": "half of the images keep 0.9% of their pixels or less: "
        "400x300 becomes 32x32; see preprocess.image_size",
        "distorted": "half of the images are distorted by 33% or more: "
        "400x300 becomes 32x32; see preprocess.aspect",
    }


def test_nothing_is_said_of_images_that_stay_as_they_are_or_nearly() -> None:
    assert of([(32, 32)] * 3) == {}
    assert of([(64, 64)] * 3) == {}
    assert of([(8, 8)] * 3) == {}, "enlarged"
    assert of([(35, 32)] * 3) == {}, "9%"
    assert of([(32, 32), (32, 32), (4000, 1000)]) == {}, "the median counts"


@pytest.mark.parametrize(
    ("aspect", "size", "lost"),
    [
        # 1/3 of each side and the middle 32 of 96 columns; padded, 1/9 of each side.
        ("crop", (288, 96), "3.7%"),
        ("pad", (288, 96), "1.2%"),
        # Not scaled at all, but cut: 32 of 400 columns.
        ("crop", (400, 32), "8.0%"),
    ],
)
def test_what_is_cropped_or_padded_is_not_distorted(
    aspect: str, size: tuple[int, int], lost: str
) -> None:
    found = of([size], aspect=aspect)
    assert list(found) == ["few_pixels"]
    assert f"keep {lost} of their pixels" in found["few_pixels"]


def test_it_is_printed_and_kept(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_zip(workspace / "data.zip", small_data_set({"train": 3, "validation": 2, "test": 2}))
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(workspace, {"source.path": "data.zip"})
    run_stage("source")
    for size, names in (([32, 32], []), ([8, 16], ["distorted"])):
        edit_params(workspace, {"preprocess.image_size": size})
        capsys.readouterr()
        run_stage("preprocess")
        kept = json.loads((workspace / "data/processed/findings.json").read_text())
        assert [finding["name"] for finding in kept] == names
        printed = capsys.readouterr().err
        assert all(f"warning: {finding['message']}" in printed for finding in kept)
        assert ("warning" in printed) == bool(names)
