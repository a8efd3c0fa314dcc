from __future__ import annotations

import msgspec

from clients.serving.account import score
from clients.serving.eta import spell
from clients.serving.keys import item_label
from clients.serving.operation import Count, Operation, Outcome, Prediction, StageTimes
from tests.support.planning import KEY, NOW, names

DOWN = Operation(
    "op-1",
    KEY,
    "ops",
    Count(6, (("decode", 2),)),
    Count(4, (("decode", 3),)),
    NOW,
    names(5, 4),
    done=2,
    total=2,
    happened=names(5, 4),
    prediction=Prediction(names(5, 4), 180, 200, 20),
    reason="night",
    ended_at=NOW + 182,
    outcome=Outcome.DONE,
    times=(
        StageTimes("qwen-5", NOW, gone=NOW + 30, removing=True),
        StageTimes("qwen-4", NOW, gone=NOW + 40, removing=True),
        StageTimes("qwen-0/decode-2", NOW, NOW + 2, NOW + 20, NOW + 110, failures=2),
    ),
)


def test_prediction_beside_outcome() -> None:
    assert score(DOWN) == "predicted G-5, G-4, ~3m10s; happened G-5, G-4, 3m02s"
    unknown = msgspec.structs.replace(DOWN, prediction=Prediction(None), ended_at=None, happened=())
    assert score(unknown) == "predicted order unknown, no history; happened nothing, still running"
    assert score(msgspec.structs.replace(DOWN, prediction=None)).startswith("nothing predicted; happened G-5")


def test_many_names_are_counted() -> None:
    many = msgspec.structs.replace(DOWN, happened=names(*range(40)), prediction=None)
    assert score(many) == "nothing predicted; happened G-0, G-1, G-2, G-3, G-4, G-5 and 34 more, 3m02s"


def test_a_wide_prediction_is_not_made_narrow() -> None:
    wide = msgspec.structs.replace(DOWN, prediction=Prediction(names(5), 90, 130, 3))
    assert score(wide).startswith("predicted G-5, 1m30s-2m10s; ")


def test_hostile_names_are_plain() -> None:
    told = score(msgspec.structs.replace(DOWN, happened=("\x1b[31m\u202e",)))
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_spelling() -> None:
    told = [spell(seconds) for seconds in (None, -1, 0, 59.4, 59.6, 182, 3599.6, 3900, 172_799, 560_940)]
    assert told == ["–", "0s", "0s", "59s", "1m00s", "3m02s", "1h00m", "1h05m", "47h59m", "6d11h"]


def test_what_a_group_is_called() -> None:
    names = ("qwen-3", "qwen-3/decode-1", "iris-predictor-zf7qnhrvdr-5nnvj", "iris-predictor-deepseek-coder")
    assert [item_label(name, "qwen") for name in names[:2]] == ["G-3", "G-3/decode-1"]
    assert [item_label(name, "iris") for name in names[2:]] == ["5nnvj", "iris-predictor-deepseek-coder"]
