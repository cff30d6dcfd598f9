"""What the path of an image says: its split, its label, its slice and its group."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from stages.common.command import InputError

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff",
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".raw", ".psd",
)  # fmt: skip
"""What makes a file count as an image, readable or not; others count if their bytes are one."""

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


Folders = tuple[str, ...]
"""The folders of a path, from the outermost on."""


class Place(NamedTuple):
    """What the folders of an image name."""

    split: str
    """train, validation, test, or "" where none is named."""
    label: str
    slice: str
    """The folder below that of the label, "" if there is none."""


def has_image_suffix(path: str) -> bool:
    """Return whether `path` ends as the name of an image does."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def places(
    paths: Iterable[str], labels: Mapping[str, str], splits: Mapping[str, str]
) -> dict[str, Place]:
    """Return split and label of each of `paths` that lies in a folder of a label.

    Labels, and splits, are named at one place of all paths: by the folder at the same depth, or as
    far from the file. What a folder elsewhere is called, such as `train` of a class of pictures of
    trains, means nothing. Where there is no such place, a folder at any depth may name them, once.

    Args:
        labels, splits: names of folders, in lower case, and what each means.

    Raises:
        InputError: an image names two labels or none, or some images name a split and others none.
    """
    folders = {path: tuple(path.split("/")[:-1]) for path in paths}
    depth = _common_place(_examples(folders), labels, "labels")
    of_label = {}
    # An image without a label is what keeps others from a common place: it is named first.
    for path in sorted(folders, key=lambda path: bool(_naming(folders[path], None, labels))):
        label = _label(path, _naming(folders[path], depth, labels), labels)
        if label is not None:
            of_label[path] = label
    split_of = splits_of(of_label, splits)
    return {
        path: Place(split, of_label[path], _below(folders[path], depth, labels, splits))
        for path, split in split_of.items()
    }


def _below(
    parts: Folders, depth: int | None, labels: Mapping[str, str], splits: Mapping[str, str]
) -> str:
    """Return the folder below that of the label; "" if there is none, or it names a split.

    Some archives, as that of the study, put each image into a folder of its own name: no slices.
    """
    if depth is None:
        depth = max(place for place, name in enumerate(parts) if name.lower() in labels)
    place = depth % len(parts) + 1
    name = parts[place] if place < len(parts) else ""
    return "" if name.lower() in splits or has_image_suffix(name) else name


