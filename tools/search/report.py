"""What a search leaves for a person: a page, a table, and a few lines in the terminal."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import pandas as pd
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from stages.common.files import naming, replacing
from stages.configure.search import Range, SearchParams
from stages.pages.markdown import code, table
from stages.pages.templates import render
from stages.report.page import to_html
from tools.search.confirm import Confirmed
from tools.search.space import Space, from_texts, in_words
from tools.search.study import OWN, outcomes

TEMPLATE = Path(__file__).with_name("search.html.jinja")
COLOURS = {"done": "#0072b2", "stopped": "#999999", "best": "#d55e00"}
"""Of Okabe and Ito's palette, told apart by anyone."""


class Found(NamedTuple):
    """What came of a search."""

    variant: str
    search: SearchParams
    space: Space
    study: Study
    confirmed: list[Confirmed]
    """The variant itself, and the best trials, the best first."""
    jobs: int

    @property
    def winner(self) -> Confirmed | None:
        """The best trial by what it gave again; None if none is better than the variant."""
        better = [row for row in self.confirmed[1:] if row.beyond and row.beyond.mean > 0]
        return better[0] if better else None

    def changes(self, index: int) -> dict[str, Any]:
        """Return what the trial with logical `index` changes, by dotted key."""
        return from_texts(self.space, outcomes(self.study)[index].params)


def headline(found: Found) -> str:
    """Return in a sentence or two what came of it."""
    metric, winner = found.search.metric, found.winner
    trials = len(outcomes(found.study))
    if not winner:
        failed = sum(bool(row.why) for row in found.confirmed)
        said = f" ({failed} could not be)" if failed else ""
        return (
            f"None of {trials} trials is better than {found.variant} when it is trained again"
            f"{said}; keep {found.variant}."
        )
    own, beyond = found.confirmed[0], winner.beyond
    assert beyond
    more = "higher" if found.study.direction == StudyDirection.MAXIMIZE else "lower"
    text = (
        f"Trial {winner.number} of {trials} is the best: its {metric} is {winner.mean:.3f} when it "
        f"is trained again, that of {found.variant} {own.mean:.3f}. It is {beyond.mean:.3f} {more}"
    )
    if not np.isfinite(beyond.low):
        return f"{text}; one training alone cannot say whether by chance."
    text += f" (95% interval {beyond.low:+.3f} to {beyond.high:+.3f})"
    return f"{text}." if beyond.low > 0 else f"{text}: that may be chance."


def confirmed_rows(found: Found) -> list[list[str]]:
    """Return a row for the variant and each trial that was trained again."""
    rows = []
    for row in found.confirmed:
        beyond = row.beyond
        better = f"{beyond.mean:+.3f}" if beyond else ""
        if beyond and np.isfinite(beyond.low):
            better += f" ({beyond.low:+.3f} to {beyond.high:+.3f})"
        rows.append(
            [
                f"{row.number}" if row.number != OWN else found.variant,
                f"{row.found:.3f}",
                f"{row.mean:.3f}" if row.folds else "failed",
                f"{min(row.folds):.3f} to {max(row.folds):.3f}" if row.folds else row.why,
                better,
            ]
        )
    return rows


HEADER = ["trial", "found", "again", "folds", "better by"]


