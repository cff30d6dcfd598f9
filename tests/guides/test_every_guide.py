"""No command stands in a guide that no test runs, and no link that leads nowhere."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
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


GUIDES = [*sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "CONTRIBUTING.md"]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_each_block_says_whether_it_is_to_be_run(guide: Path) -> None:
    tokens = MarkdownIt().parse(guide.read_text(encoding="utf-8"))
    blocks = {token.info for token in tokens if token.type in ("fence", "code_block")}
    assert blocks <= {"bash", "console", "mermaid", "text", "yaml"}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_each_block_of_commands_is_run_by_the_guides_test(guide: Path) -> None:
    test = Path(__file__).with_name(f"test_{guide.stem.replace('-', '_').lower()}.py")
    assert set(commands(guide)) == (followed(test) if test.exists() else set())


PAGES = [*GUIDES, REPOSITORY / "README.md", REPOSITORY / "benchmarks/README.md"]


def headings(page: Path) -> set[str]:
    """Return what links to the headings of `page` end in, as GitHub makes it of their texts."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    texts = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def links(page: Path) -> Iterator[str]:
    """Yield where the links and pictures of `page` lead, but for those to other sites."""
    for block in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        for token in block.children or []:
            target = str(token.attrGet("href") or token.attrGet("src") or "")
            if target and "://" not in target:
                yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def test_the_readme_names_every_guide() -> None:
    named = set(links(REPOSITORY / "README.md"))
    assert {guide.relative_to(REPOSITORY).as_posix() for guide in GUIDES} <= named
