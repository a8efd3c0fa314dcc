"""Access reviews: what may I do, and who am I."""

from __future__ import annotations

from clients.embedded.apiserver.access import Account, Attributes
from clients.embedded.apiserver.errors import bad_request
from clients.embedded.apiserver.objects import Json, at_path

__all__ = ["review"]


def review(kind: str, body: Json, account: Account) -> Json:
    """The answer to a SelfSubjectAccessReview, SelfSubjectRulesReview or SelfSubjectReview.

    Raises ApiError 400 for a review that asks nothing.
    """
    answer: Json = {"kind": kind, "apiVersion": body.get("apiVersion"), "metadata": {}}
    if kind == "SelfSubjectReview":
        user = {"username": account.user, "groups": list(account.groups)}
        return answer | {"apiVersion": "authentication.k8s.io/v1", "status": {"userInfo": user}}
    spec = body.get("spec") or {}
    answer |= {"apiVersion": "authorization.k8s.io/v1", "spec": spec}
    if kind == "SelfSubjectRulesReview":
        return answer | {"status": _rules(account, spec.get("namespace"))}
    if at_path(spec, ("nonResourceAttributes",)) is not None:
        return answer | {"status": {"allowed": True}}
    asked = spec.get("resourceAttributes")
    if not isinstance(asked, dict):
        raise bad_request("exactly one of nonResourceAttributes or resourceAttributes must be specified")
    allowed = account.may(
        Attributes(
            verb=str(asked.get("verb", "")),
            group=str(asked.get("group") or ""),
            resource=str(asked.get("resource", "")),
            subresource=asked.get("subresource") or None,
            namespace=asked.get("namespace") or None,
            name=asked.get("name") or None,
        )
    )
    return answer | {"status": {"allowed": allowed} if allowed else {"allowed": False, "reason": ""}}


def _rules(account: Account, namespace: str | None) -> Json:
    rules = [
        {"verbs": list(g.verbs), "apiGroups": list(g.groups), "resources": list(g.resources)}
        for g in account.grants
        if g.namespaces is None or namespace in g.namespaces
    ]
    return {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
