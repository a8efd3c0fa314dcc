"""What stands in a device's cell, and in words of a device: letters of marks, per cent, who has it."""

from __future__ import annotations

from clients.serving.gpu_use import DeviceView, Use
from clients.serving.gpu_words import xid_words
from clients.serving.gpus import DeviceState, GpuMark, GpuSample, Throttle
from clients.serving.keys import WorkloadKey, item_label
from clients.serving.plain import plain
from widgets.bars import bar
from widgets.cells import age, fit, shown
from widgets.lines import Piece
from widgets.theme import Look

__all__ = [
    "FREE",
    "LETTERS",
    "device_cell",
    "device_name",
    "device_words",
    "faults",
    "group_name",
    "holder_words",
    "legend",
    "mark_style",
    "memory_words",
    "names_in",
    "use_text",
    "use_words",
]

LETTERS = {
    GpuMark.LOST: "X",
    GpuMark.XID: "x",
    GpuMark.REMAP: "r",
    GpuMark.UNCORRECTED: "e",
    GpuMark.THROTTLED: "t",
    GpuMark.MEMORY: "m",
    GpuMark.IDLE: "z",
    GpuMark.STALE: "?",
}
"""A mark by shape, one letter in every glyph set."""
FREE = "."
_SHORT = {
    GpuMark.REMAP: "remap failed",
    GpuMark.UNCORRECTED: "ECC",
    GpuMark.MEMORY: "memory full",
    GpuMark.IDLE: "idle",
}
_ALARMING = frozenset((GpuMark.LOST, GpuMark.XID, GpuMark.REMAP, GpuMark.UNCORRECTED))
_GIB = 1 << 30
_BAR = 3


def mark_style(mark: GpuMark | None, look: Look) -> Piece:
    """Letter and style of the worst mark; a blank for none."""
    if mark is None:
        return " ", look.styles.normal
    styles = look.styles
    style = styles.alarm if mark in _ALARMING else styles.dim if mark is GpuMark.STALE else styles.warn
    return LETTERS[mark], style


def legend() -> tuple[str, ...]:
    """What the letters mean."""
    return (f"{FREE} free", *(f"{LETTERS[mark]} {_SHORT.get(mark, mark)}" for mark in GpuMark))


def _percent(device: DeviceView, *, heat: bool) -> float | None:
    """What a cell shows: how busy, or with ``heat`` °C."""
    sample = device.sample
    if heat:
        return sample.temperature
    busy = sample.busy
    return None if busy is None else busy.percent


def names_in(cells: int) -> bool:
    """Whether a cell of that width has room for who has the device."""
    return cells >= 13


