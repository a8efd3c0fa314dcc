"""AutoscalingPolicies and the bindings of v0.2 to v0.4, read into what the autoscaler works with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.durations import read_duration
from clients.embedded.controllers.kthena_autoscaling import Behavior, Bounds, Panic, Steps
from clients.embedded.quantity import parse_quantity

__all__ = ["Disaggregated", "Plan", "RoleTarget", "Source", "Target", "fill_behavior", "read_binding",
           "read_policy"]  # fmt: skip

_DOWN: Json = {
    "instances": 0, "percent": 100, "period": "1m", "selectPolicy": "Or", "stabilizationWindow": "5m"
}  # fmt: skip
_UP: Json = {
    "instances": 4, "percent": 100, "period": "1m", "selectPolicy": "Or", "stabilizationWindow": "0s"
}  # fmt: skip
_PANIC: Json = {"percent": 0, "period": "0s", "panicThresholdPercent": 200, "panicModeHold": "0s"}


class Source(Struct, frozen=True):
    """Where a metric comes from: a query, or the pods' own pages."""

    query: str | None
    name: str
    """What the pods call it."""
    selector: Json
    port: int = 8100
    uri: str = "/metrics"


class Target(Struct, frozen=True):
    """A ModelServing, or one of its roles."""

    namespace: str
    name: str
    role: str | None
    bounds: Bounds
    sources: Mapping[str, Source]

    @property
    def key(self) -> str:
        """Tells it from the other targets of a policy."""
        return f"{self.namespace}/{self.name}/{self.role or ''}"


class RoleTarget(Struct, frozen=True):
    """A role of a disaggregated policy; one whose bounds are equal is fixed and not measured."""

    target: Target
    metrics: Mapping[str, float]

    @property
    def fixed(self) -> bool:
        """Whether its count is given."""
        return self.target.bounds.most > 0 and self.target.bounds.least == self.target.bounds.most


class Disaggregated(Struct, frozen=True):
    """Roles of one ModelServing, each by its own metrics, kept within a ratio."""

    roles: Mapping[str, RoleTarget]
    numerator: str = ""
    denominator: str = ""
    least: Fraction = Fraction(0)
    most: Fraction = Fraction(0)


class Plan(Struct, frozen=True):
    """What one policy (or binding) wants."""

    tolerance: float
    metrics: Mapping[str, float]
    behavior: Behavior
    targets: tuple[Target, ...] = ()
    """One: homogeneous. Several: heterogeneous."""
    expansion: int = 200
    disaggregated: Disaggregated | None = None


def fill_behavior(spec: Json) -> None:
    """What Kthena's mutating webhook fills in for the blocks of a behavior that are missing."""
    behavior = spec.get("behavior") or {}
    up = behavior.get("scaleUp") or {}
    spec["behavior"] = {
        "scaleDown": behavior.get("scaleDown") or dict(_DOWN),
        "scaleUp": {
            "stablePolicy": up.get("stablePolicy") or dict(_UP),
            "panicPolicy": up.get("panicPolicy") or dict(_PANIC),
        },
    }


def _seconds(text: Any) -> float:
    try:
        return max(0.0, read_duration(str(text)))
    except ValueError:
        return 0.0


def _steps(told: Json, window: str) -> Steps:
    return Steps(
        instances=int(told.get("instances", 1)),
        percent=int(told.get("percent", 100)),
        period=_seconds(told.get("period", "15s")),
        window=_seconds(told.get("stabilizationWindow", window)),
        both=told.get("selectPolicy") == "And",
    )


def _behavior(spec: Json) -> Behavior:
    filled = {"behavior": copy.deepcopy(spec.get("behavior") or {})}
    fill_behavior(filled)
    down, up = filled["behavior"]["scaleDown"], filled["behavior"]["scaleUp"]
    panic = up["panicPolicy"]
    return Behavior(
        up=_steps(up["stablePolicy"], "0s"),
        down=_steps(down, "5m"),
        panic=Panic(
            percent=int(panic.get("percent", 1000)),
            period=_seconds(panic.get("period", "0s")),
            threshold=int(panic.get("panicThresholdPercent", 200)),
            hold=_seconds(panic.get("panicModeHold", "60s")),
        ),
    )


