"""Whether a node takes pods of a placement: kube-scheduler's rules, as far as no other pods come into it.

Kubernetes 1.36: ``component-helpers/scheduling/corev1`` (node selectors, tolerations) and the scheduler's
plugins NodeAffinity, TaintToleration and NodeUnschedulable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from clients.kube.rows import NodeRow
from clients.serving.placement import Expression, Placement, Term, Toleration

__all__ = ["admits", "chosen", "takes"]

_CORDONED = ("node.kubernetes.io/unschedulable", "", "NoSchedule")
_HARD = ("NoSchedule", "NoExecute")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT64 = 2**63


def admits(node: NodeRow, placement: Placement) -> bool:
    """Such pods may go there, if there is room."""
    return takes(node, placement.tolerations) and chosen(node, placement)


def takes(node: NodeRow, tolerations: Sequence[Toleration]) -> bool:
    """It is ready, and neither cordoned nor tainted against pods that tolerate this."""
    if not node.ready:
        return False
    against: Iterable[tuple[str, str, str]] = node.taints
    if node.unschedulable:
        against = (*node.taints, _CORDONED)
    return all(
        effect not in _HARD or any(_tolerates(one, key, value, effect) for one in tolerations)
        for key, value, effect in against
    )


def chosen(node: NodeRow, placement: Placement) -> bool:
    """It is one of those that the pods ask for, by node selector and required node affinity."""
    if any(node.labels.get(key) != value for key, value in placement.selector):
        return False
    return placement.affinity is None or any(_meets(node, term) for term in placement.affinity)


def _meets(node: NodeRow, term: Term) -> bool:
    if not term.labels and not term.fields:
        return False
    return all(_label(node.labels, one) for one in term.labels) and all(
        _field({"metadata.name": node.name}, one) for one in term.fields
    )


def _label(labels: Mapping[str, str], asked: Expression) -> bool:
    """One of ``matchExpressions``; what the API server would not have accepted is met by no node."""
    there, value = asked.key in labels, labels.get(asked.key, "")
    match asked.operator:
        case "In":
            return there and value in asked.values
        case "NotIn":
            return bool(asked.values) and not (there and value in asked.values)
        case "Exists":
            return there and not asked.values
        case "DoesNotExist":
            return not there and not asked.values
        case "Gt" | "Lt":
            if len(asked.values) != 1 or not there:
                return False
            mine, bound = _integer(value), _integer(asked.values[0])
            if mine is None or bound is None:
                return False
            return mine > bound if asked.operator == "Gt" else mine < bound
    return False


def _field(fields: Mapping[str, str], asked: Expression) -> bool:
    """One of ``matchFields``: equal or not to exactly one value."""
    if len(asked.values) != 1 or asked.operator not in ("In", "NotIn"):
        return False
    return (fields.get(asked.key, "") == asked.values[0]) == (asked.operator == "In")


def _integer(text: str) -> int | None:
    """As Go's ``ParseInt(text, 10, 64)`` reads it."""
    if len(text) > 40 or not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -_INT64 <= number < _INT64 else None


def _tolerates(toleration: Toleration, key: str, value: str, effect: str) -> bool:
    wanted, operator, equal, only = toleration
    if only and only != effect:
        return False
    if operator == "Exists":
        return not wanted or wanted == key
    return wanted == key and equal == value
