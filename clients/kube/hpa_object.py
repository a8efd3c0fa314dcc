"""A HorizontalPodAutoscaler as a whole (autoscaling/v2): metrics, behavior, status, conditions in words.

Defaults are filled in as the API server does it (fact sheet ``kserve-hpa-lws``, 2.1): cpu at 80 % where no
metric is given, unset parts of a ``behavior`` that is there. A field that is missing, null or of a wrong type
never raises: what cannot be read is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from clients.kube.decode import timestamp
from clients.kube.quantity import milli, parse
from clients.kube.rows import OwnerRow
from clients.kube.scaler_fields import (
    group_of,
    integer,
    label_selector,
    listed,
    mapping,
    metadata,
    opened,
    owner_of,
    text,
)
from clients.serving.decision import Aggregate, Unit
from clients.serving.keys import ObjectRef

__all__ = [
    "GROUP",
    "KIND",
    "Behavior",
    "Condition",
    "HpaObject",
    "MetricSpec",
    "RatePolicy",
    "Reading",
    "Rules",
    "amount_in",
    "condition_words",
    "decode_object",
    "unit_of",
]

GROUP = "autoscaling"
KIND = "HorizontalPodAutoscaler"

_FIELD = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


class MetricSpec(Struct, frozen=True):
    """One entry of ``spec.metrics``. Target values in thousandths, as the controller counts."""

    kind: str
    name: str
    target_type: str = ""
    utilization: int | None = None
    """Per cent of requests."""
    average: int | None = None
    value: int | None = None
    selector: str | None = None
    """As a query string understands it."""
    container: str | None = None
    object_api: str = ""
    object_kind: str = ""
    object_name: str = ""

    @property
    def aggregate(self) -> Aggregate | None:
        """What the controller compares: it looks at which value is set, for Object at the type (2.1)."""
        match self.kind:
            case "Resource" | "ContainerResource":
                if self.average is not None:
                    return Aggregate.AVERAGE
                return Aggregate.UTILIZATION if self.utilization is not None else None
            case "Pods":
                return Aggregate.AVERAGE if self.average is not None else None
            case "Object":
                if self.target_type == "Value" and self.value is not None:
                    return Aggregate.VALUE
                average = self.target_type == "AverageValue" and self.average is not None
                return Aggregate.AVERAGE if average else None
            case "External":
                if self.average is not None:
                    return Aggregate.AVERAGE
                return Aggregate.VALUE if self.value is not None else None
        return None

    @property
    def target(self) -> int | None:
        """Per cent for a utilization, else thousandths."""
        match self.aggregate:
            case Aggregate.UTILIZATION:
                return self.utilization
            case Aggregate.AVERAGE:
                return self.average
            case Aggregate.VALUE:
                return self.value
        return None


class RatePolicy(Struct, frozen=True):
    """How much a direction may move in a period."""

    kind: str
    """``Pods`` or ``Percent``."""
    value: int
    period: int
    """Seconds."""

    def __str__(self) -> str:
        return f"{self.kind} {self.value}/{self.period}s"


class Rules(Struct, frozen=True):
    """One direction of a behavior."""

    policies: tuple[RatePolicy, ...]
    select: str = "Max"
    """``Max``, ``Min`` or ``Disabled``."""
    window: int | None = None
    """Stabilisation, seconds; ``None`` downwards: a flag of the controller."""
    tolerance: float | None = None
    """``None``: a flag of the controller."""


class Behavior(Struct, frozen=True):
    """``spec.behavior``, with its defaults."""

    up: Rules
    down: Rules


class Reading(Struct, frozen=True):
    """One entry of ``status.currentMetrics``; percent or thousandths."""

    kind: str
    name: str
    utilization: int | None = None
    average: int | None = None
    value: int | None = None


class Condition(Struct, frozen=True):
    """One of ``status.conditions``. ``since`` is when the status flipped, not when the reason changed."""

    kind: str
    status: bool | None
    reason: str
    message: str
    since: float | None


class HpaObject(Struct, frozen=True):
    """The whole object."""

    uid: str
    namespace: str
    name: str
    target: ObjectRef | None
    target_api: str
    """apiVersion of the target."""
    minimum: int
    maximum: int | None
    metrics: tuple[MetricSpec, ...]
    behavior: Behavior | None
    current: int | None = None
    desired: int | None = None
    """Keeps its last value while metrics fail."""
    last_scale: float | None = None
    readings: tuple[Reading | None, ...] = ()
    """By index of ``metrics``; a failed metric, and all after a move for the bounds alone, are ``None``."""
    conditions: tuple[Condition, ...] = ()
    owner: OwnerRow | None = None
    created: float | None = None

    @property
    def ref(self) -> ObjectRef:
        """Itself."""
        return ObjectRef(GROUP, KIND, self.namespace, self.name)

    def reading(self, index: int) -> int | None:
        """What the controller last read of a metric: the number that it compares with the target.

        ``None`` for a metric that failed, and where the entry is another metric's.
        """
        metric = self.metrics[index]
        found = self.readings[index] if index < len(self.readings) else None
        if found is None or found.name != metric.name:
            return None
        match metric.aggregate:
            case Aggregate.UTILIZATION:
                return found.utilization
            case Aggregate.AVERAGE:
                return found.average
            case _:
                return found.value

    def condition(self, kind: str) -> Condition | None:
        """The condition of this type."""
        return next((condition for condition in self.conditions if condition.kind == kind), None)


def decode_object(raw: bytes | msgspec.Raw) -> HpaObject:
    """The HPA in an object's JSON. Raises ``msgspec.DecodeError`` where it is not JSON."""
    obj = opened(raw)
    uid, namespace, name = metadata(obj)
    spec, status = mapping(obj.get("spec")), mapping(obj.get("status"))
    ref = mapping(spec.get("scaleTargetRef"))
    minimum = integer(spec.get("minReplicas"))
    target = ObjectRef(
        group_of(ref.get("apiVersion"), ""), text(ref.get("kind")), namespace, text(ref.get("name"))
    )
    given = spec.get("metrics")
    metrics = (
        tuple(_metric(entry) for entry in given if isinstance(entry, dict)) if isinstance(given, list) else ()
    )
    return HpaObject(
        uid=uid,
        namespace=namespace,
        name=name,
        target=target if target.name and target.kind else None,
        target_api=text(ref.get("apiVersion")),
        minimum=1 if minimum is None else minimum,
        maximum=integer(spec.get("maxReplicas")),
        metrics=metrics or (MetricSpec("Resource", "cpu", "Utilization", utilization=80),),
        behavior=_behavior(spec.get("behavior")),
        current=integer(status.get("currentReplicas")),
        desired=integer(status.get("desiredReplicas")),
        last_scale=timestamp(text(status.get("lastScaleTime"))),
        readings=_readings(status.get("currentMetrics")),
        conditions=tuple(_condition(entry) for entry in listed(status.get("conditions"))),
        owner=owner_of(obj),
        created=timestamp(text(mapping(obj.get("metadata")).get("creationTimestamp"))),
    )


