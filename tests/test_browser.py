"""Pages as a browser shows them that has no network."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from stages.common.files import read_json
from tests.conftest import Visit
from tests.helpers import Project, png
from tools.offline_plots import in_html

pytestmark = pytest.mark.slow  # the project that is shown is trained first

TITLES = [
    "accuracy",
    "metrics",
    "ROC",
    "precision and recall",
    "reliability",
    "robustness",
    "slices",
    "confusion matrices",
    "training accuracy",
    "training loss",
]

# Of every chart: its size, its texts, how many of its marks have an extent, and which of its texts
# cover each other. Slanted texts are left out: their boxes overlap where the letters do not.
CHARTS = """
() => [...document.querySelectorAll('svg.marks')].map(svg => {
  const box = element => element.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].filter(text => text.textContent);
  const straight = texts.filter(text => !/rotate[(](-45|315)/.test(text.getAttribute('transform')));
  const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1
    || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
  return {
    titles: [...svg.querySelectorAll('.role-title-text text')].map(text => text.textContent),
    width: box(svg).width,
    height: box(svg).height,
    texts: texts.map(text => text.textContent),
    marks: [...svg.querySelectorAll('.mark-line.role-mark path, .mark-rect.role-mark path, '
      + '.mark-symbol.role-mark path')].filter(path => box(path).height > 0).length,
    covering: straight.flatMap((a, n) => straight.slice(n + 1)
      .filter(b => !apart(box(a), box(b))).map(b => `${a.textContent} / ${b.textContent}`)),
  };
})
"""

IMAGES = "Object.fromEntries([...document.images].map(image => [image.src, image.naturalWidth]))"


def charts(page: Page) -> dict[str, dict[str, Any]]:
    """Return what `CHARTS` says of each chart of a page of plots, by title, once all are drawn."""
    page.wait_for_function(f"document.querySelectorAll('svg.marks').length == {len(TITLES)}")
    found = page.evaluate(CHARTS)
    # Facets have titles, too: names of variants and revisions.
    return {next(t for t in TITLES if t in chart["titles"]): chart for chart in found}


def plots(project: Project, *command: str) -> Path:
    """Return the page that `dvc plots` writes."""
    return project.root / project.run("dvc", "plots", *command).stdout.strip().removeprefix(
        "file://"
    )


@pytest.fixture(scope="module")
def offline(finished_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project, whose pages of plots need no network."""
    project = finished_project.copy_to(tmp_path_factory.mktemp("offline") / "project")
    project.run("python", "-m", "tools.offline_plots")
    return project


@pytest.fixture(scope="module")
def all_plots(offline: Project) -> Path:
    """The page of all plots."""
    return plots(offline, "show")


def test_a_page_of_plots_draws_every_variant_without_a_network(
    all_plots: Path, visit: Callable[..., Visit]
) -> None:
    shown = visit(all_plots)
    drawn = charts(shown.page)
    assert list(drawn) == TITLES
    for title, chart in drawn.items():
        assert chart["width"] > 100 and chart["height"] > 100, title
        assert {"base", "sgd"} <= set(chart["texts"]), title
    # One epoch: each split of each variant is a point, and a line from it to itself.
    assert drawn["training accuracy"]["marks"] == drawn["training loss"]["marks"] == 4
    assert drawn["metrics"]["marks"] >= 12
    # A line of each variant, and markers on it.
    assert drawn["ROC"]["marks"] >= 2 and drawn["precision and recall"]["marks"] >= 2
    assert drawn["accuracy"]["marks"] >= 2
    # Four kinds of perturbation; a line and the levels of each, from none on.
    assert drawn["robustness"]["marks"] >= 4 * 2
    # A diagonal and two lines for each variant.
    assert drawn["reliability"]["marks"] >= 2 * 2
    assert drawn["confusion matrices"]["marks"] >= 4
    assert shown.complaints == []
    assert shown.requests == []


def test_no_text_of_a_chart_covers_another(all_plots: Path, visit: Callable[..., Visit]) -> None:
    for title, chart in charts(visit(all_plots).page).items():
        assert chart["covering"] == [], title


