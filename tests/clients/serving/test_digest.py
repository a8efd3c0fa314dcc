"""The short account: one line for what matters, role replicas counted in their group's line."""

from __future__ import annotations

from typing import Any

from clients.serving.digest import digest
from clients.serving.events import Event, EventKind
from clients.serving.telling import told
from tests.support.planning import KEY


class Log:
    """Events in the order in which they happen."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seen = 0.0

    def look(self) -> None:
        self.seen += 1

    def add(self, kind: str, before: str | None, after: str | None, **more: Any) -> None:
        self.events.append(
            Event(100 + self.seen, self.seen, "c1", EventKind(kind), KEY, before=before, after=after, **more)
        )

    def group(self, ordinal: int, before: str, after: str) -> None:
        self.add("phase", before, after, group=f"qwen-{ordinal}")

    def part(self, ordinal: int, name: str, before: str, after: str) -> None:
        self.add("phase", before, after, group=f"qwen-{ordinal}", role=name[:-2], replica=name)

    def lines(self, limit: int | None = None) -> list[str]:
        """Oldest first."""
        found = digest(reversed(self.events), limit)
        said = [told(event) for event in found]
        return [" ".join(part for part in (one.where, one.what) if part) for one in said][::-1]


def creating() -> Log:
    log = Log()
    log.add("desired", "2", "3", actor="ops")
    log.add("operation", "2", "3", actor="ops", detail={"state": "begun"})
    log.add("mark", None, "done", group="qwen-0")
    log.look()
    log.group(2, "absent", "creating")
    log.add("mark", None, "active", group="qwen-2")
    for name in ("prefill-0", "decode-0", "decode-1"):
        log.part(2, name, "absent", "creating")
    return log


def test_role_replicas_are_counted_in_their_groups_line() -> None:
    log = creating()
    assert log.lines() == ["scale 2 > 3 begun", "G-2 creating: 0 of 3 role replicas running"]
    log.look()
    log.part(2, "decode-1", "creating", "running")
    log.look()
    log.part(2, "prefill-0", "creating", "running")
    assert log.lines()[-1] == "G-2 creating: 2 of 3 role replicas running"


def test_a_group_that_waits_has_a_line_while_it_does() -> None:
    log = Log()
    log.group(2, "absent", "queued")
    log.part(2, "decode-0", "absent", "queued")
    assert log.lines() == ["G-2 queued: 0 of 1 role replicas running"]
    log.look()
    log.group(2, "queued", "creating")
    log.part(2, "decode-0", "queued", "creating")
    assert log.lines() == ["G-2 creating: 0 of 1 role replicas running"]


def test_a_group_that_has_arrived_counts_no_more() -> None:
    log = creating()
    log.look()
    log.group(2, "creating", "running")
    for name in ("prefill-0", "decode-0", "decode-1"):
        log.part(2, name, "creating", "running")
    log.add("operation", "2", "3", reason="done", detail={"state": "ended", "seconds": 61})
    assert log.lines() == [
        "scale 2 > 3 begun",
        "G-2 creating",
        "G-2 running",
        "scale 2 > 3 done after 1m01s",
    ]
    assert log.lines(2) == ["G-2 running", "scale 2 > 3 done after 1m01s"]


def test_a_group_that_goes_counts_what_is_gone() -> None:
    log = Log()
    log.group(1, "running", "deleting")
    for name in ("prefill-0", "decode-0"):
        log.part(1, name, "running", "deleting")
    log.look()
    log.part(1, "decode-0", "deleting", "absent")
    assert log.lines() == ["G-1 deleting: 1 of 2 role replicas gone"]
    log.look()
    log.group(1, "deleting", "absent")
    log.part(1, "prefill-0", "deleting", "absent")
    assert log.lines() == ["G-1 deleting", "G-1 gone"]


def test_role_replicas_that_move_in_a_group_at_rest_get_a_line_at_their_place() -> None:
    log = Log()
    log.group(0, "creating", "running")
    log.look()
    log.part(0, "decode-1", "running", "creating")
    log.look()
    log.add("desired", "2", "3")
    log.look()
    log.part(0, "decode-1", "creating", "running")
    assert log.lines() == ["G-0 running", "G-0 1 of 1 role replicas running", "desired 2 > 3"]


def test_without_the_groups_own_line_they_are_counted_all_the_same() -> None:
    log = Log()
    log.part(0, "decode-0", "creating", "running")
    log.part(0, "decode-1", "creating", "creating")
    assert log.lines() == ["G-0 1 of 2 role replicas running"]


def test_trouble_is_told_once_and_where_it_is() -> None:
    log = Log()
    log.add("trouble", None, "failed", group="qwen-0", reason="OOMKilled")
    log.add("trouble", None, "failed", group="qwen-0", role="decode", replica="decode-1", reason="OOMKilled")
    log.add("trouble", None, "blocked", group="qwen-1", reason="GangUnschedulable")
    assert log.lines() == ["G-0 decode-1 failed", "G-1 blocked"]


def test_a_wish_that_moves_an_operation_on_keeps_its_line() -> None:
    log = creating()
    log.look()
    log.add("desired", "3", "4")
    assert log.lines()[-1] == "desired 3 > 4"


def test_other_events_stay_as_they_are() -> None:
    log = Log()
    log.add("driver", "2-8", "2-9", actor="HPA/x")
    log.add("source", "live", "stale", detail={"source": "pods"})
    log.add("phase", "running", "absent")
    assert list(digest(reversed(log.events))) == log.events[::-1]
