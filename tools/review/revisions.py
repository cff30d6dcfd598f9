"""What the workspace and a revision hold of the models, and which of their images can be paired.

Git keeps parameters, configurations and metrics of a revision; DVC's cache or remote keeps its
predictions and its manifest. A copy of them in a folder is read as the workspace is.
"""

import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from dvc.repo import Repo
from dvc.repo.brancher import switch
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.common.command import InputError
from stages.common.files import read_json
from stages.common.manifest import MANIFEST, TEXTS, observations
from stages.common.params import PARAMS_FILE, read_yaml
from stages.evaluate.statistics import (
    SIGNIFICANCE,
    Interval,
    effective_clusters,
    mean_interval,
    sign_flip_test,
)
from stages.networks.config import CONFIGS
from tools.programs import git
from tools.repro.repair import LOCK, read_stages

WORKSPACE = "workspace"
METRICS = Path("metrics")
PREDICTIONS = Path("data/predictions")


class Revision(NamedTuple):
    """What is at hand of one state of the project."""

    name: str
    params: dict[str, Any]
    configs: dict[str, dict[str, Any]]
    """Of each variant."""
    metrics: dict[str, dict[str, float]]
    """Of each variant that was measured: metrics/ and metrics/robustness/ together, and those of
    external sets, as `accuracy_on_<set>`."""
    predictions: dict[str, pd.DataFrame]
    """What evaluate wrote, of the variants whose table could be had."""
    test_images: dict[str, str] | None
    """The hash of each test image's pixels, by path; None where there is no manifest."""
    models: dict[str, str]
    """The hash of each variant's network, as dvc.lock says."""
    refused: dict[str, str]
    """Why a table is not among these though it is at hand: by variant, or path of the manifest."""


MAIN = {"main": "refs/heads/main", "origin/main": "refs/remotes/origin/main"}
"""The main branch, by name, and what no tag is called."""


def find(name: str | None) -> tuple[str, str]:
    """Return the name and the commit of the revision `name`.

    None: where HEAD left the main branch, so that what others did there since is not taken for a
    change of this one.

    Raises:
        InputError: Git knows no such revision, or not where HEAD left it.
    """
    names = {name: name} if name else MAIN
    found = next(((one, commit) for one, ref in names.items() if (commit := _commit(ref))), None)
    shallow = git("rev-parse", "--is-shallow-repository") == b"true\n"
    where = "in this shallow clone" if shallow else "here"
    if found is None:
        # A clone of one branch alone fetches no other unless it is named.
        main = "" if name else " origin main:refs/remotes/origin/main"
        remedy = f"; fetch the rest: `git fetch --unshallow{main}`" if shallow else ""
        if not (name or shallow):
            remedy = "; name what to compare with, such as HEAD~1"
        raise InputError(f"Git knows no revision {' or '.join(names)} {where}{remedy}")
    if name:
        return found
    base = git("merge-base", "HEAD", found[1])
    if base is None:
        remedy = "fetch the rest: `git fetch --unshallow`" if shallow else f"name it: {found[0]}"
        raise InputError(f"HEAD and {found[0]} have no commit in common {where}; {remedy}")
    return found[0], base.decode().strip()


def _commit(name: str) -> str:
    """Return the commit of the revision `name`, "" if there is none."""
    found = git("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}")
    return (found or b"").decode().strip()


def read_commit(name: str, commit: str) -> Revision:
    """Return what Git and DVC have of `commit`, which the reports call `name`.

    Raises:
        InputError: as `read`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        listed = git("ls-tree", "-r", "-z", "--name-only", commit, "--", *_IN_GIT) or b""
        for file in filter(None, listed.decode().split("\0")):
            _write(folder / file, git("show", f"{commit}:./{file}") or b"")
        variants = [file.stem for file in (folder / CONFIGS).glob("*.yaml")]
        in_dvc = [MANIFEST, *(PREDICTIONS / f"{variant}.csv" for variant in variants)]
        for path, content in _from_dvc(in_dvc, commit).items():
            _write(folder / path, content)
        try:
            found = read(name, folder)
        except InputError as error:
            raise InputError(str(error).replace(f"{folder}/", f"{name}:")) from None
        refused = {
            what: why.replace(f"{folder}/", f"{name}:") for what, why in found.refused.items()
        }
        return found._replace(refused=refused)


_IN_GIT = [str(PARAMS_FILE), str(CONFIGS), str(METRICS), str(LOCK)]


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _from_dvc(paths: list[Path], commit: str) -> dict[Path, bytes]:
    """Return those files of `commit` that are in DVC's cache or in its remote."""
    found = {}
    # Every kind of remote has errors of its own.
    # The cache and the remote are those of today: the revision may not have any yet.
    with suppress(Exception), Repo() as repo, switch(repo, commit):
        for path in paths:
            with suppress(Exception):
                found[path] = repo.dvcfs.read_bytes(path.as_posix())
    return found


