"""What a person puts into a dialog that plans a change: numbers in fields, and the change they ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from msgspec import Struct

from clients.serving.changes import Change
from clients.serving.plans import ScalePlan
from clients.serving.workload import Workload

__all__ = ["GROUPS", "LARGEST", "Draft", "Field"]

GROUPS = "groups"
LARGEST = 9999


class Field(Struct, frozen=True):
    """One number: as it is, and as it shall be."""

    name: str
    """``groups``, ``min``, ``max``, or a role's name."""
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


class Draft(ABC):
    """The fields of a dialog and where the cursor is among them; there may be none."""

    title = "Scale"
    """What is done, before the workload's name."""
    says: tuple[str, ...] = ()
    """What stands between the fields and the plan: what an edit changes, line by line."""

    def __init__(self, values: Mapping[str, int | None], current: str = "") -> None:
        self._fields = {name: _untouched(name, value) for name, value in values.items()}
        self.current = current if current in self._fields else next(iter(self._fields), "")

    @abstractmethod
    def change(self) -> Change:
        """The change that the fields ask for."""

    def follow(self, workload: Workload) -> tuple[str, ...]:
        """Takes in the workload's newest value. Says what somebody else changed meanwhile."""
        del workload
        return ()

    def learn(self, plan: ScalePlan) -> tuple[str, ...]:
        """Takes in what a plan has found out. Says what somebody else changed meanwhile."""
        del plan
        return ()

    @property
    def fields(self) -> tuple[Field, ...]:
        """In the order in which they are shown."""
        return tuple(self._fields.values())

    @property
    def complete(self) -> bool:
        """Whether every field holds a number that it needs."""
        return all(field.value is not None or field.before is None for field in self.fields)

    def step(self, by: int) -> None:
        """One more or fewer in the current field; never below zero."""
        field = self._fields.get(self.current)
        if field is not None:
            value = field.value if field.value is not None else (field.before or 0)
            self.put(self.current, min(LARGEST, max(0, value + by)))

    def put(self, name: str, value: int) -> None:
        """Puts a number into a field."""
        if name in self._fields:
            self._fields[name] = Field(name, self._fields[name].before, str(value), True)

    def digit(self, char: str) -> None:
        """Types a digit: the first one replaces what stood there."""
        field = self._fields.get(self.current)
        if field is None:
            return
        text = (char if field.fresh else field.text + char).lstrip("0") or "0"
        if int(text) <= LARGEST:
            self._fields[self.current] = Field(field.name, field.before, text, True, fresh=False)

    def backspace(self) -> None:
        """Takes the last digit away."""
        field = self._fields.get(self.current)
        if field is not None:
            self._fields[self.current] = Field(field.name, field.before, field.text[:-1], True, fresh=False)

    def next_field(self, by: int = 1) -> bool:
        """The next field; ``False`` after the last (or before the first), where it stays."""
        names = list(self._fields)
        index = (names.index(self.current) if self.current in names else 0) + by
        if not 0 <= index < len(names):
            return False
        self.current = names[index]
        return True

    def now(self, values: Mapping[str, int | None]) -> tuple[str, ...]:
        """Other numbers than those there were: untouched fields follow. Says what changed."""
        notes = []
        for name, field in list(self._fields.items()):
            before = values.get(name)
            if before == field.before:
                continue
            notes.append(f"{name} was {_shown(field.before)} and is now {_shown(before)}")
            if field.touched:
                self._fields[name] = Field(name, before, field.text, True, field.fresh)
            else:
                self._fields[name] = _untouched(name, before)
        return tuple(notes)


def _untouched(name: str, value: int | None) -> Field:
    return Field(name, value, "" if value is None else str(value))


def _shown(value: int | None) -> str:
    return "–" if value is None else str(value)
