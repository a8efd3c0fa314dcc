"""Who is asking, and what they may do: tokens, impersonation and rules in the manner of RBAC."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.embedded.apiserver.errors import ApiError, forbidden, unauthorized

__all__ = ["ADMIN", "Account", "Attributes", "Grant", "Identity", "namespace_account", "viewer_account"]

_READ = ("get", "list", "watch")
_REVIEWS = frozenset(("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"))
_MASTERS = "system:masters"


class Attributes(Struct, frozen=True):
    """What is asked for."""

    verb: str
    group: str
    resource: str
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None


class Grant(Struct, frozen=True):
    """One allowance; ``*`` matches anything. A subresource is written ``pods/log``, or ``*/scale``."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    namespaces: tuple[str, ...] | None = None
    """None: everywhere, cluster-scoped objects too."""

    def allows(self, asked: Attributes) -> bool:
        """Whether this grant covers what is asked."""
        if self.namespaces is not None and asked.namespace not in self.namespaces:
            return False
        if "*" not in self.verbs and asked.verb not in self.verbs:
            return False
        if "*" not in self.groups and asked.group not in self.groups:
            return False
        wanted = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        return (
            "*" in self.resources
            or wanted in self.resources
            or (asked.subresource is not None and f"*/{asked.subresource}" in self.resources)
        )


class Account(Struct, frozen=True):
    """A user, the groups it is in, and its grants."""

    user: str
    groups: tuple[str, ...] = ("system:authenticated",)
    grants: tuple[Grant, ...] = ()

    def may(self, asked: Attributes) -> bool:
        """Whether it may; everybody may ask what they may."""
        if _MASTERS in self.groups:
            return True
        if asked.verb == "create" and asked.resource in _REVIEWS:
            return True
        return any(grant.allows(asked) for grant in self.grants)

    def require(self, asked: Attributes) -> None:
        """Raises ApiError 403 if it may not."""
        if not self.may(asked):
            raise forbidden(
                self.user,
                asked.verb,
                asked.group,
                asked.resource,
                asked.subresource,
                asked.namespace,
                asked.name,
            )


ADMIN = Account("admin", (_MASTERS, "system:authenticated"), (Grant(("*",), ("*",), ("*",)),))


def viewer_account(user: str = "viewer") -> Account:
    """Reads everything, everywhere; writes nothing."""
    return Account(user, grants=(Grant(_READ, ("*",), ("*",)),))


def namespace_account(namespace: str, user: str = "ns-only") -> Account:
    """Watches and scales in one namespace; sees nothing of the cluster."""
    here = (namespace,)
    scaled = ("modelservings", "deployments", "statefulsets", "replicasets")
    return Account(
        user,
        grants=(
            Grant(_READ, ("*",), ("*",), here),
            Grant(
                ("create", "update", "patch", "delete"),
                ("workload.serving.volcano.sh", "apps"),
                (*scaled, *(f"{plural}/scale" for plural in scaled)),
                here,
            ),
            Grant(("update", "patch"), ("autoscaling", "keda.sh"), ("*",), here),
            Grant(("delete",), ("",), ("pods",), here),
        ),
    )


class Identity(Struct, frozen=True):
    """The accounts of a cluster. A token that is sent is checked; none at all is ``anonymous``."""

    tokens: dict[str, Account] = {}
    anonymous: Account = ADMIN

    def identify(self, headers: Mapping[str, str]) -> Account:
        """The account behind a request. Raises ApiError 401 for an unknown token, 403 for impersonation."""
        told = headers.get("Authorization")
        account = self.anonymous
        if told is not None:
            scheme, _, token = told.partition(" ")
            found = self.tokens.get(token.strip()) if scheme.lower() == "bearer" else None
            if found is None:
                raise unauthorized()
            account = found
        return self._impersonated(account, headers)

    def _impersonated(self, account: Account, headers: Mapping[str, str]) -> Account:
        user = headers.get("Impersonate-User")
        groups = headers.getall("Impersonate-Group", []) if hasattr(headers, "getall") else []
        if not user:
            if groups:
                message = f"requested {groups} without impersonating a user"
                raise ApiError(500, "InternalError", f"Internal error occurred: {message}")
            return account
        account.require(Attributes("impersonate", "", "users", name=user))
        for group in groups:
            account.require(Attributes("impersonate", "", "groups", name=group))
        known = next((a for a in self.tokens.values() if a.user == user), None)
        grants = known.grants if known is not None else ()
        return Account(user, (*groups, "system:authenticated"), grants)
