"""The changes that last: what a person can do about whatever drives a workload, and why not the rest.

A count set by hand is taken back by an autoscaler; its bounds, a pin, a frozen direction, a suspension or a
stop are not (fact sheet ``kserve-hpa-lws``, 1 and 2.6). No Textual in here.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from clients.serving.changes import (
    Bounds,
    BoundsChange,
    Change,
    Direction,
    FreezeChange,
    RunChange,
    SuspendChange,
)
from clients.serving.plain import plain
from clients.serving.workload import Driver, Workload
from tui.pins import Pin

__all__ = ["BOUNDS", "PIN", "Way", "bounded", "bounds_of", "role_of", "stopped", "takes_bounds", "ways"]

BOUNDS = "bounds"
"""The way that asks for a minimum and a maximum."""
PIN = "pin"
"""The way that asks for one number."""
_HPA, _KEDA = "HorizontalPodAutoscaler", "ScaledObject"
_NOTHING = "nothing with bounds drives it"


class Way(Struct, frozen=True):
    """One change that lasts."""

    id: str
    label: str
    reason: str = ""
    """Why it is not possible; nothing where it is."""
    title: str = ""
    """What the dialog says it does, before the workload's name."""
    change: Change | None = None
    """``None``: numbers are asked for first."""


def takes_bounds(workload: Workload) -> bool:
    """Its count is what bounds and a metric make of it: a number of its own would mean nothing."""
    return workload.capabilities.bounds and not workload.capabilities.exact


def bounded(workload: Workload, role: str | None = None) -> Driver | None:
    """The driver whose bounds are meant; of several the one that wins."""
    return next(
        (
            driver
            for driver in workload.drivers
            if (driver.minimum is not None or driver.maximum is not None) and driver.role in (None, role)
        ),
        None,
    )


def role_of(workload: Workload, role: str | None) -> str | None:
    """Whose bounds are meant with the cursor on ``role``: its own, or of the first role that is scaled."""
    if takes_bounds(workload):
        parts = [spec.name for spec in workload.role_specs]
        return role if role in parts[1:] else None
    if bounded(workload, role) is not None:
        return role if any(driver.role == role for driver in workload.drivers) else None
    return next((driver.role for driver in workload.drivers if driver.role is not None), None)


def bounds_of(workload: Workload, role: str | None = None) -> Bounds | None:
    """Within which it is driven now; ``None``: nothing with bounds drives it."""
    driver = bounded(workload, role)
    return None if driver is None else Bounds(driver.minimum, driver.maximum)


def stopped(workload: Workload) -> bool:
    """It was stopped, not just scaled to nothing."""
    return any(name == "stopped" for name, _ in workload.about)


def ways(workload: Workload, role: str | None = None, pin: Pin | None = None) -> tuple[Way, ...]:
    """Every one of them, those that are not possible with the reason. ``pin``: one that is kept."""
    role = role_of(workload, role)
    return (*_bounds(workload, role, pin), *_freezing(workload), *_resting(workload))


def _bounds(workload: Workload, role: str | None, pin: Pin | None) -> Iterator[Way]:
    has = takes_bounds(workload) or bounded(workload, role) is not None
    why = "" if has else _NOTHING
    now = bounds_of(workload, role)
    shown = f" ({now})" if now is not None else ""
    yield Way(BOUNDS, f"change the bounds{shown}", why)
    count = _count(workload, role)
    if now is not None and now.pinned:
        here = f"it is pinned at {now.minimum}"
    else:
        here = why or ("" if count else "it has no replicas to hold: pin it at a number")
    change = BoundsChange(count, count, role, pin=True) if count and not here else None
    yield Way("pin-here", f"pin at {count if count else 'the present count'}", here, "Pin", change)
    yield Way(PIN, "pin at another number", why)
    if pin is not None:
        back = BoundsChange(pin.before.minimum, pin.before.maximum, role)
        yield Way("unpin", f"unpin: back to {pin.before}", "", "Unpin", back)
    else:
        kept = f"pinned at {now.minimum} by somebody else: change the bounds" if now and now.pinned else ""
        yield Way("unpin", "unpin", kept or why or "it is not pinned")


def _count(workload: Workload, role: str | None) -> int | None:
    if role is None:
        return workload.desired
    of_groups = sum(1 for group in workload.groups if group.roles and group.roles[0].name == role)
    spec = next((spec for spec in workload.role_specs if spec.name == role), None)
    if takes_bounds(workload):
        return of_groups
    return None if spec is None else spec.replicas


def _freezing(workload: Workload) -> Iterator[Way]:
    driver = next((one for one in workload.drivers if one.ref.kind in (_HPA, _KEDA)), None)
    why = ""
    if driver is None:
        why = "no HPA or ScaledObject drives it"
    elif takes_bounds(workload):
        why = "KServe would write it anew: pin it instead"
    for direction, words in ((Direction.IN, "scaling in"), (Direction.OUT, "scaling out")):
        frozen = driver is not None and direction in driver.frozen
        label = f"let it scale {direction} again" if frozen else f"freeze {words}"
        change = FreezeChange(driver.ref, direction, not frozen) if driver is not None and not why else None
        yield Way(f"freeze-{direction}", label, why, "Thaw" if frozen else "Freeze", change)


def _resting(workload: Workload) -> Iterator[Way]:
    keda = next((one for one in workload.drivers if one.ref.kind == _KEDA), None)
    resting = keda is not None and keda.suspended
    if keda is None:
        why = "no ScaledObject drives it; pin it instead"
    else:
        why = "KServe would write it anew: pin it instead" if takes_bounds(workload) else ""
    name = plain(keda.ref.name, 60) if keda is not None else "KEDA"
    yield Way(
        "suspend",
        f"let {name} act again" if resting else f"suspend {name}",
        why,
        "Let act" if resting else "Suspend",
        SuspendChange(keda.ref, not resting) if keda is not None and not why else None,
    )
    off = stopped(workload)
    can = "" if workload.capabilities.stop else "only an InferenceService can be stopped: scale it to 0"
    kept = "the deployment and its count are" if workload.key.managed else "its URL is"
    label = "resume the service" if off else f"stop the service: 0 GPUs, {kept} kept"
    yield Way("stop", label, can, "Resume" if off else "Stop", None if can else RunChange(off))
