"""The words of a comparison."""

import pandas as pd

BETTER, WORSE, NO_EVIDENCE = "better", "worse", "no evidence"
BASELINE, OTHER_SEED = "baseline", "other seed"


def in_words(runs: pd.DataFrame, of_models: pd.DataFrame) -> str:
    """Return what the tables of `compare_runs` and `compare_models` say."""
    baseline = str(runs.index[0])
    said = {
        f"Better than {baseline}": BETTER,
        f"Worse than {baseline}": WORSE,
        f"No evidence of a difference from {baseline}": NO_EVIDENCE,
    }
    parts = [
        f"{start}: {', '.join(map(str, runs.index[runs['verdict'] == word]))}."
        for start, word in said.items()
        if (runs["verdict"] == word).any()
    ]
    if (of_models["runs"] > 1).any():
        parts.append("Differences that several seeds of one model explain do not count.")
    else:
        parts.append("Each was trained once: what looks better or worse may be luck of the seed.")
    return " ".join(parts)
