"""Write ATTRIBUTION.md, the list of authors, sources and licences, from photos.csv."""

import argparse
from collections import Counter
from pathlib import Path

from common import SPLITS, read_photos

LICENCES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-1.0": "https://creativecommons.org/licenses/by/1.0/",
    "CC-BY-2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "public domain": "",
}

HEAD = """# Photographs in the demo data set

The REAL images of `demo.zip` are squares cut out of these {count} photographs, scaled down to 32x32
pixels and saved as JPEG: they are modified. The FAKE images were drawn by networks trained on those
of the training split. `provenance.csv` names the photograph of every REAL image. "Package" is where
the file was taken from; "stated in" is where its licence is given.

{table}

| photograph | split | author | title and source | licence | package | stated in |
|---|---|---|---|---|---|---|
"""


def count_table(photos: list[dict[str, str]]) -> str:
    """Return a Markdown table of the number of photographs, by licence and split."""
    counts = Counter((row["licence"], row["split"]) for row in photos)
    lines = [f"| licence | {' | '.join(SPLITS)} | all |", "|---|" + "---:|" * 4]
    for name in sorted(LICENCES):
        numbers = [counts[name, split] for split in SPLITS]
        lines.append(f"| {name} | {' | '.join(map(str, [*numbers, sum(numbers)]))} |")
    totals = [sum(row["split"] == split for row in photos) for split in SPLITS]
    lines.append(f"| all | {' | '.join(map(str, [*totals, sum(totals)]))} |")
    return "\n".join(lines)


def attribution(photos: list[dict[str, str]]) -> str:
    """Return the whole page. A licence that is not on the list above is an error."""
    rows = []
    for row in photos:
        if row["licence"] not in LICENCES:
            allowed = ", ".join(sorted(LICENCES))
            raise SystemExit(f"{row['id']}: licence {row['licence']!r} is not one of {allowed}")
        link = LICENCES[row["licence"]]
        licence = f"[{row['licence']}]({link})" if link else row["licence"]
        work = f"[{row['title']}](<{row['source']}>)"
        package = f"{row['package']} {row['version']}"
        cells = [row["id"], row["split"], row["author"], work, licence, package, row["evidence"]]
        rows.append(f"| {' | '.join(cells)} |")
    return HEAD.format(count=len(photos), table=count_table(photos)) + "\n".join(rows) + "\n"


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("ATTRIBUTION.md"))
    parser.parse_args().out.write_text(attribution(read_photos()), encoding="utf-8")


if __name__ == "__main__":
    main()
