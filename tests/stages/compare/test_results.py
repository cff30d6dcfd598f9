"""compare: what it reads of each variant, and what it puts together."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.common.command import InputError
from stages.compare.results import (
    clusters_of,
    is_right,
    read_metrics,
    read_sets,
    read_tables,
    same_networks,
)


def test_metrics_are_a_row_a_variant(workspace: Path) -> None:
    for variant, accuracy in (("base", 0.7), ("wide", 0.8)):
        Path(f"{variant}.json").write_text(json.dumps({"accuracy": accuracy, "loss": 1}))
    found = read_metrics(["wide", "base"], workspace)
    assert found.index.tolist() == ["wide", "base"]
    assert found.to_dict("list") == {"accuracy": [0.8, 0.7], "loss": [1, 1]}


def test_sets_are_read_by_variant_and_name_and_no_others(workspace: Path) -> None:
    for variant, accuracy in (("base", 0.7), ("wide", 0.8)):
        Path(variant).mkdir()
        for name in ("sd15", "removed"):
            Path(f"{variant}/{name}.json").write_text(json.dumps({"accuracy": accuracy}))
    assert read_sets(["wide", "base"], ["sd15"], workspace) == {
        "wide": {"sd15": {"accuracy": 0.8}},
        "base": {"sd15": {"accuracy": 0.7}},
    }
    with pytest.raises(InputError, match=r"wide/more\.json: missing"):
        read_sets(["wide"], ["more"], workspace)


def test_tables_are_below_each_other_with_the_variant_first(workspace: Path) -> None:
    for variant in ("base", "wide"):
        pd.DataFrame({"path": ["a", "b"], "of": variant}).to_csv(f"{variant}.csv", index=False)
    found = read_tables(["wide", "base"], workspace)
    assert list(found.columns) == ["variant", "path", "of"]
    assert found["variant"].tolist() == found["of"].tolist() == ["wide", "wide", "base", "base"]


def test_a_variant_that_was_not_evaluated_is_named(workspace: Path) -> None:
    expected = r"wide\.(json|csv): missing; run `dvc pull train evaluate`"
    for read in (read_metrics, read_tables):
        with pytest.raises(InputError, match=expected):
            read(["wide"], workspace)


def predictions(**p_fake: list[float]) -> pd.DataFrame:
    """Return the predictions of variants for a FAKE b, a REAL a and a FAKE c."""
    labels = pd.DataFrame({"path": ["b", "a", "c"], "label": ["FAKE", "REAL", "FAKE"]})
    labels["cluster"] = ["", "7", "7"]
    parts = [labels.assign(variant=name, p_fake=values) for name, values in p_fake.items()]
    return pd.concat(parts, ignore_index=True)


def test_variants_are_one_network_if_their_log_odds_are_equal_to_the_last_digit() -> None:
    odds = [0.5, 0.25, 0.125]
    table = predictions(base=odds, near=[0.5, 0.25, 0.125000001], twin=odds, third=odds)
    assert same_networks(table.assign(logit=table["p_fake"])) == {"twin": "base", "third": "base"}


def test_from_a_half_on_an_image_counts_as_fake() -> None:
    found = is_right(predictions(wide=[0.5, 0.5, 0.4], base=[0.9, 0.1, 0.9]))
    assert list(found.columns) == ["wide", "base"], "the order of the variants"
    assert found.dtypes.tolist() == [np.dtype(bool)] * 2
    assert found.loc[["b", "a", "c"], "wide"].tolist() == [True, False, False]
    assert found["base"].all()


def test_variants_measured_on_other_images_are_not_compared() -> None:
    both = predictions(base=[0.9, 0.1, 0.9], wide=[0.9, 0.1, 0.9])
    with pytest.raises(InputError, match="predictions: wide was measured on other images"):
        is_right(both[:-1])


def test_clusters_are_those_of_the_images_and_an_image_may_stand_alone() -> None:
    both = predictions(base=[0.9, 0.1, 0.9], wide=[0.9, 0.1, 0.9])
    assert clusters_of(both, is_right(both).index).tolist() == ["7", "b", "7"]
    assert clusters_of(both, pd.Index(["b", "c"])).tolist() == ["b", "7"]


def test_names_of_clusters_are_texts(workspace: Path) -> None:
    text = "path,label,slice,cluster,p_fake\na,REAL,,007,0.1\nb,REAL,NA,,0.1\n"
    Path("base.csv").write_text(text)
    found = read_tables(["base"], workspace)
    assert found["cluster"].tolist() == ["007", ""]
    assert found["slice"].tolist() == ["", "NA"]
