"""The roles in deploy/console-rbac, put into a cluster whose API enforces them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from clients.embedded.apiserver.access import Account, Identity
from clients.embedded.apiserver.roles import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS
from clients.embedded.apiserver.roles import RBAC as GROUP
from clients.embedded.store import Store

__all__ = ["bind", "granted"]

_FILES = Path(__file__).parents[2] / "deploy" / "console-rbac"


def granted(store: Store, holders: Mapping[str, Sequence[str]]) -> Identity:
    """All of them, bound in the whole cluster to users whose tokens are their names."""
    for path in _FILES.glob("*.yaml"):
        store.create(CLUSTER_ROLES, yaml.safe_load(path.read_text()), manager="kubectl")
    for user, roles in holders.items():
        for name in roles:
            bind(store, user, name)
    return Identity({user: Account(user) for user in holders}, Account("nobody"))


def bind(store: Store, user: str, role: str, namespace: str | None = None) -> None:
    """Gives a user a role, in one namespace or in all."""
    metadata = {"name": f"{user}-{role}"}
    binding = {
        "metadata": metadata if namespace is None else {**metadata, "namespace": namespace},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}],
    }
    store.create(CLUSTER_ROLE_BINDINGS if namespace is None else ROLE_BINDINGS, binding, manager="kubectl")
