"""The workflows of GitHub: each command of theirs runs as it does there, and a review is posted."""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest
import yaml

from tests.helpers import REPOSITORY, Project, edit_params, stages_run

WORKFLOWS = REPOSITORY / ".github/workflows"
RUN = "https://github.com/owner/name/actions/runs/5"
# What an environment without secrets and without metadata of a machine gives DVC.
NO_CREDENTIALS = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}


def jobs(workflow: str) -> dict[str, Any]:
    """Return the jobs of the file `workflow` by name."""
    found: dict[str, Any] = yaml.safe_load((WORKFLOWS / workflow).read_text())["jobs"]
    return found


class Runner:
    """A machine of GitHub's with a clone on it, as far as these workflows use one."""

    def __init__(self, clone: Project, repository: str = "owner/name", **env: str):
        self.clone = clone
        # What GitHub knows; an expression that uses anything else is a KeyError.
        self.context = {
            "github.event.pull_request.head.repo.full_name": repository,
            "github.event.pull_request.head.sha": "0123abc",
            "github.event.pull_request.number": "7",
            "github.repository": "owner/name",
            "github.run_id": "5",
            "github.server_url": "https://github.com",
            "github.token": "token",
            "secrets.AWS_ACCESS_KEY_ID": "",
            "secrets.AWS_SECRET_ACCESS_KEY": "",
        }
        folder = clone.root.parent
        self.path = folder / "github_path"
        self.summary = folder / "summary.md"
        self.path.write_text("")
        self.summary.write_text("")
        self.env = {"GITHUB_PATH": str(self.path), "GITHUB_STEP_SUMMARY": str(self.summary), **env}
        self.printed: dict[str, str] = {}
        # The environment that `make` made, and which it finds to be up to date.
        (clone.root / ".venv").symlink_to(sys.prefix)
        for file in clone.root.glob("requirements*.txt"):
            os.utime(file, (0, 0))

    def evaluate(self, expression: str) -> Any:
        """Return the value of what stands between `${{` and `}}`."""
        text = re.sub(r"[a-z_]+(\.[\w-]+)+", lambda name: repr(self.context[name[0]]), expression)
        text = text.replace("!cancelled()", "True").replace("&&", "and").replace("||", "or")
        return eval(text)

    def text(self, text: str) -> str:
        """Return `text` with the values of its expressions."""
        return re.sub(r"\$\{\{(.+?)\}\}", lambda found: str(self.evaluate(found[1])), text)

    def run(self, job: dict[str, Any]) -> dict[str, str]:
        """Take all steps of `job`; return the outcome of each command by its name."""
        outcomes: dict[str, str] = {}
        failed = False
        for step in job["steps"]:
            condition = step.get("if", "${{ " + str(not failed) + " }}")
            if self.text(condition) != "True":
                outcome = "skipped"
            elif "uses" in step:
                outcome = self.use(step)
            else:
                outcome = self.command(step)
            if outcome == "failure" and self.text(str(step.get("continue-on-error"))) != "True":
                failed = True
            if "id" in step:
                self.context[f"steps.{step['id']}.outcome"] = outcome
            if "run" in step:
                outcomes[step["name"]] = outcome
        return outcomes

    def command(self, step: dict[str, Any]) -> str:
        """Run the command of `step`; return its outcome."""
        path = os.pathsep.join([*self.path.read_text().split(), os.environ["PATH"]])
        env = {name: self.text(value) for name, value in step.get("env", {}).items()}
        result = self.clone.run(
            *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            check=False,
            env={**self.env, "PATH": path, **env},
        )
        self.printed[step["name"]] = result.stdout + result.stderr
        return "failure" if result.returncode else "success"

    def use(self, step: dict[str, Any]) -> str:
        """Check the paths of an upload; the other actions are what the test began with."""
        action = step["uses"].split("@")[0]
        if action == "actions/upload-artifact":
            for path in step["with"]["path"].split():
                assert (self.clone.root / path).exists()
        else:
            assert action in ("actions/checkout", "actions/setup-python")
        return "success"


