"""A Kthena AutoscalingPolicy's rules: metrics, behavior, targets and their split (fact sheet ``kthena``, 7).

Up to v0.4 the targets stand in an AutoscalingPolicyBinding; ``bound`` joins one to its policy's rules. Parts
of a behavior that are not there are those of Kthena's own webhook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from clients.kube.durations import seconds
from clients.kube.quantity import parse
from clients.kube.scaler_fields import (
    group_of,
    integer,
    label_selector,
    listed,
    mapping,
    metadata,
    number,
    opened,
    text,
)
from clients.serving.keys import ObjectRef

__all__ = [
    "BINDING",
    "GROUP",
    "KIND",
    "PageSource",
    "Panic",
    "PolicyMetric",
    "PolicyObject",
    "PolicyTarget",
    "Ratio",
    "RoleStatus",
    "Shape",
    "StableRule",
    "bound",
    "decode_object",
]

GROUP = "workload.serving.volcano.sh"
KIND = "AutoscalingPolicy"
BINDING = "AutoscalingPolicyBinding"


class Shape(StrEnum):
    """How a policy divides what its metrics ask for."""

    HOMOGENEOUS = "homogeneous"
    """One target's groups."""
    HETEROGENEOUS = "heterogeneous"
    """One total over several targets, the cheapest first."""
    DISAGGREGATED = "disaggregated"
    """Each role of one target by itself, then kept in a ratio."""


class PageSource(Struct, frozen=True):
    """A page that each entry pod of the target serves."""

    port: int = 8100
    uri: str = "/metrics"
    selector: str | None = None
    """Only of pods with these labels."""
    metric: str = ""
    """What it is called there."""


class PolicyMetric(Struct, frozen=True):
    """What is compared, and where the controller reads it. Without a source it is left out."""

    name: str
    target: float | None
    pages: PageSource | None = None
    prometheus: str | None = None
    """The server that it asks; its query gives one number."""

    @property
    def source(self) -> str | None:
        """``pods :8100/metrics``, ``Prometheus http://…``."""
        if self.pages is not None:
            return f"pods :{self.pages.port}{self.pages.uri}"
        return None if self.prometheus is None else f"Prometheus {self.prometheus}"


class StableRule(Struct, frozen=True):
    """One direction of ``behavior``; times in seconds."""

    instances: int
    percent: int
    period: float
    window: float
    select: str = "Or"


class Panic(Struct, frozen=True):
    """When and how far it goes up in a hurry; a hold of 0 switches it off."""

    percent: int
    period: float
    threshold: int
    hold: float


class PolicyTarget(Struct, frozen=True):
    """One count that the policy sets."""

    target: ObjectRef
    minimum: int | None
    maximum: int | None
    role: str | None = None
    cost: int = 0
    metrics: tuple[PolicyMetric, ...] = ()
    endpoint: PageSource | None = None
    """Where up to v0.4 every metric of a binding's policy is read, each by its own name."""

    @property
    def bounds(self) -> tuple[int, int] | None:
        """(minimum, maximum), where both are told and make sense."""
        if self.minimum is None or self.maximum is None or not 0 <= self.minimum <= self.maximum:
            return None
        return self.minimum, self.maximum


class Ratio(Struct, frozen=True):
    """Between two roles' replicas."""

    numerator: str
    denominator: str
    least: Fraction
    most: Fraction


class RoleStatus(Struct, frozen=True):
    """What the controller last decided for a role; ``desired`` is before the ratio."""

    name: str
    current: int | None
    desired: int | None
    mode: str | None


class PolicyObject(Struct, frozen=True):
    """The whole policy."""

    uid: str
    generation: int
    """Another one after each edit, with which the controller begins anew."""
    namespace: str
    name: str
    shape: Shape | None
    targets: tuple[PolicyTarget, ...]
    up: StableRule
    down: StableRule
    panic: Panic
    tolerance: float = 0.1
    metrics: tuple[PolicyMetric, ...] = ()
    expansion: int = 200
    """costExpansionRatePercent."""
    ratio: Ratio | None = None
    roles: tuple[RoleStatus, ...] = ()
    policy: str | None = None
    """The policy that a binding of v0.1 to v0.4 follows."""
    binding: bool = False
    """It is a binding: targets without rules."""
    problem: str | None = None
    """Why the controller does nothing, where it says so."""

    @property
    def ref(self) -> ObjectRef:
        """Itself."""
        return ObjectRef(GROUP, BINDING if self.binding else KIND, self.namespace, self.name)


