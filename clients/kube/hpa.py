"""HorizontalPodAutoscalers as drivers: what they scale, within which bounds, on what (autoscaling/v2)."""

from __future__ import annotations

from clients.kube.hpa_object import (
    GROUP,
    KIND,
    HpaObject,
    MetricSpec,
    amount_in,
    condition_words,
    unit_of,
)
from clients.kube.hpa_object import decode_object as decode
from clients.kube.resources import ResourceSpec
from clients.serving.chain import Link, LinkKind
from clients.serving.changes import Direction
from clients.serving.decision import Unit
from clients.serving.decision_words import amount
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["GROUP", "KIND", "WATCHES", "decode", "drivers", "links"]

WATCHES = (ResourceSpec("hpa", GROUP, "horizontalpodautoscalers", KIND, ("v2",)),)

_INTERVAL = 15.0
"""``--horizontal-pod-autoscaler-sync-period``, the default; a cluster's own value is not readable."""


def _signal(hpa: HpaObject) -> str | None:
    """The metric that asks for most, ``cpu 72>60``: what is against what is wanted; else only the latter."""
    best: tuple[float, str] | None = None
    for index, metric in enumerate(hpa.metrics):
        current, wanted = hpa.reading(index), metric.target
        if current is None or not wanted:
            continue
        relation = ">" if current > wanted else "<" if current < wanted else "="
        words = f"{metric.name} {_short(metric, current)}{relation}{_short(metric, wanted)}"
        if best is None or current / wanted > best[0]:
            best = (current / wanted, words)
    if best is not None:
        return best[1]
    first = hpa.metrics[0]
    return first.name if not first.target else f"{first.name} {_short(first, first.target)}"


def _short(metric: MetricSpec, value: int) -> str:
    unit = unit_of(metric.kind, metric.name, metric.aggregate)
    return amount(amount_in(metric.aggregate, value), unit if unit is Unit.BYTES else Unit.PLAIN)


def _note(hpa: HpaObject) -> str | None:
    """What a person should know of its state in a few words."""
    active, limited = hpa.condition("ScalingActive"), hpa.condition("ScalingLimited")
    if active is not None and active.status is False:
        return condition_words(active) or None
    if hpa.minimum == hpa.maximum:
        return f"pinned {hpa.minimum}"
    if limited is not None and limited.status and limited.reason == "TooManyReplicas":
        return "at max"
    return None


def _frozen(hpa: HpaObject) -> tuple[Direction, ...]:
    """Ways that its behavior forbids."""
    if hpa.behavior is None:
        return ()
    rules = ((Direction.IN, hpa.behavior.down), (Direction.OUT, hpa.behavior.up))
    return tuple(direction for direction, rule in rules if rule.select == "Disabled")


def _keda(hpa: HpaObject) -> ObjectRef | None:
    """The ScaledObject that keeps this HPA."""
    if hpa.owner is not None and hpa.owner.kind == "ScaledObject":
        return ObjectRef(hpa.owner.group or "keda.sh", "ScaledObject", hpa.namespace, hpa.owner.name)
    return None


def drivers(hpa: HpaObject) -> tuple[tuple[ObjectRef, Driver], ...]:
    """(target, driver) for the target. An HPA that KEDA keeps is KEDA, acting through it."""
    if hpa.target is None:
        return ()
    keda = _keda(hpa)
    driver = Driver(
        kind="KEDA" if keda else "HPA",
        ref=keda or hpa.ref,
        minimum=hpa.minimum,
        maximum=hpa.maximum,
        signal=_signal(hpa),
        interval=_INTERVAL,
        note=_note(hpa),
        via=hpa.ref if keda else None,
        frozen=_frozen(hpa),
    )
    return ((hpa.target, driver),)


def links(hpa: HpaObject) -> tuple[Link, ...]:
    """What it scales, and who keeps it."""
    found = [] if hpa.target is None else [Link(hpa.ref, hpa.target, LinkKind.SCALES)]
    if hpa.owner is not None:
        owner = ObjectRef(hpa.owner.group, hpa.owner.kind, hpa.namespace, hpa.owner.name)
        found.append(Link(_keda(hpa) or owner, hpa.ref, LinkKind.OWNS))
    return tuple(found)
