"""A cluster that never rests: groups and roles scaled all the time, rollouts, crashes, an autoscaler."""

from __future__ import annotations

from random import Random

from clients.embedded.cluster import Cluster
from clients.embedded.controllers.hpa_objects import hpa_object, pods_metric, serving_reference
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.curves import Wave, chance
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.embedded.gpu_exporters import add_exporters
from clients.embedded.scenarios.ground import add_nodes, plant_all, route_all, under_demand
from clients.embedded.scenarios.happenings import Happenings
from clients.embedded.scenarios.scenario import Scenario, Size
from clients.embedded.servings import Role, Serving

__all__ = ["SCENARIO"]

_MODELS = (
    ("chat", "Qwen/Qwen3-32B"),
    ("code", "Qwen/Qwen3-Coder-30B"),
    ("vision", "Qwen/Qwen2.5-VL-72B"),
    ("reason", "deepseek-ai/DeepSeek-R1"),
    ("draft", "microsoft/phi-4-mini"),
    ("guard", "google/gemma-3-27b-it"),
)
_TEAMS = ("default", "team-a", "team-b")
_RESERVE = 16
"""GPUs that stay free whatever is scaled."""

_PLANS = tuple(
    Serving(
        namespace=team,
        name=f"{word}-{index}",
        model=model,
        groups=2 + (index + place) % 3,
        roles=(Role("prefill", 1), Role("decode", 1 + index % 2)),
        by_role=place % 2 == 1,
        restart_grace=8,
    )
    for index, team in enumerate(_TEAMS)
    for place, (word, model) in enumerate(_MODELS)
)


def _fill(cluster: Cluster, _size: Size) -> None:
    add_nodes(cluster, 32)
    plant_all(cluster, _PLANS)
    route_all(cluster, _PLANS)
    metrics = [pods_metric("vllm:num_requests_running", "40")]
    hpa = hpa_object("default", "chat-0", serving_reference("chat-0"), 1, 5, metrics)
    period = 1200.0
    wave = Wave(30, 190, period, period * chance(cluster.options.seed, "chat-0"))
    cluster.demand.assign("default", "chat-0", {NAME: "chat-0"}, wave, capacity=70)
    cluster.store.create("horizontalpodautoscalers.autoscaling", hpa, manager="helm")
    scaled = [plan for plan in _PLANS if plan.name != "chat-0"]
    under_demand(cluster, scaled)
    add_exporters(cluster)
    happenings = Happenings(cluster, "busy")

    def groups(rng: Random) -> None:
        plan = rng.choice(scaled)
        now = happenings.replicas(plan.namespace, plan.name)
        if now is None:
            return
        room = happenings.free_gpus() > _RESERVE
        wanted = now + rng.choice((-2, -1, 1, 2) if room else (-2, -1))
        happenings.scale(plan.namespace, plan.name, max(1, min(6, wanted)), "autopilot")

    def roles(rng: Random) -> None:
        plan = rng.choice(scaled)
        room = happenings.free_gpus() > _RESERVE
        happenings.scale_role(
            plan.namespace, plan.name, "decode", rng.randint(1, 3 if room else 1), "autopilot"
        )

    def roll_out(rng: Random) -> None:
        plan = rng.choice(scaled)
        image = f"docker.io/vllm/vllm-openai:v0.11.{rng.randint(0, 2)}"
        happenings.roll_out(plan.namespace, plan.name, image, "argocd")

    def failure(rng: Random) -> None:
        plan = rng.choice(_PLANS)
        fault = Fault(FaultKind.CRASH, plan.namespace, "*", CUDA_OOM)
        happenings.crash_one(plan.namespace, plan.name, rng, fault)

    def flapping(rng: Random) -> None:
        plan = rng.choice(_PLANS)
        happenings.flap_one(plan.namespace, plan.name, rng, rng.uniform(5, 20))

    happenings.now_and_then("groups", 10, 25, groups)
    happenings.now_and_then("roles", 20, 45, roles)
    happenings.now_and_then("roll-out", 80, 160, roll_out)
    happenings.now_and_then("failure", 60, 120, failure)
    happenings.now_and_then("flapping", 30, 60, flapping)


SCENARIO = Scenario(_fill, history=90.0)