def _metrics(told: list[Json]) -> dict[str, float]:
    found = {str(metric["name"]): float(parse_quantity(metric["targetValue"])) for metric in told}
    return {name: target for name, target in found.items() if target > 0}


def _sources(told: Json) -> dict[str, Source]:
    found = {}
    for metric, source in told.items():
        pod = source.get("pod") or {}
        found[metric] = Source(
            query=(source.get("prometheus") or {}).get("query"),
            name=str(pod.get("name") or metric),
            selector=pod.get("labelSelector") or {},
            port=int(pod.get("port") or 8100),
            uri=str(pod.get("uri") or "/metrics"),
        )
    return found


def _bounds(told: Json) -> Bounds:
    return Bounds(int(told["minReplicas"]), int(told["maxReplicas"]), int(told.get("cost") or 0))


def _place(reference: Json, namespace: str) -> tuple[str, str]:
    return reference.get("namespace") or namespace, str(reference.get("name") or "")


def read_policy(policy: Json) -> Plan | None:
    """A policy of v1.0 and later, targets and all; None without a target."""
    spec, namespace = policy["spec"], policy["metadata"]["namespace"]
    shared: Json = {
        "tolerance": int(spec.get("tolerancePercent", 10)) / 100,
        "metrics": _metrics(spec.get("metrics") or []),
        "behavior": _behavior(spec),
    }
    if spec.get("disaggregatedTarget"):
        return Plan(**shared, disaggregated=_disaggregated(spec, namespace))
    several = spec.get("heterogeneousTarget")
    told = (
        several["params"] if several else [spec["homogeneousTarget"]] if spec.get("homogeneousTarget") else []
    )
    targets = tuple(
        Target(
            *_place(one["target"]["targetRef"], namespace),
            None,
            _bounds(one),
            _sources(one["target"].get("metricSources") or {}),
        )
        for one in told
    )
    expansion = int((several or {}).get("costExpansionRatePercent", 200))
    return Plan(**shared, targets=targets, expansion=expansion) if targets else None


def _disaggregated(spec: Json, namespace: str) -> Disaggregated:
    told = spec["disaggregatedTarget"]
    place = _place(told["targetRef"], namespace)
    roles = {
        name: RoleTarget(
            Target(*place, name, _bounds(role), _sources(role.get("metricSources") or {})),
            _metrics(role.get("metrics") or spec.get("metrics") or []),
        )
        for name, role in sorted(told["roles"].items())
    }
    ratio = told.get("ratioConstraint")
    if not ratio:
        return Disaggregated(roles)
    return Disaggregated(
        roles,
        ratio["numeratorRole"],
        ratio["denominatorRole"],
        parse_quantity(ratio["minRatio"]),
        parse_quantity(ratio["maxRatio"]),
    )


def read_binding(binding: Json, policy: Json) -> Plan | None:
    """A binding of v0.2 to v0.4 and the policy it names; None without a target.

    There every metric is read from the pods, by its own name, at the one endpoint of the target.
    """
    spec, namespace = binding["spec"], binding["metadata"]["namespace"]
    metrics = _metrics(policy["spec"].get("metrics") or [])
    several = spec.get("heterogeneousTarget")
    told = (
        several["params"] if several else [spec["homogeneousTarget"]] if spec.get("homogeneousTarget") else []
    )
    targets = []
    for one in told:
        target = one["target"]
        part, endpoint = target.get("subTargets") or {}, target.get("metricEndpoint") or {}
        sources = _sources({name: {"pod": endpoint} for name in metrics})
        role = part.get("name") if part.get("kind") == "Role" else None
        targets.append(Target(*_place(target["targetRef"], namespace), role or None, _bounds(one), sources))
    if not targets:
        return None
    return Plan(
        int(policy["spec"].get("tolerancePercent", 10)) / 100,
        metrics,
        _behavior(policy["spec"]),
        tuple(targets),
        int((several or {}).get("costExpansionRatePercent", 200)),
    )
