"""Bounds in the scale dialog: a minimum and a maximum, or one number at which both are pinned."""

from __future__ import annotations

from clients.serving.changes import Bounds, BoundsChange
from clients.serving.plain import plain
from clients.serving.plans import ScalePlan
from tui.dialogs.draft import Draft

__all__ = ["BoundsDraft", "PinDraft"]

_LOW, _HIGH = "min", "max"
_AT = "pin at"


class BoundsDraft(Draft):
    """What the bounds are is read with the first plan, from the object that is written."""

    def __init__(self, role: str | None = None) -> None:
        super().__init__({_LOW: None, _HIGH: None})
        self.title = f"Bounds of {plain(role, 40)}," if role else "Bounds of"
        self.role = role
        self._known = False
        self._goal: int | None = None

    def aim_at(self, count: int, *, up: bool) -> None:
        """One more or fewer than there are: the floor comes up to it, or the ceiling down."""
        self.current = _LOW if up else _HIGH
        self._goal = count

    def take(self, change: BoundsChange) -> None:
        """Puts a whole change into the fields, as undo does."""
        for name, value in ((_LOW, change.minimum), (_HIGH, change.maximum)):
            if value is not None:
                self.put(name, value)

    def learn(self, plan: ScalePlan) -> tuple[str, ...]:
        """Takes in the bounds as they stand; untouched fields follow."""
        bounds = plan.bounds_before
        if bounds is None:
            return ()
        first, self._known = not self._known, True
        notes = self.now({_LOW: bounds.minimum, _HIGH: bounds.maximum})
        if first and self._goal is not None:
            self._reach(bounds, self._goal)
        return () if first else notes

    def _reach(self, bounds: Bounds, goal: int) -> None:
        self.put(self.current, goal)
        other = bounds.maximum if self.current == _LOW else bounds.minimum
        if other is not None and (other < goal if self.current == _LOW else other > goal):
            self.put(_HIGH if self.current == _LOW else _LOW, goal)

    def change(self) -> BoundsChange:
        """Only what differs is in it. The same number twice is a pin."""
        low, high = self._fields[_LOW], self._fields[_HIGH]
        minimum = low.value if low.changed else None
        maximum = high.value if high.changed else None
        pin = (minimum is not None or maximum is not None) and low.value == high.value
        return BoundsChange(minimum, maximum, self.role, pin)


class PinDraft(Draft):
    """One number for both bounds."""

    def __init__(self, at: int | None, role: str | None = None) -> None:
        super().__init__({_AT: None})
        self.title = f"Pin {plain(role, 40)} of" if role else "Pin"
        self.role = role
        if at is not None:
            self.put(_AT, at)

    @property
    def complete(self) -> bool:
        """Without a number there is nothing to pin at."""
        return self._fields[_AT].value is not None

    def change(self) -> BoundsChange:
        """Minimum and maximum are the number."""
        at = self._fields[_AT].value
        return BoundsChange(at, at, self.role, pin=at is not None)
