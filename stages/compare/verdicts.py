"""The words of a comparison."""

import pandas as pd

BETTER, WORSE, NO_EVIDENCE, SAME = "better", "worse", "no evidence", "the same network"
BASELINE, OTHER_SEED = "baseline", "other seed"


def in_words(runs: pd.DataFrame, of_models: pd.DataFrame) -> str:
    """Return what the tables of `compare_runs` and `compare_models` say."""
    baseline = str(runs.index[0])
    said = {
        f"Better than {baseline}": BETTER,
        f"Worse than {baseline}": WORSE,
        f"No evidence of a difference from {baseline}": NO_EVIDENCE,
        f"The same network as {baseline}, number for number": SAME,
    }
    parts = [
        f"{start}: {', '.join(map(str, runs.index[runs['verdict'] == word]))}."
        for start, word in said.items()
        if (runs["verdict"] == word).any()
    ]
    seeds_unknown = runs["model"].map(of_models["p_value"]).isna()
    once = runs.index[runs["verdict"].isin([BETTER, WORSE]) & seeds_unknown]
    if len(runs) == 1:
        parts.append(f"There is no other variant than {baseline} to compare.")
    elif len(once):
        parts.append(
            f"Trained once like {baseline}, so that the difference may be luck of the seed: "
            f"{', '.join(map(str, once))}."
        )
    return " ".join(parts)
