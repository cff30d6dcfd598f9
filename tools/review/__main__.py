"""Compare the workspace with a revision, as Markdown for a pull request.

It says which parameters, metrics and answers to test images changed, and whether dvc.lock matches
the code. In a fresh clone, fetch what it reads of the workspace (name files before stages, as DVC
ignores a file that comes after a stage):

    dvc pull data/manifest.csv data/processed/test evaluate

What it needs of the revision comes from DVC's cache or, without being kept, from DVC's remote. It
names what neither has.
"""

import sys
from pathlib import Path

from stages.common.command import command_line, run
from tools.lock import is_committed, lock_in_words, stages_to_run
from tools.review import revisions
from tools.review.sections import review


def main() -> None:
    parser = command_line("tools.review", __doc__)
    parser.add_argument("revision", nargs="?", metavar="REV", help="default: the main branch")
    parser.add_argument(
        "--pictures",
        type=Path,
        default=Path("reports/review"),
        metavar="DIR",
        help="folder to write pictures of images with another answer to (default: %(default)s)",
    )
    parser.add_argument(
        "--link",
        metavar="URL",
        help="link to a page that has the pictures instead of showing them, as a comment cannot",
    )
    arguments = parser.parse_args()
    old = revisions.read_commit(*revisions.find(arguments.revision))
    new = revisions.read(revisions.WORKSPACE, Path())
    stages = stages_to_run()
    lock = lock_in_words(stages, is_committed())
    if stages:
        lock += " Until then the numbers below may be of other code."
    page = review(old, new, lock, arguments.pictures, arguments.link)
    # In one piece: a reader such as `head` may be gone by the second.
    sys.stdout.write(page + "\n")


if __name__ == "__main__":
    run(main)
