"""augment: each change does what its name says, to the pixels that it may, and no other."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from stages.common.params import validate
from stages.networks.config import Augmentation
from stages.networks.perturb import blur, downscale, jpeg
from stages.train.augment import augment

pytestmark = pytest.mark.usefixtures("tensorflow")

NO_SPOILING: dict[str, Any] = {
    "share": 0.0, "jpeg_quality": [], "blur_sigma": [], "downscale_to": [],
}  # fmt: skip
NOTHING: dict[str, Any] = {
    "flip": "none", "shift": 0.0, "rotation": 0.0, "zoom": 0.0, "spoil": NO_SPOILING,
}  # fmt: skip


def images(count: int = 40, size: tuple[int, int] = (20, 30)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3)).astype(np.uint8)


def changed(given: np.ndarray, seed: int = 1, **changes: Any) -> np.ndarray:
    chosen = validate(Augmentation, NOTHING | changes, "augmentation")
    return augment(given.copy(), chosen, np.random.default_rng(seed))


def test_nothing_asked_for_changes_nothing() -> None:
    np.testing.assert_array_equal(changed(images()), images())


@pytest.mark.parametrize(
    ("flip", "mirrored"),
    [("horizontal", [np.s_[:, ::-1]]), ("vertical", [np.s_[::-1]]),
     ("both", [np.s_[:, ::-1], np.s_[::-1], np.s_[::-1, ::-1]])],
)  # fmt: skip
def test_flips_mirror_about_half_of_the_images(flip: str, mirrored: list[Any]) -> None:
    given = images()
    found = changed(given, flip=flip)
    kinds = []
    for before, after in zip(given, found, strict=True):
        ways = [before, *(before[way] for way in mirrored)]
        matches = [np.array_equal(after, way) for way in ways]
        assert sum(matches) == 1
        kinds.append(matches.index(True))
    assert set(kinds) == set(range(len(mirrored) + 1))
    assert 0.25 < 1 - kinds.count(0) / len(kinds) < 0.9


def test_a_shift_moves_whole_pixels_and_mirrors_the_border() -> None:
    given = images(200, (10, 20))
    found = changed(given, shift=0.1)  # up to 1 of 10 pixels down and up, 2 of 20 across
    seen = set()
    for before, after in zip(given, found, strict=True):
        padded = np.concatenate([before[:1], before, before[-1:]])
        padded = np.concatenate(
            [padded[:, 1::-1], padded, padded[:, :-3:-1]], axis=1
        )  # each pixel beyond the border is the one as far inside it
        places = [
            (top, left)
            for top in range(3)
            for left in range(5)
            if np.array_equal(after, padded[top : top + 10, left : left + 20])
        ]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) == 15, "every shift there is"


def test_a_rotation_turns_about_the_middle() -> None:
    """A spot three pixels from the middle stays that far from it, wherever it goes."""
    given = np.zeros((1, 31, 31, 3), np.uint8)
    given[0, 14:17, 17:20] = 255
    angles = []
    for seed in range(20):
        found = changed(given, seed=seed, rotation=180.0)[0, ..., 0].astype(float)
        y, x = (found.sum(axis=axis) @ np.arange(31) / found.sum() - 15 for axis in (1, 0))
        assert np.hypot(x, y) == pytest.approx(3, abs=0.2)
        angles.append(np.arctan2(y, x))
    assert min(angles) < -2 < 2 < max(angles)


def test_a_zoom_scales_about_the_middle() -> None:
    given = np.zeros((1, 41, 41, 3), np.uint8)
    given[0, 19:22, 29:32] = 255  # ten pixels from the middle
    distances = []
    for seed in range(20):
        found = changed(given, seed=seed, zoom=0.5)[0, ..., 0].astype(float)
        distances.append(found.sum(axis=0) @ np.arange(41) / found.sum() - 20)
    assert min(distances) < 8 < 12 < max(distances)
    assert min(distances) >= 4.5 and max(distances) <= 15.5


def test_rotation_and_zoom_are_scipys_with_mirrored_borders() -> None:
    given = images(8, (20, 31))
    found = changed(given, seed=3, rotation=30.0, zoom=0.3)
    random = np.random.default_rng(3)
    angles, scales = np.radians(random.uniform(-30, 30, 8)), random.uniform(0.7, 1.3, 8)
    middle = np.array([9.5, 15, 1])  # of rows, columns and colours, which stay
    for before, after, angle, scale in zip(given, found, angles, scales, strict=True):
        matrix = np.eye(3)
        matrix[:2, :2] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix[:2, :2] /= scale
        offset = middle - matrix @ middle
        expected = affine_transform(before, matrix, offset, order=1, mode="reflect")
        np.testing.assert_allclose(after.astype(int), expected, atol=1)


@pytest.mark.parametrize(
    ("way", "levels", "all_of_them"),
    [
        ("jpeg_quality", [40, 42], [lambda i, q=q: jpeg(i, q) for q in (40, 41, 42)]),
        ("downscale_to", [12, 13], [lambda i, s=s: downscale(i, s / 20) for s in (12, 13)]),
        ("blur_sigma", [0.8, 0.8], [lambda i: blur(i, 0.8)]),
    ],
)
def test_spoiled_images_are_those_of_robustness(way: str, levels: Any, all_of_them: Any) -> None:
    given = images(60)
    found = changed(given, spoil=NO_SPOILING | {"share": 0.5, way: levels})
    kinds = []
    for number, after in enumerate(found):
        before = given[number : number + 1]
        ways = [before, *(change(before) for change in all_of_them)]
        matches = [np.array_equal(after, one[0]) for one in ways]
        assert any(matches)
        kinds.append(matches.index(True))
    assert set(kinds) == set(range(len(all_of_them) + 1))
    assert 0.25 < kinds.count(0) / len(kinds) < 0.75


def test_with_several_ways_each_image_is_spoiled_in_one() -> None:
    given = images(90)
    levels: dict[str, Any] = {"jpeg_quality": [50, 50], "blur_sigma": [1.0, 1.0]}
    spoil = {"share": 1.0, **levels, "downscale_to": [9, 9]}
    found = changed(given, spoil=spoil)
    ways = [jpeg(given, 50), blur(given, 1.0), downscale(given, 9 / 20)]
    matches = [[np.array_equal(a, w[n]) for w in ways] for n, a in enumerate(found)]
    assert all(sum(match) == 1 for match in matches)
    assert all(15 < sum(column) < 45 for column in zip(*matches, strict=True))


def test_the_same_generator_gives_the_same_images_and_another_gives_others() -> None:
    changes: dict[str, Any] = {"flip": "both", "shift": 0.1}
    np.testing.assert_array_equal(changed(images(), 3, **changes), changed(images(), 3, **changes))
    assert not np.array_equal(changed(images(), 3, **changes), changed(images(), 4, **changes))
