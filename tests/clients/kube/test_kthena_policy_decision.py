"""What a Kthena AutoscalingPolicy decides: proposals, behavior, panic, splits and ratios."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.embedded.controllers import kthena_autoscaling as theirs
from clients.kube.kthena_policy_decision import PolicyHistory, PolicyValue, decide
from clients.kube.kthena_policy_division import repaired, split
from clients.kube.kthena_policy_object import (
    PageSource,
    PolicyObject,
    PolicyTarget,
    bound,
    decode_object,
)
from clients.serving.decision import Decision, Outcome
from clients.serving.decision_words import sentence
from clients.serving.keys import ObjectRef

Values = dict[str | None, dict[str, PolicyValue]]
Counts = dict[tuple[str, str | None], int]
NOW = 1_000_000.0
SOURCES = {"queue": {"pod": {"port": 8000, "uri": "/metrics"}}}
TARGET = {"targetRef": {"name": "qwen"}, "metricSources": SOURCES}
WHOLE = {"target": TARGET, "minReplicas": 1, "maxReplicas": 8}


def policy(behavior: Any = None, **spec: Any) -> PolicyObject:
    given_spec = {"metrics": [{"name": "queue", "targetValue": "10"}], "behavior": behavior, **spec}
    meta = {"uid": "u", "namespace": "llm", "name": "pol"}
    return decode_object(
        msgspec.json.encode({"kind": "AutoscalingPolicy", "metadata": meta, "spec": given_spec})
    )


def one(
    current: int,
    value: PolicyValue | None,
    known: PolicyObject | None = None,
    history: PolicyHistory | None = None,
    now: float = NOW,
) -> Decision:
    known = known or policy(homogeneousTarget=WHOLE)
    values: Values = {} if value is None else {None: {"queue": value}}
    (made,) = decide(known, {("qwen", None): current}, values, {None: history} if history else {}, now)
    return made


@pytest.mark.parametrize(
    ("current", "value", "best"),
    [
        (2, PolicyValue(60, 2), 6),
        (4, PolicyValue(43, 4), 4),
        (4, PolicyValue(45, 4), 5),
        (4, PolicyValue(20, 2, unready=2), 4),
        (4, PolicyValue(100, 2, unready=2), 8),
        (4, PolicyValue(4, 2), 3),
        (4, PolicyValue(35), 4),
        (4, PolicyValue(61), 7),
        (4, PolicyValue(999, 4), 8),
    ],
)
def test_proposals(current: int, value: PolicyValue, best: int) -> None:
    made = one(current, value)
    assert made.best == best
    assert made.metrics[0].name == "queue"


def test_what_the_controller_alone_reads_is_not_invented() -> None:
    made = one(2, None)
    assert (made.outcome, made.desired, made.best) == (Outcome.UNKNOWN, None, None)
    assert made.metrics[0].error == "read by the controller from pods :8000/metrics"
    assert sentence(made) == "not known: queue: read by the controller from pods :8000/metrics"
    known = policy(homogeneousTarget=WHOLE)
    refused = PolicyValue(error="right missing: get pods/proxy in namespace llm", hidden=True)
    assert one(2, refused, known).outcome is Outcome.UNKNOWN
    broken = PolicyValue(error="chat-0-prefill-0-0 has restarted")
    assert sentence(one(2, broken, known)) == "no decision: queue: chat-0-prefill-0-0 has restarted"


@pytest.mark.parametrize(("current", "desired"), [(0, 1), (9, 8)])
def test_bounds_need_no_metric(current: int, desired: int) -> None:
    made = one(current, None)
    assert (made.outcome, made.desired) == (Outcome.SCALES, desired)


def test_scale_in_waits_for_its_window() -> None:
    known, history = policy(homogeneousTarget=WHOLE), PolicyHistory(NOW - 999)
    history.remember(one(6, PolicyValue(60, 6), known, history))
    made = one(6, PolicyValue(12, 6), known, history, NOW + 100)
    assert (made.desired, made.goes_to, made.until) == (6, 2, NOW + 300)
    assert sentence(made) == "holds at 6 because 6 was recommended 1m40s ago; goes to 2 in 3m20s"
    assert one(6, PolicyValue(12, 6), known, history, NOW + 301).desired == 2


def test_a_step_is_limited() -> None:
    stable = {"instances": 1, "percent": 10, "period": "60s", "selectPolicy": "Or"}
    known, history = (
        policy({"scaleUp": {"stablePolicy": stable}}, homogeneousTarget=WHOLE),
        PolicyHistory(NOW - 999),
    )
    made = one(2, PolicyValue(60, 2), known, history)
    assert (made.best, made.desired) == (6, 3)
    assert made.limited is not None
    assert made.limited.policy == "1 or 10% in 60s"
    both = policy({"scaleUp": {"stablePolicy": {**stable, "selectPolicy": "And"}}}, homogeneousTarget=WHOLE)
    assert one(2, PolicyValue(60, 2), both, history).desired == 2


def test_in_panic_it_does_not_go_down() -> None:
    panic = {"percent": 300, "period": "15s", "panicThresholdPercent": 200, "panicModeHold": "60s"}
    down = {"stabilizationWindow": "0s", "period": "0s"}
    known = policy({"scaleUp": {"panicPolicy": panic}, "scaleDown": down}, homogeneousTarget=WHOLE)
    history = PolicyHistory(NOW - 999)
    assert one(2, PolicyValue(60, 2), known, history).desired == 6
    held = one(6, PolicyValue(6, 6), known, history, NOW + 30)
    assert (held.outcome, held.adjusted) == (Outcome.HOLDS, "in panic: it does not go down")
    assert one(6, PolicyValue(6, 6), known, history, NOW + 61).desired == 1


def test_one_total_over_several_targets() -> None:
    other = {"targetRef": {"name": "glm", "namespace": "lab"}, "metricSources": SOURCES}
    params = [
        {**WHOLE, "cost": 30, "maxReplicas": 4},
        {**WHOLE, "target": other, "cost": 10, "maxReplicas": 4},
    ]
    known = policy(heterogeneousTarget={"params": params, "costExpansionRatePercent": 100})
    current: Counts = {("qwen", None): 1, ("glm", None): 1}
    made = decide(known, current, {None: {"queue": PolicyValue(58, 2)}}, {}, NOW)
    assert [(one.target and one.target.name, one.desired) for one in made] == [("qwen", 2), ("glm", 4)]
    assert made[0].adjusted == "2 of 6 in all, the cheapest first"
    assert [one.outcome for one in decide(known, {}, {}, {}, NOW)] == [Outcome.UNKNOWN] * 2


def target(least: int, most: int, cost: int) -> PolicyTarget:
    return PolicyTarget(ObjectRef("g", "k", "n", f"t{cost}"), least, most, cost=cost)


@pytest.mark.parametrize(
    ("total", "expansion", "counts"),
    [
        (2, 200, (1, 1)),
        (3, 200, (2, 1)),
        (5, 200, (3, 2)),
        (6, 200, (4, 2)),
        (99, 200, (8, 4)),
        (6, 100, (5, 1)),
    ],
)
def test_blocks_grow_and_the_cheapest_comes_first(
    total: int, expansion: int, counts: tuple[int, int]
) -> None:
    assert split([target(1, 8, 10), target(1, 4, 15)], total, expansion) == counts


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 9)), min_size=1, max_size=4),
    st.integers(0, 200), st.sampled_from([50, 100, 150, 200, 300]),
)  # fmt: skip
def test_a_split_spends_the_total(parts: list[tuple[int, int, int]], total: int, expansion: int) -> None:
    targets = [target(least, least + more, cost) for least, more, cost in parts]
    counts = split(targets, total, expansion)
    least, most = sum(part[0] for part in parts), sum(part[0] + part[1] for part in parts)
    assert sum(counts) == min(max(total, least), most)
    assert all(low <= count <= low + more for count, (low, more, _) in zip(counts, parts, strict=True))


@pytest.mark.parametrize(
    ("pair", "above", "below", "ratio", "kept"),
    [
        ((2, 4), (0, 9), (0, 9), ("0.5", "1"), (2, 4)), ((1, 4), (0, 9), (0, 9), ("0.5", "1"), (2, 4)),
        ((6, 2), (0, 9), (0, 9), ("0.5", "1"), (6, 6)), ((6, 2), (0, 9), (0, 4), ("0.5", "1"), (4, 4)),
        ((0, 0), (0, 9), (0, 9), ("1", "1"), (0, 0)), ((0, 3), (0, 9), (0, 9), ("1", "2"), (3, 3)),
        ((1, 1), (1, 1), (5, 5), ("1", "1"), None),
    ],
)  # fmt: skip
def test_roles_are_kept_in_their_ratio(
    pair: tuple[int, int], above: tuple[int, int], below: tuple[int, int], ratio: tuple[str, str],
    kept: tuple[int, int] | None,
) -> None:  # fmt: skip
    assert repaired(pair, above, below, Fraction(ratio[0]), Fraction(ratio[1])) == kept


_BOUNDS = st.tuples(st.integers(0, 6), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(
    st.tuples(st.integers(1, 18), st.integers(1, 18)), _BOUNDS, _BOUNDS, st.integers(0, 8), st.integers(1, 8)
)
def test_a_ratio_is_met_whenever_some_counts_meet_it(
    pair: tuple[int, int], above: tuple[int, int], below: tuple[int, int], low: int, more: int
) -> None:
    least, most = Fraction(low, 4), Fraction(low + more, 4)
    begin = (min(max(pair[0], above[0]), above[1]), min(max(pair[1], below[0]), below[1]))
    found = repaired(begin, above, below, least, most)
    feasible = [
        (a, b) for a in range(above[0], above[1] + 1) for b in range(max(1, below[0]), below[1] + 1)
        if least <= Fraction(a, b) <= most
    ]  # fmt: skip
    assert found == (0, 0) == begin if begin == (0, 0) else (found in feasible if feasible else found is None)


def test_roles_by_what_the_status_says() -> None:
    roles = {
        "prefill": {"minReplicas": 1, "maxReplicas": 8, "metricSources": SOURCES},
        "decode": {"minReplicas": 4, "maxReplicas": 4},
    }
    ratio = {"numeratorRole": "prefill", "denominatorRole": "decode", "minRatio": "0.5", "maxRatio": "1"}
    metrics = [{"name": "queue", "targetValue": "10"}]
    target = {"targetRef": {"name": "qwen"}, "roles": roles, "ratioConstraint": ratio}
    spec = {"metrics": metrics, "disaggregatedTarget": target}
    status = {
        "disaggregatedStatus": {
            "roles": [{"name": "prefill", "currentReplicas": 2, "desiredReplicas": 6, "mode": "Panic"}]
        }
    }
    known = decode_object(
        msgspec.json.encode({"metadata": {"namespace": "llm", "name": "p"}, "spec": spec, "status": status})
    )
    current: Counts = {("qwen", "prefill"): 2, ("qwen", "decode"): 4}
    made = {one.role: one for one in decide(known, current, {}, {}, NOW)}
    assert (made["prefill"].best, made["prefill"].desired) == (6, 4)
    assert made["prefill"].adjusted == "the ratio of prefill to decode needs 4"
    assert sentence(made["prefill"]) == (
        "goes from 2 to 4 within 15s: its metrics ask for 6, in panic, says its status, "
        "the ratio of prefill to decode needs 4"
    )
    assert (made["decode"].outcome, made["decode"].desired) == (Outcome.HOLDS, 4)


def test_roles_move_together_or_not_at_all() -> None:
    bounds = {"minReplicas": 1, "maxReplicas": 8, "metricSources": SOURCES}
    target = {"targetRef": {"name": "qwen"}, "roles": {"prefill": bounds, "decode": bounds}}
    known = policy(disaggregatedTarget=target)
    current: Counts = {("qwen", "prefill"): 2, ("qwen", "decode"): 2}
    busy = {"queue": PolicyValue(60, 2)}
    values: Values = {"prefill": busy, "decode": {"queue": PolicyValue(error="no entry pods")}}
    made = {one.role: one for one in decide(known, current, values, {}, NOW)}
    assert [one.outcome for one in made.values()] == [Outcome.NONE] * 2
    assert sentence(made["prefill"]) == (
        "no decision: roles are scaled together, and of decode there is no decision"
    )
    made = {one.role: one for one in decide(known, current, {**values, "decode": busy}, {}, NOW)}
    assert [one.desired for one in made.values()] == [6, 6]


def test_a_binding_takes_its_policys_rules() -> None:
    meta = {"uid": "b", "namespace": "llm", "name": "bind"}
    target = {"targetRef": {"name": "qwen"}, "metricEndpoint": {"port": 9000}}
    whole = {"target": target, "minReplicas": 1, "maxReplicas": 3}
    spec = {"policyRef": {"name": "pol"}, "homogeneousTarget": whole}
    binding = decode_object(msgspec.json.encode({"metadata": meta, "spec": spec}))
    known = bound(binding, policy({"scaleDown": {"stabilizationWindow": "1m"}}))
    (metric,) = known.targets[0].metrics
    assert (binding.binding, known.uid, known.down.window, metric.target) == (True, "b", 60, 10)
    assert metric.pages == PageSource(9000, metric="queue")
    assert one(2, PolicyValue(60, 2), known).desired == 3


_NAMES = [
    "metadata",
    "spec",
    "status",
    "metrics",
    "behavior",
    "homogeneousTarget",
    "heterogeneousTarget",
    "params",
    "target",
    "targetRef",
    "name",
    "minReplicas",
    "maxReplicas",
    "cost",
    "disaggregatedTarget",
    "roles",
    "ratioConstraint",
    "minRatio",
    "maxRatio",
    "numeratorRole",
    "denominatorRole",
    "targetValue",
    "metricSources",
    "pod",
    "scaleUp",
    "panicPolicy",
    "stablePolicy",
    "period",
    "disaggregatedStatus",
    "desiredReplicas",
    "subTargets",
]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-5, 2**60)
        | st.text(max_size=4)
        | st.sampled_from(["queue", "1", "0.5", "15s"]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=6)
        ),
        max_leaves=25,
    )
)
def test_no_object_stops_it(spec: Any) -> None:
    known = decode_object(msgspec.json.encode({"spec": spec}))
    current = {(target.target.name, target.role): 3 for target in known.targets}
    values = {role: {"queue": PolicyValue(50, 3)} for role in {target.role for target in known.targets}}
    for made in (*decide(known, current, values, {}, NOW), *decide(known, {}, {}, {}, NOW)):
        assert sentence(made)


# -- the embedded controller

_STEPS = st.tuples(
    st.integers(0, 4),
    st.sampled_from([0, 10, 50, 100]),
    st.sampled_from([0, 15, 60]),
    st.sampled_from([0, 30, 120]),
    st.booleans(),
)
_PANIC = st.tuples(
    st.sampled_from([0, 100, 300]),
    st.sampled_from([15, 60]),
    st.sampled_from([150, 200]),
    st.sampled_from([0, 40]),
)


def _stable(steps: tuple[int, int, int, int, bool]) -> dict[str, Any]:
    instances, percent, period, window, both = steps
    return {
        "instances": instances,
        "percent": percent,
        "period": f"{period}s",
        "stabilizationWindow": f"{window}s",
        "selectPolicy": "And" if both else "Or",
    }


@given(
    up=_STEPS,
    down=_STEPS,
    panic=_PANIC,
    current=st.integers(0, 14),
    rounds=st.lists(
        st.tuples(st.integers(0, 200), st.integers(1, 14), st.integers(0, 4), st.sampled_from([5, 15, 28])),
        max_size=15,
    ),
)
def test_it_agrees_with_the_embedded_controller(
    up: tuple[int, int, int, int, bool],
    down: tuple[int, int, int, int, bool],
    panic: tuple[int, int, int, int],
    current: int,
    rounds: list[tuple[int, int, int, int]],
) -> None:
    hurry = {
        "percent": panic[0],
        "period": f"{panic[1]}s",
        "panicThresholdPercent": panic[2],
        "panicModeHold": f"{panic[3]}s",
    }
    known = policy(
        {"scaleUp": {"stablePolicy": _stable(up), "panicPolicy": hurry}, "scaleDown": _stable(down)},
        homogeneousTarget=WHOLE,
    )
    behavior = theirs.Behavior(theirs.Steps(*up), theirs.Steps(*down), theirs.Panic(*panic))
    ours, past, now = PolicyHistory(NOW), theirs.History(), NOW
    for total, reporters, unready, wait in rounds:
        pods = {"queue": theirs.PodTotal(total, reporters, unready)}
        recommended = theirs.recommend(current, 1, 8, 0.1, {"queue": 10.0}, pods, {})
        assert recommended is not None
        made = one(current, PolicyValue(total, reporters, unready), known, ours, now)
        if not 1 <= current <= 8:
            assert made.desired == recommended
            current = recommended
            continue
        assert made.best == recommended
        desired = theirs.correct(past, now, behavior, current, recommended, 1, 8)
        assert made.desired == desired
        ours.remember(made)
        current, now = desired, now + wait


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 9)), min_size=1, max_size=4),
    st.integers(0, 200),
    st.sampled_from([50, 100, 150, 200, 300]),
)
def test_splits_agree(parts: list[tuple[int, int, int]], total: int, expansion: int) -> None:
    targets = [target(least, least + more, cost) for least, more, cost in parts]
    bounds = {str(n): theirs.Bounds(least, least + more, cost) for n, (least, more, cost) in enumerate(parts)}
    expected = theirs.distribute(total, bounds, theirs.blocks(bounds, expansion))
    assert split(targets, total, expansion) == tuple(expected.values())


@given(
    st.tuples(st.integers(0, 18), st.integers(0, 18)), _BOUNDS, _BOUNDS, st.integers(0, 8), st.integers(1, 8)
)
def test_ratios_agree(
    pair: tuple[int, int], above: tuple[int, int], below: tuple[int, int], low: int, more: int
) -> None:
    least, most = Fraction(low, 4), Fraction(low + more, 4)
    begin = (min(max(pair[0], above[0]), above[1]), min(max(pair[1], below[0]), below[1]))
    try:
        expected = theirs.enforce_ratio(*begin, theirs.Bounds(*above), theirs.Bounds(*below), least, most)[:2]
    except theirs.RatioError:
        assert repaired(begin, above, below, least, most) is None
    else:
        assert repaired(begin, above, below, least, most) == expected
