"""Names of the things servegrid speaks of."""

from __future__ import annotations

import re

from msgspec import Struct

from clients.serving.plain import plain

__all__ = ["ObjectRef", "ScaleTarget", "WorkloadKey", "reading_order"]

_CLOUDS = frozenset(("exoscale", "modelarts"))
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
_POD_OF_REPLICA_SET = re.compile(rf"-{_SAFE}{{6,10}}-{_SAFE}{{5}}\Z")
"""A template's hash and a random suffix, in the letters from which Kubernetes makes both."""


class WorkloadKey(Struct, frozen=True, order=True):
    """One scalable serving object, anywhere.

    ``cluster`` is the uid of the namespace ``kube-system`` (managed clouds: the zone or region), so that
    two clusters, or one cluster under two kubeconfig contexts, are never mixed up in state files.
    """

    cluster: str
    system: str
    """The module that understands it: ``kthena``, ``kserve``, ``lws``, ``workloads``, ``exoscale``, …"""
    namespace: str | None
    kind: str
    name: str

    @property
    def managed(self) -> bool:
        """It runs at a managed cloud: its cluster is a zone or region, which people know by its name."""
        return self.system in _CLOUDS

    @property
    def label(self) -> str:
        """``name``, of a managed cloud ``name@zone`` or ``service/deployment@region``."""
        if not self.managed:
            return self.name
        return f"{'/'.join(part for part in (self.namespace, self.name) if part)}@{self.cluster}"

    def __str__(self) -> str:
        """``Kind/namespace/name``, or ``exoscale/zone/name``: what a person types and reads."""
        head = (self.system, self.cluster) if self.managed else (self.kind,)
        return "/".join(part for part in (*head, self.namespace, self.name) if part)


def reading_order(key: WorkloadKey) -> tuple[bool, str, str, str, str]:
    """The order in which people read a list of workloads: those of the cluster, then those of clouds."""
    return (key.managed, key.namespace or "", key.name, key.kind, key.cluster)


class ObjectRef(Struct, frozen=True, order=True):
    """Any object of a cluster: an end of a chain link, a driver, an owner."""

    group: str
    kind: str
    namespace: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class ScaleTarget(Struct, frozen=True):
    """What an autoscaler names as its target."""

    ref: ObjectRef
    api_version: str
    """``apps/v1``."""


def pod_label(name: str) -> str:
    """What tells a ReplicaSet's pod apart from its siblings, ``x7k2p``; any other name as it is."""
    return name.rpartition("-")[2] if _POD_OF_REPLICA_SET.search(name) else name


def item_label(name: str, workload: str) -> str:
    """``G-3`` for ``qwen-3``, ``G-3/decode-1`` for ``qwen-3/decode-1``, ``x7k2p`` for a Deployment's pod
    ``qwen-predictor-6c9f7d9b5c-x7k2p``; else the name; always plain.
    """
    group, slash, role_id = name.partition("/")
    ordinal = group.removeprefix(f"{workload}-")
    label = f"G-{ordinal}" if ordinal != group and ordinal.isdecimal() else pod_label(group)
    return plain(f"{label}{slash}{role_id}", 120)
