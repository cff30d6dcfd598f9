"""elsewhere: which worker gets which variant."""

import pytest
from distributed import Client, Scheduler, SpecCluster, Worker, get_worker

from tests.tools.repro.test_repro import variant
from tools.repro import elsewhere, worker
from tools.repro.variants import Outcome
from tools.repro.worker import Commit


def say_where(commit: Commit, name: str, stages: list[str], weights: str, topic: str) -> Outcome:
    """Stand for a training."""
    return Outcome(name, name == "bad", {"worker": str(get_worker().name), "stages": str(stages)})


@pytest.mark.parametrize("gpus", [{"none": 0}, {"none": 0, "one": 1, "two": 2}])
def test_gpus_are_dasks_resource(monkeypatch: pytest.MonkeyPatch, gpus: dict[str, int]) -> None:
    monkeypatch.setattr(worker, "reproduce", say_where)
    workers = {
        name: {
            "cls": Worker,
            "options": {"nthreads": 1, "resources": {"GPU": number} if number else {}},
        }
        for name, number in gpus.items()
    }
    scheduler = {"cls": Scheduler, "options": {"port": 0, "dashboard": False}}
    chosen = [variant(f"v{number}") for number in range(6)]
    chosen += [variant("all", strategy="mirrored"), variant("bad")]
    with SpecCluster(workers, scheduler) as cluster, Client(cluster) as client:
        outcomes = elsewhere.reproduce(client, Commit(b"", {}, []), chosen)
    assert [one.name for one in outcomes] == ["all", "bad", "v0", "v1", "v2", "v3", "v4", "v5"]
    assert [one.name for one in outcomes if one.failed] == ["bad"]
    at = {one.name: one.facts["worker"] for one in outcomes}
    if len(gpus) == 1:
        assert {*at.values()} == {"none"}
    else:
        assert at.pop("all") == "two", "takes as many as the best worker has"
        assert {*at.values()} == {"one", "two"}
    assert outcomes[0].facts["stages"] == "['train@all', 'evaluate@all']", "the card is cheap"
