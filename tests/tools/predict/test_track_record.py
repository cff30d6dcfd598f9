"""track_record: numbers in words, of pictures like those of training and of others."""

import json
from pathlib import Path

from tools.predict.track_record import NOT_MEASURED, UNKNOWN, track_record


def write(name: str, **metrics: float) -> None:
    path = Path("metrics") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metrics))


def test_how_often_answers_were_right_is_said_of_seen_and_unseen_pictures(workspace: Path) -> None:
    Path("params.yaml").write_text("external: {}")
    assert track_record("base") == [UNKNOWN]
    answers = {"accuracy_answered": 0.943, "accuracy_answered_low": 0.904}
    answers |= {"accuracy_answered_high": 0.967}
    write("sets/base/test", images=1000, answered=0.861, **answers)
    write("base")
    seen = (
        "Of 1,000 test pictures of its own data set, it answered 861: **94 of 100** "
        "answers were right (likely 90 to 97 of 100)."
    )
    assert track_record("base") == [seen, NOT_MEASURED]
    held_out = {"accuracy": 0.6, "images": 87, "answered": 0.69, "accuracy_answered": 0.667}
    write("base", **{f"held_out_{name}": value for name, value in held_out.items()})
    Path("params.yaml").write_text("external: {holiday: data/holiday.zip}")
    write("sets/base/holiday", images=3, answered=0.0)
    assert track_record("base") == [
        seen,
        "Of 87 pictures of kinds that it has never seen, it answered 60: **40 of 60** answers "
        "were right.",
        "Of 3 pictures of the data set `holiday`, it answered 0.",
    ]
