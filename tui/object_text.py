"""A whole object as text: YAML as the server has it, or what matters of it in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from clients.serving.eta import spell
from clients.serving.phase import Trouble
from clients.serving.plain import plain
from clients.serving.workload import Group, Workload

__all__ = ["as_yaml", "described"]

_VALUE = 200


def as_yaml(found: dict[str, Any]) -> str:
    """The object in the order in which kubectl prints it."""
    return str(yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=10_000))


def described(workload: Workload, found: dict[str, Any], now: float) -> str:
    """What it is, what drives it, how its groups are, what the controller says. ``now``: cluster time."""
    return "\n".join(_lines(workload, found, now)) + "\n"


def _lines(workload: Workload, found: dict[str, Any], now: float) -> Iterator[str]:
    key = workload.key
    yield f"{plain(str(key))}"
    yield _pair("uid", workload.uid)
    if workload.created is not None:
        yield _pair("age", spell(now - workload.created))
    yield _pair("groups", f"{_known(workload.ready)} ready of {_known(workload.desired)} wanted")
    for spec in workload.role_specs:
        gpus = f", {_counted(spec.gpus_replica, 'GPU')} each" if spec.gpus_replica else ""
        minimum = f", gang minimum {spec.minimum}" if spec.minimum is not None else ""
        size = f"{_counted(spec.replicas, 'replica')} of {_counted(1 + spec.workers, 'pod')}"
        yield _pair(f"role {spec.name}", f"{size}{gpus}{minimum}")
    if not key.managed:
        yield _pair("order rule", workload.version or "unknown")
    yield _pair("endpoint", workload.endpoint or "–")
    for name, fact in workload.about:
        yield _pair(name, fact)
    if workload.owner is not None:
        yield _pair("owner", str(workload.owner))
    for driver in workload.drivers:
        bounds = f"{_known(driver.minimum)} to {_known(driver.maximum)}"
        yield _pair(
            "driver", f"{driver.kind} {driver.ref.name}, {bounds}, {driver.signal or 'signal unknown'}"
        )
    if not workload.drivers:
        yield _pair("driver", "none that is seen")
    if not key.managed:
        yield _pair("last writer", workload.replicas_manager or "unknown")
    for warning in workload.warnings:
        yield _pair("warning", warning)
    yield ""
    yield "groups"
    for group in workload.groups:
        yield from _group(group, now)
    if key.managed:
        return
    yield ""
    yield "what the controller writes (its conditions keep old texts when they turn False)"
    status = found.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for one in conditions if isinstance(conditions, list) else ():
        if isinstance(one, dict):
            text = f"{one.get('status')} {one.get('reason') or ''}: {one.get('message') or ''}"
            yield _pair(str(one.get("type")), text)


def _group(group: Group, now: float) -> Iterator[str]:
    since = f" for {spell(now - group.since)}" if group.since is not None else ""
    yield f"  {plain(group.name)}  {group.phase}{since}{_trouble(group.trouble)}"
    for role in group.roles:
        for replica in role.replicas:
            stage = f" {replica.stage}" if replica.stage is not None else ""
            yield f"    {plain(replica.id)}  {replica.phase}{stage}{_trouble(replica.trouble)}"
            for pod in replica.pods:
                yield (
                    f"      {plain(pod.name)}  {'ready' if pod.ready else pod.stage}"
                    f"  on {plain(pod.node) if pod.node else '–'}"
                    f"  {_counted(pod.gpus, 'GPU')}  {_counted(pod.restarts, 'restart')}"
                )


def _trouble(trouble: Trouble | None) -> str:
    return f"  {trouble.kind}: {plain(trouble.reason)}: {plain(trouble.message, 400)}" if trouble else ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _known(value: int | None) -> str:
    return "–" if value is None else str(value)


def _pair(name: str, value: str) -> str:
    return f"  {plain(name):<14} {plain(value, _VALUE)}"
