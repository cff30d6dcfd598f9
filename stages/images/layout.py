"""What the path of an image says: its split, its label and its group."""

import re

from stages.common.command import InputError

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders, in lower case, and the split that each holds."""

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff",
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".raw", ".psd",
)  # fmt: skip
"""What a file outside every label's folder is taken for an image by, readable or not."""

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def split_of(path: str) -> str | None:
    """Return the split that the folders of `path` name, if any.

    Raises:
        InputError: they name more than one.
    """
    return _named(path, SPLIT_FOLDERS, "splits")


def label_of(path: str, folders: dict[str, str]) -> str | None:
    """Return the label that the folders of `path` name, if any.

    Args:
        folders: names of folders, in lower case, and the label of each.

    Raises:
        InputError: they name more than one, or none though `path` has the name of an image.
    """
    label = _named(path, folders, "labels")
    if label is None and path.lower().endswith(IMAGE_SUFFIXES):
        raise InputError(
            f"{path}: no folder of its path names a label; source.labels knows {', '.join(folders)}"
        )
    return label


def _named(path: str, meanings: dict[str, str], what: str) -> str | None:
    names = [part for part in path.split("/")[:-1] if part.lower() in meanings]
    found = {meanings[name.lower()] for name in names}
    if len(found) > 1:
        raise InputError(f"{path}: its folders name two {what}: {' and '.join(names)}")
    return found.pop() if found else None


def groups_of(paths: list[str], pattern: str | None) -> list[str]:
    """Return the group of each of `paths`: what `pattern` captures, or else all that it matches.

    Without a pattern, the CIFAR-10 class that CIFAKE's file names carry: no number is airplane,
    (2) is automobile, and so on, by the data set's page,
    https://www.kaggle.com/datasets/birdy654/cifake-real-and-ai-generated-synthetic-images

    Raises:
        InputError: `pattern` matches none of them.
    """
    if pattern is not None:
        matches = [re.search(pattern, path) for path in paths]
        if paths and not any(matches):
            raise InputError(
                f"source.group_pattern: {pattern!r} matches no path; one is {paths[0]}"
            )
        return [("/".join(filter(None, m.groups())) or m[0]) if m else "" for m in matches]
    names = [re.search(r"(?:^|/)\d+(?: \((\d+)\))?\.[^./]*$", path) for path in paths]
    if not any(name and name[1] for name in names):
        return [""] * len(paths)  # plain numbers alone are no sign of CIFAKE
    numbers = [int(name[1] or 1) if name else 0 for name in names]
    return [CIFAR10_CLASSES[n - 1] if 1 <= n <= len(CIFAR10_CLASSES) else "" for n in numbers]
