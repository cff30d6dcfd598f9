"""The page of `make app`, in a real browser with real uploads."""

import io
import re
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, FileChooser, Page, TimeoutError, expect
from streamlit.testing.v1 import AppTest

from stages.common.files import read_json
from tests.helpers import REPOSITORY, Project, edit_params, link_environment

pytestmark = pytest.mark.slow  # the project whose models are shown is trained first

LOG_WRITES = """
import os, sys

def log(event, arguments):
    if event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        os.write(LOG, f"{arguments[0]}\\n".encode())

LOG = os.open(os.environ["LOG_WRITES_TO"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
sys.addaudithook(log)
"""


class Server(NamedTuple):
    """The page's server, and the file in which it notes what it opens to write."""

    process: psutil.Popen
    address: str
    written: Path


@pytest.fixture(scope="module")
def project(finished_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = finished_project.copy_to(tmp_path_factory.mktemp("app") / "project")
    edit_params(project.root, {"decode.max_pixels": 2_000_000})
    link_environment(project.root)
    return project


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[Server]:
    hooks = project.root.parent / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(LOG_WRITES)
    environment = {"PYTHONPATH": str(hooks), "LOG_WRITES_TO": str(hooks / "log")}
    environment |= {"STREAMLIT_SERVER_PORT": "0", "STREAMLIT_SERVER_HEADLESS": "true"}
    with psutil.Popen(
        ["make", "app"], cwd=project.root, env=project.environment() | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        log = ""
        for line in process.stdout:
            log += line
            if match := re.search(r"URL: (http://[\d.]+:\d+)", line):
                threading.Thread(target=process.stdout.read, daemon=True).start()
                yield Server(process, match[1], hooks / "log")
                break
        else:
            pytest.fail(log)
        for each in (*process.children(recursive=True), process):
            each.terminate()


class Opened(NamedTuple):
    """The page, and what went on in it that should not."""

    page: Page
    elsewhere: list[str]
    complaints: list[str]


@pytest.fixture
def opened(server: Server, browser: Browser) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1000, "height": 1400})
    here = urlsplit(server.address).netloc
    opened = Opened(context.new_page(), [], [])

    def note(url: str) -> None:
        if urlsplit(url).netloc not in (here, ""):
            opened.elsewhere.append(url)

    opened.page.on("request", lambda request: note(request.url))
    opened.page.on("websocket", lambda socket: note(socket.url))
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.goto(server.address)
    opened.page.locator("input[type=file]").wait_for(state="attached", timeout=60_000)
    yield opened
    context.close()


def image_of(project: Project, folder: Path, path: str) -> Path:
    """Return a file in `folder` with the image `path` of the project's data set."""
    with zipfile.ZipFile(project.root / "data/small.zip") as archive:
        file = folder / Path(path).name
        file.write_bytes(archive.read(path))
    return file


