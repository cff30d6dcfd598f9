"""Fixtures that the tests share."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.helpers import CIFAKE, TWO_VARIANTS, Project, edit_params, new_project, small_data_set


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """A project with two variants, reproduced and committed. Do not change it: copy it."""
    return _made_once("finished", _finish, tmp_path_factory, worker_id)


@pytest.fixture(scope="session")
def faster_project(
    finished_project: Project, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Project:
    """The same on a branch `faster`, with another rate and gate, and all of it at a DVC remote.

    Do not change it: copy it.
    """

    def make(folder: Path) -> None:
        project = finished_project.copy_to(folder / "project")
        project.run("dvc", "remote", "add", "--default", "shared", str(folder / "remote"))
        project.commit("share")
        project.run("git", "checkout", "--quiet", "-b", "faster")
        gate = {"accuracy_perturbed": 1.0}
        edit_params(project.root, {"variants.sgd.learning_rate": 0.5, "gate": gate})
        project.repro()
        project.commit("faster")
        project.run("dvc", "push", "--all-branches")

    return _made_once("faster", make, tmp_path_factory, worker_id)


def _made_once(
    name: str,
    make: Callable[[Path], None],
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Project:
    """Return the project that `make` puts in a folder, the same in all processes of pytest."""
    if worker_id == "master":  # of pytest without --numprocesses
        folder = tmp_path_factory.mktemp(name)
        make(folder)
        return Project(folder / "project")
    # Whichever process comes first makes it, the others wait for it.
    folder = tmp_path_factory.getbasetemp().parent / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return Project(folder / "project")


def _finish(folder: Path) -> None:
    files = small_data_set({"train": 40, "validation": 10, "test": 20})
    # One training image is also in test, so that the promise about the test split can fail.
    files["train/REAL/copy.png"] = files["test/REAL/0000.png"]
    project = new_project(folder / "project", files, TWO_VARIANTS)
    project.repro()
    project.commit("reproduce")


@pytest.fixture
def project(finished_project: Project, tmp_path: Path) -> Project:
    """A copy of the finished project, to change."""
    return finished_project.copy_to(tmp_path / "project")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tensorflow() -> None:
    """TensorFlow as the stages set it up; once it runs, its threads cannot be changed."""
    from stages.networks.runtime import set_up

    set_up(seed=1, threads=1)


@pytest.fixture(scope="session")
def cifake_800() -> Path:
    """The study's 2,535 images; tests that need them are skipped where they are not at hand."""
    path = CIFAKE / "cifake-800.zip"
    if not path.exists():
        pytest.skip("data/cifake-800.zip is not here; docs/your-data.md says how to get it")
    return path


@dataclass
class Visit:
    """A page in a browser without a network, and what went on in it so far."""

    page: Page
    requests: list[str] = field(default_factory=list)  # all that would have needed a network
    complaints: list[str] = field(default_factory=list)  # on the console, or thrown


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium with a new profile; tests that need it are skipped where none is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium is installed; on Debian: apt-get install chromium")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    # A browser that looks for updates is no witness for a page that loads nothing.
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """A function that opens a file, `width` pixels wide, in a browser without a network."""
    contexts = []

    def open_page(path: Path, width: int = 1280) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 800})
        contexts.append(context)
        context.set_offline(True)
        visit = Visit(context.new_page())

        def refuse(route: Route) -> None:
            visit.requests.append(route.request.url)
            route.abort()

        context.route(re.compile("^(http|ws)s?:"), refuse)
        visit.page.on("console", lambda message: visit.complaints.append(message.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.goto(path.as_uri())
        return visit

    yield open_page
    for context in contexts:
        context.close()
