"""Which images are near copies of each other, and which images count as one observation."""

from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.common.manifest import pixels

HASH_BITS = 64
PLAIN = (0, 1 << 63)
"""The hashes of images of one colour: no frequency is above the median, or only the mean."""
CANDIDATES = 4_000_000
"""Pairs that are looked at in one go: some 100 MB."""


class NearPairs(NamedTuple):
    """Pairs of images that look alike: different pixels, but nearly the same perceptual hash."""

    first: np.ndarray
    """int, [P]: rows of a table of images. Of images with equal pixels only the first counts."""
    second: np.ndarray
    """int, [P], each larger than `first`."""
    bits: np.ndarray
    """int, [P]: bits in which the hashes differ, of the picture or of its mirror image."""

    @classmethod
    def none(cls) -> Self:
        """Return no pairs."""
        return cls(*np.empty((3, 0), int))


def near_pairs(images: pd.DataFrame, bits: int) -> NearPairs:
    """Return the pairs of `images` that look alike, sorted by their rows.

    Two images look alike if their perceptual hashes, or that of one and that of the mirror image
    of the other, differ in at most `bits` bits. Plain images, of one colour, look like nothing.

    Args:
        images: path, width, height, sha256, perceptual_hash, mirrored_hash; all readable.
    """
    plain = images["perceptual_hash"].isin(PLAIN)
    rows = np.flatnonzero(~pixels(images).duplicated() & ~plain)
    hashes = images["perceptual_hash"].to_numpy(np.uint64)[rows]
    mirrored = images["mirrored_hash"].to_numpy(np.uint64)[rows]
    found = [
        _near(hashes, hashes, bits),
        _near(mirrored, hashes, bits),
    ]
    pairs = np.concatenate(found)
    pairs[:, :2].sort(axis=1)
    pairs = pairs[np.lexsort((pairs[:, 2], pairs[:, 1], pairs[:, 0]))]
    pairs = pairs[np.r_[True, (pairs[1:, :2] != pairs[:-1, :2]).any(1)][: len(pairs)]]
    return NearPairs(rows[pairs[:, 0]], rows[pairs[:, 1]], pairs[:, 2])


def _near(queries: np.ndarray, hashes: np.ndarray, bits: int) -> np.ndarray:
    """Return which `queries` (uint64, [N]) are near which `hashes`: i, j, distance: int, [P, 3].

    Hashes that differ in at most b bits agree in one of b + 1 bands of bits: only those are
    compared. Norouzi, Punjani and Fleet, Fast search in Hamming space with multi-index hashing,
    2012.
    """
    found = [np.empty((0, 3), int)]
    for band in range(bits + 1):
        mask = np.uint64(sum(1 << bit for bit in range(band, HASH_BITS, bits + 1)))
        order = np.argsort(hashes & mask, kind="stable")
        known, wanted = (hashes & mask)[order], queries & mask
        start = np.searchsorted(known, wanted, "left")
        number = np.searchsorted(known, wanted, "right") - start
        for part in _parts(number):
            first = np.repeat(np.arange(part.start, part.stop), number[part])
            within = np.arange(len(first)) - np.repeat(
                np.cumsum(number[part]) - number[part], number[part]
            )
            second = order[np.repeat(start[part], number[part]) + within]
            distance = np.bitwise_count(queries[first] ^ hashes[second])
            near = (distance <= bits) & (first != second)
            found.append(np.stack([first[near], second[near], distance[near]], axis=1))
    return np.concatenate(found)


def _parts(number: np.ndarray) -> list[slice]:
    """Return the queries in parts of about `CANDIDATES`, of which each has `number`."""
    part = np.cumsum(number) // CANDIDATES
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(number)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def hang_together(*keys: pd.Series, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the number of the set of each image: int, [N].

    Images are in one set if a chain leads from one to the other: of equal keys, or of `pairs`.

    Args:
        keys: of each image, [N]; "" is equal to nothing.
        pairs: rows of images, two arrays of int, [P].
    """
    size = len(keys[0])
    ends = [pairs]
    for key in keys:
        rows = np.flatnonzero(key != "")
        first = key.iloc[rows].map(pd.Series(rows, key.iloc[rows]).groupby(level=0).first())
        ends.append((rows, first.to_numpy(int)))
    left, right = (np.concatenate(side).astype(int) for side in zip(*ends, strict=True))
    graph = coo_array((np.ones(len(left), bool), (left, right)), (size, size))
    return connected_components(graph, directed=False)[1]


def clusters(images: pd.DataFrame, pairs: NearPairs) -> pd.Series:
    """Return the cluster of each of `images`: the path of its first image, "" if it stands alone.

    Images of one group, with equal pixels, or that look alike are in one cluster, and so are those
    to which a chain of such images leads.

    Args:
        images: path, group, width, height, sha256, status.
        pairs: what `near_pairs` found among them; of none, they are not asked for.
    """
    seen = pixels(images).where(images["status"] == "used", "")
    sets = hang_together(images["group"], seen, pairs=(pairs.first, pairs.second))
    first = images["path"].groupby(sets).transform("first")
    return first.where(first.groupby(sets).transform("size") > 1, "").rename("cluster")
