"""What a form asks of an HPA, as the change that makes or edits it (autoscaling/v2, fact sheet 2.1).

Only what a person has changed is in a patch: policies and metrics that the form has no words for stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from clients.kube.json_patch import MISSING, at, tested
from clients.kube.quantity import parse
from clients.kube.scaler_fields import integer, listed, mapping, text
from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef

__all__ = ["HpaWish", "Pace", "created", "deleted", "edited", "problems", "wish_of"]

_FIELDS = {"Resource": "resource", "Pods": "pods", "External": "external"}
_LONGEST_WINDOW = 3600
_LONGEST_PERIOD = 1800
_DEFAULT_PERIOD = 60


class Pace(Struct, frozen=True):
    """One direction of its behavior; ``None``: as it is without one."""

    window: int | None = None
    """Stabilisation, seconds."""
    pods: int | None = None
    """At most so many pods in a period."""
    period: int | None = None
    """Seconds."""


class HpaWish(Struct, frozen=True):
    """What it shall look at, and how far and how fast it may go."""

    source: str
    """``Resource``, ``Pods`` or ``External``; else a type that only its YAML can tell."""
    metric: str
    target: str
    """Percent of what is requested for ``Resource``; else the average wanted of each pod, a quantity."""
    minimum: int | None
    maximum: int | None
    scale_out: Pace = Pace()
    scale_in: Pace = Pace()


def wish_of(raw: Mapping[str, Any]) -> HpaWish:
    """What an HPA asks for now: its first metric, its bounds, and what the form knows of its behavior."""
    spec = mapping(raw.get("spec"))
    metrics = listed(spec.get("metrics"))
    metric = metrics[0] if metrics else {}
    source = text(metric.get("type"))
    inner = mapping(metric.get(_FIELDS.get(source, "")))
    target = mapping(inner.get("target"))
    name = inner.get("name") if source == "Resource" else mapping(inner.get("metric")).get("name")
    value = target.get("averageUtilization", target.get("averageValue", target.get("value")))
    behavior = mapping(spec.get("behavior"))
    return HpaWish(
        source,
        text(name),
        "" if value is None else str(value),
        integer(spec.get("minReplicas")) or 1,
        integer(spec.get("maxReplicas")),
        _pace(mapping(behavior.get("scaleUp"))),
        _pace(mapping(behavior.get("scaleDown"))),
    )


def _pace(rules: Mapping[str, Any]) -> Pace:
    policies = [rule for rule in listed(rules.get("policies")) if rule.get("type") == "Pods"]
    only = policies[0] if len(policies) == 1 and len(listed(rules.get("policies"))) == 1 else {}
    return Pace(
        integer(rules.get("stabilizationWindowSeconds")),
        integer(only.get("value")),
        integer(only.get("periodSeconds")),
    )


def problems(wish: HpaWish) -> Iterator[str]:
    """Why the server would refuse it, in plain words."""
    if not wish.metric:
        yield "a metric is missing"
    if wish.source in _FIELDS:
        value = parse(wish.target)
        if value is None or value <= 0:
            yield f"a target above zero is needed, not '{wish.target}'"
        elif wish.source == "Resource" and value.denominator != 1:
            yield "a target in whole per cent of what is requested is needed"
    if wish.minimum is None or wish.minimum < 1:
        yield "an HPA does not go to 0: the least minimum is 1"
    if wish.maximum is None or wish.maximum < 1:
        yield "a maximum is missing"
    elif wish.minimum is not None and wish.minimum > wish.maximum:
        yield f"the minimum {wish.minimum} is above the maximum {wish.maximum}"
    for words, pace in (("out", wish.scale_out), ("in", wish.scale_in)):
        if pace.window is not None and pace.window > _LONGEST_WINDOW:
            yield f"the longest window for scaling {words} is {_LONGEST_WINDOW} s"
        if pace.period is not None and not 1 <= pace.period <= _LONGEST_PERIOD:
            yield f"a period of scaling {words} lasts 1 to {_LONGEST_PERIOD} s"
        if pace.pods == 0:
            yield f"a limit of 0 pods forbids scaling {words}: freeze that direction instead"
        if pace.pods is None and pace.period is not None:
            yield f"a period of scaling {words} needs a number of pods"


def created(ref: ObjectRef, target: ObjectRef, api_version: str, wish: HpaWish) -> ObjectChange:
    """A new HPA on a target; ``api_version`` is the target's."""
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": api_version, "kind": target.kind, "name": target.name},
        "minReplicas": wish.minimum,
        "maxReplicas": wish.maximum,
        "metrics": [_metric(wish)],
    }
    behavior = {
        side: rules
        for side, pace in (("scaleUp", wish.scale_out), ("scaleDown", wish.scale_in))
        if (rules := _rules(pace))
    }
    if behavior:
        spec["behavior"] = behavior
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "spec": spec,
    }
    return ObjectChange(Verb.CREATE, ref, json.dumps(body))


def edited(ref: ObjectRef, raw: Mapping[str, Any], wish: HpaWish) -> ObjectChange:
    """The patch from what there is; an empty one where nothing differs."""
    was = wish_of(raw)
    changes: list[tuple[str, Any]] = []
    if wish.minimum != was.minimum:
        changes.append(("/spec/minReplicas", wish.minimum))
    if wish.maximum != was.maximum:
        changes.append(("/spec/maxReplicas", wish.maximum))
    if (wish.source, wish.metric, wish.target) != (was.source, was.metric, was.target):
        # The list is atomic: it is written whole, with every further metric as it was.
        rest = at(raw, "/spec/metrics")
        changes.append(("/spec/metrics", [_metric(wish), *(rest[1:] if isinstance(rest, list) else ())]))
    for side, new, old in (
        ("scaleUp", wish.scale_out, was.scale_out),
        ("scaleDown", wish.scale_in, was.scale_in),
    ):
        if new.window != old.window:
            window = MISSING if new.window is None else new.window
            changes.append((f"/spec/behavior/{side}/stabilizationWindowSeconds", window))
        if (new.pods, new.period) != (old.pods, old.period):
            policies = _rules(Pace(None, new.pods, new.period)).get("policies", MISSING)
            changes.append((f"/spec/behavior/{side}/policies", policies))
    return ObjectChange(Verb.PATCH, ref, json.dumps(tested(raw, changes)))


def deleted(ref: ObjectRef) -> ObjectChange:
    """It goes; what it scaled keeps its count."""
    return ObjectChange(Verb.DELETE, ref, "")


def _metric(wish: HpaWish) -> dict[str, Any]:
    if wish.source == "Resource":
        aim: dict[str, Any] = {"type": "Utilization", "averageUtilization": int(wish.target)}
        return {"type": "Resource", "resource": {"name": wish.metric, "target": aim}}
    aim = {"type": "AverageValue", "averageValue": wish.target}
    field = {"metric": {"name": wish.metric}, "target": aim}
    return {"type": wish.source, _FIELDS[wish.source]: field}


def _rules(pace: Pace) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    if pace.window is not None:
        rules["stabilizationWindowSeconds"] = pace.window
    if pace.pods is not None:
        period = pace.period or _DEFAULT_PERIOD
        rules["policies"] = [{"type": "Pods", "value": pace.pods, "periodSeconds": period}]
    return rules
