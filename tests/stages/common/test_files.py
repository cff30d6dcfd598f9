"""files: an output is whole or as it was, and what cannot be written is named."""

import errno
import os
from pathlib import Path

import pytest

from stages.common.command import InputError
from stages.common.files import naming, replacing

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_failed_write_leaves_the_earlier_file_and_names_it(workspace: Path) -> None:
    Path("out.csv").write_text("earlier")
    with (
        pytest.raises(InputError, match=r"^out\.csv: cannot be written: No space left on device$"),
        replacing(Path("out.csv")) as file,
    ):
        file.write_text("half")
        raise FULL
    assert [path.name for path in workspace.iterdir()] == ["out.csv"]
    assert Path("out.csv").read_text() == "earlier"


def test_of_several_outputs_the_right_one_is_named(workspace: Path) -> None:
    first, second = Path("first.csv"), Path("second.csv")
    with (
        pytest.raises(InputError, match=r"^first\.csv: "),
        replacing(first),
        replacing(second),
        naming(first),
    ):
        raise FULL


def test_a_folder_that_stepped_aside_for_a_killed_run_comes_back(workspace: Path) -> None:
    aside = Path(".tmp-old-out")
    aside.mkdir()
    (aside / "earlier").write_text("")
    with pytest.raises(ZeroDivisionError), replacing(Path("out")) as folder:
        folder.mkdir()
        raise ZeroDivisionError
    assert [path.name for path in workspace.rglob("*")] == ["out", "earlier"]


def test_a_file_where_a_folder_should_be_is_one_sentence(workspace: Path) -> None:
    Path("reports").write_text("a file")
    with (
        pytest.raises(InputError, match=r"^reports/page\.md: cannot be written: "),
        replacing(Path("reports/page.md")) as file,
    ):
        file.write_text("x")
