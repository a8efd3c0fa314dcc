"""Which nodes take a pod however much is free on them: cordon, taints, node selector, required node affinity.

The messages are kube-scheduler's. Affinity between pods and topology spread are not simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.selectors import Requirement
from clients.embedded.nodes import Node

__all__ = ["NodeFilter"]

_CORDONED = "node.kubernetes.io/unschedulable"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_OPERATORS = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "absent",
    "Gt": "gt",
    "Lt": "lt",
}
_Term = tuple[tuple[Requirement, ...], tuple[tuple[bool, str], ...]]
"""Of the labels, and (whether it is to be that, a name)."""


class NodeFilter:
    """What the spec of a pod asks of its node."""

    __slots__ = ("_selector", "_terms", "_tolerations")

    def __init__(self, spec: Json, tolerations: Iterable[Json] = ()) -> None:
        """``tolerations`` count beside its own."""
        self._selector: dict[str, str] = dict(spec.get("nodeSelector") or {})
        self._tolerations: list[Json] = [*(spec.get("tolerations") or ()), *tolerations]
        affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
        asked = affinity.get(_REQUIRED)
        self._terms = None if asked is None else _terms(asked.get("nodeSelectorTerms") or ())

    def refusal(self, node: Node) -> str | None:
        """Why the node does not take it."""
        if node.unschedulable and not _tolerated(self._tolerations, _CORDONED, "", "NoSchedule"):
            return "node(s) were unschedulable"
        for key, value, effect in node.taints:
            hard = effect in ("NoSchedule", "NoExecute")
            if hard and not _tolerated(self._tolerations, key, value, effect):
                shown = f"{key}: {value}" if value else f"{key}: "
                return f"node(s) had untolerated taint {{{shown}}}"
        chosen = all(node.labels.get(key) == value for key, value in self._selector.items())
        if not chosen or not (self._terms is None or any(_met(term, node) for term in self._terms)):
            return "node(s) didn't match Pod's node affinity/selector"
        return None


def _terms(raw: Iterable[Json]) -> list[_Term]:
    """Those that can be met at all: neither empty nor against the rules of their operators."""
    found: list[_Term] = []
    for term in raw:
        labels = [_requirement(one) for one in term.get("matchExpressions") or ()]
        names = [_name(one) for one in term.get("matchFields") or ()]
        usable = all(one is not None for one in (*labels, *names))
        if usable and (labels or names):
            found.append(
                (
                    tuple(one for one in labels if one is not None),
                    tuple(one for one in names if one is not None),
                )
            )
    return found


def _requirement(raw: Json) -> Requirement | None:
    operator, values = _OPERATORS.get(raw.get("operator", "")), list(raw.get("values") or ())
    if operator in ("gt", "lt"):
        well = len(values) == 1 and values[0].lstrip("-").isdigit()
    else:
        well = operator is not None and bool(values) == (operator in ("in", "notin"))
    return Requirement(raw["key"], operator, frozenset(values)) if well and operator else None


def _name(raw: Json) -> tuple[bool, str] | None:
    values = list(raw.get("values") or ())
    well = raw.get("key") == "metadata.name" and raw.get("operator") in ("In", "NotIn") and len(values) == 1
    return (raw["operator"] == "In", values[0]) if well else None


def _met(term: _Term, node: Node) -> bool:
    labels, names = term
    return all(one.matches(node.labels) for one in labels) and all(
        (node.name == name) == wanted for wanted, name in names
    )


def _tolerated(tolerations: Sequence[Mapping[str, Any]], key: str, value: str, effect: str) -> bool:
    for toleration in tolerations:
        if toleration.get("effect") not in (None, "", effect):
            continue
        if toleration.get("operator", "Equal") == "Exists":
            if toleration.get("key") in (None, "", key):
                return True
        elif toleration.get("key") == key and toleration.get("value", "") == value:
            return True
    return False