def in_terminal(found: Found) -> str:
    """Return the headline and a table of at most 100 columns."""
    rows = [HEADER, *confirmed_rows(found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([headline(found), "", *lines, "", ""])


def trials_table(found: Found) -> pd.DataFrame:
    """Return a row for each trial: what it changed, what came of it, how long it took."""
    rows = []
    for index, trial in enumerate(outcomes(found.study)):
        folds = trial.user_attrs.get("folds", [])
        why = trial.user_attrs.get("why", "")
        rows.append(
            {
                "trial": index,
                "state": "failed" if why else STATES.get(trial.state, "unfinished"),
                found.search.metric: trial.value,
                "lowest": min(folds, default=None),
                "highest": max(folds, default=None),
                "trained_epochs": len(trial.intermediate_values),
                "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else None,
                **from_texts(found.space, trial.params),
                "why": why,
            }
        )
    return pd.DataFrame(rows)


STATES = {TrialState.COMPLETE: "done", TrialState.PRUNED: "stopped"}


def write(folder: Path, found: Found) -> None:
    """Write trials.csv and index.html to `folder`."""
    trials = trials_table(found)
    with replacing(folder / "trials.csv") as file, naming(folder / "trials.csv"):
        trials.to_csv(file, index=False, lineterminator="\n")
    with replacing(folder / "index.html") as file, naming(folder / "index.html"):
        file.write_text(page(found, trials), encoding="utf-8")


def page(found: Found, trials: pd.DataFrame) -> str:
    """Return the page of a search as HTML."""
    changes = [
        [str(row.number), in_words(found.changes(row.number))]
        for row in found.confirmed
        if row.number
    ]
    shown = trials.drop(columns=["lowest", "highest"]).fillna("")
    shares = [[code(key), f"{share:.2f}"] for key, share in importance(found.study).items()]
    return render(
        TEMPLATE,
        variant=found.variant,
        headline=headline(found),
        confirmed=to_html(table(HEADER, [list(row) for row in confirmed_rows(found)])),
        changes=to_html(table(["trial", "what it sets"], changes)),
        importance=to_html(table(["parameter", "importance"], shares)) if shares else "",
        history=_picture(_history(found)),
        values=_picture(_values(found)),
        trials=to_html(table(list(map(str, shown.columns)), shown.astype(str).to_numpy().tolist())),
        search=found.search,
        counts=trials["state"].value_counts().to_dict(),
        seconds=trials["seconds"].sum(),
        jobs=found.jobs,
    )


def importance(study: Study) -> dict[str, float]:
    """Return the share of each parameter in the variance of what trials gave, 0 to 1.

    fANOVA: Hutter, Hoos and Leyton-Brown, An efficient approach for assessing hyperparameter
    importance, ICML 2014.
    """
    if len({trial.value for trial in study.trials if trial.state == TrialState.COMPLETE}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _history(found: Found) -> Figure:
    """Return what each trial gave, and the best until then."""
    metric, higher = found.search.metric, found.study.direction == StudyDirection.MAXIMIZE
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    trials = trials_table(found)
    for state, marker in (("done", "o"), ("stopped", "x")):
        rows = trials[trials["state"] == state]
        axes.scatter(
            rows["trial"],
            rows[metric],
            s=24,
            c=COLOURS[state],
            marker=marker,
            label=state,
            zorder=3,
        )
    done = trials[trials["state"] == "done"]
    best = done[metric].cummax() if higher else done[metric].cummin()
    axes.step(done["trial"], best, where="post", color=COLOURS["best"], label="best so far")
    axes.set_xlabel("trial")
    axes.set_ylabel(metric)
    axes.legend(loc="lower right" if higher else "upper right", frameon=False)
    return figure


def _values(found: Found) -> Figure:
    """Return what trials gave by the value of each parameter."""
    keys, metric = list(found.space), found.search.metric
    columns = min(3, len(keys))
    rows = -(-len(keys) // columns)
    figure = Figure(figsize=(9, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    trials = [trial for trial in outcomes(found.study) if trial.state == TrialState.COMPLETE]
    for key, axes in zip(keys, grid.flat, strict=False):
        values = [from_texts(found.space, trial.params)[key] for trial in trials]
        kind = found.space[key]
        if isinstance(kind, Range):
            axes.set_xscale("log" if kind.log else "linear")
            places = values
        else:
            places = [kind.index(value) for value in values]
            axes.set_xticks(range(len(kind)), [_short(value) for value in kind])
            axes.set_xlim(-0.5, len(kind) - 0.5)
        axes.scatter(places, [trial.value for trial in trials], s=20, color=COLOURS["done"])
        axes.set_xlabel(key)
    for axes in grid[:, 0]:
        axes.set_ylabel(metric)
    for axes in list(grid.flat)[len(keys) :]:
        axes.set_axis_off()
    return figure


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 12 else text[:11] + "…"


def _picture(figure: Figure) -> str:
    """Return `figure` as SVG, to stand in a page."""
    FigureCanvasAgg(figure)
    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "search", "font.size": 10}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg") :]
