"""Engines of a role replica and of a group taken together, and their figures in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clients.serving.engine_figures import Bound, EngineFigures, EngineReading
from clients.serving.engine_use import EngineUse, engine_pods, engines_of
from clients.serving.figure_words import engine_words, figure_lines
from clients.serving.phase import Stage
from clients.serving.workload import Group, PodView, Role, RoleReplica, Workload
from tests.support import fleets


def pod(name: str, index: int | None, phase: str = "Running", *, ends: bool = False) -> PodView:
    return PodView(
        name,
        f"uid-{name}",
        index,
        "node-a",
        phase,
        True,
        ends,
        Stage.READY,
        gpus=1,
        restarts=0,
        created=0.0,
    )


def with_pods(replica: RoleReplica, *pods: PodView) -> RoleReplica:
    return msgspec.structs.replace(replica, pods=pods)


def chat(*replicas: RoleReplica) -> Workload:
    role = Role("decode", len(replicas), len(replicas), replicas)
    group: Group = msgspec.structs.replace(fleets.group("chat", 0), roles=(role,))
    return fleets.workload("chat", [group])


def one_each(count: int) -> Workload:
    return chat(*(with_pods(fleets.replica("decode", at), pod(f"decode-{at}", 0)) for at in range(count)))


def test_engines_listen_in_entry_pods_that_run() -> None:
    workload = chat(
        with_pods(fleets.replica("decode", 0), pod("entry", 0), pod("worker", 1)),
        with_pods(fleets.replica("decode", 1), pod("waits", 0, "Pending")),
        with_pods(fleets.replica("decode", 2), pod("ends", 0, ends=True)),
        with_pods(fleets.replica("decode", 3), pod("of-a-deployment", None)),
    )
    assert list(engine_pods(workload)) == [("llm", "entry"), ("llm", "of-a-deployment")]


def reading(**told: Any) -> EngineReading:
    return EngineReading(EngineFigures("vLLM", "m", 1.0, **told))


def test_engines_of_a_group_together() -> None:
    workload = one_each(count := 4)
    pods = list(engine_pods(workload))
    fast, slow = Bound(0.1), Bound(0.5)
    told = dict.fromkeys(pods, reading(running=2.0, waiting=0.0, kv_percent=50.0, ttft_p50=fast))
    told[pods[0]] = reading(
        running=4.0, waiting=3.0, waiting_by_reason=(("capacity", 3.0),), kv_percent=90.0, ttft_p50=slow
    )
    uses = engines_of(workload, told)
    whole = uses.groups["chat-0"]
    assert whole.figures is not None
    assert (whole.engines, whole.silent) == (count, 0)
    assert whole.figures.running == 2.0 * count + 2
    assert whole.figures.waiting_by_reason == (("capacity", 3.0),)
    assert whole.figures.kv_percent == pytest.approx((50.0 * (count - 1) + 90) / count)
    assert whole.figures.ttft_p50 == slow
    assert whole.figures.tokens_per_second is None
    assert len(uses.replicas) == count
    # What one does not tell is not known of all; one that is silent is not among them, but counted.
    told[pods[1]] = reading(waiting=0.0)
    told[pods[2]] = EngineReading(told[pods[2]].figures, "nobody listens")
    del told[pods[0]]
    whole = engines_of(workload, told).groups["chat-0"]
    assert whole.figures is not None
    assert (whole.engines, whole.silent, whole.detail) == (count - 2, 1, "nobody listens")
    assert (whole.figures.running, whole.figures.waiting) == (None, 0.0)


def test_figures_in_words() -> None:
    figures = EngineFigures(
        "vLLM",
        "m",
        1.0,
        running=12.0,
        waiting=3.0,
        waiting_by_reason=(("capa\x1bcity", 3.0), ("deferred", 0.0)),
        kv_percent=71.2,
        tokens_per_second=811.6,
        ttft_p50=Bound(0.25),
        ttft_p99=Bound(10.0, above=True),
        names=(("running", "vllm:num_requests_running"), ("ttft", "vllm:time_to_first_token_seconds")),
    )
    use = EngineUse(2, 1, figures, "it answers 500 instead of a page")
    assert engine_words(use) == (
        "2 vLLM: 12 running, 3 waiting (3 capa␛city), KV 71%, TTFT ≤ 0.25 s (p99 > 10 s), 812 tokens/s; "
        "1 engine: it answers 500 instead of a page"
    )
    assert [" ".join(line.split()) for line in figure_lines(use)] == [
        "requests running 12 vllm:num_requests_running",
        "time to first token ≤ 0.25 s, p99 > 10 s vllm:time_to_first_token_seconds",
        "1 of 3 silent: it answers 500 instead of a page",
    ]
