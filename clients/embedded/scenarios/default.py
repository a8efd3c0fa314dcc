"""A quiet production cluster: a dozen ModelServings, two autoscaled, and now and then something happens.

Beside them runs what other systems serve (``other_systems``).

Nothing but the user touches deepseek-r1, llama-guide and qwen-coder in ``default``, nor deepseek-v3, glm-4,
kimi-k2 and llama-70b in ``llm-prod``. llama-guide follows the documented order.
"""

from __future__ import annotations

from random import Random

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster
from clients.embedded.controllers.hpa_objects import hpa_object, pods_metric, serving_reference
from clients.embedded.controllers.kthena_autoscaler import POLICIES
from clients.embedded.controllers.kthena_labels import API_VERSION, NAME
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.curves import Steady, Wave, chance
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.embedded.gpu_exporters import add_exporters
from clients.embedded.gpus import MIG_LABEL, SHARED_LABEL
from clients.embedded.scenarios.ground import (
    DAY,
    HOUR,
    add_nodes,
    notebook,
    plant_all,
    route_all,
    under_demand,
)
from clients.embedded.scenarios.happenings import Happenings
from clients.embedded.scenarios.other_systems import plant_other_systems
from clients.embedded.scenarios.scenario import Scenario, Size
from clients.embedded.servings import Role, Serving

__all__ = ["SCENARIO"]


def _pd(prefill: int, decode: int, workers: int = 0, gpus: int = 1) -> tuple[Role, ...]:
    return (Role("prefill", prefill, gpus=gpus), Role("decode", decode, workers, gpus))


_PLANS = (
    Serving(
        namespace="default",
        name="deepseek-r1",
        model="deepseek-ai/DeepSeek-R1",
        groups=2,
        roles=_pd(2, 4),
        restart_grace=30,
    ),
    Serving(
        namespace="default", name="llama-guide", model="meta-llama/Llama-3.3-70B", groups=4, roles=_pd(1, 1)
    ),
    Serving(namespace="default", name="qwen-chat", model="Qwen/Qwen3-32B", groups=3, roles=_pd(1, 1)),
    Serving(namespace="default", name="qwen-coder", model="Qwen/Qwen3-Coder-30B", groups=2, roles=_pd(1, 2)),
    Serving(
        namespace="llm-prod",
        name="deepseek-v3",
        model="deepseek-ai/DeepSeek-V3",
        groups=1,
        roles=_pd(4, 8),
        gang={"prefill": 2, "decode": 4},
    ),
    Serving(
        namespace="llm-prod", name="glm-4", model="zai-org/GLM-4.5", groups=2, roles=_pd(1, 1, workers=1)
    ),
    Serving(
        namespace="llm-prod",
        name="kimi-k2",
        model="moonshotai/Kimi-K2-Instruct",
        groups=1,
        roles=_pd(2, 2, workers=1),
        recovery="ServingGroupRecreate",
    ),
    Serving(
        namespace="llm-prod",
        name="llama-70b",
        model="meta-llama/Llama-3.3-70B",
        groups=2,
        roles=_pd(1, 2),
        scheduler="default-scheduler",
    ),
    Serving(
        namespace="llm-prod",
        name="mistral-large",
        model="mistralai/Mistral-Large-2",
        groups=2,
        roles=_pd(1, 2),
        restart_grace=10,
    ),
    Serving(
        namespace="research", name="gemma-eval", model="google/gemma-3-27b-it", groups=1, roles=_pd(1, 1)
    ),
    Serving(
        namespace="research",
        name="phi-chat",
        model="microsoft/phi-4-mini",
        groups=1,
        roles=(Role("serve"),),
        manager="helm",
    ),
    Serving(
        namespace="research",
        name="phi-mini",
        model="microsoft/phi-4-mini",
        groups=1,
        roles=_pd(1, 1),
        by_role=True,
    ),
    Serving(namespace="research", name="qwen-vl", model="Qwen/Qwen2.5-VL-72B", groups=2, roles=_pd(1, 1)),
)


