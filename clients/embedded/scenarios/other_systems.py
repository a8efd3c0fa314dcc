"""What runs beside the ModelServings of ``default``: KServe, a LeaderWorkerSet, a StatefulSet, Deployments.

iris is scaled by KServe's own HPA on cpu, qwen by an HPA on GPU load that a cron job lifts in the morning;
the rest is left to the user. The last Deployments serve no model.
"""

from __future__ import annotations

from typing import NamedTuple

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster
from clients.embedded.controllers.hpa_objects import hpa_object, pods_metric
from clients.embedded.controllers.kserve_names import ISVC_LABEL
from clients.embedded.curves import Bursts, Steady, Total, Wave, chance
from clients.embedded.scenarios.ground import DAY, HOUR, open_outside
from clients.embedded.workload_objects import (
    Engine,
    deployment_object,
    inference_service_object,
    leader_worker_set_object,
    stateful_set_object,
)

__all__ = ["plant_other_systems"]

_IRIS = "python -m sklearnserver --model_name=iris --model_dir=/models --http_port=8080"
_QWEN = (
    "python3 -m vllm.entrypoints.openai.api_server --port 8080 --trust-remote-code --served-model-name qwen "
    "--model /mnt/models/Qwen-7B-Chat-Int8 --gpu-memory-utilization 0.95 --quantization gptq "
    "--max-model-len=6144"
)


class Pod(NamedTuple):
    """What one pod can do: requests at a time, and seconds for one when there are no others."""

    capacity: float
    latency: float


_DISTILLED = "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"
_PROGRAMS = (
    ("default", "litellm-proxy", 2, "ghcr.io/berriai/litellm:main-stable"),
    ("research", "open-webui", 1, "ghcr.io/open-webui/open-webui:v0.6"),
    ("kube-system", "coredns", 2, "registry.k8s.io/coredns/coredns:v1.12.0"),
    ("kube-system", "metrics-server", 1, "registry.k8s.io/metrics-server/metrics-server:v0.8.0"),
    ("kube-system", "ack-alibaba-cloud-metrics-adapter", 1, "acs/alibaba-cloud-metrics-adapter:v0.3.9"),
    ("kube-system", "ack-kubernetes-cronhpa-controller", 1, "acs/kubernetes-cronhpa-controller:v1.4.1"),
)
_CLASSIFIER = Pod(capacity=4, latency=0.1)
"""What one pod of scikit-learn's server can do on a core."""
_SMALL = Pod(capacity=12, latency=2.0)
"""And one of vLLM with a model that fills most of its GPU."""
_EXAMPLES = (
    ("sklearn-iris", {ISVC_LABEL: "sklearn-iris"}, 0.125, 2.6, _CLASSIFIER),
    ("qwen", {ISVC_LABEL: "qwen"}, 0.75, 9.4, _SMALL),
    ("qwen-cronhpa", {ISVC_LABEL: "qwen-cronhpa"}, 2.0, 4.0, _SMALL),
    ("llm-deployment", {"app": "llm"}, 40.0, 360.0, Pod(capacity=64, latency=2.0)),
)
"""Name, selector, requests in flight at rest, those of a burst, and a pod: what users ask of docs/examples
once somebody applies them."""


