"""A KEDA ScaledObject as a whole (keda.sh/v1alpha1): what it watches, whether it acts, what it will do.

KEDA moves its target between 0 and 1 itself; between 1 and N an HPA does that KEDA keeps (fact sheet
``kserve-hpa-lws``, section 5). What its triggers measure stands in no API but through that HPA.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from clients.kube.decode import timestamp
from clients.kube.scaler_fields import group_of, integer, listed, mapping, metadata, number, opened, text
from clients.serving.decision import Decision, Outcome
from clients.serving.decision_words import lasted
from clients.serving.keys import ObjectRef

__all__ = ["GROUP", "KIND", "KedaObject", "Trigger", "decide", "decode_object", "state_words"]

GROUP = "keda.sh"
KIND = "ScaledObject"
_NOTE = "autoscaling.keda.sh/"
_SECRET = ("password", "token", "key", "secret", "connection", "credential")


class Trigger(Struct, frozen=True):
    """One entry of ``spec.triggers``."""

    kind: str
    name: str | None
    metadata: tuple[tuple[str, str], ...] = ()
    """As written, without what may be a secret."""
    active: bool | None = None
    """By ``status.triggersActivity``, where KEDA tells it."""


class KedaObject(Struct, frozen=True):
    """The whole object, with KEDA's defaults. Durations in seconds."""

    uid: str
    namespace: str
    name: str
    target: ObjectRef | None
    minimum: int
    maximum: int
    idle: int | None
    polling: float
    cooldown: float
    triggers: tuple[Trigger, ...]
    hpa: str
    """Name of the HPA that it keeps."""
    paused: bool = False
    paused_at: int | None = None
    """The count at which it is held while it is paused."""
    paused_in: bool = False
    paused_out: bool = False
    conditions: tuple[tuple[str, bool | None, str, str], ...] = ()
    """(type, status, reason, message)"""
    last_active: float | None = None
    unhealthy: tuple[tuple[str, int], ...] = ()
    """(metric, failures in a row)"""

    @property
    def ref(self) -> ObjectRef:
        """Itself."""
        return ObjectRef(GROUP, KIND, self.namespace, self.name)

    def is_true(self, kind: str) -> bool | None:
        """The status of a condition; ``None`` where it is not told."""
        return next((status for name, status, _, _ in self.conditions if name == kind), None)


def decode_object(raw: bytes | msgspec.Raw) -> KedaObject:
    """The ScaledObject in an object's JSON. Raises ``msgspec.DecodeError`` where it is not JSON."""
    obj = opened(raw)
    uid, namespace, name = metadata(obj)
    spec, status = mapping(obj.get("spec")), mapping(obj.get("status"))
    notes = mapping(mapping(obj.get("metadata")).get("annotations"))
    ref = mapping(spec.get("scaleTargetRef"))
    target = ObjectRef(
        group_of(ref.get("apiVersion"), "apps"),
        text(ref.get("kind"), "Deployment"),
        namespace,
        text(ref.get("name")),
    )
    held = text(notes.get(f"{_NOTE}paused-replicas"))
    return KedaObject(
        uid=uid,
        namespace=namespace,
        name=name,
        target=target if target.name else None,
        minimum=_or(integer(spec.get("minReplicaCount")), 0),
        maximum=_or(integer(spec.get("maxReplicaCount")), 100),
        idle=integer(spec.get("idleReplicaCount")),
        polling=_seconds(spec.get("pollingInterval"), 30.0),
        cooldown=_seconds(spec.get("cooldownPeriod"), 300.0),
        triggers=tuple(_triggers(spec, status)),
        hpa=text(status.get("hpaName")) or f"keda-hpa-{name}",
        paused=bool(held) or _true(notes.get(f"{_NOTE}paused")),
        paused_at=int(held) if held.isdecimal() and len(held) < 10 else None,
        paused_in=_true(notes.get(f"{_NOTE}paused-scale-in")),
        paused_out=_true(notes.get(f"{_NOTE}paused-scale-out")),
        conditions=tuple(
            (
                text(entry.get("type")),
                {"True": True, "False": False}.get(text(entry.get("status"))),
                text(entry.get("reason")),
                text(entry.get("message")),
            )
            for entry in listed(status.get("conditions"))
        ),
        last_active=timestamp(text(status.get("lastActiveTime"))),
        unhealthy=tuple(_unhealthy(mapping(status.get("health")))),
    )


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _seconds(value: object, default: float) -> float:
    given = number(value)
    return default if given is None else given


def _true(value: object) -> bool:
    return text(value).lower() == "true"


