"""arrays: what is read of a mapped file does not stay in memory."""

import mmap
import re
from pathlib import Path

import numpy as np
import pytest

from stages.common.arrays import chunks, load_folder, load_split, read, write_views
from stages.common.command import InputError


def resident(file: Path) -> int:
    """Return how many kB of `file` count as memory of this process."""
    mappings = Path("/proc/self/smaps").read_text().split(" VmFlags")
    sizes = re.findall(rf"{re.escape(str(file))}\n(?:.*\n)*?Rss: +(\d+) kB", "".join(mappings))
    return sum(map(int, sizes))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux alone tells")
def test_images_that_were_read_are_let_go_of(workspace: Path) -> None:
    folder = Path("data/processed/train")
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (500, 32, 32, 3)).astype(np.uint8)
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", np.zeros(500, np.uint8))
    split = load_split("train")
    file = (folder / "images.npy").resolve()
    assert isinstance(split.images.base, mmap.mmap)
    assert split.images.sum() == images.sum()
    assert resident(file) >= images.nbytes // 1024, "as they are otherwise"

    numbers = np.array([499, 0, 7, 7])
    np.testing.assert_array_equal(read(split.images, numbers), images[numbers])
    assert resident(file) == 0
    np.testing.assert_array_equal(read(split.images, slice(3, 5)), images[3:5])
    assert resident(file) == 0


def test_arrays_in_memory_are_read_too() -> None:
    images = np.arange(24).reshape(2, 2, 2, 3).astype(np.uint8)
    np.testing.assert_array_equal(read(images, slice(1, 2)), images[1:])


def test_views_that_are_not_those_of_the_arrays_are_refused(workspace: Path) -> None:
    folder = workspace / "arrays"
    folder.mkdir()
    np.save(folder / "images.npy", np.zeros((2, 3, 4, 4, 3), np.uint8))
    np.save(folder / "labels.npy", np.zeros(2, np.uint8))
    write_views(folder, ["whole", "crop", "crop"])
    assert load_folder(folder, "preprocess").views == ("whole", "crop", "crop")
    write_views(folder, ["whole", "crop"])
    with pytest.raises(InputError, match=r"arrays: 3 views of an image, but 2 in views\.txt; run"):
        load_folder(folder, "preprocess")


def test_chunks_cover_all_images_in_few_bytes() -> None:
    images = np.zeros((10, 4, 4, 3), np.uint8)
    found = list(chunks(images, most=3 * 48 + 1))
    assert [len(images[part]) for part in found] == [3, 3, 3, 1]
    assert [len(images[part]) for part in chunks(images, most=1)] == [1] * 10
