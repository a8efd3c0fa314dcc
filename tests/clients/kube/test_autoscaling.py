"""What drives a workload, over HTTP from the embedded cluster: the chain, the decision, what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from clients.embedded.adapters import Adapter, State
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.hpa import HPAS
from clients.embedded.controllers.hpa_objects import hpa_object, pods_metric, serving_reference
from clients.embedded.controllers.kserve_names import INFERENCE_SERVICES
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.curves import Steady
from clients.embedded.scenarios import default
from clients.embedded.scenarios.scenario import Size
from clients.embedded.workload_objects import Engine, inference_service_object
from clients.serving.autoscaling import Autoscaling, Bears
from clients.serving.decision import Decision, Outcome
from clients.serving.decision_words import sentence
from clients.serving.events import EventKind
from tests.support.backends import Looked, looking
from tests.support.kube import until
from tests.support.simworld import World

CRONS = "cronhorizontalpodautoscalers.autoscaling.alibabacloud.com"
CUSTOM = "custom.metrics.k8s.io"
METRIC = "vllm:num_requests_running"
READS = ["get", "list", "watch"]


def world_of(groups: int, least: int = 1, most: int = 8, **more: Any) -> World:
    world = World()
    metric = pods_metric(METRIC, "50")
    made = hpa_object("llm", "chat", serving_reference("chat"), least, most, [metric], **more)
    world.store.create(HPAS, made, manager="helm")
    return world.grown(groups)


def demand(world: World, in_flight: float) -> None:
    world.cluster.demand.assign("llm", "chat", {NAME: "chat"}, Steady(in_flight), capacity=100, noise=0)


def load(world: World, value: float) -> None:
    """What every engine's metric says from now on."""
    for pod in world.pods():
        if pod.endswith("-prefill-0-0"):
            world.cluster.demand.hold("llm", pod, {METRIC: value})


def replicas(world: World) -> int:
    wanted: int = world.serving()["spec"]["replicas"]
    return wanted


def only(value: Autoscaling) -> Decision:
    (decision,) = value.decisions
    return decision


async def decided(looked: Looked, count: int) -> Decision:
    """The decision, once the watches have told of this count."""
    await looked.has("chat", count, 1)
    return only(await looked.autoscaling("chat"))


async def test_what_is_said_is_what_the_controller_then_does() -> None:
    world = world_of(2)
    demand(world, 90)
    world.live(60)
    async with looking(world) as looked:
        held = await decided(looked, 2)
        assert (held.outcome, held.desired, held.goes_to) == (Outcome.HOLDS, 2, None)
        load(world, 95)
        while replicas(world) == 2:
            out = await decided(looked, 2)
            world.live(1)
        assert out.outcome is Outcome.SCALES
        assert out.desired == replicas(world) == 4
        assert [sample.value for sample in out.metrics[0].pods] == [95.0, 95.0]

        world.live(3)
        load(world, 50)
        for _ in range(12):
            await decided(looked, 4)
            world.live(5)
        load(world, 25)
        world.live(6)
        said: list[tuple[float, int | None, float | None]] = []
        while replicas(world) == 4:
            told = await decided(looked, 4)
            said.append((told.at, told.goes_to, told.until))
            world.live(5)
        assert replicas(world) == 2
        ended = world.cluster.clock.now()
        promises = [(goes_to, until) for _, goes_to, until in said[2:] if until is not None]
        assert len(promises) > 40, "it told all the time what comes next"
        assert {goes_to for goes_to, _ in promises} <= {2, 3}
        assert all(ended - 25 <= until <= ended + 15 for _, until in promises), (ended, promises)


async def test_after_a_gap_in_looking_what_holds_is_told_as_at_most() -> None:
    world = world_of(2)
    demand(world, 90)
    world.live(60)
    async with looking(world) as looked:
        load(world, 95)
        world.until(lambda: replicas(world) == 4, limit=60)
        load(world, 50)
        world.live(3)
        load(world, 50)
        await decided(looked, 4)
        world.live(120)
        load(world, 20)
        world.live(40)
        told = await decided(looked, 4)
        assert told.stabilised is not None
        assert not told.stabilised.seen
        assert told.at_latest


async def test_what_held_before_we_looked_is_told_as_at_most() -> None:
    world = world_of(4)
    demand(world, 190)
    world.live(60)
    demand(world, 50)
    world.live(60)
    assert replicas(world) == 4
    async with looking(world) as looked:
        told = await decided(looked, 4)
        assert told.stabilised is not None
        assert not told.stabilised.seen
        assert sentence(told) == (
            "holds at 4 because a recommendation from before servegrid looked holds it; "
            "goes to 1 in at most 5m"
        )


async def test_what_it_says_of_its_moves_is_told_with_the_metrics_value_and_kept_with_both_counts() -> None:
    world = world_of(2)
    demand(world, 90)
    world.live(60)
    async with looking(world) as looked:
        await looked.has("chat", 2, 1)
        demand(world, 190)
        world.until(lambda: replicas(world) == 4, limit=60)
        await until(lambda: looked.told)
        (event,) = looked.told
        assert (event.kind, event.actor) == (EventKind.DRIVER, "HPA/chat")
        assert event.reason == f"pods metric {METRIC} above target"
        assert event.detail == {"decided": "4", "metric": METRIC, "value": 95.0}
        assert event.key is not None
        assert event.key.name == "chat"
        value = await looked.autoscaling("chat")
        assert [(one.before, one.after) for one in value.rescales] == [("2", "4")]


