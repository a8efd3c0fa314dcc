"""Events in words: few of them, all that is known on demand, and none that act on a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from clients.serving.events import Event, EventKind
from clients.serving.telling import told
from tests.support.planning import KEY


def event(kind: str, before: str | None = None, after: str | None = None, **more: Any) -> Event:
    detail = more.pop("detail", {})
    return Event(10.0, 5.0, "c1", EventKind(kind), KEY, before=before, after=after, detail=detail, **more)


def words(found: Event, *, detailed: bool = False) -> str:
    said = told(found, detailed=detailed)
    line = " ".join(part for part in (said.where, said.what) if part)
    line += f", by {said.who}" if said.who else ""
    return f"{line}: {said.why}" if said.why else line


GROUP = {"group": "qwen-3"}
PART = {"group": "qwen-3", "role": "decode", "replica": "decode-1"}


@pytest.mark.parametrize(
    ("found", "short", "long"),
    [
        (
            event("phase", "absent", "creating", reason="scale", **GROUP),
            "G-3 creating",
            "G-3 absent > creating: scale",
        ),
        (
            event("phase", "running", "deleting", reason="rollout", **GROUP),
            "G-3 deleting: rollout",
            "G-3 running > deleting: rollout",
        ),
        (event("phase", "deleting", "absent", **GROUP), "G-3 gone", "G-3 deleting > absent"),
        (
            event("phase", "creating", "running", **PART),
            "G-3 decode-1 running",
            "G-3 decode-1 creating > running",
        ),
        (event("phase", "absent", "creating"), "creating", "absent > creating"),
        (event("mark", "active", None, **GROUP), "G-3 mark active is over", "G-3 mark active is over"),
        (event("mark", None, "active", **GROUP), "G-3 mark active", "G-3 mark active"),
        (
            event("mark", "pending", "active", **GROUP),
            "G-3 mark pending > active",
            "G-3 mark pending > active",
        ),
        (
            event("trouble", None, "failed", reason="OOMKilled", detail={"message": "exit 137"}, **PART),
            "G-3 decode-1 failed: OOMKilled",
            "G-3 decode-1 failed: OOMKilled: exit 137",
        ),
        (
            event("trouble", None, "failed", reason="OOMKilled", detail={"already": True}, **GROUP),
            "G-3 already failed: OOMKilled",
            "G-3 already failed: OOMKilled",
        ),
        (
            event("trouble", "failed", None, reason="OOMKilled", **GROUP),
            "G-3 failed is over: OOMKilled",
            "G-3 failed is over: OOMKilled",
        ),
        (event("desired", "2", "4", actor="ops"), "desired 2 > 4, by ops", "desired 2 > 4, by ops"),
        (
            event("desired", "2", "4", actor="unknown", role="decode"),
            "decode desired 2 > 4",
            "decode desired 2 > 4, by unknown",
        ),
        (event("desired", "2", None, role="decode"), "decode desired 2 > none", "decode desired 2 > none"),
        (event("driver", None, "2-8", actor="HPA/x"), "HPA/x drives 2-8", "HPA/x drives 2-8"),
        (
            event("driver", "2-8", "2-9", actor="HPA/x", role="decode"),
            "HPA/x decode 2-8 > 2-9",
            "HPA/x decode 2-8 > 2-9",
        ),
        (
            event("driver", "2-8", "3-3", actor="HPA/x", detail={"by": "ops"}),
            "HPA/x 2-8 > 3-3, by ops",
            "HPA/x 2-8 > 3-3, by ops",
        ),
        (event("driver", "2-8", None, actor="HPA/x"), "HPA/x drives no more", "HPA/x drives no more"),
        (
            event(
                "driver",
                actor="HPA/x",
                reason="cpu above target",
                detail={"decided": "4", "metric": "cpu", "value": 91.5},
            ),
            "HPA/x decided 4: cpu above target (cpu 91.5)",
            "HPA/x decided 4: cpu above target (cpu 91.5)",
        ),
        (
            event("driver", actor="HPA/x", reason="r", detail={"decided": "4", "error": "denied"}),
            "HPA/x decided 4: r; not written: denied",
            "HPA/x decided 4: r; not written: denied",
        ),
        (
            event("source", "live", "stale", reason="no answer", detail={"source": "pods"}),
            "pods live > stale: no answer",
            "pods live > stale: no answer",
        ),
    ],
)
def test_every_sort_of_event(found: Event, short: str, long: str) -> None:
    assert words(found) == short
    assert words(found, detailed=True) == long


def test_an_operation_says_who_from_where_to_and_how_it_ended() -> None:
    begun = event(
        "operation", "2", "4", actor="ops", reason="launch", detail={"state": "begun", "done": 0, "total": 2}
    )
    assert words(begun) == "scale 2 > 4 begun, by ops: launch"
    underway = event(
        "operation", "2", "4", actor="unknown", detail={"state": "underway", "done": 1, "total": 2}
    )
    assert words(underway) == "scale 2 > 4 already underway, 1 of 2 done"
    detail = {"state": "ended", "seconds": 182.0, "score": "predicted G-3; happened G-2, 3m02s"}
    done = event("operation", "2", "4", actor="ops", reason="done", detail=detail)
    assert words(done) == "scale 2 > 4 done after 3m02s, by ops"
    assert words(done, detailed=True).endswith("by ops: predicted G-3; happened G-2, 3m02s")
    back = event(
        "operation", "2", "4", reason="reverted", detail={**detail, "message": "hpa asked for 2 groups"}
    )
    assert words(back) == "scale 2 > 4 reverted after 3m02s: hpa asked for 2 groups"


def test_only_trouble_that_begins_is_bad() -> None:
    assert told(event("trouble", None, "failed")).bad
    assert not told(event("trouble", "failed", None)).bad
    assert not told(event("phase", "running", "deleting")).bad


@pytest.mark.parametrize("kind", [str(kind) for kind in EventKind])
def test_hostile_words_are_plain_and_short(kind: str) -> None:
    bad = "\x1b[2J\u202e\u200b" + "x" * 10_000
    detail = {"source": bad, "message": bad, "score": bad, "state": "ended", "seconds": bad, "already": bad}
    found = event(kind, bad, bad, group=bad, role=bad, replica=bad, actor=bad, reason=bad, detail=detail)
    for detailed in (False, True):
        line = words(found, detailed=detailed)
        assert not {"\x1b", "\u202e", "\u200b"} & set(line)
        assert len(line) < 1_200
