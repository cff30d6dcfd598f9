"""perturb: pictures are changed in their own pixels, before anything is scaled or cut."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.common.command import InputError
from stages.networks.perturb import blur, downscale, jpeg, noise
from stages.perturb.perturbations import perturbations, sample, see_perturbed
from stages.perturb.schema import RobustnessParams
from tests.helpers import default_block, file_of, patches
from tests.stages.networks.test_perturb import scenes
from tests.stages.preprocess.test_views import preprocess

NONE: dict[str, Any] = {"jpeg_quality": [], "blur_sigma": [], "noise_sigma": [], "downscale": []}


def test_every_kind_and_level_comes_once_after_the_one_that_changes_nothing() -> None:
    params = default_block(
        "robustness", RobustnessParams, jpeg_quality=[90, 10], blur_sigma=[1], noise_sigma=[0.5, 8],
        downscale=[0.5], seed=3,
    )  # fmt: skip
    found = list(perturbations(params))
    assert [(kind, level) for kind, level, _ in found] == [
        ("none", 0), ("JPEG", 90), ("JPEG", 10), ("blur", 1), ("noise", 0.5), ("noise", 8),
        ("downscale", 0.5),
    ]  # fmt: skip
    images = scenes()
    np.testing.assert_array_equal(found[0].change(images), images)
    expected = [
        jpeg(images, 90), jpeg(images, 10), blur(images, 1), noise(images, 0.5, seed=3),
        noise(images, 8, seed=3), downscale(images, 0.5),
    ]  # fmt: skip
    for perturbation, changed in zip(found[1:], expected, strict=True):
        np.testing.assert_array_equal(perturbation.change(images), changed)


def test_the_picture_is_changed_before_its_views_are_made() -> None:
    image = patches(1, 120, 90)
    params = default_block("robustness", RobustnessParams, **NONE | {"blur_sigma": [2.0]})
    chosen = preprocess(crops=2)
    found = see_perturbed(file_of(image), chosen, params)
    assert found.shape == (2, 3, 32, 32, 3)
    np.testing.assert_array_equal(found[0], chosen.views(image))
    blurred = blur(np.asarray(image)[np.newaxis], 2.0)[0]
    np.testing.assert_array_equal(found[1], chosen.views(Image.fromarray(blurred)))


def test_without_levels_only_the_unchanged_images_are_left() -> None:
    params = default_block("robustness", RobustnessParams, **NONE)
    assert [perturbation.kind for perturbation in perturbations(params)] == ["none"]


def test_images_go_in_and_come_out_as_bytes_and_are_left_alone() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 40, 3)).astype(np.uint8)
    before = images.copy()
    images.flags.writeable = False
    for kind, _, change in perturbations(default_block("robustness", RobustnessParams)):
        changed = change(images)
        assert changed.dtype == np.uint8
        assert changed.shape == images.shape
        np.testing.assert_array_equal(changed[1:], change(images[1:]), err_msg="others matter")
        assert (kind == "none") == np.array_equal(changed, images)
    np.testing.assert_array_equal(images, before)


def test_half_of_a_sample_is_of_each_label() -> None:
    test = pd.DataFrame(
        {"path": [f"{n:02}" for n in range(30)], "label": ["REAL"] * 22 + ["FAKE"] * 8}
    )
    for samples, real, fake in ((10, 5, 5), (11, 5, 6), (20, 10, 8)):
        rows = sample(test, default_block("robustness", RobustnessParams, samples=samples))
        assert rows["label"].value_counts().to_dict() == {"REAL": real, "FAKE": fake}
        assert rows["path"].tolist() == sorted({*rows["path"]})
    other = sample(test, default_block("robustness", RobustnessParams, samples=20, seed=2))
    assert other["path"].tolist() != rows["path"].tolist()
    assert len(sample(test, default_block("robustness", RobustnessParams, samples=None))) == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jpeg_quality": [0]}, r"jpeg_quality\.0: must be greater than or equal to 1, found 0"),
        ({"jpeg_quality": [101]}, r"jpeg_quality\.0: must be less than or equal to 100, found 101"),
        ({"jpeg_quality": [9.5]}, r"jpeg_quality\.0: .*integer, found 9\.5"),
        ({"blur_sigma": [0.3, 0]}, r"blur_sigma\.1: must be greater than 0, found 0"),
        ({"noise_sigma": 2}, r"noise_sigma: must be a valid list, found 2"),
        ({"downscale": [1.0]}, r"downscale\.0: must be less than 1, found 1\.0"),
        ({"samples": 1}, r"samples: must be greater than or equal to 2, found 1"),
        ({"seed": -1}, r"seed: must be greater than or equal to 0, found -1"),
        ({"jpg": []}, r"jpg: unknown key; did you mean 'jpeg_quality'\?"),
        ({"noise_sigma": [2, 4, 2.0]}, r"noise_sigma: 2\.0 is there twice"),
    ],
)
def test_levels_that_cannot_be_are_refused_in_one_sentence(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=rf"^robustness.{message}$") as refused:
        default_block("robustness", RobustnessParams, **changes)
    assert "\n" not in str(refused.value)
