"""Makes RBAC objects, and those that every kube-apiserver (1.37) is born with, as far as they matter here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clients.embedded.apiserver.objects import Json

__all__ = [
    "CLUSTER_ROLES",
    "CLUSTER_ROLE_BINDINGS",
    "RBAC",
    "ROLES",
    "ROLE_BINDINGS",
    "bound_role",
    "standard_roles",
]

RBAC = "rbac.authorization.k8s.io"
ROLES, ROLE_BINDINGS = f"roles.{RBAC}", f"rolebindings.{RBAC}"
CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS = f"clusterroles.{RBAC}", f"clusterrolebindings.{RBAC}"

_BORN_WITH = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_DISCOVERY = ["/livez", "/readyz", "/healthz", "/version", "/version/"]
_DISCOVERY += [path for root in ("/openapi", "/api", "/apis") for path in (root, f"{root}/*")]


def bound_role(
    name: str, rules: Sequence[Json], subject: Json, namespace: str | None = None
) -> Iterator[tuple[str, Json]]:
    """A role and its binding of the same name to ``subject``: (resource, object) each.

    Of the whole cluster, or of one namespace.
    """
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    kind = "ClusterRole" if namespace is None else "Role"
    yield CLUSTER_ROLES if namespace is None else ROLES, {"metadata": dict(metadata), "rules": list(rules)}
    yield (
        CLUSTER_ROLE_BINDINGS if namespace is None else ROLE_BINDINGS,
        {
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
            "subjects": [{"apiGroup": RBAC, **subject}],
        },
    )


def standard_roles() -> Iterator[tuple[str, Json]]:
    """(resource, object): what administrators may do, and what everybody may ask."""
    everything = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
    reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    basic = [
        {"apiGroups": ["authorization.k8s.io"], "resources": reviews, "verbs": ["create"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
    ]
    discovery = [{"nonResourceURLs": _DISCOVERY, "verbs": ["get"]}]
    for name, rules, group in (
        ("cluster-admin", everything, "system:masters"),
        ("system:basic-user", basic, "system:authenticated"),
        ("system:discovery", discovery, "system:authenticated"),
    ):
        for resource, obj in bound_role(name, rules, {"kind": "Group", "name": group}):
            obj["metadata"]["labels"] = dict(_BORN_WITH)
            yield resource, obj