def splits_of(paths: Iterable[str], splits: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each of `paths`, as their folders name it, see `places`; "" if none does.

    What is no image by its name, and in no split, is left out.

    Raises:
        InputError: some images name a split and others none.
    """
    folders = {path: tuple(path.split("/")[:-1]) for path in paths}
    examples = _examples(folders)
    depth = _common_place(examples, splits, "splits")
    if depth is None and not _names_a_split(examples, splits):
        return dict.fromkeys(folders, "")
    found = {}
    for path, parts in folders.items():
        named = {splits[name.lower()] for name in _naming(parts, depth, splits)}
        if len(named) == 1:
            found[path] = named.pop()
    return found


def _examples(folders: Mapping[str, Folders]) -> dict[Folders, str]:
    """Return the `folders` that have images by name, or else all, each with a path in it."""
    images = [path for path in folders if has_image_suffix(path)]
    examples: dict[Folders, str] = {}
    for path in images or folders:
        examples.setdefault(folders[path], path)
    return examples


def _naming(parts: Folders, depth: int | None, meanings: Mapping[str, str]) -> list[str]:
    """Return which of `parts`, at the place `depth` or at any (None), have one of `meanings`."""
    names = parts if depth is None else [_at(depth, parts)]
    return [name for name in names if name.lower() in meanings]


def _label(path: str, names: list[str], labels: Mapping[str, str]) -> str | None:
    """Return what `names`, those of the folders of `path` that name a label, mean."""
    found = {labels[name.lower()] for name in names}
    if len(found) == 1:
        return found.pop()
    if not has_image_suffix(path):
        return None
    if found:
        raise InputError(f"{path}: its folders name two labels: {' and '.join(names)}")
    raise InputError(
        f"{path}: no folder of its path names a label; source.labels knows {', '.join(labels)}"
    )


def _names_a_split(folders: Mapping[Folders, str], splits: Mapping[str, str]) -> bool:
    """Return whether each of `folders`, with a path in it, names one split, if at no common place.

    Raises:
        InputError: some of them do, so that the others are forgotten rather than without one.
    """
    named = {parts: {splits[n.lower()] for n in _naming(parts, None, splits)} for parts in folders}
    if folders and all(len(found) == 1 for found in named.values()):
        return True
    for parts, path in folders.items():
        if len(named[parts]) > 1:
            names = " and ".join(_naming(parts, None, splits))
            raise InputError(
                f"{path}: its folders name two splits: {names}; `source.splits: null` if these are "
                "no splits"
            )
    for depth in _places(folders):
        with_split = [parts for parts in folders if _naming(parts, depth, splits)]
        # A class may be called train; a lone folder of that name is no sign of splits.
        if {_at(depth, parts).lower() for parts in with_split} - {"train"}:
            without = next(path for parts, path in folders.items() if parts not in with_split)
            raise InputError(
                f"{without}: no folder of its path names a split, as one of "
                f"{folders[with_split[0]]} does; name one in every path, or in none; "
                "`source.splits: null` if these are no splits"
            )
    return False


def _common_place(
    folders: Mapping[Folders, str], meanings: Mapping[str, str], what: str
) -> int | None:
    """Return a place at which all of `folders` have one of `meanings`; None if there is none.

    Of several it is the first that tells them apart, or else the first: `gan/0_real` beside
    `gan/1_fake` says what they hold at the second.

    Args:
        folders: with an example of a path in each.
        what: what the meanings are, labels or splits.

    Raises:
        InputError: there are several, and they say different things.
    """
    named = {
        depth: [meanings.get(_at(depth, parts).lower(), "") for parts in folders]
        for depth in _places(folders)
    }
    common = {depth: found for depth, found in named.items() if all(found)}
    telling = {depth: found for depth, found in common.items() if len(set(found)) > 1} or common
    if not telling:
        return None
    first, *others = telling
    for other in others:
        for (parts, path), one, another in zip(
            folders.items(), telling[first], telling[other], strict=True
        ):
            if one != another:
                names = f"{_at(first, parts)} and {_at(other, parts)}"
                raise InputError(f"{path}: its folders name two {what}: {names}")
    return first


def _places(folders: Collection[Folders]) -> list[int]:
    """Return the places in a path: from the outermost folder on, 0, 1, ..., then from the file."""
    most = max(map(len, folders), default=0)
    return [*range(most), *range(-1, -most - 1, -1)]


def _at(depth: int, parts: Folders) -> str:
    """Return the folder at the place `depth`; "" where the path is shorter."""
    return parts[depth] if -len(parts) <= depth < len(parts) else ""


def captured(paths: list[str], pattern: str, key: str) -> list[str]:
    """Return of each of `paths` what `pattern` captures, or else all that it matches; "" if none.

    Args:
        key: the parameter that holds `pattern`.

    Raises:
        InputError: `pattern` matches none of them.
    """
    matches = [re.search(pattern, path) for path in paths]
    if paths and not any(matches):
        raise InputError(f"source.{key}: {pattern!r} matches no path; one is {paths[0]}")
    return [("/".join(filter(None, m.groups())) or m[0]) if m else "" for m in matches]


def classes_of(paths: list[str]) -> list[str]:
    """Return the CIFAR-10 class of each of `paths` that CIFAKE's file names carry; "" if none.

    No number is airplane, (2) is automobile, and so on, by the data set's page,
    https://www.kaggle.com/datasets/birdy654/cifake-real-and-ai-generated-synthetic-images
    """
    names = [re.search(r"(?:^|/)\d+(?: \((\d+)\))?\.[^./]*$", path) for path in paths]
    if not any(name and name[1] for name in names):
        return [""] * len(paths)  # plain numbers alone are no sign of CIFAKE
    numbers = [int(name[1] or 1) if name else 0 for name in names]
    return [CIFAR10_CLASSES[n - 1] if 1 <= n <= len(CIFAR10_CLASSES) else "" for n in numbers]