def read(name: str, folder: Path) -> Revision:
    """Return what lies in `folder`: the project's, or a copy of its files.

    Raises:
        InputError: there are no parameters, or a file in Git is not what the pipeline writes.
    """
    params = read_yaml(folder / PARAMS_FILE)
    configs = {file.stem: read_yaml(file) for file in sorted((folder / CONFIGS).glob("*.yaml"))}
    metrics: dict[str, dict[str, float]] = {}
    predictions, refused = {}, {}
    for variant in configs:
        for place in (f"{variant}.json", f"robustness/{variant}.json"):
            if (folder / METRICS / place).exists():
                measured = read_json(folder / METRICS / place)
                metrics[variant] = metrics.get(variant, {}) | measured
        for set_name in params.get("external") or {}:
            file = folder / METRICS / f"sets/{variant}/{set_name}.json"
            if file.exists():
                measured = {f"{key}_on_{set_name}": value for key, value in read_json(file).items()}
                metrics[variant] = metrics.get(variant, {}) | measured
        table = folder / PREDICTIONS / f"{variant}.csv"
        if table.exists():
            try:
                predictions[variant] = _read_predictions(table)
            except InputError as error:
                refused[variant] = str(error)
    test_images = None
    if (folder / MANIFEST).exists():
        try:
            test_images = _test_images(folder / MANIFEST)
        except InputError as error:
            refused[str(MANIFEST)] = str(error)
    return Revision(
        name,
        params,
        configs,
        metrics,
        predictions,
        test_images,
        _models(folder / LOCK) if (folder / LOCK).exists() else {},
        refused,
    )


def _read_predictions(file: Path) -> pd.DataFrame:
    columns = ["path", "label", "cluster", "p_fake", "verdict", "answer"]
    try:
        table = pd.read_csv(file, keep_default_na=False, dtype=TEXTS, usecols=columns.__contains__)
        # Older revisions have no clusters; and where none was UNSURE, the verdict was the answer.
        older = {
            "cluster": table.get("cluster", ""),
            "answer": table.get("answer", table["verdict"]),
        }
        return table.assign(**older)[columns]
    except (KeyError, ValueError) as error:
        raise InputError(f"{file}: not predictions: {' '.join(str(error).split())}") from None


def _test_images(manifest: Path) -> dict[str, str]:
    columns = ["path", "split", "sha256", "status"]  # revisions may have others beside these
    try:
        table = pd.read_csv(manifest, keep_default_na=False, dtype=str, usecols=columns)
    except ValueError as error:
        raise InputError(f"{manifest}: no manifest: {' '.join(str(error).split())}") from None
    test = table[(table["split"] == "test") & (table["status"] == "used")]
    return dict(zip(test["path"], test["sha256"], strict=True))


def _models(lock: Path) -> dict[str, str]:
    return {
        Path(out["path"]).stem: out["md5"]
        for stage in read_stages(lock).values()
        for out in stage.get("outs", [])
        if "md5" in out and Path(out["path"]).match("models/*.h5")
    }


def how_to_get(what: str, revision: Revision) -> str:
    """Return that `what`, made by evaluate or source, is missing, and which command fetches it."""
    if revision.name == WORKSPACE:
        return f"The workspace lacks {what}: run `dvc pull {MANIFEST} evaluate`, or `dvc repro`."
    return (
        f"Neither DVC's cache nor its remote has {what} of {revision.name}: run `dvc push` where "
        "they were made; `dvc fetch --all-commits` says why they cannot be fetched."
    )


