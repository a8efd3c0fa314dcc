"""Metrics in dcgm-exporter's names (4.5 to 4.8, and older label names) turned into samples of devices.

dcgm-exporter writes a row for each container that shares a device, and a copy of the device's value in each:
so values are brought together by device first, and only then are the sharers listed. Two metrics may differ
between sharers, memory and utilisation, each telling what its own processes use (dcgm-exporter #594); those
add up. A MIG instance has its own rows; what only the whole GPU has, such as power, holds for it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct

from clients.gpu.exposition import PageError, Row
from clients.serving.gpus import DeviceKey, DeviceState, GpuSample, Holder, Throttle

__all__ = ["WANTED", "NodePage", "holder_of", "samples_of"]

_MIB = 1 << 20
_MOST_DEVICES = 1024
"""Of one node; a page that tells of more is not of this world."""
_LONGEST = 253


class _Field(Struct, frozen=True):
    """Where a metric's value goes, and between which bounds it can be true."""

    name: str
    low: float
    high: float
    factor: float = 1.0
    kind: Callable[[float], Any] = float


def _ratio(name: str) -> _Field:
    return _Field(name, 0.0, 1.0, 100.0)


def _count(name: str) -> _Field:
    return _Field(name, 0, 2**53, kind=int)


_UTIL, _USED = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED"
_FREE, _RESERVED, _TOTAL = "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED", "DCGM_FI_DEV_FB_TOTAL"
_PER_PROCESS = {_UTIL: 100.0, _USED: math.inf}
"""What may be told of each sharer alone, and the most that it can come to."""
_REASONS = ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS")
_EVENTS = "DCGM_EXP_CLOCK_EVENTS_COUNT"
_XID, _XIDS = "DCGM_FI_DEV_XID_ERRORS", "DCGM_EXP_XID_ERRORS_COUNT"
_UP, _AGE, _ATTRIBUTION = "servegrid_gpu_up", "servegrid_sample_age_seconds", "servegrid_attribution_up"

_FIELDS: Mapping[str, _Field] = {
    _UTIL: _Field("utilisation", 0, 100),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": _ratio("tensor"),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": _ratio("graphics"),
    "DCGM_FI_PROF_SM_ACTIVE": _ratio("sm"),
    "DCGM_FI_PROF_DRAM_ACTIVE": _ratio("bandwidth"),
    "DCGM_FI_DEV_POWER_USAGE": _Field("power", 0, 10_000),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": _Field("power_limit", 1, 10_000),
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": _Field("power_limit", 1, 10_000),
    "DCGM_FI_DEV_GPU_TEMP": _Field("temperature", -50, 200),
    "DCGM_FI_DEV_MEMORY_TEMP": _Field("memory_temperature", -50, 200),
    "DCGM_FI_DEV_SM_CLOCK": _Field("sm_clock", 0, 20_000),
    "DCGM_FI_DEV_MEM_CLOCK": _Field("memory_clock", 0, 20_000),
    _XID: _Field("xid", 0, 9_999, kind=int),
    "servegrid_xid_timestamp_seconds": _Field("xid_at", 1, 2**40),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": _count("ecc_corrected"),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": _count("ecc_uncorrected"),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": _count("remapped_corrected"),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": _count("remapped_uncorrected"),
    "DCGM_FI_DEV_ROW_REMAP_PENDING": _Field("remap_pending", 0, 1, kind=bool),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": _Field("remap_failed", 0, 1, kind=bool),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": _Field("energy", 0, 2**63, 0.001),
}
WANTED = frozenset(
    (*_FIELDS, _USED, _FREE, _RESERVED, _TOTAL, *_REASONS, _EVENTS, _XIDS, _UP, _AGE, _ATTRIBUTION)
)
"""The metrics that are read."""

