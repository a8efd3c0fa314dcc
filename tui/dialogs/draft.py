"""What a person has put into the scale dialog: a number for the groups and one for each role."""

from __future__ import annotations

from msgspec import Struct

from clients.serving.changes import ReplicasChange
from clients.serving.operation import Count
from clients.serving.workload import Workload

__all__ = ["GROUPS", "LARGEST", "Draft", "Field", "wanted"]

GROUPS = "groups"
LARGEST = 9999


class Field(Struct, frozen=True):
    """One number: as it is, and as it shall be."""

    name: str
    """``groups``, or the role's name."""
    before: int | None
    text: str
    """What stands in the field; may be empty while it is typed."""
    touched: bool = False
    fresh: bool = True
    """The next digit replaces what stands there."""

    @property
    def value(self) -> int | None:
        """The number, or ``None`` while there is none."""
        return int(self.text) if self.text else None

    @property
    def changed(self) -> bool:
        """Whether it asks for something else than there is."""
        return self.value is not None and self.value != self.before


def wanted(workload: Workload) -> Count:
    """What the workload asks for now."""
    return Count(workload.desired, tuple((role.name, role.replicas) for role in workload.role_specs))


class Draft:
    """The fields of the dialog and where the cursor is among them."""

    def __init__(self, workload: Workload, field: str = GROUPS) -> None:
        before = wanted(workload)
        self._fields = {GROUPS: _untouched(GROUPS, before.groups)}
        if workload.capabilities.roles:
            self._fields |= {name: _untouched(name, replicas) for name, replicas in before.roles}
        self.current = field if field in self._fields else GROUPS

    @property
    def fields(self) -> tuple[Field, ...]:
        """Groups first, then the roles in spec order."""
        return tuple(self._fields.values())

    @property
    def complete(self) -> bool:
        """Whether every field holds a number."""
        return all(field.value is not None or field.before is None for field in self.fields)

    def step(self, by: int) -> None:
        """One more or fewer in the current field; never below zero."""
        field = self._fields[self.current]
        value = field.value if field.value is not None else (field.before or 0)
        self.put(self.current, min(LARGEST, max(0, value + by)))

    def put(self, name: str, value: int) -> None:
        """Puts a number into a field."""
        if name in self._fields:
            self._fields[name] = Field(name, self._fields[name].before, str(value), True)

    def digit(self, char: str) -> None:
        """Types a digit: the first one replaces what stood there."""
        field = self._fields[self.current]
        text = (char if field.fresh else field.text + char).lstrip("0") or "0"
        if int(text) <= LARGEST:
            self._fields[self.current] = Field(field.name, field.before, text, True, fresh=False)

    def backspace(self) -> None:
        """Takes the last digit away."""
        field = self._fields[self.current]
        self._fields[self.current] = Field(field.name, field.before, field.text[:-1], True, fresh=False)

    def next_field(self, by: int = 1) -> bool:
        """The next field; ``False`` after the last (or before the first), where it stays."""
        names = list(self._fields)
        index = names.index(self.current) + by
        if not 0 <= index < len(names):
            return False
        self.current = names[index]
        return True

    def take(self, change: ReplicasChange) -> None:
        """Puts a whole change into the fields, as undo does."""
        if change.groups is not None:
            self.put(GROUPS, change.groups)
        for name, replicas in change.roles:
            self.put(name, replicas)

    def follow(self, workload: Workload) -> tuple[str, ...]:
        """Takes in what is wanted now; untouched fields follow. Says what somebody else changed meanwhile."""
        now = wanted(workload)
        notes = []
        for name, field in list(self._fields.items()):
            before = now.groups if name == GROUPS else now.role(name)
            if before == field.before:
                continue
            old = "–" if field.before is None else field.before
            notes.append(f"{name} was {old} and is now {'–' if before is None else before}")
            if field.touched:
                self._fields[name] = Field(name, before, field.text, True, field.fresh)
            else:
                self._fields[name] = _untouched(name, before)
        return tuple(notes)

    def change(self) -> ReplicasChange:
        """The change that the fields ask for; only what differs is in it."""
        groups = self._fields[GROUPS]
        roles = tuple(
            (field.name, field.value)
            for field in self.fields
            if field.name != GROUPS and field.changed and field.value is not None
        )
        if groups.changed or not roles:
            return ReplicasChange(
                groups=groups.value if groups.value is not None else groups.before, roles=roles
            )
        return ReplicasChange(groups=None, roles=roles)


def _untouched(name: str, value: int | None) -> Field:
    return Field(name, value, "" if value is None else str(value))
