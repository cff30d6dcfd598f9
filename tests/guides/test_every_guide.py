"""No command stands in a guide that no test runs."""

import ast
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.guides.guide import commands
from tests.helpers import REPOSITORY


def followed(test: Path) -> set[str]:
    """Return the headings that are named in a call of `follow` in the file `test`."""
    calls = [node for node in ast.walk(ast.parse(test.read_text())) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "follow"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


GUIDES = sorted((REPOSITORY / "docs").glob("*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_each_block_says_whether_it_is_to_be_run(guide: Path) -> None:
    tokens = MarkdownIt().parse(guide.read_text(encoding="utf-8"))
    blocks = {token.info for token in tokens if token.type in ("fence", "code_block")}
    assert blocks <= {"bash", "console", "text", "yaml"}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_each_block_of_commands_is_run_by_the_guides_test(guide: Path) -> None:
    test = Path(__file__).with_name(f"test_{guide.stem.replace('-', '_')}.py")
    assert set(commands(guide)) == (followed(test) if test.exists() else set())
