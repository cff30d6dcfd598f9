"""leave_out: a data set that tells slices apart is found, one with random slices is not."""

import numpy as np
import pandas as pd
import pytest

from stages.source.leave_out import leave_slices_out, much_worse

SUBJECTS = ("animals", "cities", "food")
GENERATORS = ("one", "two", "three")


def images(seed: int, signal: float, subject: float, each: int = 40) -> pd.DataFrame:
    """Return images of three slices a label, with noise in all features but these.

    Args:
        signal: by how much the first feature tells the labels apart, in standard deviations.
        subject: by how much each slice differs in features of its own.
    """
    random = np.random.default_rng(seed)
    rows = []
    for label, slices in (("REAL", SUBJECTS), ("FAKE", GENERATORS)):
        for number, name in enumerate(slices):
            features = random.normal(size=(each, 8))
            features[:, 0] += signal * (label == "FAKE")
            features[:, 1 + number] += subject * (1 if label == "FAKE" else -1)
            features = features.astype(np.float32)
            rows += [(label, name, row.tobytes()) for row in features]
    table = pd.DataFrame(rows, columns=["label", "slice", "features"])
    return table.assign(path=table.index.astype(str), cluster="")


def test_what_only_tells_slices_apart_is_found_and_said_in_words() -> None:
    table = leave_slices_out(images(0, signal=0, subject=4), seed=1).table
    assert table[["slice", "label", "images"]].to_numpy().tolist() == [
        *(["animals", "REAL", 40], ["cities", "REAL", 40], ["food", "REAL", 40]),
        *(["one", "FAKE", 40], ["three", "FAKE", 40], ["two", "FAKE", 40]),
    ]
    assert table["accuracy_seen"].min() > 0.9
    assert table["accuracy_left_out"].max() < 0.8
    text = much_worse(table)
    assert "of a slice that it has seen others of, and about 0." in text
    assert text.endswith("not cameras from generators; see source.hold_out")


def test_what_tells_the_labels_apart_in_every_slice_is_no_finding() -> None:
    table = leave_slices_out(images(0, signal=4, subject=0), seed=1).table
    assert table["accuracy_left_out"].min() > 0.85
    assert much_worse(table) == ""


@pytest.mark.parametrize("seed", range(5))
def test_random_slices_are_no_finding(seed: int) -> None:
    found = images(seed, signal=1, subject=3)
    random = np.random.default_rng(seed)
    found["slice"] = found.groupby("label")["slice"].transform(random.permutation)
    assert much_worse(leave_slices_out(found, seed=1).table) == ""


@pytest.mark.parametrize(("number", "each"), [(2, 25), (3, 60)])
def test_noise_is_no_finding_though_a_label_is_smaller_without_a_slice(
    number: int, each: int
) -> None:
    tables = tables_of_noise(number, each)
    assert not any(map(much_worse, tables))


def test_slices_that_are_seen_and_left_out_leave_as_many_images() -> None:
    """With half of a slice out, and nothing else for it, noise falls by 0.056 on these."""
    both = pd.concat(tables_of_noise(2, 60))[["accuracy_seen", "accuracy_left_out"]].mean()
    assert both["accuracy_seen"] == pytest.approx(both["accuracy_left_out"], abs=0.035)


def tables_of_noise(number: int, each: int) -> list[pd.DataFrame]:
    """Return the tables of 12 data sets of noise, with `number` slices a label."""
    kept = [*SUBJECTS[:number], *GENERATORS[:number]]
    found = [images(seed, signal=0, subject=0, each=each) for seed in range(12)]
    found = [table[table["slice"].isin(kept)].reset_index(drop=True) for table in found]
    return [leave_slices_out(table, seed=1).table for table in found]


def test_the_finding_is_that_of_the_sign_test_by_hand() -> None:
    """Of 7 observations that changed 7 fell: 1 / 2**7 = 0.008; 7 of 8: 9 / 2**8 = 0.035."""
    table = pd.DataFrame(
        {
            "slice": list("abcd"),
            "label": ["REAL", "REAL", "FAKE", "FAKE"],
            "images": 20,
            "accuracy_seen": 0.9,
            "accuracy_left_out": [0.6, 0.8, 0.9, 0.9],
            "fell": [6, 1, 9, 9],
            "rose": [0, 0, 9, 9],
        }
    )
    assert "0.90 of the REAL images" in much_worse(table)
    assert "(worst: a, 0.60)" in much_worse(table)
    assert much_worse(table.assign(rose=[0, 1, 9, 9])) == ""
    assert much_worse(table.assign(accuracy_left_out=[0.8, 0.81, 0.9, 0.9])) == ""
    assert much_worse(table.assign(accuracy_seen=0.55, accuracy_left_out=0.3)) == ""


def test_near_copies_of_a_slice_are_left_out_with_it() -> None:
    found = images(0, signal=0, subject=4)
    copies = found[found["slice"] == "animals"].assign(slice="cities")
    copies["path"] = "copy of " + copies["path"]
    both = pd.concat([found, copies], ignore_index=True)
    apart = leave_slices_out(both, seed=1).table
    both["cluster"] = both["path"].str.removeprefix("copy of ")
    together = leave_slices_out(both, seed=1).table
    assert apart["accuracy_left_out"][0] > 0.9 > together["accuracy_left_out"][0]


def test_it_says_what_it_cannot_do() -> None:
    found = images(0, signal=1, subject=1)
    assert leave_slices_out(found.assign(slice=""), 1).not_checked == ["the images have no slices"]
    found.loc[found["slice"].isin(["animals", "cities"]), "slice"] = ""
    left_out = leave_slices_out(found, 1)
    assert left_out.not_checked == ["slices of REAL with 20 images or more: 1 (2 needed)"]
    assert set(left_out.table["label"]) == {"FAKE"}
    left_out = leave_slices_out(images(0, 1, 1).assign(cluster="one scene"), 1)
    assert left_out.table.empty
    assert left_out.not_checked == ["a label has fewer than 5 independent observations"]


def test_of_many_images_some_are_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = images(0, signal=1, subject=1, each=100)
    whole = leave_slices_out(found, 1).table
    monkeypatch.setattr("stages.source.leave_out.MOST_IMAGES", 240)
    first, again, other = (leave_slices_out(found, seed).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert (first["images"] == 100).all()
    # 240 / (6 slices + 2 for the rest) = 30 of each.
    assert first["accuracy_left_out"].mul(30).round(2).mod(1).eq(0).all()
    assert not first.equals(other)
    assert not first.equals(whole)


def test_many_slices_of_one_label_do_not_crowd_out_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stages.source.leave_out.MOST_SLICES", 2)
    both = [images(0, signal=1, subject=1, each=each) for each in (30, 20)]
    found = pd.concat(both, ignore_index=True)
    found = found[(found["label"] == "FAKE") | (found.index >= 180)]
    left_out = leave_slices_out(found.assign(path=found.index.astype(str)), 1)
    assert left_out.table["label"].value_counts().to_dict() == {"REAL": 2, "FAKE": 2}
    assert left_out.not_checked == []