async def test_moves_from_before_are_history_and_no_news() -> None:
    world = world_of(2)
    demand(world, 190)
    world.until(lambda: replicas(world) == 4, limit=60)
    world.live(30)
    async with looking(world) as looked:
        await looked.has("chat", 4, 1)
        value = await looked.autoscaling("chat")
        assert [one.after for one in value.rescales] == ["4"]
        assert "value" not in value.rescales[0].detail, "what the metric was then is not known"
        assert looked.told == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.ABSENT, f"the API {CUSTOM} is absent: an adapter for {CUSTOM} is not installed"),
        (State.SILENT, f"{CUSTOM} has no metric {METRIC}"),
    ],
)  # fmt: skip
async def test_an_adapter_that_is_missing_is_named(state: State, words: str) -> None:
    world = world_of(2)
    world.cluster.adapters.set(Adapter.CUSTOM, state)
    world.live(40)
    async with looking(world) as looked:
        told = await decided(looked, 2)
        assert told.outcome is Outcome.NONE
        assert told.reason == f"{METRIC}: {words}"
        assert sentence(told).startswith("no decision: ")
        assert replicas(world) == 2


async def test_controllers_that_do_nothing_are_named() -> None:
    world = World()  # Nothing in it acts: there are objects, and nobody takes them up.
    engine = Engine(image="vllm", gpus=1, cpu="4", memory="8Gi", port=8080)
    service = inference_service_object("llm", "qwen", engine, autoscaler="external", command="vllm serve")
    world.store.create(INFERENCE_SERVICES, service, manager="kubectl")
    target = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "qwen"}
    made = hpa_object("llm", "gpu", target, 1, 4, [pods_metric(METRIC, "50")])
    world.store.create(HPAS, made, manager="kubectl")
    world.live(300)
    async with looking(world) as looked:
        await until(lambda: (found := looked.named("qwen")) is not None and found.drivers)
        value = await looked.autoscaling("qwen")
    hpa_silent, kserve_silent = value.absences
    assert hpa_silent.startswith("no HPA controller has looked at gpu for 5m")
    assert kserve_silent.startswith("KServe has made nothing of it for 5m")


async def test_a_metric_that_only_we_may_not_read_is_not_known() -> None:
    world = world_of(2)
    demand(world, 90)
    world.live(40)
    groups = ["", "apps", "autoscaling", "discovery.k8s.io", "workload.serving.volcano.sh"]
    rules = [{"apiGroups": groups, "resources": ["*"], "verbs": READS}]
    async with looking(world, rules) as looked:
        value = await looked.autoscaling("chat")
        told = only(value)
        assert told.outcome is Outcome.UNKNOWN
        assert "no right to read" in (told.metrics[0].error or "")
        assert told.metrics[0].current == 45.0, "as the controller last read it"
        assert any(words.startswith("KEDA cannot be seen: ") for words in value.absences), value.absences


def cron(*jobs: tuple[str, str, int]) -> Json:
    ref = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "name": "chat"}
    listed = [{"name": name, "schedule": line, "targetSize": size} for name, line, size in jobs]
    return {
        "apiVersion": "autoscaling.alibabacloud.com/v1beta1",
        "kind": "CronHorizontalPodAutoscaler",
        "metadata": {"name": "office", "namespace": "llm"},
        "spec": {"scaleTargetRef": ref, "jobs": listed},
    }


async def test_a_schedule_stands_in_the_chain_and_its_next_job_beside_the_hpa() -> None:
    world = world_of(2)
    demand(world, 90)
    # START is 2023-11-14 22:13:20 UTC, 06:13:20 in Shanghai.
    jobs = cron(("morning", "0 15 6 * * *", 3), ("night", "0 0 22 * * *", 1))
    world.store.create(CRONS, jobs, manager="kubectl")
    world.live(40)
    async with looking(world) as looked:
        await looked.has("chat", 2, 2)
        found = looked.named("chat")
        assert found is not None
        assert [(one.kind, one.signal) for one in found.drivers] == [
            ("HPA", f"{METRIC} 45<50"), ("CronHPA", "06:15 to 3"),
        ]  # fmt: skip
        value = await looked.autoscaling("chat")
        ((own, scaler, schedule),) = value.chain
        assert [(part.ref.name, part.bears) for part in (own, scaler, schedule)] == [
            ("chat", Bears.IS), ("chat", Bears.SCALES), ("office", Bears.BOUNDS),
        ]  # fmt: skip
        (plan,) = value.schedules
        assert [(one.job, one.replicas) for one in plan.firings] == [("morning", 3), ("night", 1)]
        world.live(120)
        await looked.has("chat", 3, 2)
        await until(lambda: _signal(looked) == "22:00 to 1")
        value = await looked.autoscaling("chat")
        done = [
            (one.before, one.after, one.reason) for one in value.rescales if one.actor == "CronHPA/office"
        ]
        assert done == [("2", "3", "job morning")]


def _signal(looked: Looked) -> str | None:
    found = looked.named("chat")
    return next((one.signal for one in found.drivers if one.kind == "CronHPA"), None) if found else None


async def test_an_inference_services_chain_goes_through_its_deployment() -> None:
    world = World(nodes=0)
    default.SCENARIO.fill(world.cluster, Size())
    world.started()
    world.live(20)
    async with looking(world) as looked:
        await looked.has("qwen", 1, 2)
        value = await looked.autoscaling("qwen")
        (way,) = value.chain
        assert [(part.ref.kind, part.ref.name) for part in way] == [
            ("InferenceService", "qwen"),
            ("Deployment", "qwen-predictor"),
            ("HorizontalPodAutoscaler", "qwen-hpa"),
            ("CronHorizontalPodAutoscaler", "qwen-cronhpa"),
        ]
        assert value.free_groups is not None
