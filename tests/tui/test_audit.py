from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import socket
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clients.clock import SystemClock
from clients.serving.backend import Result, Ticket
from clients.serving.changes import ReplicasChange
from clients.serving.guards import Confirmation
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Count, Outcome
from clients.serving.plans import ScalePlan, Write
from tests.tui.cli.conftest import until
from tui import audit
from tui.audit import AuditLog, AuditUnavailable, Author, unfinished_lines
from tui.audit_places import FilePlace, JournalPlace, Place

KEY = WorkloadKey("c-1", "kthena", "llm", "ModelServing", "qwen-chat")
OPS = Author("ops", "prod-eu")


def plan(before: int = 2, after: int = 4, uid: str = "u-1", key: WorkloadKey = KEY) -> ScalePlan:
    return ScalePlan(
        key=key,
        uid=uid,
        change=ReplicasChange(groups=after),
        before=Count(before),
        after=Count(after),
        steps=(),
        order_known=True,
        order_note="order of head",
        pods_delta=0,
        gpu_delta=0,
        capacity=None,
        eta=None,
        guards=(),
        write=Write("PATCH", "/apis/x", "application/json-patch+json", [{"op": "replace", "value": after}]),
        equivalent=f"kubectl -n llm patch modelserving qwen-chat {after}",
        confirmation=Confirmation.OK,
        generation=6,
    )


def ticket(result: Result = Result.ACCEPTED, generation: int | None = 7, at: float = 1000.0) -> Ticket:
    return Ticket(KEY, result, at, generation=generation)


def file(path: Path, most: int = 1 << 20) -> FilePlace:
    return FilePlace(path, unfinished_lines, most)


def log_in(directory: Path, *more: Place, most: int = 1 << 20) -> AuditLog:
    return AuditLog((file(directory / "audit.jsonl", most), *more), SystemClock())


class BrokenPlace:
    name = "nowhere.jsonl"

    def append(self, line: bytes) -> None:
        raise OSError(28, "No space left on device")

    def read_new(self) -> bytes:
        return b""


async def change(log: AuditLog, proposed: ScalePlan, answer: Ticket, by: Author = OPS) -> str:
    intent = await log.intend(proposed, by, answer.sent_at)
    await log.answered(intent, answer)
    return intent.id


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


