"""One GPU, or one MIG instance of one, as its node's exporter told it, and how far that can be believed.

Percentages run from 0 to 100, memory is in bytes, power in watts, temperatures in °C, clocks in MHz, energy
in joules. Moments are this machine's monotonic seconds. What is not known is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

__all__ = [
    "IDLE_BELOW",
    "MEMORY_FULL",
    "AgentKind",
    "AgentStatus",
    "Busy",
    "DeviceKey",
    "DeviceState",
    "GpuMark",
    "GpuSample",
    "Holder",
    "Measure",
    "Throttle",
    "busy_of",
]

IDLE_BELOW = 5.0
"""Per cent: a device none of whose activities reaches this does no work."""
MEMORY_FULL = 95.0
"""Per cent of the memory."""


class Measure(StrEnum):
    """What a busy figure measures: the most telling of those that a device has is shown, with this name."""

    TENSOR = "TC"
    """Share of time in which tensor cores worked."""
    GRAPHICS = "GR"
    """Share of time in which the compute engine was busy."""
    SM = "SM"
    """Share of multiprocessors that were busy."""
    UTILISATION = "util"
    """Share of time in which any kernel ran, however little it did."""


class Busy(Struct, frozen=True, gc=False):
    """How busy, by which measure."""

    percent: float
    measure: Measure


class Throttle(StrEnum):
    """Why clocks are held down; NVML's clock event reasons, in words."""

    IDLE = "idle"
    CLOCK_SETTING = "clocks set by hand"
    POWER_CAP = "power cap"
    SYNC_BOOST = "slowest of its sync group"
    HARDWARE = "hardware slowdown"
    THERMAL_SOFTWARE = "too hot"
    THERMAL_HARDWARE = "much too hot"
    POWER_BRAKE = "power brake"
    DISPLAY = "display clocks"

    @property
    def harms(self) -> bool:
        """Whether something is wrong. Under full load a power cap is how these devices run."""
        return self in _HARMFUL


_HARMFUL = frozenset(
    (Throttle.HARDWARE, Throttle.THERMAL_SOFTWARE, Throttle.THERMAL_HARDWARE, Throttle.POWER_BRAKE)
)


class DeviceState(StrEnum):
    """Whether a device answers its own node."""

    LIVE = "live"
    FAILED = "failed"
    """It is there, but no call reads it."""
    LOST = "lost"
    """Fallen off the bus, to be reset, or no longer listed by its driver."""


class GpuMark(StrEnum):
    """What a person should know of a device, the worst first."""

    LOST = "lost"
    XID = "XID"
    REMAP = "row remapping failed"
    UNCORRECTED = "uncorrected ECC errors"
    THROTTLED = "throttled"
    MEMORY = "memory nearly full"
    IDLE = "allocated but idle"
    STALE = "stale"


class DeviceKey(Struct, frozen=True, order=True, gc=False):
    """Which device."""

    node: str
    uuid: str
    """Of the GPU; where a lost one never told, its number on the node."""
    instance: int | None = None
    """The MIG instance (``GPU_I_ID``); ``None`` for a whole GPU."""


class Holder(Struct, frozen=True, order=True, gc=False):
    """A container to which a device, or a share of it, was given."""

    namespace: str
    pod: str
    container: str = ""
    share: str = ""
    """Which replica of a time-sliced or MPS device; empty for all of it."""


