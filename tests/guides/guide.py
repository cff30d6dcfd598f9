"""The guides, whose commands are run as a reader would run them."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from markdown_it import MarkdownIt

from tests.helpers import REPOSITORY, Project


def commands(guide: Path) -> dict[str, list[str]]:
    """Return the text of each block of `bash` in `guide`, by the heading above it, in order."""
    tokens = MarkdownIt().parse(guide.read_text(encoding="utf-8"))
    found = defaultdict(list)
    heading = ""
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            heading = token.content
        if token.type == "fence" and token.info == "bash":
            found[heading].append(token.content)
    return dict(found)


class Guide:
    """A guide, and what stands in a test for the names that it uses, such as a team's server."""

    def __init__(self, name: str, names: Mapping[str, str] | None = None):
        self.commands = commands(REPOSITORY / "docs" / name)
        self.names = names or {}

    def follow(
        self, heading: str, project: Project, env: dict[str, str] | None = None
    ) -> list[str]:
        """Run each block below `heading` in `project`; return what each printed.

        A block ends at the first command that fails, and fails the test.
        """
        return [
            project.run("bash", "-euo", "pipefail", "-c", self.replaced(block), env=env).stdout
            for block in self.commands[heading]
        ]

    def replaced(self, text: str) -> str:
        """Return `text` with every name replaced by what stands for it here."""
        for name, here in self.names.items():
            text = text.replace(name, here)
        return text