def _milli(value: object) -> int | None:
    exact = parse(value)
    return None if exact is None else milli(exact)


def _body(entry: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], str]:
    """(kind, its field, metric name)"""
    kind = text(entry.get("type"))
    body = mapping(entry.get(_FIELD.get(kind, "")))
    return kind, body, text(body.get("name")) or text(mapping(body.get("metric")).get("name"))


def _metric(entry: Mapping[str, Any]) -> MetricSpec:
    kind, body, name = _body(entry)
    target, described = mapping(body.get("target")), mapping(body.get("describedObject"))
    return MetricSpec(
        kind=kind,
        name=name,
        target_type=text(target.get("type")),
        utilization=integer(target.get("averageUtilization")),
        average=_milli(target.get("averageValue")),
        value=_milli(target.get("value")),
        selector=label_selector(mapping(body.get("metric")).get("selector")),
        container=text(body.get("container")) or None,
        object_api=text(described.get("apiVersion")),
        object_kind=text(described.get("kind")),
        object_name=text(described.get("name")),
    )


def _readings(given: object) -> tuple[Reading | None, ...]:
    return tuple(_reading(mapping(entry)) for entry in given) if isinstance(given, list) else ()


def _reading(entry: Mapping[str, Any]) -> Reading | None:
    kind, body, name = _body(entry)
    current = mapping(body.get("current"))
    if not name:
        return None
    return Reading(
        kind,
        name,
        integer(current.get("averageUtilization")),
        _milli(current.get("averageValue")),
        _milli(current.get("value")),
    )


