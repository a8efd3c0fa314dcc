"""What kube-apiserver 1.36 fills into a HorizontalPodAutoscaler (autoscaling/v2), and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from clients.embedded.apiserver.errors import Cause, bad_request
from clients.embedded.apiserver.objects import Json, at_path, encode

__all__ = ["fill_hpa", "hpa_causes"]

_QUANTITY = re.compile(r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$")
_VALUES = ("value", "averageValue")
_SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_UP: Json = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Json = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
_CPU: Json = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
_EITHER = {
    "object": "must set either a target value or averageValue",
    "external": "must set either a target value for metric or a per-pod target",
}
_LONGEST_WINDOW = 3600
_LONGEST_PERIOD = 1800


def fill_hpa(obj: Json) -> None:
    """Fills the defaults in. Raises ApiError 400 for a quantity that cannot be read."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [deepcopy(_CPU)]
    for metric in spec["metrics"]:
        for source in _SOURCES.values():
            _fill_target(at_path(metric, (source, "target")))
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        for name, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            behavior[name] = {**deepcopy(rules), **(behavior.get(name) or {})}
            tolerance = behavior[name].get("tolerance")
            if tolerance is not None:
                behavior[name]["tolerance"] = _quantity(tolerance)


def _fill_target(target: Any) -> None:
    if not isinstance(target, dict):
        return
    for name in _VALUES:
        if target.get(name) is not None:
            target[name] = _quantity(target[name])


