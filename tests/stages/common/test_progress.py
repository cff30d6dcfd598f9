"""progress: a bar for a person, lines for a log."""

import pytest

from stages.common import progress as module
from stages.common.progress import progress


def test_in_a_log_long_work_is_lines_and_short_work_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(progress(range(3), desc="short", unit=" images")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(module, "SECONDS", 0)  # as if each step took a minute
    with progress(total=4, desc="source", unit=" images") as shown:
        for _ in range(2):
            shown.update(2)
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "source: 2 of 4 images, 00:00 left",
        "source: 4 of 4 images, 00:00 left",
    ]
