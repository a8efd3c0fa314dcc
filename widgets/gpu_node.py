"""One node's devices, a line each, and all that is known of the one under the cursor, with its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from textual.events import Click
from textual.message import Message
from textual.strip import Strip

from clients.serving.gpu_use import DeviceView
from clients.serving.gpus import AgentStatus, DeviceKey, GpuMark
from clients.serving.plain import plain
from widgets.bars import bar, sparkline
from widgets.cells import age, fit, shown, wrapped
from widgets.gpu_cells import device_name, faults, holder_words, mark_style, memory_words
from widgets.lines import Line, LineWidget, Piece, TextWidget, strip
from widgets.theme import DEFAULT_LOOK, Look

__all__ = ["DeviceDetail", "DevicePast", "NodeDevices", "agent_words"]


class DevicePast(Struct, frozen=True):
    """What a device did, oldest first; unknown moments are ``None``."""

    busy: tuple[float | None, ...] = ()
    memory: tuple[float | None, ...] = ()
    power: tuple[float | None, ...] = ()
    temperature: tuple[float | None, ...] = ()
    span: float | None = None
    """Seconds that it reaches back."""


def agent_words(agent: AgentStatus | None, now: float) -> tuple[str, bool]:
    """How a node is read and how old that is, in a line, and whether something is wrong with it."""
    if agent is None:
        return "nothing was read of it", True
    read = "not read yet" if agent.read_at is None else f"read {age(now - agent.read_at)} ago"
    notes = "".join(f"; {plain(note, 200)}" for note in agent.notes)
    said = f"{agent.kind} {shown(agent.where, 200)}, {read}{notes}"
    if agent.detail is None:
        return said, bool(agent.notes)
    return f"{plain(agent.detail, 300)}; {said}", True


class NodeDevices(LineWidget):
    """Devices by number, under a cursor."""

    pinned = 1

    class Moved(Message):
        """The cursor is on another device."""

    class Opened(Message):
        """A device was clicked while the cursor was on it."""

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self._devices: tuple[DeviceView, ...] = ()
        self._past: Mapping[DeviceKey, DevicePast] = {}
        self._cursor: DeviceKey | None = None
        self._index = 0

    def show(self, devices: Sequence[DeviceView], past: Mapping[DeviceKey, DevicePast]) -> None:
        """Draws them."""
        self._devices, self._past = tuple(devices), past
        keys = [device.sample.key for device in devices]
        if self._cursor in keys:
            self._index = keys.index(self._cursor)
        self._index = max(0, min(self._index, len(keys) - 1))
        self._note_cursor()
        self.update_rows()

    @property
    def device(self) -> DeviceView | None:
        """What the cursor is on."""
        return self._devices[self._index] if self._devices else None

    def move(self, rows: int) -> None:
        """The cursor."""
        self._index = max(0, min(self._index + rows, len(self._devices) - 1))
        self._note_cursor()
        self.update_rows()
        self.reveal(self._index + self.pinned)

    def select(self, key: DeviceKey) -> None:
        """The cursor to that device, now or when it is shown."""
        self._cursor = key
        self.show(self._devices, self._past)

    def on_click(self, event: Click) -> None:
        """A click moves the cursor; one on the cursor opens."""
        index = self._row_at(event.y) - self.pinned
        if event.y < self.pinned or not 0 <= index < len(self._devices):
            return
        if index == self._index:
            self.post_message(self.Opened())
        else:
            self.move(index - self._index)

    def _note_cursor(self) -> None:
        device = self.device
        key = self._cursor if device is None else device.sample.key
        if key != self._cursor:
            self._cursor = key
            self.post_message(self.Moved())

    def row_keys(self) -> list[object]:
        """The heading, and a device each."""
        rows: list[object] = [self.size.width]
        for at, device in enumerate(self._devices):
            rows.append((device, self._past.get(device.sample.key), at == self._index))
        return rows

    def draw_row(self, row: int, cells: int) -> Strip:
        """Number, marks, busy, memory, power, heat, the last while, who has it."""
        styles = self.look.styles
        graph = 16 if cells >= 110 else 0
        if row == 0:
            past = fit("LAST WHILE", graph + 1) if graph else ""
            head = f"  {'GPU':<9}  {'BUSY':<18} {'MEMORY':<11} {'POWER':>9} {'HEAT':>6}  {past}WHO"
            return strip(((head, styles.dim),), cells, self.look)
        device = self._devices[row - 1]
        pieces = self._pieces(device, graph)
        if device.stale:
            pieces = [(text, styles.dim) for text, _ in pieces]
        return strip(pieces, cells, self.look, styles.cursor if row - 1 == self._index else None)

    def _pieces(self, device: DeviceView, graph: int) -> list[Piece]:
        sample, look = device.sample, self.look
        styles, unknown = look.styles, look.glyphs.unknown
        worst = GpuMark.STALE if device.stale else next(iter(device.marks), None)
        letter, style = mark_style(worst, look)
        busy, share = sample.busy, sample.memory_percent
        name = device_name(sample).removeprefix("GPU ")
        work = f"{unknown:>3}" if busy is None else f"{busy.percent:>3.0f}% {busy.measure:<4} "
        work += "" if busy is None else bar(busy.percent / 100, 8, look.glyphs)
        filled = f"{unknown:>3}" if share is None else f"{share:>3.0f}% {bar(share / 100, 6, look.glyphs)}"
        power = unknown if sample.power is None else f"{sample.power:.0f}"
        limit = "" if sample.power_limit is None else f"/{sample.power_limit:.0f}"
        heat = unknown if sample.temperature is None else f"{sample.temperature:.0f} °C"
        pieces: list[Piece] = [
            (f"  {fit(name, 8, ellipsis=look.glyphs.ellipsis)} ", styles.normal),
            (letter + " ", style),
            (fit(work, 18) + " " + fit(filled, 11) + " ", styles.normal),
            (fit(power + limit + "W", 9, right=True) + " " + fit(heat, 6, right=True) + "  ", styles.normal),
        ]
        if graph:
            past = self._past.get(sample.key)
            pieces.append((sparkline(past.busy if past else (), graph, look.glyphs, 100) + " ", styles.dim))
        pieces.append(
            (holder_words(device, namespaces=False), styles.normal if device.allocated else styles.dim)
        )
        return pieces


class DeviceDetail(TextWidget):
    """A device in full: what it does and did, and what is wrong with it in words."""

    DEFAULT_CSS = """
    DeviceDetail { height: 9; }
    """

    _device: DeviceView | None = None
    _past = DevicePast()
    _now = 0.0

    def show(self, device: DeviceView | None, past: DevicePast, now: float) -> None:
        """Draws it; ``now`` in monotonic seconds."""
        self._device, self._past, self._now = device, past, now
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Who has it; busy, memory, power and heat with their history; faults."""
        device, styles = self._device, self.look.styles
        if device is None:
            return [((" no device", styles.dim),)]
        sample, past = device.sample, self._past
        model = f"  {shown(sample.model, 80)}" if sample.model else ""
        old = f"  {'old, ' if device.stale else ''}read {age(sample.age(self._now))} ago"
        since = "" if past.span is None or past.span < 1 else f"  history of {age(past.span)}"
        lines: list[Line] = [
            (
                (f" {device_name(sample)}", styles.head),
                (f"{model}{old}{since}  {shown(sample.key.uuid, 60)}", styles.dim),
            ),
            ((f" {holder_words(device)}", styles.normal if device.allocated else styles.dim),),
        ]
        busy, share, unknown = sample.busy, sample.memory_percent, self.look.glyphs.unknown
        room = max(10, min(60, cells - 52))
        measure = "" if busy is None else f" {busy.measure}"
        also = [
            f"{name} {value:.0f}%"
            for name, value in (("bandwidth", sample.bandwidth), ("util", sample.utilisation))
            if value is not None
        ]
        watt = "" if sample.power_limit is None else f"of {sample.power_limit:.0f} W  "
        clock = "" if sample.sm_clock is None else f"SM {sample.sm_clock:.0f} MHz"
        hot = "" if sample.memory_temperature is None else f"memory {sample.memory_temperature:.0f} °C"
        work = _told(None if busy is None else busy.percent, "%") + measure
        filled = memory_words(sample.memory_used, sample.memory_total)
        lines += [
            self._row("busy", work, past.busy, 100, room, "  ".join(also)),
            self._row("memory", _told(share, "%"), past.memory, 100, room, filled),
            self._row("power", _told(sample.power, " W"), past.power, sample.power_limit, room, watt + clock),
            self._row("heat", _told(sample.temperature, " °C"), past.temperature, 100, room, hot),
        ]
        wrong = "; ".join(faults(sample)) or ("" if device.stale else "no fault is told")
        marks = ", ".join(str(mark) for mark in device.marks)
        said = "; ".join(part for part in (marks, wrong) if part)
        style = styles.warn if device.marks else styles.dim
        lines += [((f" {part}", style),) for part in wrapped(plain(said, 500), max(20, cells - 2))]
        return [tuple((text.replace("–", unknown), style) for text, style in line) for line in lines]

    def _row(
        self, name: str, value: str, past: Sequence[float | None], top: float | None, cells: int, more: str
    ) -> Line:
        styles = self.look.styles
        return (
            (f" {name:<8}", styles.dim),
            (f"{value:>10} ", styles.normal),
            (sparkline(past, cells, self.look.glyphs, top), styles.accent),
            (f"  {more}", styles.dim),
        )


def _told(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.0f}{unit}"