_DIVIDED = {"gpu-node-02": (SHARED_LABEL, "2"), "gpu-node-03": (MIG_LABEL, "all-1g.20gb")}
_NAMING = {"gpu-node-04": "exported", "gpu-node-05": "old"}
_RUNNING = "vllm:num_requests_running"
_UNUSED = ("gemma-eval", "qwen-vl")
"""Nobody asks these anything: their GPUs are held, and idle."""


def _autoscale(cluster: Cluster) -> None:
    """qwen-chat by an HPA, phi-chat by a policy. Few requests fill a pod of these, so that twenty users of
    a load test are more than those who are there can take, and the bounds leave room for them."""
    with cluster.clock.held_at(cluster.clock.now() - 10 * HOUR):
        behavior = {"scaleDown": {"stabilizationWindowSeconds": 90}}
        target = serving_reference("qwen-chat")
        metrics = [pods_metric(_RUNNING, "4")]
        autoscaler = hpa_object("default", "qwen-chat", target, 2, 5, metrics, behavior)
        cluster.store.create("horizontalpodautoscalers.autoscaling", autoscaler, manager="helm")
        policy = _policy("research", "phi-chat", 1, 4, "6")
        cluster.store.create(POLICIES, policy, manager="helm", validate=True)
    period = 2700.0
    wave = Wave(3, 9, period, period * chance(cluster.options.seed, "qwen-chat"))
    cluster.demand.assign("default", "qwen-chat", {NAME: "qwen-chat"}, wave, capacity=6)
    cluster.demand.assign("research", "phi-chat", {NAME: "phi-chat"}, Steady(4), capacity=10, latency=1.5)


def _policy(namespace: str, name: str, least: int, most: int, target: str) -> Json:
    source = {"pod": {"port": 8000}}
    reference = {"targetRef": {"kind": "ModelServing", "name": name}, "metricSources": {_RUNNING: source}}
    return {
        "kind": "AutoscalingPolicy",
        "apiVersion": API_VERSION,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "metrics": [{"name": _RUNNING, "targetValue": target}],
            "behavior": {"scaleDown": {"period": "15s", "stabilizationWindow": "90s"}},
            "homogeneousTarget": {"target": reference, "minReplicas": least, "maxReplicas": most},
        },
    }


def _fill(cluster: Cluster, _size: Size) -> None:
    add_nodes(cluster, 16, divided=_DIVIDED)
    plant_all(cluster, _PLANS)
    route_all(cluster, _PLANS)
    for index in range(2):
        cluster.ground.plant_pod(notebook("research", f"notebook-{index}", 1), 2 * DAY)
    plant_other_systems(cluster)
    _autoscale(cluster)
    apart = (*_UNUSED, "qwen-chat", "phi-chat")
    under_demand(cluster, [plan for plan in _PLANS if plan.name not in apart])
    add_exporters(cluster, agents=("gpu-node-01",), naming=_NAMING)
    happenings = Happenings(cluster, "default")

    def batch(_rng: Random) -> None:
        groups = happenings.replicas("research", "phi-mini")
        if groups is not None:
            happenings.scale("research", "phi-mini", 1 if groups > 1 else 2, "batch-scheduler")

    def evaluation(rng: Random) -> None:
        happenings.scale_role("research", "gemma-eval", "decode", rng.choice((1, 2)), "eval-runner")

    def failure(rng: Random) -> None:
        fault = Fault(FaultKind.CRASH, "llm-prod", "mistral-large-*", CUDA_OOM)
        happenings.crash_one("llm-prod", "mistral-large", rng, fault)

    def roll_out(rng: Random) -> None:
        version = rng.choice(("v0.11.0", "v0.11.1"))
        happenings.roll_out("research", "qwen-vl", f"docker.io/vllm/vllm-openai:{version}", "argocd")

    happenings.now_and_then("batch", 240, 420, batch)
    happenings.now_and_then("evaluation", 280, 500, evaluation)
    happenings.now_and_then("failure", 480, 900, failure)
    happenings.now_and_then("roll-out", 700, 1300, roll_out)


SCENARIO = Scenario(_fill, flavours={("default", "llama-guide"): Flavour.DOCUMENTED})