def plant_other_systems(cluster: Cluster) -> None:
    """Plants them all; puts them, and the examples to come, under demand.

    Raises ValueError where they do not fit.
    """
    grown = cluster.workloads
    cluster.namespaces(["default", "llm-prod", "research"])
    _plant_iris(cluster)
    _plant_qwen(cluster)
    leader = Engine(model=_DISTILLED, name="vllm-leader", cpu="8", memory="32Gi")
    worker = Engine(model=_DISTILLED, gpus=1, name="vllm-worker", cpu="8", memory="64Gi")
    groups = leader_worker_set_object("llm-prod", "ds-r1", 3, 4, leader, worker)
    grown.leader_worker_set(groups, 6 * DAY)
    embedder = Engine(model="BAAI/bge-m3", gpus=1, cpu="8", memory="32Gi")
    grown.stateful_set(stateful_set_object("research", "bge-m3", 2, embedder), 9 * DAY)
    llama = Engine(model="meta-llama/Llama-3.1-8B-Instruct", gpus=1, cpu="8", memory="64Gi")
    grown.deployment(deployment_object("llm-prod", "vllm-llama", 1, llama), 4 * DAY)
    for namespace, name, replicas, image in _PROGRAMS:
        program = Engine(image=image, cpu="500m", memory="512Mi", port=8080, name=name)
        grown.deployment(deployment_object(namespace, name, replicas, program), 12 * DAY)
    for namespace, name in (("llm-prod", "vllm-llama"), ("research", "bge-m3")):
        cluster.demand.assign(namespace, name, {"app": name}, Steady(18), capacity=64)
    for name, selector, calm, burst, pod in _EXAMPLES:
        seed = f"{cluster.options.seed}/{name}"
        curve = Total((Steady(calm), Bursts(burst, gap=1200, length=150, seed=seed)))
        cluster.demand.assign("default", name, selector, curve, **pod._asdict())
    leaders = {"leaderworkerset.sigs.k8s.io/name": "ds-r1"}
    open_outside(cluster, "llm-prod", "vllm-llama", {"app": "vllm-llama"})
    open_outside(cluster, "llm-prod", "ds-r1-leader", {**leaders, "role": "leader"})
    cluster.demand.assign("llm-prod", "ds-r1", leaders, Steady(60), capacity=64)


def _plant_iris(cluster: Cluster) -> None:
    engine = Engine(
        image="kube-ai-registry.cn-shanghai.cr.aliyuncs.com/ai-sample/kserve-sklearn-server:v0.12.0",
        cpu="1",
        memory="200Mi",
        port=8080,
    )
    iris = inference_service_object(
        "default", "iris", engine, command=_IRIS, minReplicas=1, maxReplicas=10, scaleMetric="cpu",
        scaleTarget=10,
    )  # fmt: skip
    cluster.workloads.inference_service(iris, 8 * DAY, replicas=4)
    _demand(cluster, "default", "iris", 0.25, 2.9, _CLASSIFIER)


def _plant_qwen(cluster: Cluster) -> None:
    image = "kube-ai-registry.cn-shanghai.cr.aliyuncs.com/kube-ai/vllm:0.4.1"
    engine = Engine(image=image, gpus=1, cpu="4", memory="12Gi", port=8080)
    qwen = inference_service_object("llm-prod", "qwen", engine, autoscaler="external", command=_QWEN)
    cluster.workloads.inference_service(qwen, 5 * DAY)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "qwen-predictor"}
    metrics = [pods_metric("DCGM_CUSTOM_PROCESS_SM_UTIL", "50")]
    with cluster.clock.held_at(cluster.clock.now() - 5 * DAY + HOUR):
        hpa = hpa_object("llm-prod", "qwen-hpa", target, 1, 2, metrics)
        cluster.store.create("horizontalpodautoscalers.autoscaling", hpa, manager="arena")
        cluster.store.create(
            "cronhorizontalpodautoscalers.autoscaling.alibabacloud.com", _cron(), manager="kubectl"
        )
    _demand(cluster, "llm-prod", "qwen", 1.5, 8.25, _SMALL)


def _cron() -> Json:
    return {
        "kind": "CronHorizontalPodAutoscaler",
        "apiVersion": "autoscaling.alibabacloud.com/v1beta1",
        "metadata": {"name": "qwen-cronhpa", "namespace": "llm-prod"},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "autoscaling/v1",
                "kind": "HorizontalPodAutoscaler",
                "name": "qwen-hpa",
            },
            "jobs": [
                {"name": "morning", "schedule": "0 30 8 * * 1-5", "targetSize": 2},
                {"name": "night", "schedule": "0 0 22 * * *", "targetSize": 1},
            ],
        },
    }


def _demand(cluster: Cluster, namespace: str, name: str, low: float, high: float, pod: Pod) -> None:
    period = 2700.0
    wave = Wave(low, high, period, period * chance(cluster.options.seed, name))
    cluster.demand.assign(namespace, name, {ISVC_LABEL: name}, wave, **pod._asdict())
