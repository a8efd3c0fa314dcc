"""What the v2 API answers, as values; whatever is missing, null, unknown or of another type is left out.

Shapes: ``huaweicloudsdkmodelarts`` 3.1.219. Times come as numbers or as text, depending on the call, and
counts are taken either way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

__all__ = [
    "Deployment", "Flavor", "Frozen", "Hpa", "HpaRule", "Instance", "Page", "Service", "ServiceEvent", "Unit",
    "flavor", "hpa", "instance", "page", "service", "service_event",
]  # fmt: skip

_MOST = 1_000_000
"""A higher count is no count."""


class Frozen(Struct, frozen=True):
    """Why a service is frozen."""

    scene: str
    """``ARREAR``, ``POLICE``, ``ILLEGAL``."""
    effect: int | None
    """1: it may be released, 2: it may not."""


class Unit(Struct, frozen=True):
    """A part of an instance."""

    flavor: str | None
    count: int | None = None
    group_count: int | None = None


class Deployment(Struct, frozen=True):
    """One instance group of a service."""

    id: str
    name: str
    status: str
    desired: int | None
    running: int | None
    pool: str | None = None
    """Of a dedicated pool; ``None``: the public one."""
    units: tuple[Unit, ...] = ()
    kind: str = ""
    """``SINGLE``: one machine each, ``MULTI``: several."""
    version: str = ""
    weight: int | None = None
    created: float | None = None
    updated: float | None = None


class Service(Struct, frozen=True):
    """One real-time service; lists tell nothing of its deployments."""

    id: str
    name: str
    status: str
    failure: str = ""
    kind: str = ""
    """``REAL_TIME``, ``ASYNC_REAL_TIME``."""
    frozen: tuple[Frozen, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    url: str | None = None
    created: float | None = None
    updated: float | None = None


class Instance(Struct, frozen=True):
    """One replica of a deployment, of one or several pods."""

    name: str
    status: str
    pods: int | None
    running: int | None
    updated: float | None = None


class ServiceEvent(Struct, frozen=True):
    """Something that the platform says happened to a service."""

    kind: str
    """``NORMAL``, ``ABNORMAL``, ``WARNING``."""
    text: str


class HpaRule(Struct, frozen=True):
    """A rule of an autoscaler: a schedule or a metric."""

    name: str
    kind: str
    """``CRON_HPA`` or ``METRIC_HPA``."""
    schedule: str | None
    target: int | None
    off: bool
    status: str


class Hpa(Struct, frozen=True):
    """The autoscaler of a deployment."""

    id: str
    name: str
    status: str
    """``ACTIVE``, ``INACTIVE``, ``DELETED``."""
    minimum: int | None
    maximum: int | None
    rules: tuple[HpaRule, ...]


class Flavor(Struct, frozen=True):
    """A size of machine that a unit runs on."""

    id: str
    gpus: int | None
    """GPUs or NPUs of one; ``None`` where that is not told."""
    model: str | None
    sold_out: bool | None


class Page(Struct, frozen=True):
    """One page of a list."""

    items: tuple[dict[str, Any], ...]
    total: int | None


def page(body: bytes) -> Page | None:
    """A page of any list; ``None`` for what is none."""
    raw = _object(body)
    if raw is None or not isinstance(raw.get("data"), list | None):
        return None
    return Page(tuple(_objects(raw.get("data"))), _count(raw.get("total")))


def service(body: bytes | dict[str, Any]) -> Service | None:
    """A service, of a list or whole; ``None`` without id or name: it could not be addressed."""
    raw = _object(body) if isinstance(body, bytes) else body
    if raw is None:
        return None
    found, name = _text(raw.get("id")), _text(raw.get("name"))
    if not found or not name:
        return None
    version = raw.get("version")
    groups = version.get("instance_groups") if isinstance(version, dict) else None
    return Service(
        id=found,
        name=name,
        status=_text(raw.get("status")),
        failure=_text(raw.get("failure_reason")),
        kind=_text(raw.get("type")),
        frozen=tuple(
            Frozen(_text(info.get("scene")) or "unknown", _count(info.get("effect")))
            for info in _objects(raw.get("frozen_infos"))
        ),
        deployments=tuple(made for one in _objects(groups) if (made := _deployment(one)) is not None),
        url=_url(raw.get("predict_url")),
        created=_time(raw.get("create_at")),
        updated=_time(raw.get("update_at")),
    )


def _deployment(raw: dict[str, Any]) -> Deployment | None:
    """An instance group; ``None`` without a name, by which it is scaled."""
    name = _text(raw.get("name"))
    if not name:
        return None
    return Deployment(
        id=_text(raw.get("id")),
        name=name,
        status=_text(raw.get("status")),
        desired=_count(raw.get("count")),
        running=_count(raw.get("running_count")),
        pool=_text(raw.get("pool_id")) or None,
        units=tuple(
            Unit(
                _text(unit.get("flavor")) or None,
                _count(unit.get("count")),
                _count(unit.get("group_count")),
            )
            for unit in _objects(raw.get("unit_configs"))
        ),
        kind=_text(raw.get("deploy_type")),
        version=_text(raw.get("version")),
        weight=_count(raw.get("weight")),
        created=_time(raw.get("create_at")),
        updated=_time(raw.get("update_at")),
    )


def instance(raw: dict[str, Any]) -> Instance | None:
    """An instance; ``None`` without a name."""
    name = _text(raw.get("instance_name"))
    if not name:
        return None
    return Instance(
        name,
        _text(raw.get("status")),
        _count(raw.get("pod_count")),
        _count(raw.get("running_pod_count")),
        _time(raw.get("update_at")),
    )


def service_event(raw: dict[str, Any]) -> ServiceEvent | None:
    """An event of a service; ``None`` without a text."""
    text = _text(raw.get("event_info"))
    return ServiceEvent(_text(raw.get("event_type")), text) if text else None


def hpa(body: bytes) -> Hpa | None:
    """An autoscaler; ``None`` where there is none."""
    raw = _object(body)
    if raw is None or not (_text(raw.get("id")) or _text(raw.get("status"))):
        return None
    return Hpa(
        _text(raw.get("id")),
        _text(raw.get("name")),
        _text(raw.get("status")),
        _count(raw.get("min_replicas")),
        _count(raw.get("max_replicas")),
        tuple(
            HpaRule(
                _text(rule.get("name")),
                _text(rule.get("type")),
                _text(rule.get("schedule")) or None,
                _count(rule.get("target_replicas")),
                str(rule.get("disable")).lower() == "true",
                _text(rule.get("status")),
            )
            for rule in _objects(raw.get("hpa_rules"))
        ),
    )


def flavor(raw: dict[str, Any]) -> Flavor | None:
    """A size of machine; ``None`` without an id."""
    found = _text(raw.get("id"))
    if not found:
        return None
    kind = _text(raw.get("category")).upper()
    card, number = ("ascend", "npu") if kind == "ASCEND" else ("gpu", "gpu")
    cards = raw.get(card)
    told = cards if isinstance(cards, dict) else {}
    gpus = 0 if kind == "CPU" else _count(told.get(number))
    sold_out = raw.get("sold_out")
    model = _text(told.get("type_alias")) or _text(told.get("type")) or None
    return Flavor(found, gpus, model, sold_out if isinstance(sold_out, bool) else None)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None


def _objects(value: object) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _count(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number <= _MOST and number == int(number) else None


def _time(value: object) -> float | None:
    """UTC seconds of milliseconds, told as a number or as text."""
    number = _number(value)
    return number / 1000 if number is not None and 0 < number < 1e14 else None


def _url(value: object) -> str | None:
    """Where the service is called: in public, else from within."""
    urls = {
        _text(one.get("type")): [url for url in one.get("urls", ()) if isinstance(url, str)]
        for one in _objects(value)
        if isinstance(one.get("urls"), list)
    }
    order = [*urls.get("PUBLIC", ()), *urls.get("INTERNAL", ())]
    return order[0] if order else None