def test_a_page_of_plots_fits_a_phone(all_plots: Path, visit: Callable[..., Visit]) -> None:
    page = visit(all_plots, width=390).page
    charts(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # Charts that are wider show their right end when they are scrolled.
    ends = page.evaluate(
        """() => [...document.querySelectorAll('svg.marks')].map(svg => {
            svg.closest('body > div').scrollLeft = 1e6;
            return svg.getBoundingClientRect().right;
        })"""
    )
    assert len(ends) == len(TITLES) and all(end <= 390 for end in ends)


def test_a_chart_is_saved_without_a_network(
    all_plots: Path, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    shown = visit(all_plots)
    charts(shown.page)
    shown.page.locator("summary").first.click()
    with shown.page.expect_download() as download:
        shown.page.get_by_text("Save as SVG").first.click()
    download.value.save_as(tmp_path / "chart.svg")
    assert TITLES[0] in (tmp_path / "chart.svg").read_text()
    assert shown.requests == []


def test_the_gallery_of_every_variant_is_among_the_plots(
    all_plots: Path, visit: Callable[..., Visit]
) -> None:
    shown = visit(all_plots)
    charts(shown.page)
    loaded = shown.page.evaluate(IMAGES)
    assert {Path(source).name for source in loaded} == {
        "workspace_reports_figures_gallery_base.png",
        "workspace_reports_figures_gallery_sgd.png",
    }
    assert all(width > 300 for width in loaded.values())
    assert (shown.complaints, shown.requests) == ([], [])


def test_the_report_is_one_file_that_needs_no_network(
    finished_project: Project, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    alone = tmp_path / "report.html"
    alone.write_bytes((finished_project.root / "reports/index.html").read_bytes())
    shown = visit(alone)
    shown.page.evaluate(OPEN)
    # Pictures further down are loaded once they are near the window.
    shown.page.evaluate("[...document.images].forEach(image => image.loading = 'eager')")
    shown.page.wait_for_function("[...document.images].every(image => image.complete)")
    loaded = shown.page.evaluate(IMAGES)
    assert len(loaded) > 20
    assert all(width > 0 for width in loaded.values())
    assert all(source.startswith("data:") for source in loaded)
    text = shown.page.locator("body").inner_text()
    for told in (
        "base",
        "sgd",
        "REAL, called REAL",
        "REAL, called FAKE",
        "Short cuts",
        "learning_rate",
    ):
        assert told in text
    on_validation = {
        variant: read_json(finished_project.root / f"metrics/{variant}.json")["validation_accuracy"]
        for variant in ("base", "sgd")
    }
    best = max(on_validation.values())
    named = "|".join(name for name, value in on_validation.items() if value == best)
    assert re.search(f"Take ({named}): the best of 2 on validation", text)
    assert "No subjects or generators were held out" in text, "of none held out"
    links = shown.page.evaluate("[...document.querySelectorAll('nav a')].map(a => a.hash)")
    assert all(shown.page.locator(link).count() == 1 for link in links)
    assert (shown.complaints, shown.requests) == ([], [])


# Of the page, opened: what is cut, covered or too small to read. What scrolls by itself is not cut,
# and of the table of variants nothing scrolls. Text in a figure is as large as the figure is drawn.
FLAWS = """
() => {
  const box = element => element.getBoundingClientRect();
  const shown = element => box(element).width > 0;
  const flaws = [];
  const note = (what, element) => flaws.push(`${what}: ${element.textContent.trim().slice(0, 60)}`);
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) flaws.push("the page scrolls sideways");
  const paper = matchMedia("print").matches;
  for (const element of document.querySelectorAll("main *")) {
    const scrolls = !paper && element.closest(".scroll:not(.brief *)");
    if (shown(element) && !scrolls && (box(element).right > width + 1 || box(element).left < 0))
      note("cut", element);
    const hasText = [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim());
    if (!hasText || !shown(element)) continue;
    const drawn = element.closest("svg") ? element.getScreenCTM() : {a: 1, b: 0};
    const size = parseFloat(getComputedStyle(element).fontSize) * Math.hypot(drawn.a, drawn.b);
    if (size < 10.99) note(`${size} px`, element);
  }
  for (const cell of document.querySelectorAll("td, th"))
    if (cell.scrollWidth > cell.clientWidth + 1) note("wider than its column", cell);
  const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1
    || a.bottom <= b.top + 2 || b.bottom <= a.top + 2;
  for (const svg of document.querySelectorAll("svg")) {
    const texts = [...svg.querySelectorAll("text")].filter(shown);
    texts.forEach((text, n) => {
      const inner = box(text), outer = box(svg);
      const beyond = inner.left < outer.left - 1 || inner.right > outer.right + 1
        || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
      if (beyond) note("beyond its figure", text);
      for (const other of texts.slice(n + 1))
        if (!apart(inner, box(other))) note(`covers ${other.textContent}`, text);
    });
  }
  return flaws;
}
"""
OPEN = "document.querySelectorAll('details').forEach(part => part.open = true)"


@pytest.mark.parametrize(
    ("media", "width"),
    [*(("screen", width) for width in (360, 390, 768, 1280, 1600)), ("print", 718)],
)
def test_nothing_of_the_report_is_cut_covered_or_small(
    finished_project: Project,
    visit: Callable[..., Visit],
    media: Literal["screen", "print"],
    width: int,
) -> None:
    """Paper: A4 at 96 pixels an inch, less margins of a centimetre."""
    page = visit(finished_project.root / "reports/index.html", width=width).page
    page.emulate_media(media=media)
    page.evaluate(OPEN)
    assert page.locator("svg text").count() > 50, "figures are inline, with text"
    assert page.evaluate(FLAWS) == []


def test_the_first_column_stays_while_the_others_scroll(
    finished_project: Project, visit: Callable[..., Visit]
) -> None:
    page = visit(finished_project.root / "reports/index.html", width=360).page
    page.evaluate(OPEN)
    table = page.locator(".numbers .scroll").first
    assert table.evaluate("table => table.scrollWidth > table.clientWidth")
    first, last = table.locator("td").first, table.locator("tr").first.locator("th").last
    left = first.bounding_box()
    table.evaluate("table => table.scrollLeft = 1e6")
    assert first.bounding_box() == left
    box = last.bounding_box()
    assert box and box["x"] + box["width"] <= 360


@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious_on_the_report(
    finished_project: Project, visit: Callable[..., Visit], width: int
) -> None:
    page = visit(finished_project.root / "reports/index.html", width=width).page
    page.evaluate(OPEN)
    violations = Axe().run(page).response["violations"]
    found = [v["help"] for v in violations if v["impact"] in ("serious", "critical")]
    assert found == []


def test_nothing_of_the_report_is_closed_on_paper(
    finished_project: Project, visit: Callable[..., Visit]
) -> None:
    page = visit(finished_project.root / "reports/index.html").page
    closed = "document.querySelectorAll('details:not([open])').length"
    assert page.evaluate(closed) > 0
    page.pdf()
    assert page.evaluate(closed) == 0


def test_a_page_of_differences_shows_both_revisions(
    offline: Project, visit: Callable[..., Visit]
) -> None:
    shown = visit(plots(offline, "diff", "HEAD", "workspace", "--out", "differences"))
    drawn = charts(shown.page)
    assert list(drawn) == TITLES
    for title, chart in drawn.items():
        written = " ".join(chart["texts"])
        assert all(name in written for name in ("HEAD", "workspace", "base", "sgd")), title
    assert drawn["ROC"]["marks"] >= 4
    assert (shown.complaints, shown.requests) == ([], [])


def test_images_are_shown_without_a_network(offline: Project, visit: Callable[..., Visit]) -> None:
    image = np.zeros((300, 800, 3), np.uint8)
    (offline.root / "wide.png").write_bytes(png(image))
    shown = visit(plots(offline, "show", "wide.png", "--out", "image"), width=390)
    assert shown.page.evaluate("document.querySelector('img').naturalWidth") == 800
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (shown.complaints, shown.requests) == ([], [])


def test_dvcs_own_page_asks_for_a_network(project: Project, visit: Callable[..., Visit]) -> None:
    """Without the template nothing else changes, and the tests above can fail."""
    shown = visit(plots(project, "show"))
    assert any("vega-lite" in address for address in shown.requests)
    assert shown.complaints
    assert shown.page.locator("svg, canvas").count() == 0


def test_no_string_of_a_script_ends_it(visit: Callable[..., Visit], tmp_path: Path) -> None:
    script = (
        "window.kept = ['</script>', '</SCRIPT >', '<!-- <script>', 1 < 2, /<\\/script/.source];"
    )
    page = tmp_path / "page.html"
    page.write_text(f"<script>{in_html(script)}</script><p>after</p>")
    shown = visit(page).page
    assert shown.evaluate("kept") == [
        "</script>",
        "</SCRIPT >",
        "<!-- <script>",
        True,
        "<\\/script",
    ]
    assert shown.locator("p").inner_text() == "after"
