"""Objects that are not what their schema says, recreated, or many."""

from __future__ import annotations

from typing import Any

import pytest

from clients.kube.session import Session
from clients.serving.sources import SourceState
from tests.support.kube import Running, reflecting, until
from tests.support.misbehaving import Misbehaving, event

BAD: list[dict[str, Any]] = [
    {"value": "seven"},
    {"value": {"of": "wrong", "type": []}},
    {"value": [7]},
    {"value": 1.5},
    {"metadata": {"name": 7, "uid": "bad", "namespace": "a", "resourceVersion": "9"}},
    {"metadata": {"name": "bad", "uid": "bad", "namespace": None, "resourceVersion": "9"}},
]


def readable(server: Misbehaving) -> dict[str, Any]:
    return {uid: thing for uid, thing in server.objects.items() if uid != "bad"}


def unreadable(run: Running) -> bool:
    return "1 unreadable" in (run.reflector.status.detail or "")


@pytest.mark.parametrize("fields", BAD)
async def test_a_bad_object_in_the_list_costs_only_itself(
    server: Misbehaving, session: Session, fields: dict[str, Any]
) -> None:
    server.put("bad", uid="bad", **{key: value for key, value in fields.items() if key != "metadata"})
    server.objects["bad"].update(fields)
    async with reflecting(session) as run:
        await until(lambda: run.live() and run.agrees(readable(server)))
        assert unreadable(run)
        server.objects["bad"] = {"metadata": {"name": "bad", "uid": "bad", "namespace": "a"}}
        server.put("bad", uid="bad", value=1)
        await until(lambda: run.agrees(server.objects))
        assert run.reflector.status.detail is None


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("fields", BAD)
async def test_a_bad_object_in_the_stream_costs_only_itself(
    server: Misbehaving, session: Session, fields: dict[str, Any], compact: bool
) -> None:
    async with reflecting(session) as run:
        await until(lambda: run.live() and server.watchers)
        bad = {
            "metadata": {"name": "bad", "uid": "bad", "namespace": "a", "resourceVersion": "1006"},
            **fields,
        }
        server.say(event("ADDED", bad, compact=compact))
        server.put("six", value=6)
        await until(lambda: run.agrees(server.objects))
        assert unreadable(run)
        assert run.live()
        server.say(event("DELETED", bad, compact=compact))
        await until(lambda: run.reflector.status.detail is None)
        assert run.agrees(server.objects)
        assert run.notes.states == [SourceState.SYNCING, SourceState.LIVE]


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("thing", [{}, {"metadata": None}, {"metadata": []}, [], None, 7, "text"])
async def test_things_that_are_no_objects(
    server: Misbehaving, session: Session, thing: Any, compact: bool
) -> None:
    async with reflecting(session) as run:
        await until(lambda: run.live() and server.watchers)
        server.say(event("ADDED", thing, compact=compact))
        server.say(event("DELETED", thing, compact=compact))
        server.put("six", value=6)
        await until(lambda: run.live() and run.agrees(server.objects))


async def test_an_object_that_becomes_unreadable_keeps_its_last_row(
    server: Misbehaving, session: Session
) -> None:
    async with reflecting(session) as run:
        await until(run.live)
        uid = server.put("one", value=11)["metadata"]["uid"]
        server.put("one", value="eleven")
        await until(lambda: unreadable(run))
        assert run.notes.rows[uid].value == 11
        server.delete("one")
        await until(lambda: run.agrees(server.objects))
        assert run.reflector.status.detail is None


async def test_a_recreated_name_is_another_object(server: Misbehaving, session: Session) -> None:
    async with reflecting(session) as run:
        await until(run.live)
        old = server.put("again", value=1, uid="first")["metadata"]["uid"]
        await until(lambda: run.agrees(server.objects))
        server.delete("again")
        server.put("again", uid="second")
        await until(lambda: run.agrees(server.objects))
        assert old not in run.notes.rows
        assert run.notes.rows["second"].value is None


async def test_thousands_of_events_at_once(server: Misbehaving, session: Session) -> None:
    async with reflecting(session) as run:
        await until(run.live)
        for number in range(3000):
            server.put(f"n{number % 500}", value=number)
        for number in range(250):
            server.delete(f"n{number}")
        await until(lambda: run.agrees(server.objects))
        assert run.notes.replacements == 1


async def test_a_first_list_of_many_pages_tells_how_far_it_is(server: Misbehaving, session: Session) -> None:
    for number in range(40):
        server.put(f"n{number}")
    async with reflecting(session) as run:
        await until(lambda: run.live() and run.agrees(server.objects))
        syncing = [entry for entry in run.notes.statuses if entry.of is not None]
        assert {entry.of for entry in syncing} == {45}
        assert [entry.have for entry in syncing] == sorted(entry.have for entry in syncing)
        assert len(syncing) >= 15


async def test_a_server_that_writes_its_events_otherwise(server: Misbehaving, session: Session) -> None:
    async with reflecting(session) as run:
        await until(lambda: run.live() and server.watchers)
        one = next(iter(server.objects.values()))
        one["value"] = 17
        server.say(event("MODIFIED", one, compact=False))
        server.say(
            b'{"object":' + event("", one)[len('{"type":"","object":') : -2] + b',"type":"MODIFIED"}\n'
        )
        await until(lambda: run.agrees(server.objects))
        assert run.reflector.status.detail is None
        assert run.notes.states == [SourceState.SYNCING, SourceState.LIVE]


async def test_text_that_is_no_unicode_costs_nothing_else(server: Misbehaving, session: Session) -> None:
    """Half a surrogate pair and a stray byte: strict JSON readers refuse the whole page or line for them."""
    async with reflecting(session) as run:
        await until(lambda: run.live() and server.watchers)
        thing = server.put("odd", value=5)
        for text in (b"\\ud800", b"\xff"):
            line = event("MODIFIED", {**thing, "note": "HERE"})
            server.say(line.replace(b"HERE", text))
        server.put("six", value=6)
        await until(lambda: run.agrees(server.objects))
        assert run.live()
        assert run.notes.replacements == 1
