"""report: pages that tell a person everything, of the data set and of the comparison.

In:  what source, preprocess, evaluate and compare wrote for people and programs.
Out: reports/data.md, the audit of the data set, and its pictures, reports/data;
     reports/index.html, everything on one page, in one file that needs no network.
"""

from pathlib import Path

import pandas as pd

from stages.common.arrays import FINDINGS, SHORT_CUTS
from stages.common.command import InputError, command_line, run
from stages.common.files import naming, read_json, replacing
from stages.common.params import read_value
from stages.report.data_page import Shown, data_page, data_pictures
from stages.report.page import page

COMPARISON = Path("reports/comparison.json")
FIGURES = Path("reports/figures")
GALLERIES = Path("plots/gallery")
ROBUSTNESS = Path("plots/all/robustness.csv")
DATA = Path("reports/data.json")
AUDIT = Path("data/audit")

PAGE = Path("reports/index.html")
DATA_PAGE = Path("reports/data.md")
DATA_PICTURES = Path("reports/data")


def main() -> None:
    command_line("stages.report", __doc__).parse_args()
    try:
        shown = Shown.read(AUDIT)
        comparison = read_json(COMPARISON)
        robustness = pd.read_csv(ROBUSTNESS, dtype={"level": str})
        audit = read_json(DATA)
        audit["findings"] += read_json(FINDINGS)
        left = read_json(SHORT_CUTS)
        of_data = data_page(str(read_value("source.path")), audit, shown, left)
        pictures = data_pictures(shown)
        text = page(comparison, robustness, GALLERIES, FIGURES, of_data, pictures)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; run `dvc repro report`") from None
    with (
        replacing(PAGE) as page_file,
        replacing(DATA_PAGE) as data_page_file,
        replacing(DATA_PICTURES) as folder,
    ):
        with naming(PAGE):
            page_file.write_text(text, encoding="utf-8")
        with naming(DATA_PAGE):
            data_page_file.write_text(of_data, encoding="utf-8")
        with naming(DATA_PICTURES):
            folder.mkdir()
            for address, png in pictures.items():
                (folder / Path(address).name).write_bytes(png)
    print(f"{PAGE}: {len(text) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