_BITS = (
    (0x001, Throttle.IDLE),
    (0x002, Throttle.CLOCK_SETTING),
    (0x004, Throttle.POWER_CAP),
    (0x008, Throttle.HARDWARE),
    (0x010, Throttle.SYNC_BOOST),
    (0x020, Throttle.THERMAL_SOFTWARE),
    (0x040, Throttle.THERMAL_HARDWARE),
    (0x080, Throttle.POWER_BRAKE),
    (0x100, Throttle.DISPLAY),
)
"""NVML's ``nvmlClocksEventReason`` bits."""
_BY_EVENT = {
    "gpu_idle": Throttle.IDLE,
    "clocks_setting": Throttle.CLOCK_SETTING,
    "power_cap": Throttle.POWER_CAP,
    "hw_slowdown": Throttle.HARDWARE,
    "sync_boost": Throttle.SYNC_BOOST,
    "sw_thermal": Throttle.THERMAL_SOFTWARE,
    "hw_thermal": Throttle.THERMAL_HARDWARE,
    "hw_power_brake": Throttle.POWER_BRAKE,
    "display_clocks": Throttle.DISPLAY,
}
_OF_THE_WHOLE = (
    "power", "power_limit", "temperature", "memory_temperature", "sm_clock", "memory_clock", "throttle",
    "xid", "xid_at", "ecc_corrected", "ecc_uncorrected", "remapped_corrected", "remapped_uncorrected",
    "remap_pending", "remap_failed", "energy", "model",
)  # fmt: skip
"""What a MIG instance has from its GPU."""

_WHO = (
    ("exported_namespace", "namespace", "pod_namespace"),
    ("exported_pod", "pod", "pod_name"),
    ("exported_container", "container", "container_name"),
)
"""Label names of a device's holder, the first that is there counts."""


class NodePage(Struct, frozen=True):
    """What a page says of one node."""

    samples: tuple[GpuSample, ...]
    age: float | None = None
    """Seconds that the values were old when the page was made, where it says so."""


class _Device:
    """What the rows of one device say."""

    __slots__ = ("busy_with", "holders", "labels", "reasons", "shares", "state", "values", "xids")

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = labels
        self.values: dict[str, float] = {}
        self.shares: dict[Holder, dict[str, float]] = {}
        self.holders: set[Holder] = set()
        self.reasons: set[Throttle] | None = None
        self.xids: list[int] = []
        self.state: tuple[DeviceState, str | None] = (DeviceState.LIVE, None)


def holder_of(labels: Mapping[str, str]) -> Holder | None:
    """Who has the device of a row; ``None`` where it names nobody."""
    namespace, pod, container = (next((labels[n] for n in names if labels.get(n)), "") for names in _WHO)
    if not pod:
        return None
    return Holder(_cut(namespace), _cut(pod), _cut(container), _cut(labels.get("vgpu", "")))


def samples_of(
    rows: Iterable[Row],
    node: str,
    taken_at: float,
    spread: float | None,
    *,
    fresh_for: float,
    not_holders: Collection[tuple[str, str]] = (),
) -> NodePage:
    """The devices of one node. ``taken_at`` is when the page was asked for, in monotonic seconds.

    Its values count as fresh for ``fresh_for`` seconds, and may be ``spread`` seconds older than they say.
    ``not_holders`` are pods, by namespace and name, that cannot hold a device: exporters, whose own names
    Prometheus puts into the rows of devices that nobody has.

    Raises:
        PageError: it tells of more devices than a node can have.
    """
    devices: dict[tuple[str, int | None], _Device] = {}
    page: dict[str, float] = {}
    for row in rows:
        labels = row.labels
        uuid = labels.get("UUID") or (f"gpu-{labels['gpu']}" if labels.get("gpu") else "")
        if not uuid:
            page.update(row.values)
            continue
        key = (uuid, _whole(labels.get("GPU_I_ID")))
        device = devices.get(key)
        if device is None:
            if len(devices) >= _MOST_DEVICES:
                raise PageError(f"more than {_MOST_DEVICES} devices on one node")
            device = devices[key] = _Device(labels)
        _take(device, row, not_holders)
    age = _bounded(page.get(_AGE), 0, 2**40)
    told = page.get(_ATTRIBUTION)
    attributed = bool(told) if told is not None else any(device.holders for device in devices.values())
    facts = {key: _facts(device) for key, device in devices.items()}
    split = {uuid for uuid, instance in devices if instance is not None}
    samples = []
    for (uuid, instance), found in facts.items():
        if instance is None and uuid in split:
            continue
        if instance is not None and (whole := facts.get((uuid, None))) is not None:
            found = {**{name: whole[name] for name in _OF_THE_WHOLE if name in whole}, **found}
        samples.append(
            GpuSample(
                key=DeviceKey(node, _cut(uuid), instance),
                taken_at=taken_at - (age or 0.0),
                fresh_until=taken_at + fresh_for,
                spread=spread,
                holders=tuple(sorted(devices[(uuid, instance)].holders)),
                attributed=attributed,
                **found,
            )
        )
    return NodePage(tuple(samples), age)