class PullRequest(ThreadingMixIn, UnixStreamServer):
    """The part of GitHub that `gh` asks for the comments on a pull request, behind a socket."""

    daemon_threads = True

    def __init__(self, folder: Path):
        self.comments: list[str] = []
        self.tokens: set[str] = set()
        super().__init__(str(folder / "github"), _Answer)
        # `gh` itself has an option to reach GitHub through a socket.
        (folder / "config.yml").write_text(f"http_unix_socket: {folder}/github\n")
        self.env = {"GH_CONFIG_DIR": str(folder)}

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the data that a query of GraphQL asks for."""
        if "addComment" in query:
            assert variables["input"]["subjectId"] == "pull-7"
            self.comments.append(variables["input"]["body"])
            return {"addComment": {"commentEdge": {"node": {"url": "comment"}}}}
        if "updateIssueComment" in query:
            self.comments[int(variables["input"]["id"])] = variables["input"]["body"]
            return {"updateIssueComment": {"issueComment": {"url": "comment"}}}
        assert (variables["owner"], variables["repo"]) == ("owner", "name")
        number = variables["pr_number"]
        nodes = [
            # Somebody else's comes last.
            {"id": str(place), "body": body, "viewerDidAuthor": mine, "url": "comment"}
            for place, (body, mine) in enumerate(
                [*((body, True) for body in self.comments), ("I like it", False)]
            )
        ]
        comments = {"nodes": nodes, "pageInfo": {"hasNextPage": False}}
        found = {"id": f"pull-{number}", "number": number, "url": "pull", "comments": comments}
        return {"repository": {"pullRequest": found}}


class _Answer(BaseHTTPRequestHandler):
    server: PullRequest

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        question = json.loads(self.rfile.read(length))
        self.server.tokens.add(self.headers["Authorization"])
        data = self.server.answer(question["query"], question["variables"])
        body = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def pull_request(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PullRequest]:
    """A pull request, on which somebody commented."""
    with PullRequest(tmp_path_factory.mktemp("gh")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_every_job_is_run_by_a_test_below() -> None:
    found = {file.name: set(jobs(file.name)) for file in WORKFLOWS.iterdir()}
    assert found == {"test.yaml": {"lock", "test"}, "review.yaml": {"review"}}


def test_the_tests_are_those_of_the_project() -> None:
    """This test is one of what the command starts, so it is not run from here."""
    steps = jobs("test.yaml")["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert os.access(REPOSITORY / ".ci/run", os.X_OK)


@pytest.mark.slow
def test_a_lock_of_other_code_is_refused_without_data_or_remote(project: Project) -> None:
    job = jobs("test.yaml")["lock"]
    clone = project.clone_to(project.root.parent / "clone")
    runner = Runner(clone)
    assert set(runner.run(job).values()) == {"success"}
    (clone.root / "stages/configure/resolve.py").open("a").write("# another comment\n")
    *before, last = runner.run(job).items()
    assert last[1] == "failure"
    assert "stage configure would run" in runner.printed[last[0]]
    assert {outcome for _, outcome in before} == {"success"}


@pytest.mark.slow
def test_a_review_is_one_comment_that_later_pushes_update(
    project: Project, pull_request: PullRequest, tmp_path: Path
) -> None:
    job = jobs("review.yaml")["review"]
    project.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    project.commit("share")
    project.run("dvc", "push")
    # One who neither reproduced nor pushed.
    project.run("git", "checkout", "--quiet", "-b", "faster")
    edit_params(project.root, {"variants.sgd.learning_rate": 0.5, "gate": {"roc_auc": 1.0}})
    project.commit("faster")
    clone = project.clone_to(tmp_path / "clone")
    clone.run("git", "checkout", "--quiet", "--detach")
    clone.run("git", "branch", "--quiet", "-D", "faster")

    runner = Runner(clone, **pull_request.env)
    outcomes = runner.run(job)
    assert set(outcomes.values()) == {"success"}, runner.printed
    ran = stages_run(runner.printed["Reproduce what is missing"])
    of_sgd = {f"{stage}@sgd" for stage in ("train", "evaluate", "card")}
    assert set(ran) == {"configure", *of_sgd, "compare", "report"}
    [comment] = pull_request.comments
    assert pull_request.tokens == {"token token"}
    assert "# Review against origin/main" in comment
    assert "Of commit 0123abc." in comment
    assert "Unchanged: base. dvc.lock matches the code, but is not committed." in comment
    assert "| `variants.sgd.learning_rate` | `0.01` | `0.5` |" in comment
    assert f"[sgd.png]({RUN})" in comment
    assert (clone.root / "reports/review/sgd.png").exists()
    assert "In order: 2 of 2 checks" in comment
    assert runner.summary.read_text() == comment

    # The next push, of one who has reproduced it, and which the gate refuses.
    edit_params(clone.root, {"gate": {"roc_auc": 0}})
    clone.repro("configure")
    clone.run("git", "commit", "--quiet", "--all", "--message", "a stricter gate")
    outcomes = runner.run(job)
    assert outcomes.pop("Gate") == "failure"
    assert set(outcomes.values()) == {"success"}, runner.printed
    assert stages_run(runner.printed["Reproduce what is missing"]) == []
    [comment] = pull_request.comments
    failed = comment[comment.index("| failed | metric |") :].splitlines()
    assert failed[2].startswith("| sgd | roc_auc |")
    assert runner.summary.read_text().endswith(comment)

    # The same from a fork: no credentials, no right to write.
    page = clone.outputs()["reports/index.html"]
    (clone.root / "reports/index.html").unlink()
    (clone.root / ".dvc/cache/files/md5" / page[:2] / page[2:]).unlink()
    clone.run("dvc", "remote", "add", "--local", "--force", "shared", "s3://bucket")
    edit_params(clone.root, {"gate": {"roc_auc": 1.0}})
    (clone.root / ".venv").unlink()
    fork = Runner(clone, "somebody/name", **pull_request.env, **NO_CREDENTIALS)
    outcomes = fork.run(job)
    assert outcomes.pop("Pull what the remote has") == "failure"
    assert outcomes.pop("Post the report, or update it") == "skipped"
    assert set(outcomes.values()) == {"success"}, fork.printed
    assert stages_run(fork.printed["Reproduce what is missing"]) == ["configure", "report"]
    assert "# Review against origin/main" in fork.summary.read_text()
    assert pull_request.comments == [comment]


@pytest.mark.slow
def test_without_a_remote_there_is_nothing_to_pull_and_no_failure(project: Project) -> None:
    job = jobs("review.yaml")["review"]
    pull = [step for step in job["steps"] if "Pull" in step.get("name", "")]
    runner = Runner(project.clone_to(project.root.parent / "clone"))
    set_up = [step for step in job["steps"] if step.get("name") == "Set up"]
    outcomes = runner.run({"steps": [*set_up, *pull]})
    assert outcomes == {"Set up": "success", "Pull what the remote has": "success"}
