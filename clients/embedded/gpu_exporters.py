"""The pods that tell of GPUs, one a node, as the GPU operator's DaemonSet leaves them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster

__all__ = ["AGENT", "EXPORTER", "PORT", "Naming", "add_exporters", "naming_of"]

EXPORTER, AGENT = "nvidia-dcgm-exporter", "servegrid-agent"
PORT = 9400
_NAMESPACE = "gpu-operator"
_NAMING = "sim.servegrid/labels"
_SILENT = "sim.servegrid/silent"
_AGE = 20 * 86_400.0


class Naming(Struct, frozen=True):
    """How an exporter is."""

    kind: str
    labels: str
    """In whose names its page tells of pods: today's (empty), ``exported`` as after a scrape, or ``old``."""
    silent: bool


def naming_of(pod: Json) -> Naming | None:
    """How the exporter of a pod is; ``None`` for any other pod."""
    meta = pod["metadata"]
    labels: Mapping[str, str] = meta.get("labels") or {}
    kind = labels.get("app") or labels.get("app.kubernetes.io/name") or ""
    if kind not in (EXPORTER, AGENT):
        return None
    notes: Mapping[str, str] = meta.get("annotations") or {}
    return Naming(kind, notes.get(_NAMING, ""), _SILENT in notes)


def add_exporters(
    cluster: Cluster,
    *,
    agents: Collection[str] = (),
    silent: Collection[str] = (),
    naming: Mapping[str, str] | None = None,
) -> None:
    """An exporter on every node with GPUs, running for as long as the node; to be called last.

    ``agents`` have servegrid's own instead; those of ``silent`` answer, but have nothing; ``naming`` is by
    node.
    """
    cluster.namespaces([_NAMESPACE])
    for node in cluster.nodes:
        if node.gpus:
            kind = AGENT if node.name in agents else EXPORTER
            notes = {}
            if node.name in silent:
                notes[_SILENT] = "true"
            if naming is not None and node.name in naming:
                notes[_NAMING] = naming[node.name]
            cluster.ground.plant_on(node, _pod(kind, node.name, notes), _AGE)


def _pod(kind: str, node: str, notes: Mapping[str, str]) -> Json:
    operator = kind == EXPORTER
    env = [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    if operator:
        env += [{"name": "DCGM_EXPORTER_LISTEN", "value": f":{PORT}"}]
    container: Json = {
        "name": kind,
        "image": "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.2-4.8.1-ubuntu22.04"
        if operator
        else "servegrid:latest",
        "env": env,
        "ports": [
            {"name": "gpu-metrics" if operator else "metrics", "containerPort": PORT, "protocol": "TCP"}
        ],
    }
    if not operator:
        container["args"] = ["agent", "--listen", "0.0.0.0", "--interval", "1"]
    labels = {"app": kind} if operator else {"app.kubernetes.io/name": kind}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{kind}-{node}",
            "namespace": _NAMESPACE,
            "labels": {**labels, "controller-revision-hash": "6bb5d8f7c4", "pod-template-generation": "1"},
            "annotations": dict(notes),
        },
        "spec": {"containers": [container]},
    }
