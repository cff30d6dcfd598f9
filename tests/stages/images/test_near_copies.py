"""near copies: found whatever was done to them, and one observation with what they come from."""

from itertools import combinations

import numpy as np
import pandas as pd

from stages.images.near_copies import NearPairs, clusters, hang_together, near_pairs


def table(
    hashes: list[int], mirrored: list[int] | None = None, **columns: list[str]
) -> pd.DataFrame:
    number = len(hashes)
    return pd.DataFrame(
        {
            "path": [f"{place}.png" for place in range(number)],
            "group": "",
            "width": 8,
            "height": 8,
            "sha256": [f"{place:x}" for place in range(number)],
            "perceptual_hash": np.array(hashes, np.uint64),
            "mirrored_hash": np.array(mirrored or [~h & (1 << 64) - 1 for h in hashes], np.uint64),
            "status": "used",
        }
        | columns
    )


def test_the_pairs_are_those_of_a_search_through_all_pairs() -> None:
    random = np.random.default_rng(0)
    # Around few centres, so that there are near ones.
    centres = random.integers(1, 1 << 63, 5)
    hashes = [int(c) ^ sum(1 << int(b) for b in random.integers(0, 64, 4)) for c in centres] * 1
    for _ in range(200):
        flips = random.choice(64, random.integers(0, 12), replace=False)
        hashes.append(int(random.choice(centres)) ^ sum(1 << int(bit) for bit in flips))
    mirrored = [int(h) for h in random.permutation(np.array(hashes, np.uint64))]
    images = table(hashes, mirrored)
    for bits in (0, 4, 9):
        expected = {}
        for one, other in combinations(range(len(hashes)), 2):
            apart = min(
                (hashes[one] ^ hashes[other]).bit_count(),
                (mirrored[one] ^ hashes[other]).bit_count(),
                (hashes[one] ^ mirrored[other]).bit_count(),
            )
            if apart <= bits:
                expected[one, other] = apart
        found = near_pairs(images, bits)
        pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
        assert dict(zip(pairs, found.bits.tolist(), strict=True)) == expected
        assert len(expected) > 3


def test_equal_pixels_and_plain_pictures_are_no_near_copies() -> None:
    images = table([5 << 30, 5 << 30, 1 << 63, 1 << 63], sha256=["a", "a", "b", "c"])
    assert len(near_pairs(images, 4).first) == 0


def test_a_cluster_is_what_hangs_together_by_groups_pixels_and_likeness() -> None:
    images = table(
        [0] * 7,
        group=["g", "", "g", "", "", "", "h"],
        sha256=["a", "a", "b", "c", "d", "e", "f"],
    )
    pairs = NearPairs(np.array([2]), np.array([3]), np.array([1]))
    # 0 and 2 by their group, 1 by 0's pixels, 3 by its likeness to 2.
    assert clusters(images, pairs).tolist() == ["0.png"] * 4 + ["", "", ""]


def test_unreadable_images_have_no_pixels_in_common() -> None:
    images = table([0, 0], sha256=["", ""], status=["unreadable: cut off"] * 2)
    assert clusters(images, NearPairs.none()).tolist() == ["", ""]


def test_no_keys_and_no_pairs_leave_each_image_alone() -> None:
    nothing = pd.Series(["", "", ""])
    ends = (np.array([], int), np.array([], int))
    assert len(set(hang_together(nothing, pairs=ends))) == 3
