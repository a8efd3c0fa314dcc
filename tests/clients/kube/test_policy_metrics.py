"""Kthena's policies over HTTP from the embedded cluster: the pods' own pages, and what is decided on them."""

from __future__ import annotations

from typing import Any

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_autoscaler import POLICIES
from clients.embedded.controllers.kthena_labels import NAME, ROLE
from clients.embedded.curves import Steady
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.serving.decision import Decision, Outcome, SampleState
from clients.serving.decision_words import sentence
from tests.support.backends import Looked, looking
from tests.support.simworld import World

RUNNING = "vllm:num_requests_running"
LATENCY = "vllm:e2e_request_latency_seconds"
PAGE: Json = {"port": 8000, "labelSelector": {"matchLabels": {ROLE: "prefill"}}}
READS = ["get", "list", "watch"]
PROXY = "right missing: get pods/proxy in namespace llm"


def submit(world: World, metric: str = RUNNING, value: str = "50", source: Json | None = None) -> None:
    """A policy of 1 to 8 groups by one metric, whose windows are short."""
    stable = {"period": "15s", "stabilizationWindow": "0s", "percent": 100}
    target = {
        "target": {
            "targetRef": {"kind": "ModelServing", "name": "chat"},
            "metricSources": {metric: source or {"pod": PAGE}},
        },
        "minReplicas": 1,
        "maxReplicas": 8,
    }
    spec: Json = {
        "metrics": [{"name": metric, "targetValue": value}],
        "behavior": {"scaleDown": {**stable, "stabilizationWindow": "1m"}},
        "homogeneousTarget": target,
    }
    apply(world, spec)


def apply(world: World, spec: Json) -> None:
    made = {"metadata": {"name": "policy", "namespace": "llm"}, "spec": spec}
    world.store.create(POLICIES, made, manager="kubectl", validate=True)


def demand(world: World, in_flight: float) -> None:
    world.cluster.demand.assign("llm", "chat", {NAME: "chat"}, Steady(in_flight), capacity=1000, noise=0)


def replicas(world: World) -> int:
    wanted: int = world.serving()["spec"]["replicas"]
    return wanted


async def decided(looked: Looked, count: int) -> Decision:
    """The decision, once the watches have told of this count."""
    await looked.has("chat", count, 1)
    (decision,) = (await looked.autoscaling("chat")).decisions
    return decision


async def test_what_is_said_is_what_the_controller_then_does() -> None:
    world = World().grown(2)
    demand(world, 90)
    world.live(20)
    submit(world)
    world.live(60)
    async with looking(world) as looked:
        held = await decided(looked, 2)
        assert sentence(held) == f"holds at 2: {RUNNING} 45 of 50 is near enough: asks for 2"
        assert [(one.pod, one.value) for one in held.metrics[0].pods] == [
            ("chat-0-prefill-0-0", 45.0), ("chat-1-prefill-0-0", 45.0),
        ]  # fmt: skip
        demand(world, 190)
        while replicas(world) == 2:
            out = await decided(looked, 2)
            world.live(1)
        assert out.outcome is Outcome.SCALES
        assert out.desired == replicas(world) == 4

        world.live(200)
        for _ in range(5):
            await decided(looked, 4)
            world.live(15)
        demand(world, 60)
        said: list[Decision] = []
        while replicas(world) == 4:
            said.append(await decided(looked, 4))
            world.live(3)
        ended = world.cluster.clock.now()
        waits = [one for one in said if one.until is not None and one.until > one.at]
        assert len(waits) > 10, "it told all the time what comes next"
        assert {one.goes_to for one in waits[-10:]} == {replicas(world)}
        # When it looks nobody knows: a period for what it recommended last, another until it acts.
        assert all(one.until is not None and ended - 30 <= one.until <= ended + 15 for one in waits[-10:])


async def test_an_edited_policy_is_looked_at_anew() -> None:
    world = World().grown(2)
    demand(world, 90)
    world.live(20)
    submit(world)
    async with looking(world) as looked:
        assert (await decided(looked, 2)).desired == 2

        def edit(policy: Json) -> None:
            policy["spec"]["metrics"][0]["targetValue"] = "20"

        world.store.mutate(POLICIES, "llm", "policy", edit, manager="kubectl")
        world.live(1)
        await looked.has("chat", 2, 1)
        while (told := await decided(looked, 2)).metrics[0].target != 20:
            pass
        assert told.desired == 5


async def test_a_p95_is_known_after_a_minute_of_looking() -> None:
    world = World().grown(1)
    demand(world, 1)
    world.live(300)
    submit(world, "latency", "100", {"pod": {**PAGE, "name": LATENCY}})
    async with looking(world) as looked:
        blind = await decided(looked, 1)
        assert blind.outcome is Outcome.UNKNOWN
        assert blind.reason == (
            "latency: its p95 of the last minute is known after a minute of looking: in 1m"
        )
        world.cluster.demand.hold("llm", "chat-0-prefill-0-0", {LATENCY: 150.0})
        seen: list[float] = []
        while replicas(world) == 1:
            made = await decided(looked, 1)
            if made.metrics[0].current is not None:
                seen.append(made.metrics[0].current)
            world.live(5)
        assert made.outcome is Outcome.SCALES
        assert made.desired == replicas(world)
        assert seen
        assert seen[-1] > 100


