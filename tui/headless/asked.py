"""Which change the options of ``servegrid scale`` ask for, of a workload of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clients.serving.changes import BoundsChange, Change, ReplicasChange, RunChange
from clients.serving.plain import plain
from clients.serving.workload import Workload
from tui import lasting
from tui.exits import Exit, Stop
from tui.pins import Pins

__all__ = ["change_of"]


def change_of(workload: Workload, given: Mapping[str, Any], pins: Pins) -> Change:
    """The change. Raises ``Stop`` with exit code 3 where this kind of workload has no such change."""
    if "stop" in given or "resume" in given:
        if not workload.capabilities.stop:
            raise Stop(Exit.STOPPED, "only an InferenceService can be stopped; use --replicas 0")
        return RunChange("resume" in given)
    if "minimum" in given or "maximum" in given:
        return BoundsChange(given.get("minimum"), given.get("maximum"), _role(workload))
    if "pin" in given:
        count = workload.desired if given["pin"] is None else given["pin"]
        if not count:
            raise Stop(Exit.STOPPED, "it has no replicas to hold: name a number, --pin N")
        return BoundsChange(count, count, _role(workload), pin=True)
    if "unpin" in given:
        return _unpinned(workload, pins)
    if lasting.takes_bounds(workload):
        raise Stop(
            Exit.STOPPED,
            f"{plain(workload.key.name)} takes bounds, not a count: use --min N, --max N or --pin N",
        )
    return ReplicasChange(given.get("replicas"), tuple(given.get("roles", ())), given.get("current"))


def _unpinned(workload: Workload, pins: Pins) -> BoundsChange:
    role = _role(workload)
    pin = pins.of(workload.key, role)
    if pin is None or pin.uid != workload.uid:
        raise Stop(Exit.STOPPED, "it was not pinned from here; set its bounds with --min N and --max N")
    return BoundsChange(pin.before.minimum, pin.before.maximum, role)


def _role(workload: Workload) -> str | None:
    """The only part that is driven; which of several is meant can be said in the console alone."""
    parts = sorted({driver.role for driver in workload.drivers if driver.role is not None})
    if len(parts) > 1:
        names = ", ".join(plain(part) for part in parts)
        raise Stop(
            Exit.STOPPED, f"its parts are driven apart ({names}): set the bounds of one in the console"
        )
    return lasting.role_of(workload, None)
