"""What goes wrong in ``trouble`` beside the ModelServings, one of each system.

kserve-oom: its model does not load · lws-crash: a worker that fails takes its group along, again and again ·
sts-blocked: the second pod never gets ready, so the third is never made · rollout-stuck: an image that does
not exist, past its deadline.
"""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.embedded.scenarios.ground import DAY
from clients.embedded.scenarios.happenings import Happenings
from clients.embedded.workload_objects import (
    Engine,
    deployment_object,
    inference_service_object,
    leader_worker_set_object,
    stateful_set_object,
)

__all__ = ["plant_broken_systems"]

_NAMESPACE = "llm-prod"
_DEADLINE = 120


def plant_broken_systems(cluster: Cluster, happenings: Happenings) -> None:
    """Plants them well, and schedules what befalls them."""
    grown, faults = cluster.workloads, cluster.faults
    cluster.namespaces([_NAMESPACE])
    small = Engine(model="microsoft/phi-4-mini")
    service = inference_service_object(
        _NAMESPACE, "kserve-oom", Engine(model="Qwen/Qwen3-32B", gpus=1), minReplicas=1, maxReplicas=2
    )
    grown.inference_service(service, 3 * DAY)
    grown.leader_worker_set(leader_worker_set_object(_NAMESPACE, "lws-crash", 2, 3, small, small), 3 * DAY)
    grown.stateful_set(stateful_set_object(_NAMESPACE, "sts-blocked", 1, small), 3 * DAY)
    rollout = deployment_object(_NAMESPACE, "rollout-stuck", 3, small)
    rollout["spec"]["progressDeadlineSeconds"] = _DEADLINE
    grown.deployment(rollout, 3 * DAY)

    def fail() -> None:
        crash = Fault(FaultKind.CRASH, _NAMESPACE, "kserve-oom-predictor-*", CUDA_OOM)
        worker = Fault(FaultKind.CRASH, _NAMESPACE, "lws-crash-1-2", CUDA_OOM, after=25)
        blocked = Fault(FaultKind.CRASH, _NAMESPACE, "sts-blocked-1", "", "OOMKilled", exit_code=137)
        for fault in (crash, worker, blocked):
            faults.add(fault)
        for record in cluster.store.records("pods", _NAMESPACE, {"app": "isvc.kserve-oom-predictor"}):
            cluster.kubelets.crash(_NAMESPACE, record.name, crash)
        cluster.kubelets.crash(_NAMESPACE, worker.name, worker)
        _set(cluster, "statefulsets.apps", "sts-blocked", replicas=3)

    def roll_out() -> None:
        faults.add(Fault(FaultKind.IMAGE, _NAMESPACE, "rollout-stuck-*"))

        def change(obj: Json) -> None:
            container = obj["spec"]["template"]["spec"]["containers"][0]
            container["image"] = "docker.io/vllm/vllm-openai:v0.12.0-rc9"

        cluster.store.mutate("deployments.apps", _NAMESPACE, "rollout-stuck", change, manager="argocd")

    happenings.at(6, fail)
    happenings.at(12, roll_out)


def _set(cluster: Cluster, resource: str, name: str, **fields: object) -> None:
    cluster.store.mutate(
        resource, _NAMESPACE, name, lambda obj: obj["spec"].update(fields), manager="kubectl"
    )
