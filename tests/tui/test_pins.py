"""Pins: what stood there before is kept, by whichever console, and dropped once somebody else moved it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from clients.serving.changes import Bounds
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver, Workload
from tests.support import fleets
from tui.pins import Pin, Pins
from tui.state import StateDir

QWEN = fleets.key("qwen-chat")
UID = fleets.workload("qwen-chat", 4).uid


def driven(low: int, high: int) -> Workload:
    hpa = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler")
    driver = Driver("HPA", hpa, minimum=low, maximum=high, note="pinned 4" if low == high else None)
    return fleets.workload("qwen-chat", 4, drivers=[driver])


def pin(at: int = 4, before: Bounds | None = None, since: float = 1000.0) -> Pin:
    return Pin(QWEN, UID, None, at, before or Bounds(2, 8), "ops", since)


def note(workload: Workload) -> str | None:
    return workload.drivers[0].note


def test_another_console_learns_of_it_and_shows_what_it_took_the_place_of(tmp_path: Path) -> None:
    mine, other = Pins(StateDir(tmp_path)), Pins(StateDir(tmp_path))
    mine.keep(pin())
    assert other.of(QWEN) is None
    assert other.refresh() == {QWEN}
    assert other.refresh() == frozenset()
    assert note(other.mark(driven(4, 4))) == "pinned 4 (was 2-8) by ops"
    other.drop(QWEN)
    assert mine.refresh() == {QWEN}
    assert note(mine.mark(driven(4, 4))) == "pinned 4"


def test_neither_of_two_consoles_loses_what_the_other_pinned(tmp_path: Path) -> None:
    mine, other = Pins(StateDir(tmp_path)), Pins(StateDir(tmp_path))
    mine.keep(pin())
    other.keep(msgspec.structs.replace(pin(), key=fleets.key("r1")))
    mine.refresh()
    assert (mine.of(QWEN), mine.of(fleets.key("r1"))) == (
        pin(),
        msgspec.structs.replace(pin(), key=fleets.key("r1")),
    )


def test_pinned_again_what_comes_back_is_what_stood_there_first(tmp_path: Path) -> None:
    pins = Pins(StateDir(tmp_path))
    pins.keep(pin())
    pins.keep(pin(6, Bounds(4, 4)))
    found = pins.of(QWEN)
    assert found is not None
    assert (found.at, found.before) == (6, Bounds(2, 8))
    # Somebody set 1-9 between: then that is what the next pin takes the place of.
    pins.keep(pin(3, Bounds(1, 9)))
    found = pins.of(QWEN)
    assert found is not None
    assert found.before == Bounds(1, 9)


def test_what_somebody_else_moved_is_dropped_and_told(tmp_path: Path) -> None:
    pins = Pins(StateDir(tmp_path))
    pins.keep(pin())
    assert pins.check({QWEN: driven(4, 4)}, 1010.0, 1.0) == []
    (event,) = pins.check({QWEN: driven(2, 9)}, 1020.0, 2.0)
    assert (event.before, event.after) == ("pinned 4 (was 2-8) by ops", "HPA 2-9")
    assert "the pin is forgotten" in (event.reason or "")
    again = Pins(StateDir(tmp_path))
    again.refresh()
    assert again.of(QWEN) is None


def test_bounds_that_have_not_come_yet_are_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    pins = Pins(StateDir(tmp_path))
    pins.keep(pin(since=1000.0))
    before = driven(2, 8)
    assert pins.mark(before) is before
    assert pins.check({QWEN: before}, 1060.0, 1.0) == []
    assert pins.of(QWEN) is not None
    assert len(pins.check({QWEN: before}, 1121.0, 2.0)) == 1


def test_another_object_of_the_same_name_was_never_pinned(tmp_path: Path) -> None:
    pins = Pins(StateDir(tmp_path))
    pins.keep(pin())
    other = msgspec.structs.replace(driven(4, 4), uid="another")
    assert pins.mark(other) is other
    assert pins.check({QWEN: other}, 1010.0, 1.0) == []
    assert pins.of(QWEN) is None


def test_a_state_directory_that_takes_nothing_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    pins = Pins(StateDir(blocked))
    pins.keep(pin())
    assert pins.problem is not None
    assert str(blocked) in pins.problem
