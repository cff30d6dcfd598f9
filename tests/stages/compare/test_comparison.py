"""comparison: planted differences are found, and luck is not taken for one."""

import gc

import numpy as np
import pandas as pd
import pytest

from stages.compare.comparison import compare_models, compare_runs, models_of
from stages.compare.verdicts import in_words


def right(images: int, *ranges: tuple[int, int]) -> np.ndarray:
    """Return whether a variant is right about each of `images`: on those in `ranges`."""
    numbers = np.arange(images)
    return np.logical_or.reduce([(start <= numbers) & (numbers < end) for start, end in ranges])


def compared(
    correct: dict[str, np.ndarray],
    models: dict[str, str] | None = None,
    clusters: np.ndarray | None = None,
    same: dict[str, str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of runs and of models; each variant is a model, but for those named."""
    table = pd.DataFrame(correct)
    names = {variant: variant for variant in correct} | (models or {})
    clusters = np.arange(len(table)) if clusters is None else clusters
    of_models = compare_models(table, clusters, names)
    return compare_runs(table, clusters, names, of_models, same or {}), of_models


def test_variants_that_differ_in_the_seed_alone_are_one_model() -> None:
    configs = {
        "base": {"epochs": 5, "seed": 1},
        "again": {"epochs": 5, "seed": 2},
        "wide-seed-2": {"epochs": 9, "seed": 2},
        "wide": {"epochs": 9, "seed": 1},
        "seed": {"seed": 1},
    }
    found = models_of(configs, "base")
    assert found == {
        "base": "base",
        "again": "base",
        "wide-seed-2": "wide",
        "wide": "wide",
        "seed": "seed",
    }
    assert list(found) == list(configs)
    # The baseline gives its model the name, even if another one is shorter.
    assert models_of(configs, "wide-seed-2")["wide"] == "wide-seed-2"
    assert models_of(configs, "again")["base"] == "again"


PLANTED = {
    "base": right(200, (0, 120)),
    "more": right(200, (0, 150)),
    "less": right(200, (0, 90)),
    "other": right(200, (10, 130)),
}


def test_better_worse_and_neither_are_told_by_the_images() -> None:
    runs, of_models = compared(PLANTED)
    assert dict(runs["verdict"]) == {
        "base": "baseline",
        "more": "better",
        "less": "worse",
        "other": "no evidence",
    }
    assert list(runs["accuracy"]) == [0.6, 0.75, 0.45, 0.6]
    assert list(runs["difference"]) == pytest.approx([0, 0.15, -0.15, 0])
    # McNemar: of 30 images all, and of 20 images one half, are one model's.
    p_value = runs["p_value"].to_numpy(float)
    assert list(p_value[1:]) == pytest.approx([2 / 2**30, 2 / 2**30, 1])
    assert np.isnan(p_value[0])
    # Holm over a family of three: the baseline is not in it.
    assert runs["p_adjusted"]["more"] == pytest.approx(3 * 2 / 2**30)
    # 1.96 standard errors of a paired difference that is 1 for 15% of the images.
    half = 1.96 * (0.15 * 0.85 / 200) ** 0.5
    assert runs["difference_low"]["more"] == pytest.approx(0.15 - half, abs=0.01)
    assert runs["difference_high"]["more"] == pytest.approx(0.15 + half, abs=0.01)
    # Nothing is known of the seeds.
    assert list(of_models["runs"]) == [1] * 4
    assert list(of_models["verdict"]) == ["baseline", None, None, None]
    assert of_models["p_adjusted"].isna().all()
    assert list(of_models["difference"]) == pytest.approx([0, 0.15, -0.15, 0])
    assert in_words(runs, of_models) == (
        "Better than base: more. Worse than base: less. No evidence of a difference from base: "
        "other. Trained once like base, so that the difference may be luck of the seed: more, less."
    )


def test_the_same_network_is_called_so_and_is_no_test_of_chance() -> None:
    runs, of_models = compared(PLANTED | {"twin": PLANTED["base"]}, same={"twin": "base"})
    assert runs.loc["twin", "verdict"] == "the same network"
    assert runs["p_adjusted"].isna()["twin"]
    without, _ = compared(PLANTED)
    pd.testing.assert_series_equal(runs["p_adjusted"].drop("twin"), without["p_adjusted"])
    assert "The same network as base, number for number: twin." in in_words(runs, of_models)


def test_images_of_one_cluster_count_once() -> None:
    """The 30 images that only `more` gets right are of 3 clusters: luck in 2 of 8 cases."""
    runs, of_models = compared(PLANTED, clusters=np.arange(200) // 10)
    assert runs["p_value"]["more"] == pytest.approx(2 / 2**3)
    assert runs["verdict"]["more"] == "no evidence"
    # Three of 20 clusters differ by 10 images of 10, and t with 19 degrees is 2.093.
    half = 2.0930 * (20 / 19 * (3 * 8.5**2 + 17 * 1.5**2)) ** 0.5 / 200
    for table in (runs, of_models):
        assert table["difference_low"]["more"] == pytest.approx(0.15 - half, abs=1e-5)


def test_a_difference_counts_among_all_that_were_looked_at() -> None:
    """McNemar with 3 and 12 images: 2 (1 + 15 + 105 + 455) / 2**15, which is 0.0352."""
    base = right(200, (0, 112))
    worse = right(200, (0, 100), (112, 115))
    alone, _ = compared({"base": base, "worse": worse})
    assert alone["p_value"]["worse"] == pytest.approx(1152 / 2**15)
    assert alone["p_adjusted"]["worse"] == pytest.approx(1152 / 2**15)
    assert alone["verdict"]["worse"] == "worse"

    among, _ = compared({"base": base, "worse": worse} | {f"v{n}": base for n in range(4)})
    assert among["p_value"]["worse"] == pytest.approx(1152 / 2**15)
    assert among["p_adjusted"]["worse"] == pytest.approx(5 * 1152 / 2**15)
    assert set(among["verdict"]) == {"baseline", "no evidence"}


def test_other_seeds_of_the_baseline_are_not_in_the_family() -> None:
    base = right(200, (0, 112))
    worse = right(200, (0, 100), (112, 115))
    seeds = {f"base-{seed}": right(200, (0, 111 + seed % 2)) for seed in range(30)}
    runs, of_models = compared(
        {"base": base, **seeds, "worse": worse}, dict.fromkeys(seeds, "base")
    )
    assert set(runs.loc[list(seeds), "verdict"]) == {"other seed"}
    assert runs.loc[list(seeds), ["p_value", "p_adjusted"]].isna().all(axis=None)
    assert runs["p_adjusted"]["worse"] == pytest.approx(1152 / 2**15)
    assert list(of_models.index) == ["base", "worse"]
    assert of_models["runs"]["base"] == 31
    assert runs["verdict"]["worse"] == "worse"


def seeds_of(model: str, *rights: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return runs of `model` that are right about the first so many of 200 images."""
    names = [model, *(f"{model}-{number}" for number in range(2, len(rights) + 1))]
    runs = {name: right(200, (0, count)) for name, count in zip(names, rights, strict=True)}
    return runs, dict.fromkeys(names, model)


def test_what_the_seeds_of_the_baseline_explain_is_no_evidence() -> None:
    baseline, models = seeds_of("base", 120, 128, 132, 140, 150)
    wide = {"wide": right(200, (0, 144))}
    alone, _ = compared({"base": baseline["base"]} | wide)
    assert alone["verdict"]["wide"] == "better", "on 24 images, all of them its own"

    runs, of_models = compared(baseline | wide, models)
    # Over seeds: 0.72 against 0.67 with a standard deviation of 0.057.
    accuracies = np.array([0.60, 0.64, 0.66, 0.70, 0.75])
    assert of_models["deviation"]["base"] == pytest.approx(accuracies.std(ddof=1))
    assert of_models["difference"]["wide"] == pytest.approx(0.05)
    assert of_models["p_value"]["wide"] > 0.4
    assert of_models["verdict"]["wide"] == "no evidence"
    assert runs["p_adjusted"]["wide"] < 0.001
    assert runs["verdict"]["wide"] == "no evidence"
    assert in_words(runs, of_models) == "No evidence of a difference from base: wide."


@pytest.mark.parametrize(
    ("rights", "word"), [((140, 142, 144), "better"), ((98, 100, 99), "worse")]
)
def test_a_difference_in_images_and_seeds_is_one(rights: tuple[int, ...], word: str) -> None:
    baseline, models = seeds_of("base", 120, 122, 124)
    wide, wide_models = seeds_of("wide", *rights)
    runs, of_models = compared(baseline | wide, models | wide_models)
    assert of_models["verdict"]["wide"] == word
    assert set(runs.loc[list(wide), "verdict"]) == {word}
    row = of_models.loc["wide"]
    assert row["runs"] == 3
    assert row["accuracy"] == pytest.approx(sum(rights) / 600)
    assert [row["lowest"], row["highest"]] == [min(rights) / 200, max(rights) / 200]
    assert of_models["difference"]["wide"] == pytest.approx(sum(rights) / 600 - 122 / 200)


def test_the_t_test_over_seeds_by_hand() -> None:
    baseline, models = seeds_of("base", 120, 122)
    wide, wide_models = seeds_of("wide", 140)
    _, of_models = compared(baseline | wide, models | wide_models)
    # Pooled variance 0.00005 with 1 degree of freedom, for which p is 1 - 2 atan(t) / pi.
    t = (0.70 - 0.605) / (0.00005 * (1 + 1 / 2)) ** 0.5
    assert of_models["p_value"]["wide"] == pytest.approx(1 - 2 * np.arctan(t) / np.pi)


def test_one_image_more_is_no_evidence_however_many_seeds_agree() -> None:
    """The seeds speak for it: no spread at all. The images do not: another sample lacks the one."""
    baseline, models = seeds_of("base", 120, 120, 120)
    wide, wide_models = seeds_of("wide", 121, 121, 121)
    runs, of_models = compared(baseline | wide, models | wide_models)
    assert of_models["p_value"]["wide"] == 0
    assert of_models["difference_low"]["wide"] < 0
    assert of_models["verdict"]["wide"] == "no evidence"
    assert runs["verdict"]["wide"] == "no evidence"


def test_a_run_that_beats_an_unlucky_baseline_is_not_better_if_its_model_is_worse() -> None:
    baseline, models = seeds_of("base", 100, 160, 158, 162, 159, 161, 160, 158, 162, 160)
    wide, wide_models = seeds_of("wide", 120, 122, 118)
    runs, of_models = compared(baseline | wide, models | wide_models)
    assert of_models["verdict"]["wide"] == "worse"
    assert (runs.loc[list(wide), "difference"] > 0).all()
    assert (runs.loc[list(wide), "p_adjusted"] < 0.05).all()
    assert set(runs.loc[list(wide), "verdict"]) == {"no evidence"}


def test_models_are_a_family_too() -> None:
    baseline, models = seeds_of("base", 120, 124)
    wide, wide_models = seeds_of("wide", 134, 138)
    # t = 0.07 / sqrt(0.0002) with 2 degrees, for which p is 1 - t / sqrt(2 + t**2): 0.0385.
    t = 0.07 / 0.0002**0.5
    p_value = 1 - t / (2 + t**2) ** 0.5
    _, alone = compared(baseline | wide, models | wide_models)
    assert alone["p_adjusted"]["wide"] == pytest.approx(p_value)
    assert alone["verdict"]["wide"] == "better"
    extra = {"once": right(200, (0, 122))}
    _, among = compared(baseline | wide | extra, models | wide_models)
    assert among["p_adjusted"]["wide"] == pytest.approx(2 * p_value)
    assert among["verdict"]["wide"] == "no evidence"
    assert among["p_adjusted"]["once"] == pytest.approx(1)
    assert among["verdict"]["once"] == "no evidence"


def test_five_models_that_guess_are_told_apart_in_at_most_5_of_100_draws() -> None:
    # statsmodels looks for garbage in every call; what is there by now need not be looked at.
    gc.freeze()
    random = np.random.default_rng(0)
    models = {
        f"{model}{seed}": model for model in ("base", "a", "b", "c", "d") for seed in range(3)
    }
    told_apart = 0
    for _ in range(100):
        correct = {variant: random.random(200) < 0.5 for variant in models}
        runs, of_models = compared(correct, models)
        verdicts = {*runs["verdict"], *of_models["verdict"]}
        told_apart += bool(verdicts & {"better", "worse"})
    gc.unfreeze()
    assert told_apart <= 5


def test_luck_of_the_seed_is_named_of_those_variants_that_it_may_be() -> None:
    """Two seeds of sgd tell something of its seeds, and nothing of base's against epoch's."""
    base = right(200, (0, 150))
    variants = {"base": base, "epoch": right(200, (0, 100))}
    variants |= {"sgd": right(200, (0, 50)), "sgd-2": right(200, (0, 51))}
    runs, of_models = compared(
        variants, {"base": "base", "epoch": "epoch", "sgd": "sgd", "sgd-2": "sgd"}
    )
    assert in_words(runs, of_models) == (
        "Worse than base: epoch, sgd, sgd-2. Trained once like base, so that the difference may be "
        "luck of the seed: epoch."
    )
    alone, of_one = compared({"base": base})
    assert in_words(alone, of_one) == "There is no other variant than base to compare."