def other_images(old: Revision, new: Revision, variant: str) -> str:
    """Return in words how the test images of `variant` differ between the two; "" if they do not.

    Both have predictions of it. Where one has no manifest, pixels are taken to be the same.
    """
    before, after = (
        dict(
            zip(side.predictions[variant]["path"], side.predictions[variant]["label"], strict=True)
        )
        for side in (old, new)
    )
    common = before.keys() & after.keys()
    hashes_before, hashes_after = old.test_images or {}, new.test_images or {}
    counts = {
        f"only at {old.name}": len(before.keys() - common),
        "only in the workspace": len(after.keys() - common),
        "with another label": sum(before[path] != after[path] for path in common),
        "with other pixels": sum(
            hashes_before[path] != hashes_after[path]
            for path in common & hashes_before.keys() & hashes_after.keys()
        ),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def pair(old: Revision, new: Revision, variant: str) -> pd.DataFrame:
    """Return one row a test image, in the order of data/processed/test, with both predictions.

    Columns: path, label, cluster; and p_fake, verdict, answer, each of them as ..._old, too.

    Raises:
        InputError: predictions are missing, or are of different test images.
    """
    for side in (old, new):
        if variant in side.refused:
            raise InputError(side.refused[variant])
        if variant not in side.predictions:
            raise InputError(how_to_get(f"the predictions of {variant}", side))
    difference = other_images(old, new, variant)
    if difference:
        raise InputError(
            f"{variant} was measured on other test images ({difference}): a paired test is "
            "impossible."
        )
    before = old.predictions[variant].drop(columns=["label", "cluster"])
    return new.predictions[variant].merge(before, on="path", suffixes=("", "_old"), how="left")


def is_same(paired: pd.DataFrame) -> bool:
    """Return whether both models say the same of each image."""
    return bool(
        (paired["p_fake"] == paired["p_fake_old"]).all()
        and (paired["verdict"] == paired["verdict_old"]).all()
    )


def _right(is_fake: np.ndarray, p_fake: np.ndarray) -> np.ndarray:
    return (p_fake >= 0.5) == is_fake


def _squared_error(is_fake: np.ndarray, p_fake: np.ndarray) -> np.ndarray:
    return np.asarray((p_fake - is_fake) ** 2)


MEANS = {"accuracy": _right, "brier_score_calibrated": _squared_error}
"""Metrics that are the mean of something of each test image."""
RANKINGS = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}
"""Metrics of the order of all test images."""
RESAMPLES = 999
"""Of a ranking's interval; each sorts all images twice."""


def difference(paired: pd.DataFrame, metric: str) -> Interval:
    """Return the new value of `metric` minus the old one, with its 95% paired interval.

    That of a mean is `mean_interval`. That of a ranking is the percentile bootstrap over clusters,
    expanded for few of them: Hesterberg, What teachers should know about the bootstrap, 2015.

    Args:
        metric: one of MEANS or RANKINGS. An image counts as FAKE from a p_fake of 0.5 on.
    """
    is_fake = (paired["label"] == "FAKE").to_numpy(int)
    after, before = (paired[name].to_numpy(float) for name in ("p_fake", "p_fake_old"))
    if metric in MEANS:
        of_image = MEANS[metric]
        rises = of_image(is_fake, after) * 1.0 - of_image(is_fake, before)
        return mean_interval(rises, observations(paired).to_numpy())
    if (after == before).all():
        return Interval(0.0, 0.0, 0.0)

    measure = RANKINGS[metric]
    numbers, names = pd.factorize(observations(paired))
    clusters = np.arange(len(names))

    def rise(drawn: np.ndarray) -> float:
        weights = np.bincount(drawn, minlength=len(names))[numbers]
        if len({*is_fake[weights > 0]}) == 1:
            return np.nan
        return float(
            measure(is_fake, after, sample_weight=weights)
            - measure(is_fake, before, sample_weight=weights)
        )

    if len(names) == 1:
        return Interval(rise(clusters), -1.0, 1.0)
    effective = effective_clusters(np.bincount(numbers))
    quantile = stats.t.ppf(SIGNIFICANCE / 2, effective - 1) * np.sqrt(effective / (effective - 1))
    # Where a label has few clusters, some resamples have none of it, and no ranking.
    with warnings.catch_warnings(action="ignore", category=stats.DegenerateDataWarning):
        rises = stats.bootstrap(
            (clusters,),
            rise,
            n_resamples=RESAMPLES,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(0),
        ).bootstrap_distribution
    tail = stats.norm.cdf(quantile)
    low, high = np.quantile(rises[~np.isnan(rises)], [tail, 1 - tail])
    return Interval(rise(clusters), float(low), float(high))


def accuracy_p_value(paired: pd.DataFrame) -> float:
    """Return the p-value of the exact sign-flip test that both are right equally often."""
    is_fake = (paired["label"] == "FAKE").to_numpy(int)
    after, before = (paired[name].to_numpy(float) for name in ("p_fake", "p_fake_old"))
    clusters = observations(paired).to_numpy()
    return sign_flip_test(_right(is_fake, after), _right(is_fake, before), clusters)