def _quantity(value: Any) -> str:
    text = str(value).strip() if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    if not _QUANTITY.match(text):
        raise bad_request(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    return text


def hpa_causes(obj: Json, old: Json | None) -> list[Cause]:
    """What is wrong with an HPA that has its defaults; ``old`` is its former self, or None."""
    return list(_causes(obj.get("spec") or {}, (old or {}).get("spec") or {}))


def _causes(spec: Json, old: Json) -> Iterator[Cause]:
    # A stored 0 stays valid: it was written while the gate HPAScaleToZero was on.
    floor = 0 if old.get("minReplicas") == 0 else 1
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < floor:
        yield _invalid("spec.minReplicas", least, f"must be greater than or equal to {floor}")
    if most < 1:
        yield _invalid("spec.maxReplicas", most, "must be greater than 0")
    if least is not None and most < least:
        yield _invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    yield from _reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    metrics = spec.get("metrics") or ()
    for index, metric in enumerate(metrics):
        yield from _metric(metric, f"spec.metrics[{index}]")
    if least == 0 and not any(m.get("type") in ("Object", "External") for m in metrics):
        told = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield Cause("FieldValueForbidden", f"Forbidden: {told}", "spec.metrics")
    behavior = spec.get("behavior") or {}
    for name in ("scaleUp", "scaleDown"):
        if behavior.get(name) is not None:
            yield from _rules(behavior[name], f"spec.behavior.{name}")


def _invalid(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {encode(value).decode()}: {why}", field)


def _required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {why}" if why else "Required value", field)


def _unsupported(field: str, value: Any, choices: tuple[str, ...]) -> Cause:
    told = ", ".join(f'"{choice}"' for choice in choices)
    why = f"Unsupported value: {encode(value).decode()}: supported values: {told}"
    return Cause("FieldValueNotSupported", why, field)


def _segment(field: str, name: str) -> Iterator[Cause]:
    """A name that becomes part of a path."""
    if name in (".", ".."):
        yield _invalid(field, name, f"may not be '{name}'")
        return
    for sign in "/%":
        if sign in name:
            yield _invalid(field, name, f"may not contain '{sign}'")


def _reference(reference: Json, path: str) -> Iterator[Cause]:
    for name in ("kind", "name"):
        value = reference.get(name)
        if not value:
            yield _required(f"{path}.{name}")
        else:
            yield from _segment(f"{path}.{name}", value)


def _metric(metric: Json, path: str) -> Iterator[Cause]:
    kind = metric.get("type")
    if not kind:
        yield _required(f"{path}.type", "must specify a metric source type")
    expected = _SOURCES.get(kind or "")
    if expected is None:
        yield _unsupported(f"{path}.type", kind or "", tuple(sorted(_SOURCES)))
    present = [name for name in _SOURCES.values() if metric.get(name) is not None]
    if present:
        yield from _source(present[0], metric[present[0]], f"{path}.{present[0]}")
    if expected is not None and expected not in present:
        why = "must populate information for the given metric source"
        yield _required(f"{path}.{expected}", why)
    for name in present:
        if name != expected and len(present) > 1:
            why = "Forbidden: must populate the given metric source only"
            yield Cause("FieldValueForbidden", why, f"{path}.{name}")


def _source(kind: str, source: Json, path: str) -> Iterator[Cause]:
    target = source.get("target") or {}
    if kind == "object":
        yield from _reference(source.get("describedObject") or {}, f"{path}.describedObject")
    if kind in ("resource", "containerResource"):
        if not source.get("name"):
            yield _required(f"{path}.name", "must specify a resource name")
        if kind == "containerResource" and not source.get("container"):
            yield _required(f"{path}.container", "must specify a container")
    else:
        name = at_path(source, ("metric", "name"))
        if not name:
            yield _required(f"{path}.metric.name", "must specify a metric name")
        else:
            yield from _segment(f"{path}.metric.name", name)
    yield from _target(target, f"{path}.target")
    average, value = target.get("averageValue"), target.get("value")
    if kind in ("resource", "containerResource"):
        utilization = target.get("averageUtilization")
        if utilization is None and average is None:
            why = "must set either a target raw value or a target utilization"
            yield _required(f"{path}.target.averageUtilization", why)
        if utilization is not None and average is not None:
            why = "Forbidden: may not set both a target raw value and a target utilization"
            yield Cause("FieldValueForbidden", why, f"{path}.target.averageValue")
    elif kind == "pods":
        if average is None:
            yield _required(f"{path}.target.averageValue", "must specify a positive target averageValue")
    elif value is None and average is None:
        yield _required(f"{path}.target.averageValue", _EITHER[kind])
    elif kind == "external" and value is not None and average is not None:
        why = "Forbidden: may not set both a target value for metric and a per-pod target"
        yield Cause("FieldValueForbidden", why, f"{path}.target.value")


def _target(target: Json, path: str) -> Iterator[Cause]:
    kind = target.get("type")
    if not kind:
        yield _required(f"{path}.type", "must specify a metric target type")
    if kind not in ("Utilization", "Value", "AverageValue"):
        yield _invalid(f"{path}.type", kind or "", "must be either Utilization, Value, or AverageValue")
    for name in _VALUES:
        value = target.get(name)
        if value is not None and not _positive(value):
            yield _invalid(f"{path}.{name}", value, "must be positive")
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        yield _invalid(f"{path}.averageUtilization", utilization, "must be greater than 0")


def _positive(quantity: str) -> bool:
    digits = re.split(r"[a-zA-Z]", quantity, maxsplit=1)[0]
    return not quantity.startswith("-") and any(digit in "123456789" for digit in digits)


def _rules(rules: Json, path: str) -> Iterator[Cause]:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        yield _invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        why = f"must be less than or equal to {_LONGEST_WINDOW}"
        yield _invalid(f"{path}.stabilizationWindowSeconds", window, why)
    select = rules.get("selectPolicy")
    if select is not None and select not in ("Max", "Min", "Disabled"):
        yield _unsupported(f"{path}.selectPolicy", select, ("Disabled", "Max", "Min"))
    policies = rules.get("policies")
    if not policies:
        yield _required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies or ()):
        yield from _policy(policy, f"{path}.policies[{index}]")
    tolerance = rules.get("tolerance")
    if tolerance is not None and str(tolerance).startswith("-") and _positive(str(tolerance)[1:]):
        yield _invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0")


def _policy(policy: Json, path: str) -> Iterator[Cause]:
    kind, value, period = policy.get("type"), policy.get("value") or 0, policy.get("periodSeconds") or 0
    if kind not in ("Pods", "Percent"):
        yield _unsupported(f"{path}.type", kind or "", ("Percent", "Pods"))
    if value <= 0:
        yield _invalid(f"{path}.value", value, "must be greater than zero")
    if period <= 0:
        yield _invalid(f"{path}.periodSeconds", period, "must be greater than zero")
    if period > _LONGEST_PERIOD:
        why = f"must be less than or equal to {_LONGEST_PERIOD}"
        yield _invalid(f"{path}.periodSeconds", period, why)