_DEFAULT_UP = (RatePolicy("Pods", 4, 15), RatePolicy("Percent", 100, 15))
_DEFAULT_DOWN = (RatePolicy("Percent", 100, 15),)


def _behavior(given: object) -> Behavior | None:
    """Absent stays absent; ``{}`` is all defaults, and another algorithm (2.1, 2.5)."""
    if not isinstance(given, dict):
        return None
    up = _rules(mapping(given.get("scaleUp")), _DEFAULT_UP)
    if up.window is None:
        up = msgspec.structs.replace(up, window=0)
    return Behavior(up, _rules(mapping(given.get("scaleDown")), _DEFAULT_DOWN))


def _rules(given: Mapping[str, Any], default: tuple[RatePolicy, ...]) -> Rules:
    policies = []
    for entry in listed(given.get("policies")):
        kind, value, period = (
            text(entry.get("type")),
            integer(entry.get("value")),
            integer(entry.get("periodSeconds")),
        )
        if kind in ("Pods", "Percent") and value is not None and period is not None:
            policies.append(RatePolicy(kind, value, period))
    tolerance = parse(given.get("tolerance"))
    return Rules(
        policies=tuple(policies) or default,
        select=text(given.get("selectPolicy"), "Max"),
        window=integer(given.get("stabilizationWindowSeconds")),
        tolerance=None if tolerance is None else float(tolerance),
    )


def _condition(entry: Mapping[str, Any]) -> Condition:
    return Condition(
        kind=text(entry.get("type")),
        status={"True": True, "False": False}.get(text(entry.get("status"))),
        reason=text(entry.get("reason")),
        message=text(entry.get("message")),
        since=timestamp(text(entry.get("lastTransitionTime"))),
    )


def unit_of(kind: str, name: str, aggregate: Aggregate | None) -> Unit:
    """What the metric's numbers count."""
    if aggregate is Aggregate.UTILIZATION:
        return Unit.PERCENT
    if kind in ("Resource", "ContainerResource"):
        if name == "cpu":
            return Unit.CORES
        if name == "memory" or name.endswith("-storage"):
            return Unit.BYTES
    return Unit.PLAIN


def amount_in(aggregate: Aggregate | None, value: int | None) -> float | None:
    """The controller's number in the metric's unit: per cent stay, thousandths become whole."""
    if value is None:
        return None
    return float(value) if aggregate is Aggregate.UTILIZATION else value / 1000


_WORDS = {
    "ReadyForNewScale": "the count is what the metrics ask for",
    "ScaleDownStabilized": "an earlier, higher recommendation holds it up",
    "ScaleUpStabilized": "an earlier, lower recommendation holds it down",
    "ScalingDisabled": "off: the target is at 0",
    "AmbiguousSelector": "stopped: several HPAs select the same pods",
    "InvalidSelector": "stopped: the target's selector cannot be read",
    "TooManyReplicas": "at max: the metrics ask for more",
    "TooFewReplicas": "at min: the metrics ask for less",
    "ScaleUpLimit": "a policy limits how fast it goes up",
    "ScaleDownLimit": "a policy limits how fast it goes down",
    "DesiredWithinRange": "within its bounds",
    "FailedUpdateScale": "could not write the target's count",
    "FailedGetScale": "the target's count cannot be read",
    "SucceededGetScale": "the target's count is read",
    "ValidMetricFound": "metrics are read",
    "ScaledToZero": "scaled to 0 by its metrics",
}
_TOLD = {"FailedUpdateScale", "FailedGetScale", "InvalidMetricSourceType", "AmbiguousSelector"}


def condition_words(condition: Condition) -> str:
    """A condition in words a person can act on; parts come from outside: draw it plain."""
    if condition.reason == "SucceededRescale":
        return (
            f"has just scaled to {condition.message.rpartition(' ')[2]}"
            if condition.message
            else "has just scaled"
        )
    known = _WORDS.get(condition.reason)
    if known is None or condition.reason in _TOLD:
        told = condition.message or condition.reason
        return f"{known}: {told}" if known else told
    return known
