"""Who may do what: the store's RBAC objects, read as the RBAC authorizer of kube-apiserver (1.37) does."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from clients.embedded.apiserver.access import Account, Attributes
from clients.embedded.apiserver.errors import forbidden
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.roles import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, RBAC, ROLE_BINDINGS, ROLES
from clients.embedded.store import Store

__all__ = ["Grant", "Rights", "Verdict"]

_MASTERS = "system:masters"


class Grant(Struct, frozen=True):
    """One rule as its holder has it; ``*`` matches anything, ``*/scale`` a subresource of anything."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Objects it is confined to; empty: none in particular."""
    paths: tuple[str, ...] = ()
    """What is no resource: ``/version``, ``/healthz/*``."""
    namespace: str | None = None
    """None: everywhere, cluster-scoped objects too."""
    source: str = ""
    """The binding behind it."""

    def allows(self, asked: Attributes) -> bool:
        """Whether this grant covers what is asked."""
        if self.namespace is not None and asked.namespace != self.namespace:
            return False
        if "*" not in self.verbs and asked.verb not in self.verbs:
            return False
        if "*" not in self.groups and asked.group not in self.groups:
            return False
        if self.names and asked.name not in self.names:
            return False
        wanted = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        return (
            "*" in self.resources
            or wanted in self.resources
            or (asked.subresource is not None and f"*/{asked.subresource}" in self.resources)
        )

    def allows_path(self, verb: str, path: str) -> bool:
        """Whether it covers a request for what is no resource."""
        return ("*" in self.verbs or verb in self.verbs) and any(
            path.startswith(known[:-1]) if known.endswith("*") else path == known for known in self.paths
        )


class Verdict(Struct, frozen=True):
    """Whether something is allowed, and by which binding, or why the answer may be incomplete."""

    allowed: bool
    reason: str = ""


class _Held(Struct, frozen=True):
    """What one account holds."""

    grants: tuple[Grant, ...]
    lost: tuple[tuple[str | None, str], ...]
    """(namespace, role) of bindings to roles that do not exist."""


class Rights:
    """Answers from the objects of one store; a change of them counts at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[Account, _Held] = {}
        for resource in (ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS):
            store.subscribe(resource, lambda _change, _obj: self._held.clear())

    def verdict(self, account: Account, asked: Attributes) -> Verdict:
        """Whether ``account`` may."""
        if _MASTERS in account.groups:
            return Verdict(True)
        held = self._of(account)
        for grant in held.grants:
            if grant.allows(asked):
                return Verdict(True, f"RBAC: allowed by {grant.source}")
        lost = [role for namespace, role in held.lost if namespace in (None, asked.namespace)]
        return Verdict(False, f"RBAC: {_listed(lost)}" if lost else "")

    def path_verdict(self, account: Account, verb: str, path: str) -> Verdict:
        """Whether ``account`` may do ``verb`` on what is no resource."""
        if _MASTERS in account.groups:
            return Verdict(True)
        for grant in self._of(account).grants:
            if grant.namespace is None and grant.allows_path(verb, path):
                return Verdict(True, f"RBAC: allowed by {grant.source}")
        return Verdict(False)

    def require(self, account: Account, asked: Attributes) -> None:
        """Raises ApiError 403 if it may not."""
        verdict = self.verdict(account, asked)
        if not verdict.allowed:
            raise forbidden(
                account.user,
                asked.verb,
                asked.group,
                asked.resource,
                asked.subresource,
                asked.namespace,
                asked.name,
                verdict.reason,
            )

    def grants(self, account: Account, namespace: str | None) -> list[Grant]:
        """What it holds in one namespace, everywhere included."""
        return [g for g in self._of(account).grants if g.namespace is None or g.namespace == namespace]

    def _of(self, account: Account) -> _Held:
        held = self._held.get(account)
        if held is None:
            held = self._held[account] = self._read(account)
        return held

    def _read(self, account: Account) -> _Held:
        grants: list[Grant] = []
        lost: list[tuple[str | None, str]] = []
        for resource in (CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS):
            for binding in self._store.list(resource):
                namespace = binding["metadata"].get("namespace")
                subject = next((s for s in binding.get("subjects") or () if _is(account, s, namespace)), None)
                if subject is None:
                    continue
                reference = binding["roleRef"]
                own = reference["kind"] == "Role"
                role = self._store.get(
                    ROLES if own else CLUSTER_ROLES, namespace if own else None, reference["name"]
                )
                if role is None:
                    name = f'{reference["kind"].lower()}.{RBAC} "{reference["name"]}"'
                    lost.append((namespace, f"{name} not found"))
                    continue
                grants += _granted(role, namespace, _source(binding, subject))
        return _Held(tuple(grants), tuple(lost))


def _granted(role: Json, namespace: str | None, source: str) -> Iterator[Grant]:
    for rule in role.get("rules") or ():
        yield Grant(
            verbs=tuple(rule.get("verbs") or ()),
            groups=tuple(rule.get("apiGroups") or ()),
            resources=tuple(rule.get("resources") or ()),
            names=tuple(rule.get("resourceNames") or ()),
            paths=tuple(rule.get("nonResourceURLs") or ()),
            namespace=namespace,
            source=source,
        )


def _is(account: Account, subject: Json, namespace: str | None) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "User":
        return bool(account.user == name)
    if kind == "Group":
        return name in account.groups
    return account.user == f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"


def _source(binding: Json, subject: Json) -> str:
    meta, reference = binding["metadata"], binding["roleRef"]
    namespace = meta.get("namespace")
    kind = "ClusterRoleBinding" if namespace is None else "RoleBinding"
    name = meta["name"] if namespace is None else f"{meta['name']}/{namespace}"
    who = subject["name"]
    if subject["kind"] == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    return f'{kind} "{name}" of {reference["kind"]} "{reference["name"]}" to {subject["kind"]} "{who}"'


def _listed(errors: list[str]) -> str:
    return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