def decode_object(raw: bytes | msgspec.Raw) -> PolicyObject:
    """The policy, or binding, in an object's JSON. Raises ``msgspec.DecodeError`` where it is not JSON."""
    obj = opened(raw)
    uid, namespace, name = metadata(obj)
    spec, status = mapping(obj.get("spec")), mapping(obj.get("status"))
    behavior = mapping(spec.get("behavior"))
    up = mapping(behavior.get("scaleUp"))
    panic = mapping(up.get("panicPolicy"))
    shape, targets = _targets(spec, namespace)
    tolerance = integer(spec.get("tolerancePercent"))
    follows = text(mapping(spec.get("policyRef")).get("name")) or None
    split = mapping(spec.get("heterogeneousTarget")) or mapping(spec.get("optimizerConfiguration"))
    return PolicyObject(
        uid=uid,
        generation=_or(integer(mapping(obj.get("metadata")).get("generation")), 0),
        namespace=namespace,
        name=name,
        shape=shape,
        targets=targets,
        up=_stable(mapping(up.get("stablePolicy")), StableRule(4, 100, 60.0, 0.0)),
        down=_stable(mapping(behavior.get("scaleDown")), StableRule(0, 100, 60.0, 300.0)),
        panic=Panic(
            percent=_or(integer(panic.get("percent")), 100),
            period=_time(panic.get("period"), 15.0),
            threshold=_or(integer(panic.get("panicThresholdPercent")), 200),
            hold=_time(panic.get("panicModeHold"), 60.0),
        )
        if panic
        else Panic(0, 0.0, 200, 0.0),
        tolerance=(10 if tolerance is None else tolerance) * 0.01,
        metrics=_metrics(spec.get("metrics"), {}),
        expansion=_or(integer(split.get("costExpansionRatePercent")), 200),
        ratio=_ratio(mapping(mapping(spec.get("disaggregatedTarget")).get("ratioConstraint"))),
        roles=tuple(
            _role(entry) for entry in listed(mapping(status.get("disaggregatedStatus")).get("roles"))
        ),
        policy=follows,
        binding=follows is not None or text(obj.get("kind")) == BINDING,
        problem=_problem(status),
    )


def bound(binding: PolicyObject, policy: PolicyObject) -> PolicyObject:
    """A binding's targets under its policy's rules."""
    targets = tuple(
        replace(target, metrics=tuple(_read_at(metric, target.endpoint) for metric in policy.metrics))
        for target in binding.targets
    )
    return replace(
        policy,
        uid=binding.uid,
        generation=binding.generation + policy.generation,
        shape=binding.shape,
        targets=targets,
        expansion=binding.expansion,
        policy=policy.name,
    )


def _read_at(metric: PolicyMetric, endpoint: PageSource | None) -> PolicyMetric:
    return metric if endpoint is None else replace(metric, pages=replace(endpoint, metric=metric.name))


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _time(value: object, default: float) -> float:
    given = seconds(value)
    return default if given is None else given


def _stable(given: Mapping[str, Any], absent: StableRule) -> StableRule:
    """A block that is there takes the schema's defaults, one that is not the webhook's."""
    if not given:
        return absent
    return StableRule(
        instances=_or(integer(given.get("instances")), 1),
        percent=_or(integer(given.get("percent")), 100),
        period=_time(given.get("period"), 15.0),
        window=_time(given.get("stabilizationWindow"), 0.0),
        select=text(given.get("selectPolicy"), "Or"),
    )


def _metrics(given: object, sources: Mapping[str, Any]) -> tuple[PolicyMetric, ...]:
    return tuple(
        _metric(name, number(entry.get("targetValue")), mapping(sources.get(name)))
        for entry in listed(given)
        if (name := text(entry.get("name") or entry.get("metricName")))
    )


def _metric(name: str, target: float | None, source: Mapping[str, Any]) -> PolicyMetric:
    prometheus, pod = mapping(source.get("prometheus")), source.get("pod")
    if isinstance(pod, dict):
        return PolicyMetric(name, target, pages=_pages(pod, name))
    return PolicyMetric(name, target, prometheus=text(prometheus.get("serverURL")) if prometheus else None)