def table(page: Page, first: str = "model") -> list[list[str]]:
    """Return the texts of the table whose first column is called so, row by row."""
    found = page.locator("table").filter(has=page.get_by_role("columnheader", name=first))
    found.wait_for(timeout=30_000)
    rows = found.locator("tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


VERDICTS = {
    "REAL": "Looks like a photograph",
    "FAKE": "Looks AI-generated",
    "UNSURE": "Can't tell",
}
"""Each answer in the words of the page."""


def test_an_upload_is_judged_as_evaluate_does_and_nothing_is_kept(
    project: Project, server: Server, opened: Opened, tmp_path: Path
) -> None:
    predictions = {
        name: pd.read_csv(project.root / f"data/predictions/{name}.csv").set_index("path")
        for name in ("base", "sgd")
    }
    path = str(predictions["base"].index[3])
    before = server.written.read_text()
    page = opened.page
    page.set_input_files("input[type=file]", image_of(project, tmp_path, path))
    shown = {row[0]: row[1:] for row in table(page)}
    for name, rows in predictions.items():
        answer, p_fake = map(str, rows.loc[path, ["answer", "p_fake"]])
        assert shown[name] == [VERDICTS[answer], f"{float(p_fake):.3f}"]

    for name, rows in predictions.items():
        page.get_by_role("combobox").click()
        page.get_by_role("option", name=name, exact=True).click()
        answer = str(rows.loc[path, "answer"])
        expect(page.get_by_text(f"The model {name} learned from")).to_be_visible()
        expect(page.get_by_role("heading", name=VERDICTS[answer])).to_be_visible()
        measured = read_json(project.root / f"metrics/sets/{name}/test.json")
        answered = round(measured["answered"] * measured["images"])
        expect(page.get_by_text(f"Of {measured['images']} test pictures of")).to_contain_text(
            f"it answered {answered}"
        )
    expect(page.get_by_text("nobody has measured it")).to_be_visible()
    page.wait_for_function(
        "document.images.length == 4 && [...document.images].every(i => i.naturalWidth)"
    )
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert widths[:3] == [32, 256, 256], "the upload, what the network saw, and the heat map"
    texts = page.locator("[data-testid=stMain]").inner_text().splitlines()
    assert texts[0] == "Photograph or AI-generated?", "nothing stands above the title"
    expect(page.get_by_text("This proves nothing about the picture")).to_be_visible()
    assert opened.elsewhere == opened.complaints == []
    assert server.written.read_text() == before, "something was written"


def test_a_large_photograph_stays_in_memory(server: Server, opened: Opened, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (800, 1200, 3), dtype=np.uint8)
    file = tmp_path / "photo & more.png"
    Image.fromarray(pixels).save(file)
    assert file.stat().st_size > 2_000_000
    before = server.written.read_text()
    opened.page.set_input_files("input[type=file]", file)
    assert len(table(opened.page)) == 2
    expect(opened.page.get_by_text("photo & more.png, 1200x800 pixels")).to_be_visible()
    assert server.written.read_text() == before, "something was written"


def test_several_pictures_are_a_table_to_download(
    project: Project, opened: Opened, tmp_path: Path
) -> None:
    (tmp_path / "none.png").write_bytes(b"no image")
    images = [image_of(project, tmp_path, f"test/REAL/000{number}.png") for number in range(2)]
    page = opened.page
    page.set_input_files("input[type=file]", [*images, tmp_path / "none.png"])
    shown = table(page, "picture")
    assert [row[0] for row in shown] == ["0000.png", "0001.png", "none.png"]
    assert shown[2][1] == "Not read"
    assert shown[2][2].startswith("damaged, or no image of a known format")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    download.value.save_as(tmp_path / "answers.csv")
    rows = pd.read_csv(tmp_path / "answers.csv", keep_default_na=False)
    predict = ("python", "-m", "tools.predict", "--format", "csv")
    result = project.run(*predict, *map(str, images), str(tmp_path / "none.png"), check=False)
    expected = pd.read_csv(io.StringIO(result.stdout), keep_default_na=False)
    expected["file"] = expected["file"].map(lambda path: Path(path).name)
    pd.testing.assert_frame_equal(rows, expected)
    assert [VERDICTS[answer] for answer in rows["answer"][:2]] == [row[1] for row in shown[:2]]
    page.get_by_role("combobox", name="Look closer at").click()
    page.get_by_role("option", name="0001.png").click()
    expect(page.get_by_text("0001.png, 32x32 pixels")).to_be_visible()


def chooser_by_keyboard(page: Page) -> FileChooser:
    """Return what Enter opens on the button to which Tab leads."""
    upload = page.locator("[data-testid=stFileUploader] button")
    expect(upload).to_be_visible()
    for _ in range(5):  # Streamlit loses a key that is pressed while it draws the page anew
        for _ in range(9):
            if upload.evaluate("button => button == document.activeElement"):
                break
            page.keyboard.press("Tab")
        with suppress(TimeoutError), page.expect_file_chooser(timeout=5_000) as chooser:
            page.keyboard.press("Enter")
            return chooser.value
    pytest.fail("no chooser of files opens")


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_suits_who_cannot_see_or_use_a_mouse(
    project: Project, opened: Opened, tmp_path: Path, width: int
) -> None:
    page = opened.page
    page.set_viewport_size({"width": width, "height": 844})
    images = [image_of(project, tmp_path, f"test/REAL/000{number}.png") for number in range(2)]
    chooser_by_keyboard(page).set_files(images)
    assert len(table(page)) == 2
    page.wait_for_function("document.images.length == 4")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = "[...document.querySelectorAll('table, img, h1, h2, h3, button')].filter(part => "
    beyond += f"part.getBoundingClientRect().right > {width}).length"
    assert page.evaluate(beyond) == 0
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("what", ["too many pixels", "no image", "too many bytes"])
def test_what_is_refused_is_said_and_the_page_goes_on(
    project: Project, opened: Opened, tmp_path: Path, what: str
) -> None:
    file = tmp_path / "upload.png"
    match what:
        case "too many pixels":
            Image.new("RGB", (2001, 1000)).save(file)
            message = "upload.png: 2001x1000 pixels are more than decode.max_pixels, 2000000"
        case "no image":
            file.write_bytes(b"no image")
            message = "upload.png: damaged, or no image of a known format"
        case _:
            with file.open("wb") as sparse:
                sparse.truncate(51 * 2**20)
            message = "File must be 50.0MB or smaller."
    page = opened.page
    page.set_input_files("input[type=file]", file)
    page.get_by_text(message).wait_for(timeout=30_000)
    assert page.locator("table").count() == 0
    page.get_by_role("button", name="Remove").first.click()
    page.set_input_files("input[type=file]", image_of(project, tmp_path, "test/REAL/0000.png"))
    assert len(table(page)) == 2
    assert opened.complaints == []


def test_only_this_machine_is_listened_to(server: Server) -> None:
    processes = [server.process, *server.process.children(recursive=True)]
    connections = [each for process in processes for each in process.net_connections()]
    listening = [each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN]
    assert set(listening) == {"127.0.0.1"}
    assert {each.raddr.ip for each in connections if each.raddr} <= {"127.0.0.1"}


def test_without_models_the_page_says_what_to_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(REPOSITORY)
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    page = AppTest.from_file(str(REPOSITORY / "tools/predict/app.py")).run(timeout=60)
    (error,) = page.error
    assert error.value == "models: no model is here; run `dvc repro`, or `dvc pull train evaluate`"
    assert not page.exception