def _triggers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> list[Trigger]:
    activity = mapping(status.get("triggersActivity"))
    found = []
    for index, entry in enumerate(listed(spec.get("triggers"))):
        kind, given = text(entry.get("type")), mapping(entry.get("metadata"))
        told = [mapping(activity[key]).get("isActive") for key in activity if key.startswith(f"s{index}-")]
        shown = tuple(
            (key, text(given[key]))
            for key in sorted(given)
            if text(given[key]) and not any(word in key.lower() for word in _SECRET)
        )
        active = told[0] if told and isinstance(told[0], bool) else None
        found.append(Trigger(kind, text(entry.get("name")) or None, shown, active))
    return found


def _unhealthy(health: Mapping[str, Any]) -> list[tuple[str, int]]:
    found = []
    for metric in sorted(health):
        failures = integer(mapping(health[metric]).get("numberOfFailures")) or 0
        if failures or text(mapping(health[metric]).get("status")) == "Failing":
            found.append((metric, failures))
    return found


def state_words(scaled: KedaObject) -> tuple[str, ...]:
    """What keeps it from acting as usual; none of it: nothing. Parts come from outside: draw them plain."""
    words = []
    if scaled.paused:
        at = "" if scaled.paused_at is None else f" at {scaled.paused_at}"
        words.append(f"paused{at}: KEDA has deleted its HPA, nothing scales")
    if scaled.paused_in:
        words.append("scale-in is paused")
    if scaled.paused_out:
        words.append("scale-out is paused")
    for kind, status, reason, message in scaled.conditions:
        if kind == "Ready" and status is False:
            words.append(f"not ready: {message or reason}")
        elif kind == "Fallback" and status:
            words.append("a trigger fails: KEDA uses its fallback count")
        elif kind == "HPAActive" and status is False:
            words.append(f"its HPA does not act: {message or reason}")
    words += [f"{metric} failed {failures} times" for metric, failures in scaled.unhealthy]
    return tuple(words)


def decide(scaled: KedaObject, current: int | None, now: float, through: Decision | None) -> Decision:
    """What happens to its target: by KEDA between 0 and 1, by its HPA's decision (``through``) above.

    ``current`` is the count that the target asks for. KEDA looks every ``polling`` seconds; it counts its
    cooldown from the last activity, which it tells.
    """
    floor = scaled.minimum if scaled.idle is None else scaled.idle
    made = Decision(
        subject=scaled.ref,
        at=now,
        outcome=Outcome.UNKNOWN,
        target=scaled.target,
        current=current,
        minimum=floor,
        maximum=scaled.maximum,
        interval=scaled.polling,
    )
    change = msgspec.structs.replace
    if scaled.paused:
        if scaled.paused_at is None or current is None or scaled.paused_at == current:
            return change(made, outcome=Outcome.DISABLED, desired=current, reason=state_words(scaled)[0])
        return change(
            made,
            outcome=Outcome.SCALES,
            desired=scaled.paused_at,
            reason=f"paused at {scaled.paused_at}",
            goes_to=scaled.paused_at,
            until=now,
        )
    active = scaled.is_true("Active")
    if current == 0:
        return _from_zero(made, scaled, active)
    if active is False and floor == 0 and current is not None:
        return _to_zero(made, scaled, current, floor, now)
    if through is not None:
        return change(through, subject=scaled.ref, minimum=floor, maximum=scaled.maximum)
    return change(
        made, reason=f"between 1 and {scaled.maximum} its HPA {scaled.hpa} decides, which is not read"
    )


def _from_zero(made: Decision, scaled: KedaObject, active: bool | None) -> Decision:
    if active is None:
        return msgspec.structs.replace(made, reason="KEDA does not tell whether a trigger is active")
    if not active:
        return msgspec.structs.replace(made, outcome=Outcome.HOLDS, desired=0, reason="no trigger is active")
    goes_to = max(1, scaled.minimum)
    return msgspec.structs.replace(
        made,
        outcome=Outcome.SCALES,
        desired=goes_to,
        reason="a trigger is active",
        goes_to=goes_to,
        until=made.at,
    )


def _to_zero(made: Decision, scaled: KedaObject, current: int, floor: int, now: float) -> Decision:
    """No trigger is active: after the cooldown KEDA takes the target down itself, whatever its HPA says."""
    change = msgspec.structs.replace
    if scaled.last_active is None:
        return change(made, reason="no trigger is active; since when KEDA does not tell")
    until = scaled.last_active + scaled.cooldown
    quiet = lasted(now - scaled.last_active)
    reason = f"no trigger has been active for {quiet}, the cooldown is {lasted(scaled.cooldown)}"
    if until > now:
        return change(made, outcome=Outcome.HOLDS, desired=current, reason=reason, goes_to=floor, until=until)
    return change(made, outcome=Outcome.SCALES, desired=floor, reason=reason, goes_to=floor, until=now)
