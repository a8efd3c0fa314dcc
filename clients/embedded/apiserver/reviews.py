"""Access reviews: what may I do, and who am I."""

from __future__ import annotations

from clients.embedded.apiserver.access import Account, Attributes
from clients.embedded.apiserver.errors import Cause, invalid
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.rbac import Rights, Verdict

__all__ = ["review"]


def review(kind: str, body: Json, account: Account, rights: Rights) -> Json:
    """The answer to a SelfSubjectAccessReview, SelfSubjectRulesReview or SelfSubjectReview.

    Raises ApiError 422 for a review that asks nothing.
    """
    answer: Json = {"kind": kind, "apiVersion": body.get("apiVersion"), "metadata": {}}
    if kind == "SelfSubjectReview":
        user = {"username": account.user, "groups": list(account.groups)}
        return answer | {"apiVersion": "authentication.k8s.io/v1", "status": {"userInfo": user}}
    spec = body.get("spec") or {}
    answer |= {"apiVersion": "authorization.k8s.io/v1", "spec": spec}
    if kind == "SelfSubjectRulesReview":
        return answer | {"status": _rules(rights, account, spec.get("namespace"))}
    return answer | {"status": _told(_verdict(rights, account, spec))}


def _verdict(rights: Rights, account: Account, spec: Json) -> Verdict:
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(path, dict) and asked is None:
        return rights.path_verdict(account, str(path.get("verb", "")), str(path.get("path", "")))
    if not isinstance(asked, dict) or path is not None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = Cause("FieldValueInvalid", f"Invalid value: null: {why}", "spec")
        raise invalid("authorization.k8s.io", "", "", [cause])
    return rights.verdict(
        account,
        Attributes(
            verb=str(asked.get("verb", "")),
            group=str(asked.get("group") or ""),
            resource=str(asked.get("resource", "")),
            subresource=asked.get("subresource") or None,
            namespace=asked.get("namespace") or None,
            name=asked.get("name") or None,
        ),
    )


def _told(verdict: Verdict) -> Json:
    return {"allowed": verdict.allowed} | ({"reason": verdict.reason} if verdict.reason else {})


def _rules(rights: Rights, account: Account, namespace: str | None) -> Json:
    held = rights.grants(account, namespace)
    resources = [
        {"verbs": list(g.verbs), "apiGroups": list(g.groups), "resources": list(g.resources)}
        | ({"resourceNames": list(g.names)} if g.names else {})
        for g in held
        if g.resources
    ]
    paths = [{"verbs": list(g.verbs), "nonResourceURLs": list(g.paths)} for g in held if g.paths]
    return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}
