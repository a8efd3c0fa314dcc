"""Decisions in words, and numbers in their units."""

from __future__ import annotations

import pytest

from clients.serving.autoscaling import headroom
from clients.serving.decision import Decision, MetricDecision, Outcome, Unit
from clients.serving.decision_words import amount, lasted, metric_words, sentence
from clients.serving.keys import ObjectRef

HPA = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler")


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, Unit.PERCENT, "–"),
        (72.4, Unit.PERCENT, "72.4%"),
        (1234.0, Unit.PERCENT, "1234%"),
        (0.5, Unit.CORES, "0.5"),
        (97.5, Unit.PLAIN, "97.5"),
        (1_234_567.0, Unit.PLAIN, "1.235e+06"),
        (5637144576.0, Unit.BYTES, "5.25Gi"),
        (1000.0, Unit.BYTES, "1000"),
        (0.0, Unit.BYTES, "0"),
    ],
)
def test_amounts(value: float | None, unit: Unit, words: str) -> None:
    assert amount(value, unit) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (-4, "0s"),
        (50.4, "50s"),
        (170, "2m50s"),
        (180, "3m"),
        (3900, "1h05m"),
        (90 * 3600, "3d18h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert lasted(seconds) == words


def test_silence_is_told_with_its_length() -> None:
    made = Decision(HPA, 1000, Outcome.NONE, reason="the API metrics.k8s.io answers with nothing", since=820)
    assert sentence(made) == "no decision: the API metrics.k8s.io answers with nothing since 3m"


def test_hostile_names_stay_plain() -> None:
    metric = MetricDecision("Pods", "q\x1b[31m" + "x" * 500, error="bad\nline\u202e")
    words = metric_words(metric)
    assert "\x1b" not in words
    assert "\n" not in words
    assert len(words) < 120
    assert "\x1b" not in sentence(Decision(HPA, 0, Outcome.NONE, reason="\x1b]0;x\x07"))


def test_a_near_ratio_is_told_to_be_near_enough() -> None:
    metric = MetricDecision("Resource", "cpu", None, Unit.PERCENT, 80, 88, 1.1, 4, tolerated=True)
    made = Decision(HPA, 0, Outcome.HOLDS, metrics=(metric,), winner=0, best=4, current=4, desired=4)
    assert sentence(made) == "holds at 4: cpu 88% of 80% is near enough: asks for 4"


@pytest.mark.parametrize(
    ("maximum", "desired", "left"), [(8, 6, 2), (8, 9, 0), (None, 6, None), (8, None, None)]
)
def test_headroom(maximum: int | None, desired: int | None, left: int | None) -> None:
    assert headroom(Decision(HPA, 0, Outcome.HOLDS, maximum=maximum, desired=desired)) == left