def _pages(given: Mapping[str, Any], metric: str) -> PageSource:
    """Also the endpoint of a target up to v0.4, which has the same fields but for the name."""
    return PageSource(
        port=integer(given.get("port")) or PageSource().port,
        uri=text(given.get("uri"), PageSource().uri),
        selector=label_selector(given.get("labelSelector")),
        metric=text(given.get("name"), metric),
    )


def _targets(spec: Mapping[str, Any], namespace: str) -> tuple[Shape | None, tuple[PolicyTarget, ...]]:
    for field in ("homogeneousTarget", "scalingConfiguration"):
        one = mapping(spec.get(field))
        if one:
            return Shape.HOMOGENEOUS, tuple(_whole(one, spec, namespace))
    for field in ("heterogeneousTarget", "optimizerConfiguration"):
        split = mapping(spec.get(field))
        if split:
            parts = listed(split.get("params"))
            return Shape.HETEROGENEOUS, tuple(one for part in parts for one in _whole(part, spec, namespace))
    roles = mapping(spec.get("disaggregatedTarget"))
    ref = mapping(roles.get("targetRef"))
    if not roles:
        return None, ()
    found: list[PolicyTarget] = []
    for role, given in mapping(roles.get("roles")).items():
        bounds = mapping(given)
        metrics = bounds.get("metrics") or spec.get("metrics")
        made = _metrics(metrics, mapping(bounds.get("metricSources")))
        found += _one(ref, bounds, namespace, role, metrics=made)
    return Shape.DISAGGREGATED, tuple(found)


def _whole(part: Mapping[str, Any], spec: Mapping[str, Any], namespace: str) -> Iterator[PolicyTarget]:
    """All groups of one target; or, in v0.2 to v0.4, the roles that ``subTargets`` names."""
    target = mapping(part.get("target"))
    sub = target.get("subTargets")
    entries = listed(sub) or ([mapping(sub)] if mapping(sub) else [])
    roles = [
        text(entry.get("name")) or None for entry in entries if text(entry.get("kind"), "Role") == "Role"
    ]
    metrics = _metrics(spec.get("metrics"), mapping(target.get("metricSources")))
    endpoint = None if "metricSources" in target else _pages(mapping(target.get("metricEndpoint")), "")
    for role in roles or [None]:
        ref = mapping(target.get("targetRef"))
        yield from _one(ref, part, namespace, role, metrics=metrics, endpoint=endpoint)


def _one(
    ref: Mapping[str, Any],
    bounds: Mapping[str, Any],
    namespace: str,
    role: str | None,
    *,
    metrics: tuple[PolicyMetric, ...],
    endpoint: PageSource | None = None,
) -> Iterator[PolicyTarget]:
    name = text(ref.get("name"))
    if name:
        kind, group = text(ref.get("kind"), "ModelServing"), group_of(ref.get("apiVersion"), GROUP)
        yield PolicyTarget(
            target=ObjectRef(group, kind, text(ref.get("namespace"), namespace), name),
            minimum=integer(bounds.get("minReplicas")),
            maximum=integer(bounds.get("maxReplicas")),
            role=role or None,
            cost=_or(integer(bounds.get("cost")), 0),
            metrics=metrics,
            endpoint=endpoint,
        )


def _ratio(given: Mapping[str, Any]) -> Ratio | None:
    least, most = parse(given.get("minRatio")), parse(given.get("maxRatio"))
    numerator, denominator = text(given.get("numeratorRole")), text(given.get("denominatorRole"))
    if (
        least is None
        or most is None
        or not numerator
        or not denominator
        or not 0 <= least <= most
        or most == 0
    ):
        return None
    return Ratio(numerator, denominator, least, most)


def _role(entry: Mapping[str, Any]) -> RoleStatus:
    return RoleStatus(
        text(entry.get("name")),
        integer(entry.get("currentReplicas")),
        integer(entry.get("desiredReplicas")),
        text(entry.get("mode")) or None,
    )


def _problem(status: Mapping[str, Any]) -> str | None:
    for condition in listed(status.get("conditions")):
        if condition.get("type") in ("Ready", "TargetFound") and condition.get("status") == "False":
            return text(condition.get("message")) or text(condition.get("reason")) or None
    return None
