"""What an HPA decides on, read over HTTP from the embedded cluster; and the decision it then takes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from clients.embedded.accounts import namespace_account
from clients.embedded.adapters import Adapter, State
from clients.embedded.api import serve
from clients.embedded.apiserver.access import Identity
from clients.embedded.command import application
from clients.embedded.controllers.hpa import HPAS
from clients.embedded.controllers.hpa_objects import (
    external_metric,
    hpa_object,
    pods_metric,
    resource_metric,
    serving_reference,
)
from clients.kube.hpa_decision import Inputs, decide_from, remember
from clients.kube.hpa_history import History
from clients.kube.hpa_metrics import HpaReader, MetricsApi
from clients.kube.hpa_object import HpaObject, decode_object
from clients.serving.decision import Decision, Outcome, SampleState
from clients.serving.decision_words import sentence
from tests.support.kube import session_to
from tests.support.simworld import World

SM = "DCGM_CUSTOM_PROCESS_SM_UTIL"


class Stage:
    """A simulated cluster with one ModelServing and its HPA, behind a real port."""

    def __init__(self, *metrics: dict[str, Any], least: int = 1, most: int = 8, **more: Any) -> None:
        self.world = World()
        made = hpa_object("llm", "chat", serving_reference("chat"), least, most, list(metrics), **more)
        self.world.store.create(HPAS, made, manager="helm")
        self.world.grown(2)
        self.history = History(self.now, complete=True)

    @property
    def now(self) -> float:
        return self.world.cluster.clock.now()

    @property
    def replicas(self) -> int:
        wanted: int = self.world.serving()["spec"]["replicas"]
        return wanted

    def hold(self, *values: float, name: str = SM) -> None:
        entries = [pod for pod in self.world.pods() if pod.endswith("-prefill-0-0")]
        for pod, value in zip(entries, values, strict=False):
            self.world.cluster.demand.hold("llm", pod, {name: value})

    def hpa(self) -> HpaObject:
        return decode_object(msgspec.json.encode(self.world.store.get(HPAS, "llm", "chat")))

    @asynccontextmanager
    async def reading(self, token: str | None = None) -> AsyncIterator[HpaReader]:
        identity = Identity(tokens={"none": namespace_account(self.world.store, "elsewhere")})
        runner, port = await serve(application(self.world.cluster, identity), 0)
        try:
            async with session_to(f"http://127.0.0.1:{port}", token=token) as session:
                yield HpaReader(session)
        finally:
            await runner.cleanup()

    async def look(self, reader: HpaReader) -> Decision:
        known = self.hpa()
        return decide_from(known, await reader.read(known), self.history, self.now)


async def read(stage: Stage, token: str | None = None) -> Inputs:
    async with stage.reading(token) as reader:
        return await reader.read(stage.hpa())


async def test_scale_pods_and_samples() -> None:
    stage = Stage(pods_metric(SM, "60"), resource_metric("cpu", 50))
    stage.hold(95, 88)
    stage.world.live(20)
    inputs = await read(stage)
    assert inputs.scale is not None
    assert inputs.scale.selector == stage.world.status()["labelSelector"]
    assert sorted(sample.value for sample in inputs.values[0].pods.values()) == [88_000, 95_000]
    sampled = [pod for pod in inputs.pods if pod.name in inputs.values[1].pods]
    assert len(sampled) == 2
    assert all(pod.ready and pod.started and "cpu" in pod.requests["engine"] for pod in sampled)


async def test_it_does_what_was_told() -> None:
    stage = Stage(pods_metric(SM, "60"), most=6)
    stage.hold(95, 88)
    async with stage.reading() as reader:
        told, moves, expected = await stage.look(reader), [], []
        for step in range(200):
            before = stage.replicas
            stage.world.live(3)
            if stage.replicas != before:
                moves.append((stage.replicas, stage.now))
                expected.append((told.desired if told.outcome is Outcome.SCALES else told.goes_to, told))
                stage.history.scaled(before, stage.replicas, stage.now, None)
            if step == 20:
                stage.hold(20, 20, 20, 20, 20, 20)
            told = await stage.look(reader)
            if step % 5 == 0:
                remember(stage.history, stage.hpa(), told, acted=False)
    assert [count for count, _ in moves] == [count for count, _ in expected]
    assert moves[0][0] == 4
    assert moves[-1][0] < 4
    last, at = expected[-1][1], moves[-1][1]
    assert last.until is not None
    assert abs(last.until - at) <= 33


@pytest.mark.parametrize(
    ("metric", "adapter", "words"),
    [
        (pods_metric(SM, "60"), Adapter.CUSTOM, "custom.metrics.k8s.io is absent: an adapter for"),
        (resource_metric("cpu", 50), Adapter.RESOURCE, "metrics.k8s.io is absent: metrics-server is not"),
        (external_metric("queue", "5", {"q": "a"}), Adapter.EXTERNAL, "external.metrics.k8s.io is absent"),
    ],
)
async def test_an_absent_adapter_is_named(metric: dict[str, Any], adapter: Adapter, words: str) -> None:
    stage = Stage(metric)
    stage.world.cluster.adapters.set(adapter, State.ABSENT)
    stage.world.live(60)
    async with stage.reading() as reader:
        assert await reader.offered(MetricsApi(adapter.value)) is None
        made = await stage.look(reader)
    assert made.outcome is Outcome.NONE
    assert words in (made.reason or "")
    assert sentence(made).startswith("no decision: ")
    assert made.since is not None
    assert made.since <= stage.now


async def test_a_silent_adapter_is_named() -> None:
    stage = Stage(resource_metric("cpu", 50))
    stage.world.cluster.adapters.set(Adapter.RESOURCE, State.SILENT)
    stage.world.live(200)
    async with stage.reading() as reader:
        made = await stage.look(reader)
    told = r"no decision: cpu: the API metrics.k8s.io answers with nothing since 3m\d+s"
    assert re.fullmatch(told, sentence(made))


async def test_what_we_may_not_read_is_not_taken_for_missing() -> None:
    stage = Stage(pods_metric(SM, "60"))
    stage.hold(95, 88)
    stage.world.live(40)
    async with stage.reading("none") as reader:
        made = await stage.look(reader)
    assert made.outcome is Outcome.UNKNOWN
    assert sentence(made).startswith("not known: no right to read ")


async def test_pods_that_start_are_marked() -> None:
    stage = Stage(pods_metric(SM, "50"), most=16)
    stage.hold(100, 100)
    stage.world.until(lambda: stage.replicas == 4, limit=40)
    stage.world.live(2)
    async with stage.reading() as reader:
        made = await stage.look(reader)
    assert sorted(found.state for found in made.metrics[0].pods) == [
        SampleState.READY, SampleState.READY, SampleState.UNREADY, SampleState.UNREADY,
    ]  # fmt: skip
    assert (made.outcome, made.desired) == (Outcome.HOLDS, 4)


async def test_two_hpas_of_the_same_pods_stop() -> None:
    stage = Stage(pods_metric(SM, "60"))
    second = hpa_object("llm", "b", serving_reference("chat"), 1, 4, [pods_metric(SM, "60")])
    stage.world.store.create(HPAS, second, manager="helm")
    stage.hold(95, 88)
    stage.world.live(60)
    async with stage.reading() as reader:
        made = await stage.look(reader)
    assert made.outcome is Outcome.NONE
    assert sentence(made).startswith("no decision: stopped: several HPAs select the same pods")


async def test_a_target_that_is_not_there() -> None:
    stage = Stage(pods_metric(SM, "60"))
    lost = msgspec.structs.replace(stage.hpa(), target=stage.hpa().ref, target_api="apps/v1")
    async with stage.reading() as reader:
        inputs = await reader.read(lost)
    assert inputs.problem == "the server knows no HorizontalPodAutoscaler"
    assert decide_from(lost, inputs, stage.history, stage.now).outcome is Outcome.NONE


async def test_a_server_that_is_down_is_no_decision_of_the_controllers() -> None:
    stage = Stage(pods_metric(SM, "60"))
    async with session_to("http://127.0.0.1:1") as session:
        inputs = await HpaReader(session).read(stage.hpa())
    made = decide_from(stage.hpa(), inputs, stage.history, stage.now)
    assert (made.outcome, inputs.hidden) == (Outcome.UNKNOWN, True)
