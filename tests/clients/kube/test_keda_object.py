"""What KEDA does to its target: between 0 and 1 itself, above that through its HPA; paused, failing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kube.keda_object import KedaObject, decide, decode_object, state_words
from clients.serving.decision import Decision, Outcome
from clients.serving.decision_words import sentence
from clients.serving.keys import ObjectRef

NOW = 1_787_300_000.0
THROUGH = Decision(
    ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "keda-hpa-so"), NOW, Outcome.HOLDS, desired=3
)


def scaled(notes: Any = None, conditions: Any = (), status: Any = None, **spec: Any) -> KedaObject:
    told = [{"type": kind, "status": value, "message": "told"} for kind, value in conditions]
    value = {
        "metadata": {"uid": "u", "namespace": "llm", "name": "so", "annotations": notes},
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": [{"type": "prometheus", "metadata": {"query": "q"}}],
            **spec,
        },
        "status": {"conditions": told, **(status or {})},
    }
    return decode_object(msgspec.json.encode(value))


def test_defaults() -> None:
    known = scaled()
    assert (known.minimum, known.maximum, known.polling, known.cooldown, known.hpa) == (
        0,
        100,
        30,
        300,
        "keda-hpa-so",
    )
    assert known.target == ObjectRef("apps", "Deployment", "llm", "web")
    assert state_words(known) == ()


def test_triggers_are_told_without_secrets() -> None:
    trigger = {
        "type": "redis",
        "name": "r",
        "metadata": {"listName": "jobs", "passwordFromEnv": "P", "apiKey": "K"},
    }
    known = scaled(triggers=[trigger], status={"triggersActivity": {"s0-redis-jobs": {"isActive": True}}})
    assert [(one.kind, one.metadata, one.active) for one in known.triggers] == [
        ("redis", (("listName", "jobs"),), True)
    ]


@pytest.mark.parametrize(
    ("current", "active", "last", "outcome", "desired", "words"),
    [
        (0, "True", None, Outcome.SCALES, 1, "goes from 0 to 1 within 30s: a trigger is active"),
        (0, "False", None, Outcome.HOLDS, 0, "holds at 0: no trigger is active"),
        (0, None, None, Outcome.UNKNOWN, None, "not known: KEDA does not tell whether a trigger is active"),
        (3, "False", 120, Outcome.HOLDS, 3,
         "holds at 3: no trigger has been active for 2m, the cooldown is 5m; goes to 0 in 3m"),
        (3, "False", 301, Outcome.SCALES, 0,
         "goes from 3 to 0 within 30s: no trigger has been active for 5m01s, the cooldown is 5m"),
        (3, "False", None, Outcome.UNKNOWN, None,
         "not known: no trigger is active; since when KEDA does not tell"),
        (3, "True", 0, Outcome.UNKNOWN, None,
         "not known: between 1 and 100 its HPA keda-hpa-so decides, which is not read"),
    ],
)  # fmt: skip
def test_between_zero_and_one(
    current: int, active: str | None, last: float | None, outcome: Outcome, desired: int | None, words: str
) -> None:
    known = scaled(conditions=[("Active", active)] if active else [])
    known = msgspec.structs.replace(known, last_active=None if last is None else NOW - last)
    made = decide(known, current, NOW, None)
    assert (made.outcome, made.desired, sentence(made)) == (outcome, desired, words)


def test_above_one_its_hpa_decides() -> None:
    made = decide(scaled(conditions=[("Active", "True")]), 3, NOW, THROUGH)
    assert (made.subject.kind, made.desired, made.maximum) == ("ScaledObject", 3, 100)
    never_to_zero = decide(scaled(conditions=[("Active", "False")], minReplicaCount=2), 3, NOW, THROUGH)
    assert never_to_zero.desired == 3


@pytest.mark.parametrize(
    ("note", "outcome", "desired"), [("paused", Outcome.DISABLED, 3), ("paused-replicas", Outcome.SCALES, 5)]
)
def test_paused(note: str, outcome: Outcome, desired: int) -> None:
    notes = {f"autoscaling.keda.sh/{note}": "true" if note == "paused" else "5"}
    made = decide(scaled(notes), 3, NOW, THROUGH)
    assert (made.outcome, made.desired) == (outcome, desired)
    assert decide(scaled(notes), 5, NOW, THROUGH).outcome is Outcome.DISABLED


def test_what_keeps_it_from_acting() -> None:
    health = {"health": {"s0-prometheus": {"status": "Failing", "numberOfFailures": 4}}}
    known = scaled(
        {"autoscaling.keda.sh/paused-scale-in": "true"}, [("Ready", "False"), ("Fallback", "True")], health
    )
    assert state_words(known) == (
        "scale-in is paused",
        "not ready: told",
        "a trigger fails: KEDA uses its fallback count",
        "s0-prometheus failed 4 times",
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "metadata",
                        "spec",
                        "status",
                        "triggers",
                        "type",
                        "name",
                        "conditions",
                        "health",
                        "annotations",
                        "triggersActivity",
                        "pollingInterval",
                        "minReplicaCount",
                        "lastActiveTime",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_no_object_stops_it(value: Any) -> None:
    known = decode_object(msgspec.json.encode(value))
    state_words(known)
    assert sentence(decide(known, 1, NOW, None))