class GpuSample(Struct, frozen=True, gc=False):
    """The newest values of a device."""

    key: DeviceKey
    taken_at: float
    """When these values were true at the latest."""
    fresh_until: float = 0.0
    """After this moment, without newer ones, they are stale."""
    spread: float | None = None
    """Seconds by which they may be older than that: how often the exporter samples, where it is known."""
    index: int | None = None
    """Its number on the node."""
    model: str | None = None
    profile: str | None = None
    """Of a MIG instance, such as ``1g.10gb``."""
    state: DeviceState = DeviceState.LIVE
    reason: str | None = None
    """Why it is not live."""
    tensor: float | None = None
    graphics: float | None = None
    sm: float | None = None
    bandwidth: float | None = None
    """Share of the memory bandwidth in use."""
    utilisation: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    power: float | None = None
    power_limit: float | None = None
    temperature: float | None = None
    memory_temperature: float | None = None
    sm_clock: float | None = None
    memory_clock: float | None = None
    throttle: tuple[Throttle, ...] | None = None
    """Empty: nothing holds the clocks down."""
    xid: int | None = None
    """The last one, which may be long past; 0: none."""
    xid_at: float | None = None
    """UTC seconds, where the exporter tells."""
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    """Since the driver was loaded."""
    remapped_corrected: int | None = None
    remapped_uncorrected: int | None = None
    """Rows of memory that were replaced."""
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    energy: float | None = None
    """Since the driver was loaded."""
    holders: tuple[Holder, ...] = ()
    """Who has it; several where it is shared. None of them: nobody, unless ``attributed`` says otherwise."""
    attributed: bool = True
    """Whether the exporter could know who has it."""

    @property
    def busy(self) -> Busy | None:
        """How busy it is, by the most telling measure that it has."""
        return busy_of((self,))

    @property
    def memory_percent(self) -> float | None:
        """Share of its memory in use."""
        if self.memory_used is None or not self.memory_total:
            return None
        return 100.0 * self.memory_used / self.memory_total

    @property
    def idle(self) -> bool | None:
        """Whether it does no work: an engine that decodes hardly uses tensor cores, so all measures count."""
        known = [v for v in (self.tensor, self.graphics, self.sm, self.utilisation) if v is not None]
        return max(known) < IDLE_BELOW if known else None

    @property
    def marks(self) -> tuple[GpuMark, ...]:
        """What its values say, the worst first; not whether they are old."""
        idle = bool(self.holders) and self.idle is True
        full = (self.memory_percent or 0.0) >= MEMORY_FULL
        if not (
            idle
            or full
            or self.xid
            or self.throttle
            or self.remap_failed
            or self.ecc_uncorrected
            or self.state is DeviceState.LOST
        ):
            return ()
        found = {
            GpuMark.LOST: self.state is DeviceState.LOST,
            GpuMark.XID: bool(self.xid),
            GpuMark.REMAP: self.remap_failed is True,
            GpuMark.UNCORRECTED: bool(self.ecc_uncorrected),
            GpuMark.THROTTLED: any(reason.harms for reason in self.throttle or ()),
            GpuMark.MEMORY: full,
            GpuMark.IDLE: idle,
        }
        return tuple(mark for mark, holds in found.items() if holds)

    def age(self, now: float) -> float:
        """Seconds since these values were true at the latest; ``now`` is monotonic."""
        return max(0.0, now - self.taken_at)


_MEASURES = (
    (Measure.TENSOR, "tensor"),
    (Measure.GRAPHICS, "graphics"),
    (Measure.SM, "sm"),
    (Measure.UTILISATION, "utilisation"),
)


def busy_of(samples: Sequence[GpuSample]) -> Busy | None:
    """The mean over devices by the first measure that all of them have; ``None`` where there is none."""
    if not samples:
        return None
    for measure, name in _MEASURES:
        total = 0.0
        for sample in samples:
            value = getattr(sample, name)
            if value is None:
                break
            total += value
        else:
            return Busy(total / len(samples), measure)
    return None


class AgentKind(StrEnum):
    """Who tells of a node's devices."""

    PROMETHEUS = "Prometheus"
    EXPORTER = "dcgm-exporter"
    AGENT = "servegrid agent"


class AgentStatus(Struct, frozen=True):
    """How one node's devices are read. One that stops answering stays, with its age."""

    node: str
    kind: AgentKind
    where: str
    """``namespace/pod:port`` or a URL."""
    read_at: float | None = None
    """Of the newest answer; ``None``: none yet."""
    asked_at: float | None = None
    detail: str | None = None
    """What is wrong now, and which right or network is missing; ``None``: nothing."""
    denied: bool = False
    """A right is missing."""
    notes: tuple[str, ...] = ()
    """What the agent itself says of its state."""

    @property
    def failing(self) -> bool:
        """Whether the newest question had no good answer."""
        return self.detail is not None