async def test_without_the_right_to_the_pages_nothing_is_invented() -> None:
    world = World().grown(2)
    demand(world, 190)
    submit(world)
    groups = ["", "apps", "autoscaling", "discovery.k8s.io", "workload.serving.volcano.sh"]
    plain = ["pods", "nodes", "events", "namespaces"]
    rules = [
        {"apiGroups": [""], "resources": plain, "verbs": READS},
        {"apiGroups": groups[1:], "resources": ["*"], "verbs": READS},
    ]
    async with looking(world, rules) as looked:
        told = await decided(looked, 2)
        assert (told.outcome, told.desired, told.metrics[0].current) == (Outcome.UNKNOWN, None, None)
        assert sentence(told) == f"not known: {RUNNING}: {PROXY}"


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        (
            {"pod": {**PAGE, "port": 8100}},
            Outcome.NONE,
            "pod chat-0-prefill-0-0 :8100/metrics: nobody listens on its port: it is starting, or has ended",
        ),
        (
            {"pod": {**PAGE, "uri": "/stats"}},
            Outcome.NONE,
            "pod chat-0-prefill-0-0 :8000/stats: it answers, but has no such page (404)",
        ),
        ({"pod": {**PAGE, "name": "vllm:nothing"}}, Outcome.NONE, "no pod gives a value"),
        (
            {"pod": {**PAGE, "labelSelector": {"matchLabels": {ROLE: "encoder"}}}},
            Outcome.NONE,
            "it has no entry pods",
        ),
        (
            {"prometheus": {"serverURL": "http://prometheus:9090", "query": "up"}},
            Outcome.UNKNOWN,
            "read by the controller from Prometheus http://prometheus:9090",
        ),
    ],
)
async def test_what_cannot_be_read_is_named(source: Json, outcome: Outcome, words: str) -> None:
    world = World().grown(2)
    demand(world, 190)
    submit(world, source=source)
    world.live(40)
    assert replicas(world) == 2
    async with looking(world) as looked:
        told = await decided(looked, 2)
        assert (told.outcome, told.metrics[0].error) == (outcome, words)


async def test_a_pod_that_restarted_once_is_named() -> None:
    world = World()
    world.grown(2, restart_grace=600)
    demand(world, 190)
    world.cluster.kubelets.crash("llm", "chat-1-prefill-0-0", Fault(FaultKind.CRASH, "llm", "*", CUDA_OOM))
    world.live(120)
    submit(world)
    async with looking(world) as looked:
        told = await decided(looked, 2)
        assert told.outcome is Outcome.NONE
        assert told.reason == (
            f"{RUNNING}: pod chat-1-prefill-0-0 failed or has restarted: nothing is read until it is replaced"
        )


async def test_each_role_has_its_own_pods_and_their_ratio_is_kept() -> None:
    world = World().grown(1)
    demand(world, 100)
    world.live(20)
    bounds: Any = {"minReplicas": 1, "maxReplicas": 6, "metricSources": {RUNNING: {"pod": {"port": 8000}}}}
    spec = {
        "metrics": [{"name": RUNNING, "targetValue": "20"}],
        "disaggregatedTarget": {
            "targetRef": {"kind": "ModelServing", "name": "chat"},
            "roles": {"prefill": {**bounds, "maxReplicas": 2}, "decode": bounds},
            "ratioConstraint": {
                "numeratorRole": "prefill", "denominatorRole": "decode", "minRatio": "0.5", "maxRatio": "1",
            },
        },
    }  # fmt: skip
    async with looking(world) as looked:
        apply(world, spec)
        await looked.has("chat", 1, 2)
        while len((found := await looked.autoscaling("chat")).decisions) < 2:
            pass
        made = {one.role: one for one in found.decisions}
        assert [sample.pod for sample in made["decode"].metrics[0].pods] == ["chat-0-decode-0-0"]
        assert {role: one.desired for role, one in made.items()} == {"prefill": 2, "decode": 4}
        assert made["decode"].adjusted == "the ratio of prefill to decode needs 4"
        world.live(20)
        roles = world.serving()["spec"]["template"]["roles"]
        assert {role["name"]: role["replicas"] for role in roles} == {"prefill": 2, "decode": 4}
        while (first := await looked.autoscaling("chat")).decisions[0].current == 1:
            pass
        states = {sample.state for one in first.decisions for sample in one.metrics[0].pods}
        assert states == {SampleState.READY, SampleState.UNREADY}
