"""The page in Prometheus' text format 0.0.4, as dcgm-exporter writes it, and what only this agent says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec import Struct

from clients.gpu.agent.metrics import GAUGE, METRICS, Metric
from clients.gpu.agent.samples import DeviceSample, NodeSample
from clients.serving.gpus import DeviceState, Holder

__all__ = ["CONTENT_TYPE", "Pods", "page"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_AGE = Metric("servegrid_sample_age_seconds", GAUGE, "Age of every value on this page but its pods.")
_PASS = Metric("servegrid_sample_duration_seconds", GAUGE, "Time that reading all GPUs took.")
_DRIVER = Metric("servegrid_driver_up", GAUGE, "Whether NVML is open.")
_PODS = Metric("servegrid_attribution_up", GAUGE, "Whether the kubelet told which pods hold which GPUs.")
_STATE = Metric("servegrid_gpu_up", GAUGE, "Whether the GPU can be read; else state and reason say why not.")
_XID_AT = Metric("servegrid_xid_timestamp_seconds", GAUGE, "When the last XID was heard (UTC).")

_LONGEST = 256
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Pods(Struct, frozen=True):
    """Who holds what at this moment."""

    holders: Sequence[tuple[Holder, ...]]
    """In the order of the sample's devices."""
    trouble: str = ""
    claims: int = 0


def page(sample: NodeSample | None, pods: Pods, now: float, hostname: str) -> str:
    """The page. ``now`` in the monotonic seconds of the sample; ``sample`` is None before the first pass."""
    lines: list[str] = []
    lines += _agent(sample, pods, now, _labels((("Hostname", hostname),)))
    if sample is not None:
        lines += _devices(sample, pods, hostname)
    return "\n".join(lines) + "\n"


def _agent(sample: NodeSample | None, pods: Pods, now: float, host: str) -> Iterator[str]:
    absent = "NVML has not answered yet" if sample is None else sample.absent
    if absent:
        yield f"# servegrid: {_line(absent)}"
    if pods.trouble:
        yield f"# servegrid: pods are not known: {_line(pods.trouble)}"
    if pods.claims:
        yield (
            f"# servegrid: {pods.claims} containers hold devices through resource claims, "
            "which do not say which GPUs they are"
        )
    yield from _head(_DRIVER)
    yield f"{_DRIVER.name}{{{host}}} {0 if absent else 1}"
    yield from _head(_PODS)
    yield f"{_PODS.name}{{{host}}} {0 if pods.trouble else 1}"
    if sample is not None:
        yield from _head(_AGE)
        yield f"{_AGE.name}{{{host}}} {max(0.0, now - sample.taken):.3f}"
        yield from _head(_PASS)
        yield f"{_PASS.name}{{{host}}} {sample.duration:.6f}"


def _devices(sample: NodeSample, pods: Pods, hostname: str) -> Iterator[str]:
    blocks = [
        (row, _device(row, sample.driver, hostname), holders)
        for row, holders in zip(sample.devices, pods.holders, strict=True)
    ]
    for row, _, _ in blocks:
        yield from _notes(row)
    if blocks:
        yield from _head(_STATE)
        for row, labels, _ in blocks:
            more = "" if row.state is DeviceState.LIVE else "," + _state(row)
            yield f"{_STATE.name}{{{labels}{more}}} {int(row.state is DeviceState.LIVE)}"
    if any(row.xid_seen_at is not None for row in sample.devices):
        yield from _head(_XID_AT)
        for row, labels, _ in blocks:
            if row.xid_seen_at is not None:
                yield f"{_XID_AT.name}{{{labels}}} {row.xid_seen_at:.3f}"
    rows = [(row.values, f"{labels}{holder}") for row, labels, held in blocks for holder in _holders(held)]
    for metric in METRICS:
        name = metric.name
        written = [f"{name}{{{labels}}} {_number(values[name])}" for values, labels in rows if name in values]
        if written:
            yield from _head(metric)
            yield from written


def _head(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.type}"


def _notes(row: DeviceSample) -> Iterator[str]:
    where = f"gpu {row.device.index}" + (f" instance {row.instance.number}" if row.instance else "")
    if row.unsupported:
        yield f"# servegrid: {where} does not tell: {_line('; '.join(row.unsupported))}"
    if row.failing:
        yield f"# servegrid: {where} failed this time: {_line('; '.join(row.failing))}"


def _state(row: DeviceSample) -> str:
    return _labels((("state", row.state), ("reason", row.reason)))


def _device(row: DeviceSample, driver: str, hostname: str) -> str:
    """dcgm-exporter's labels, in its order."""
    device, instance = row.device, row.instance
    pairs = [
        ("gpu", str(device.index)),
        ("UUID", device.uuid),
        ("pci_bus_id", device.bus_id),
        ("device", f"nvidia{device.index if device.minor is None else device.minor}"),
        ("modelName", device.model),
    ]
    if instance is not None:
        pairs += [("GPU_I_PROFILE", instance.profile), ("GPU_I_ID", str(instance.number))]
    pairs += [("Hostname", hostname), ("DCGM_FI_DRIVER_VERSION", driver)]
    return _labels(pairs)


def _holders(holders: tuple[Holder, ...]) -> list[str]:
    """A row for each who shares it, as dcgm-exporter writes them; one without labels if nobody holds it."""
    if not holders:
        return [""]
    found = []
    for holder in holders:
        pairs = [
            ("container", holder.container),
            ("namespace", holder.namespace),
            ("pod", holder.pod),
        ]
        if holder.share:
            pairs.append(("vgpu", holder.share))
        found.append("," + _labels(pairs))
    return found


def _labels(pairs: Sequence[tuple[str, str]]) -> str:
    return ",".join(f'{name}="{value[:_LONGEST].translate(_ESCAPES)}"' for name, value in pairs)


def _line(text: str) -> str:
    """One line of a comment, whatever is in it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return format(value, ".6g") if math.isfinite(value) else "NaN"