def device_cell(device: DeviceView, cells: int, who: str, look: Look, *, heat: bool = False) -> Piece:
    """A device in exactly ``cells`` cells: one sign; letter and two digits; with a bar; with who has it."""
    stale = device.stale
    mark = GpuMark.STALE if stale else next(iter(device.marks), None)
    letter, style = mark_style(mark, look)
    value = _percent(device, heat=heat)
    free = device.allocated is False
    if mark is None and free:
        style = look.styles.dim
    if cells == 1:
        if mark is not None:
            return letter, style
        if free and not heat:
            return FREE, style
        return (look.glyphs.unknown if value is None else str(min(9, int(value // 10)))), style
    if free and not heat:
        number = f" {FREE}"
    else:
        number = f" {look.glyphs.unknown}" if value is None else f"{min(99, round(value)):>2}"
    text = letter + number
    if cells >= 6:
        part = 0.0 if value is None else value / 100
        text += " " * _BAR if free and not heat else bar(part, _BAR, look.glyphs)
    if names_in(cells):
        text += " " + fit(who, cells - 7, ellipsis=look.glyphs.ellipsis)
    return fit(text, cells), style


def device_name(sample: GpuSample) -> str:
    """``GPU 3``, ``GPU 3 MIG 2 1g.10gb``; its uuid where it has no number."""
    name = f"GPU {shown(sample.key.uuid, 48) if sample.index is None else sample.index}"
    if sample.key.instance is None:
        return name
    return f"{name} MIG {sample.key.instance}" + (f" {shown(sample.profile, 20)}" if sample.profile else "")


def group_name(workload: WorkloadKey, group: str) -> str:
    """``qwen-chat G-2``."""
    return f"{shown(workload.name, 80)} {item_label(group, workload.name)}"


def holder_words(device: DeviceView, *, namespaces: bool = True) -> str:
    """Who has it: workload, group and role replica; else pods; else ``free``."""
    said = []
    for place in device.places:
        where = f"{shown(place.workload.namespace, 63)}/" if namespaces and place.workload.namespace else ""
        said.append(f"{where}{group_name(place.workload, place.group)} {shown(place.replica, 60)}")
    placed = {(place.workload.namespace or "", place.pod) for place in device.places}
    said += [
        f"pod {shown(holder.namespace, 63)}/{shown(holder.pod, 100)}"
        for holder in device.sample.holders
        if (holder.namespace, holder.pod) not in placed
    ]
    if said:
        return " and ".join(dict.fromkeys(said))
    return "free" if device.allocated is False else "who has it is not known"


def memory_words(used: int | None, total: int | None) -> str:
    """``74.1 of 80.0 GiB``."""
    if used is None:
        return "–"
    of = "" if total is None else f" of {total / _GIB:.1f}"
    return f"{used / _GIB:.1f}{of} GiB"


def faults(sample: GpuSample) -> list[str]:
    """What is wrong with it, a sentence each."""
    said: list[str] = []
    if sample.state is not DeviceState.LIVE:
        said.append(str(sample.state) + (f": {plain(sample.reason, 200)}" if sample.reason else ""))
    if sample.xid:
        said.append(xid_words(sample.xid))
    if sample.remap_failed:
        said.append("row remapping failed")
    if sample.ecc_uncorrected:
        said.append(f"{sample.ecc_uncorrected} uncorrected ECC errors")
    held = [str(reason) for reason in sample.throttle or () if reason is not Throttle.IDLE]
    if held:
        said.append(f"clocks held down: {', '.join(held)}")
    return said


def device_words(device: DeviceView, now: float, unknown: str = "–") -> str:
    """A device in a sentence: who, how busy by which measure, memory, power, heat, faults, and how old."""
    sample = device.sample
    busy = sample.busy
    work = f"busy {unknown}" if busy is None else f"{busy.percent:.0f}% {busy.measure}"
    if GpuMark.IDLE in device.marks:
        work += ", allocated but idle"
    parts = [holder_words(device), work]
    share = sample.memory_percent
    filled = "" if share is None else f" ({share:.0f}%)"
    parts.append(f"memory {memory_words(sample.memory_used, sample.memory_total)}{filled}")
    if sample.power is not None:
        limit = "" if sample.power_limit is None else f" of {sample.power_limit:.0f}"
        parts.append(f"{sample.power:.0f}{limit} W")
    if sample.temperature is not None:
        parts.append(f"{sample.temperature:.0f} °C")
    parts += faults(sample)
    parts.append(f"{'old: ' if device.stale else ''}read {age(sample.age(now))} ago")
    return "; ".join(parts)


def use_text(use: Use, look: Look) -> tuple[str, str, GpuMark | None]:
    """Busy and memory of several devices as two digits each, and their worst mark."""
    unknown = look.glyphs.unknown
    busy = unknown if use.busy is None else f"{use.busy.percent:.0f}"
    memory = unknown if use.memory_percent is None else f"{use.memory_percent:.0f}"
    mark = GpuMark.STALE if use.stale == use.devices else next((mark for mark, _ in use.marks), None)
    return busy, memory, mark


def use_words(use: Use, now: float) -> str:
    """``8 GPUs 61% TC, memory 93%; 2 throttled``; its age where all of it is old."""
    noun = "GPU" if use.devices == 1 else "GPUs"
    busy = "busy –" if use.busy is None else f"{use.busy.percent:.0f}% {use.busy.measure}"
    share = "–" if use.memory_percent is None else f"{use.memory_percent:.0f}%"
    marks = "".join(f"; {count} {mark}" for mark, count in use.marks)
    old = f" for {age(now - use.taken_at)}" if use.stale == use.devices else ""
    return f"{use.devices} {noun} {busy}, memory {share}{marks}{old}"