def _take(device: _Device, row: Row, not_holders: Collection[tuple[str, str]]) -> None:
    holder = holder_of(row.labels)
    if holder is not None and (holder.namespace, holder.pod) not in not_holders:
        device.holders.add(holder)
        shared = device.shares.setdefault(holder, {})
        for name in _PER_PROCESS:
            if name in row.values:
                shared[name] = row.values[name]
    values = row.values
    if _UP in values and values[_UP] == 0:
        state = DeviceState.LOST if row.labels.get("state") == DeviceState.LOST else DeviceState.FAILED
        device.state = (state, _cut(row.labels.get("reason", "")) or None)
    if _EVENTS in values:
        device.reasons = device.reasons or set()
        reason = _BY_EVENT.get(row.labels.get("clock_event", ""))
        if reason is not None and values[_EVENTS] > 0:
            device.reasons.add(reason)
    if _XIDS in values and values[_XIDS] > 0 and (xid := _whole(row.labels.get("xid"))) is not None:
        device.xids.append(xid)
    device.values.update(values)


def _facts(device: _Device) -> dict[str, Any]:
    """The fields of a sample that are known."""
    values = _reduced(device)
    found: dict[str, Any] = {}
    for name, value in values.items():
        field = _FIELDS.get(name)
        # Not a number, and what a driver writes for "not supported", are outside of all bounds.
        if field is not None and field.low <= value <= field.high:
            found[field.name] = field.kind(value * field.factor)
    used, free, reserved = (_bounded(values.get(name), 0, 2**33) for name in (_USED, _FREE, _RESERVED))
    total = _bounded(values.get(_TOTAL), 1, 2**33)
    if total is None and used is not None and free is not None:
        total = used + free + (reserved or 0.0)
    found["memory_used"] = None if used is None else int(used * _MIB)
    found["memory_total"] = None if total is None else int(total * _MIB)
    if device.xids and not found.get("xid"):
        found["xid"] = device.xids[-1]
    bits = next((values[name] for name in _REASONS if name in values), None)
    if bits is not None and 0 <= bits < 2**16:
        found["throttle"] = tuple(reason for bit, reason in _BITS if int(bits) & bit)
    elif device.reasons is not None:
        found["throttle"] = tuple(reason for _, reason in _BITS if reason in device.reasons)
    found["state"], found["reason"] = device.state
    labels = device.labels
    found["index"] = _whole(labels.get("gpu"))
    found["model"] = _cut(labels.get("modelName", "")) or None
    found["profile"] = _cut(labels.get("GPU_I_PROFILE", "")) or None
    return found


def _reduced(device: _Device) -> dict[str, float]:
    """The device's own values: what each sharer was told of itself is added up, copies are not."""
    if len(device.shares) < 2:
        return device.values
    told = {name: [one[name] for one in device.shares.values() if name in one] for name in _PER_PROCESS}
    if all(len(set(values)) < 2 for values in told.values()):
        return device.values
    added = {name: min(most, sum(told[name])) for name, most in _PER_PROCESS.items() if told[name]}
    return {**device.values, **added}


def _bounded(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST]