async def test_the_intent_is_on_the_disk_before_anything_is_sent(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    await log.intend(plan(), OPS, 1000.25)
    (record,) = lines(tmp_path / "audit.jsonl")
    assert record["type"] == "intent"
    assert record["v"] == 1
    assert record["at"] == "1970-01-01T00:16:40.250000Z"
    assert record["by"] == {"by": "ops", "context": "prod-eu", "as_user": None}
    assert record["write"]["body"] == [{"op": "replace", "value": 4}]
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


async def test_a_change_is_told_from_intent_to_end_also_to_another_console(tmp_path: Path) -> None:
    change_id = await change(log_in(tmp_path), plan(), ticket())
    other = log_in(tmp_path)
    (entry,) = other.unfinished("c-1")
    assert entry.intent.id == change_id
    assert entry.intent.before == Count(2)
    await other.ended(change_id, 1200.0, Outcome.DONE, ("G-2", "G-3"))
    await other.ended(change_id, 1201.0, Outcome.TIMED_OUT)
    (entry,) = log_in(tmp_path).entries()
    assert entry.ended is not None
    assert (entry.ended.outcome, entry.ended.happened) == (Outcome.DONE, ("G-2", "G-3"))
    assert not entry.unfinished


@pytest.mark.parametrize(
    ("answer", "unfinished"),
    [(Result.ACCEPTED, True), (Result.UNKNOWN, True), (Result.CONFLICT, False), (Result.REFUSED, False)],
)
async def test_only_what_may_have_been_applied_is_taken_up_again(
    tmp_path: Path, answer: Result, unfinished: bool
) -> None:
    await change(log_in(tmp_path), plan(), ticket(answer))
    assert bool(log_in(tmp_path).unfinished("c-1")) is unfinished
    assert log_in(tmp_path).unfinished("another-cluster") == ()


async def test_an_intent_whose_program_died_is_unfinished(tmp_path: Path) -> None:
    await log_in(tmp_path).intend(plan(), OPS, 1000.0)
    (entry,) = log_in(tmp_path).unfinished("c-1")
    assert entry.sent is None


async def test_who_asked_is_found_by_generation_first(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    await change(log, plan(2, 4), ticket(generation=7))
    await change(log, plan(4, 5), ticket(generation=8), Author("night-shift"))
    found = log.asked("u-1", 8, 5_000_000.0)
    assert found is not None
    assert found.intent.by.by == "night-shift"
    assert log.asked("u-1", 9, 1000.0, Count(5)) is None
    assert log.asked("u-2", 8, 1000.0, Count(5)) is None


async def test_who_asked_is_found_by_counts_and_time_where_no_generation_tells(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    await change(log, plan(2, 4), ticket(Result.UNKNOWN, None, at=1000.0))
    assert log.asked("u-1", 7, 1010.0, Count(4)) is not None
    assert log.asked("u-1", 7, 1010.0, Count(3)) is None
    assert log.asked("u-1", 7, 9000.0, Count(4)) is None


async def test_a_refused_change_is_nobodys_doing(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    await change(log, plan(2, 4), ticket(Result.REFUSED, None))
    assert log.asked("u-1", 7, 1000.0, Count(4)) is None
    assert log.last_change("u-1", "ops") is None


async def test_my_last_change_is_mine_and_was_applied(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    await change(log, plan(2, 4), ticket(at=1000.0))
    await change(log, plan(4, 6), ticket(at=1100.0), Author("night-shift"))
    await change(log, plan(6, 9), ticket(Result.CONFLICT, None, at=1200.0))
    last = log.last_change("u-1", "ops")
    assert last is not None
    assert last.intent.after == Count(4)


async def test_a_full_disk_falls_back_and_says_so(tmp_path: Path) -> None:
    fallback = file(tmp_path / "run" / "audit.jsonl")
    log = AuditLog((BrokenPlace(), fallback), SystemClock())
    await change(log, plan(), ticket())
    assert len(lines(fallback.path)) == 2
    assert log.problem == (f"audit log kept in {fallback.path} (nowhere.jsonl: No space left on device)")
    assert log.last_change("u-1", "ops") is not None


async def test_the_problem_goes_away_with_its_cause(tmp_path: Path) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where a directory should be")
    log = AuditLog((file(blocked / "audit.jsonl"), file(tmp_path / "run.jsonl")), SystemClock())
    await log.intend(plan(), OPS, 1.0)
    assert log.problem is not None
    blocked.unlink()
    await log.intend(plan(), OPS, 2.0)
    assert log.problem is None
    assert len(log.entries()) == 2


async def test_the_last_resort_is_the_system_log(tmp_path: Path) -> None:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(os.fspath(tmp_path / "log"))
    log = AuditLog((BrokenPlace(), BrokenPlace(), JournalPlace(tmp_path / "log")), SystemClock())
    intent = await log.intend(plan(), OPS, 1.0)
    data = receiver.recv(65536)
    receiver.close()
    head, _, body = data.partition(b": ")
    assert head == f"<109>servegrid[{os.getpid()}]".encode()
    assert msgspec.json.decode(body)["id"] == intent.id
    assert log.last_change("u-1", "ops") is None
    await log.answered(intent, ticket())
    assert log.last_change("u-1", "ops") is not None


async def test_without_the_socket_systemd_cat_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "systemd-cat"
    program.write_text(f'#!/bin/sh\nprintf "%s " "$@" > "{tmp_path}/words"; cat > "{tmp_path}/line"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    JournalPlace(tmp_path / "missing").append(b'{"a":1}')
    assert (tmp_path / "words").read_text() == "--identifier servegrid --priority notice "
    assert (tmp_path / "line").read_bytes() == b'{"a":1}\n'


async def test_with_no_place_at_all_nothing_may_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    log = AuditLog((BrokenPlace(), JournalPlace(tmp_path / "missing")), SystemClock())
    with pytest.raises(AuditUnavailable, match=r"nowhere to keep the audit log: nowhere\.jsonl: No space"):
        await log.intend(plan(), OPS, 1.0)
    assert log.entries() == ()


async def test_an_answer_that_cannot_be_written_is_still_known_here(tmp_path: Path) -> None:
    state = tmp_path / "state"
    log = log_in(state)
    intent = await log.intend(plan(), OPS, 1.0)
    (state / "audit.jsonl").rename(tmp_path / "moved")
    state.rmdir()
    state.write_text("")
    await log.answered(intent, ticket())
    assert log.problem is not None
    assert log.last_change("u-1", "ops") is not None


async def test_a_place_that_hangs_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_PLACE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "fifo")

    class HangingPlace(BrokenPlace):
        def append(self, line: bytes) -> None:
            audit._PLACE_SECONDS = 60.0  # For the next place, which is only as fast as this machine's disk.
            with open(tmp_path / "fifo", "wb") as pipe:  # Blocks until somebody reads.
                pipe.write(line)

    log = AuditLog((HangingPlace(), file(tmp_path / "audit.jsonl")), SystemClock())
    await log.intend(plan(), OPS, 1.0)
    assert len(lines(tmp_path / "audit.jsonl")) == 1
    assert log.problem is not None
    assert "no answer" in log.problem
    assert (tmp_path / "fifo").read_bytes()  # Lets the writer go.


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    place = file(path)
    place.append(b'{"a":1}')
    with path.open("ab") as torn:
        torn.write(b'{"b":')
    place.append(b'{"c":3}')
    assert path.read_bytes() == b'{"a":1}\n{"b":\n{"c":3}\n'
    assert place.read_new().splitlines() == [b'{"a":1}', b'{"b":', b'{"c":3}']
    assert place.read_new() == b""


async def test_lines_that_are_no_records_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b'\n{\n{"type":"intent"}\n\xff\n{"type":"later","id":"x"}\n[]\n')
    log = log_in(tmp_path)
    assert log.entries() == ()
    await change(log, plan(), ticket())
    assert len(log_in(tmp_path).entries()) == 1


def test_a_file_that_is_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    place = file(tmp_path / "audit.jsonl")
    place.append(b"one")
    assert place.read_new() == b"one\n"
    place.path.rename(tmp_path / "audit.jsonl.old")
    place.append(b"two")
    assert place.read_new() == b"two\n"


def test_a_full_file_is_moved_aside_and_no_reader_misses_a_line(tmp_path: Path) -> None:
    writer, reader = file(tmp_path / "audit.jsonl", 1000), file(tmp_path / "audit.jsonl", 1000)
    said = [b"line %d" % number + b"." * 60 for number in range(100)]
    seen: set[bytes] = set()
    for number, line in enumerate(said):
        writer.append(line)
        if number % 5 == 0:
            seen.update(reader.read_new().splitlines())
        assert writer.path.stat().st_size <= 1000
    seen.update(reader.read_new().splitlines())
    assert seen == set(said)
    assert reader.read_new() == b""
    assert {path.name for path in tmp_path.iterdir()} == {"audit.jsonl", "audit.jsonl.1"}
    assert said[-1] in writer.path.read_bytes()
    assert said[0] not in writer.before.read_bytes()


async def test_what_is_unfinished_outlives_every_file(tmp_path: Path) -> None:
    log = log_in(tmp_path, most=8000)
    waits = await change(log, plan(2, 4), ticket())
    asks = (await log.intend(plan(4, 5), OPS, 1000.0)).id
    for number in range(40):
        ended = await change(log, plan(number, number + 1, uid="u-2"), ticket(generation=100 + number))
        await log.ended(ended, 1100.0, Outcome.DONE)
    assert all((tmp_path / name).stat().st_size <= 8000 for name in ("audit.jsonl", "audit.jsonl.1"))
    later = log_in(tmp_path, most=8000)
    assert [entry.intent.id for entry in later.unfinished("c-1")] == [waits, asks]
    assert [entry.applied for entry in later.unfinished("c-1")] == [True, False]
    await later.ended(waits, 1200.0, Outcome.DONE)
    for number in range(40):
        await change(later, plan(number, number + 1, uid="u-2"), ticket(Result.REFUSED, None))
    assert [entry.intent.id for entry in log_in(tmp_path).unfinished("c-1")] == [asks]


def test_a_file_of_nothing_but_unfinished_changes_stays_bounded(tmp_path: Path) -> None:
    place = FilePlace(tmp_path / "audit.jsonl", lambda lines: lines, 1000)
    for number in range(200):
        place.append(b"line %d" % number + b"." * 60)
    assert place.path.stat().st_size <= 1000
    assert place.before.stat().st_size <= 1000


def test_where_files_cannot_be_locked_it_goes_on_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(handle: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refused)
    place = file(tmp_path / "audit.jsonl", 100)
    for _ in range(3):
        place.append(b"x" * 60)
    assert place.read_new() == (b"x" * 60 + b"\n") * 3


def test_who_waited_while_the_file_was_moved_aside_writes_to_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    place = file(path)
    place.append(b"full")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waits = threading.Thread(target=place.append, args=(b"late",))
        waits.start()
        until(lambda: _times_open(path) == 2, "the writer waiting for the lock")
        path.rename(place.before)
        path.write_bytes(b"new\n")
    waits.join(60)
    assert path.read_bytes() == b"new\nlate\n"
    assert place.before.read_bytes() == b"full\n"


def _times_open(path: Path) -> int:
    """By this process."""
    links = (os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
    return sum(link == str(path) for link in links)


def test_the_log_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        file(tmp_path / "audit.jsonl").append(b"{}")


def _append_many(path: Path, letter: bytes) -> None:
    place = file(path)
    for _ in range(60):
        place.append(letter * 4000)


def test_two_writers_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_append_many, args=(path, letter)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    written = path.read_bytes().splitlines()
    assert sorted(set(written)) == [b"a" * 4000, b"b" * 4000]
    assert len(written) == 120


def _kept(lines: bytes) -> bytes:
    """Once each, as the audit log keeps what is unfinished."""
    found = dict.fromkeys(line for line in lines.splitlines(keepends=True) if line.startswith(b"keep"))
    return b"".join(found)


def _append_numbered(path: Path, writer: int) -> None:
    place = FilePlace(path, _kept, 4000)
    for number in range(300):
        word = b"keep" if number % 50 == 0 else b"done"
        place.append(b"%s %d %d " % (word, writer, number) + b"." * 50)


def test_two_writers_at_once_lose_nothing_when_files_are_full(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_append_numbered, args=(path, number)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    lines = file(path).read_new().splitlines()
    assert {line.split(b".")[0] for line in lines if line.startswith(b"keep")} == {
        b"keep %d %d " % (name, number) for name in (1, 2) for number in range(0, 300, 50)
    }
    assert all(line.endswith(b"." * 50) for line in lines), "no line is torn"
    newest = {}
    for name in (1, 2):
        own = {int(line.split()[2]) for line in lines if line.startswith(b"done %d " % name)}
        newest[name] = max(own, default=0)
        between = range(min(own, default=0), newest[name] + 1)
        assert own == {number for number in between if number % 50}, "nothing is missing between"
    assert 299 in newest.values()
