"""The triggers of a ScaledObject: what each measures, whether it is active, and its metric of the HPA."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from msgspec import Struct

from clients.embedded.adapters import milli_text
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.cron_schedule import ScheduleError, parse_schedule
from clients.embedded.controllers.hpa_objects import external_metric, resource_metric
from clients.embedded.demand import Demand
from clients.embedded.promql import evaluate
from clients.embedded.quantity import parse_quantity

__all__ = ["NAME_LABEL", "Reading", "Trigger", "TriggerError", "read_triggers"]

NAME_LABEL = "scaledobject.keda.sh/name"
_RESOURCES = ("cpu", "memory")


class TriggerError(Exception):
    """A trigger that cannot be understood or measured."""


class Reading(Struct, frozen=True):
    """What a trigger measures now."""

    value: float
    active: bool


class Trigger(Struct, frozen=True):
    """One trigger."""

    kind: str
    metric: str
    """Name of its external metric; of the resource for cpu and memory."""
    told: Json

    @property
    def is_resource(self) -> bool:
        """cpu or memory: the HPA measures them itself, and they never wake a target."""
        return self.kind in _RESOURCES

    def hpa_metric(self, owner: str) -> Json:
        """Its entry in the HPA's metrics."""
        metadata = self.told.get("metadata") or {}
        if not self.is_resource:
            target = "1" if self.kind == "cron" else milli_text(_milli(metadata["threshold"]))
            made = external_metric(self.metric, target, {NAME_LABEL: owner})
            if self.told.get("metricType") == "Value":
                made["external"]["target"] = {"type": "Value", "value": target}
            return made
        if self.told.get("metricType", "Utilization") == "Utilization":
            return resource_metric(self.kind, _milli(metadata["value"]) // 1000)
        value = {"type": "AverageValue", "averageValue": str(metadata["value"])}
        return {"type": "Resource", "resource": {"name": self.kind, "target": value}}

    def read(self, demand: Demand, namespace: str, now: float) -> Reading:
        """Raises TriggerError."""
        metadata = self.told.get("metadata") or {}
        if self.kind == "cron":
            inside = _inside(metadata, now)
            return Reading(float(parse_quantity(metadata["desiredReplicas"])) if inside else 1.0, inside)
        value = evaluate(demand, namespace, str(metadata["query"]))
        if value is None:
            raise TriggerError("prometheus metrics 'prometheus' target may be lost, the result is empty")
        return Reading(value, value > float(parse_quantity(metadata.get("activationThreshold", 0))))


_NUMBERS = {"threshold", "activationThreshold", "value", "desiredReplicas"}
_NUMBER = re.compile(r"^-?[0-9]+(\.[0-9]+)?(m|k|Ki|Mi|Gi|M|G)?$")
_LONGEST_NUMBER = 18
_NEEDED = {
    "cpu": ("value",),
    "memory": ("value",),
    "prometheus": ("serverAddress", "query", "threshold"),
    "cron": ("timezone", "start", "end", "desiredReplicas"),
}


def read_triggers(spec: Json) -> list[Trigger]:
    """All triggers. Raises TriggerError for one of a kind that is not played here, or incomplete."""
    found = []
    for index, told in enumerate(spec["triggers"]):
        kind, metadata = told["type"], told.get("metadata") or {}
        needed = _NEEDED.get(kind)
        if needed is None:
            raise TriggerError(f"no scaler found for type: {kind}")
        for name in needed:
            if name not in metadata:
                raise TriggerError(f'error parsing {kind} metadata: missing required parameter "{name}"')
        for name in _NUMBERS & metadata.keys():
            _check_number(kind, name, metadata[name])
        if kind == "cron":
            _check_cron(metadata)
        found.append(Trigger(kind, kind if kind in _RESOURCES else _metric_name(index, kind, metadata), told))
    return found


def _milli(text: object) -> int:
    return round(parse_quantity(text) * 1000)


def _check_number(kind: str, name: str, text: object) -> None:
    if len(str(text)) > _LONGEST_NUMBER or not _NUMBER.match(str(text)):
        raise TriggerError(f'error parsing {kind} metadata: unable to set param "{name}" value "{text}"')
    if name in ("threshold", "value") and parse_quantity(text) <= 0:
        raise TriggerError(f"error parsing {kind} metadata: {name} should be higher than 0")


def _metric_name(index: int, kind: str, metadata: Json) -> str:
    if kind != "cron":
        return f"s{index}-{kind}"
    parts = [str(metadata[name]) for name in ("timezone", "start", "end")]
    plain = [part.replace("*", "x").replace("/", "Sl").replace("?", "Qm") for part in parts[1:]]
    words = "-".join(("cron", parts[0].replace("/", "-"), *(part.replace(" ", "") for part in plain)))
    return f"s{index}-{re.sub(r'[/.:%(){}]', '-', words)}"


def _check_cron(metadata: Json) -> None:
    try:
        _zone(str(metadata["timezone"]))
        for name in ("start", "end"):
            parse_schedule(f"0 {metadata[name]}")
    except (ScheduleError, KeyError, ValueError) as error:
        raise TriggerError(f"error parsing cron metadata: {error}") from None


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def _inside(metadata: Json, now: float) -> bool:
    """Between a start and the end that follows it."""
    local = datetime.fromtimestamp(now, _zone(str(metadata["timezone"])))
    begins, ends = (parse_schedule(f"0 {metadata[name]}").next(local) for name in ("start", "end"))
    return ends is not None and (begins is None or ends < begins)
