"""The embedded cluster's users beside its administrator, each with the RBAC objects behind its rights."""

from __future__ import annotations

from collections.abc import Sequence

from clients.embedded.apiserver.access import Account
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.roles import bound_role
from clients.embedded.store import Store

__all__ = ["bound_account", "namespace_account", "viewer_account"]

_READ = ["get", "list", "watch"]


def bound_account(store: Store, user: str, rules: Sequence[Json], namespace: str | None = None) -> Account:
    """A user with these rules, in the whole cluster or in one namespace.

    A role and a binding of its name are made unless they are there.
    """
    for resource, obj in bound_role(user, rules, {"kind": "User", "name": user}, namespace):
        if store.record(resource, namespace, user) is None:
            store.create(resource, obj, manager="kube-apiserver")
    return Account(user)


def viewer_account(store: Store, user: str = "viewer") -> Account:
    """Reads everything, everywhere; writes nothing."""
    return bound_account(store, user, [{"apiGroups": ["*"], "resources": ["*"], "verbs": _READ}])


def namespace_account(store: Store, namespace: str, user: str = "ns-only") -> Account:
    """Watches and scales in one namespace; sees nothing of the cluster."""
    scaled = ["modelservings", "deployments", "statefulsets", "replicasets"]
    rules: list[Json] = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": _READ},
        {
            "apiGroups": ["workload.serving.volcano.sh", "apps"],
            "resources": [*scaled, *(f"{plural}/scale" for plural in scaled)],
            "verbs": ["create", "update", "patch", "delete"],
        },
        {"apiGroups": ["autoscaling", "keda.sh"], "resources": ["*"], "verbs": ["update", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]},
    ]
    return bound_account(store, user, rules, namespace)
