"""Requests: who they say we are, where they go, what a failure tells, and that no write is sent twice."""

from __future__ import annotations

import asyncio
import json
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from clients.clock import SystemClock
from clients.kube.errors import Cause, ErrorKind, KubeError
from clients.kube.session import Session
from tests.support.kube import session_to
from tests.support.misbehaving import Misbehaving, anything, is_list, misbehaving, status

THINGS = "/apis/things.example.com/v1/things"
PATCH = "application/json-patch+json"


def seen(server: Misbehaving) -> web.Request:
    return server.requests[-1]


async def test_impersonation_and_token_go_with_every_request() -> None:
    headers = (("Impersonate-User", "ann"), ("Impersonate-Group", "g1"), ("Impersonate-Group", "g2"))
    async with (
        misbehaving() as server,
        session_to(server.url, token="secret", impersonate=headers) as session,
    ):
        await session.get(THINGS, {"labelSelector": "a=b c", "limit": 5, "x": True})
        request = seen(server)
        assert request.headers["Authorization"] == "Bearer secret"
        assert request.headers["Impersonate-User"] == "ann"
        assert request.headers.getall("Impersonate-Group") == ["g1", "g2"]
        assert dict(request.query) == {"labelSelector": "a=b c", "limit": "5", "x": "true"}
        assert request.headers["User-Agent"].startswith("servegrid")


async def test_netrc_and_proxy_variables_touch_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login thief password stolen\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with misbehaving() as server, session_to(server.url) as session:
        await session.get("/readyz")
        assert "Authorization" not in seen(server).headers
        await session.send("POST", "/readyz", body={})
        assert "Authorization" not in seen(server).headers


async def test_a_write_carries_its_body_and_type_and_gives_the_reply() -> None:
    async with misbehaving() as server:
        bodies: list[Any] = []

        async def act(request: web.Request) -> web.StreamResponse:
            bodies.append((request.method, request.content_type, await request.json(), dict(request.query)))
            return web.json_response({"ok": 1}, status=201, headers={"Warning": '299 - "old"'})

        server.fault(anything, act, times=None)
        async with session_to(server.url) as session:
            patch = [{"op": "test", "path": "/spec/replicas", "value": 2}]
            reply = await session.send(
                "PATCH", THINGS, params={"dryRun": "All"}, body=patch, content_type=PATCH
            )
            assert (reply.status, json.loads(reply.body)) == (201, {"ok": 1})
            assert reply.headers["Warning"] == '299 - "old"'
            await session.send("DELETE", THINGS, body={"preconditions": {"uid": "u"}})
        assert bodies == [
            ("PATCH", PATCH, patch, {"dryRun": "All"}),
            ("DELETE", "application/json", {"preconditions": {"uid": "u"}}, {}),
        ]


@pytest.mark.parametrize("method", ["PATCH", "POST", "PUT", "DELETE"])
async def test_a_write_whose_connection_breaks_is_not_sent_again(method: str) -> None:
    async with misbehaving() as server:

        async def cut(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        async with session_to(server.url) as session:
            await session.get("/readyz")
            server.fault(anything, cut, times=None)
            with pytest.raises(KubeError) as raised:
                await session.send(method, THINGS, body={})
            assert raised.value.kind is ErrorKind.UNREACHABLE
            assert raised.value.sent, "it may have been done"
            assert server.count(lambda request: request.method == method) == 1


async def test_a_write_that_was_never_sent_says_so() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        await session.get("/readyz")
        await server.stop()
        with pytest.raises(KubeError, match="cannot be reached: connection refused") as raised:
            await session.send("PATCH", THINGS, body=[], content_type=PATCH)
        assert not raised.value.sent


async def test_a_write_without_an_answer_in_time_may_have_been_done() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.hang(anything)
        with pytest.raises(KubeError, match="no answer in time") as raised:
            await session.send("PATCH", THINGS, body=[], content_type=PATCH, timeout=1.0)
        assert raised.value.sent
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, ErrorKind.INVALID),
        (401, ErrorKind.UNAUTHORIZED),
        (403, ErrorKind.FORBIDDEN),
        (404, ErrorKind.NOT_FOUND),
        (409, ErrorKind.CONFLICT),
        (410, ErrorKind.GONE),
        (415, ErrorKind.INVALID),
        (422, ErrorKind.INVALID),
        (429, ErrorKind.THROTTLED),
        (500, ErrorKind.SERVER),
        (504, ErrorKind.SERVER),
    ],
)
async def test_a_refusal_tells_what_the_server_said(code: int, kind: ErrorKind) -> None:
    causes = [{"reason": "FieldValueInvalid", "field": "spec.replicas", "message": "must not be negative"}]
    body = status(code, "Because", "replicas\x1b[31m is\nwrong", details={"causes": causes})
    async with misbehaving() as server, session_to(server.url) as session:
        server.answer(anything, code, body, headers={"Retry-After": "7"}, times=2)
        with pytest.raises(KubeError) as raised:
            await session.send("PATCH", THINGS, body=[], content_type=PATCH)
        error = raised.value
        assert (error.kind, error.status, error.reason, error.sent) == (kind, code, "Because", True)
        if code != 401:
            assert error.retry_after == 7.0
            assert error.causes == (Cause("FieldValueInvalid", "must not be negative", "spec.replicas"),)
            assert "replicas␛[31m is wrong" in error.message
        assert server.count(lambda request: request.method == "PATCH") == 1


@pytest.mark.parametrize("body", ["<html>no", "", "plain", "[]", '{"message":{"a":1},"details":7}', "\udcff"])
async def test_a_refusal_with_nonsense_is_still_a_line(body: str) -> None:
    async with misbehaving() as server, session_to(server.url) as session:

        async def act(request: web.Request) -> web.StreamResponse:
            return web.Response(status=503, body=body.encode("utf-8", "surrogateescape"))

        server.fault(anything, act)
        with pytest.raises(KubeError, match="503") as raised:
            await session.get(THINGS)
        assert raised.value.kind is ErrorKind.SERVER


async def test_a_redirect_is_not_followed() -> None:
    async with misbehaving() as server, session_to(server.url, token="secret") as session:
        server.answer(is_list, 302, "", headers={"Location": "/login"})
        with pytest.raises(KubeError, match="302"):
            await session.get(THINGS)
        assert len(server.requests) == 1


async def test_the_clock_follows_the_servers_date_and_rate() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        ahead = SystemClock().now() + 3600
        server.date = formatdate(ahead, usegmt=True)
        server.clock_rate = 20
        await session.identify()
        assert abs(session.clock.now() - ahead) < 60
        assert session.clock.rate == 20
        server.date = "nonsense"
        await session.get("/readyz")
        server.clock_rate = None
        await session.identify()
        assert session.clock.rate == 1


@pytest.mark.parametrize("rate", ["fast", True, -1, [1], None])
async def test_a_clock_rate_that_is_none_counts_as_one(rate: object) -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.answer(lambda request: request.path == "/version", 200, json.dumps({"clockRate": rate}))
        await session.identify()
        assert session.clock.rate == 1


async def test_the_cluster_is_known_by_kube_system_or_by_its_url() -> None:
    async with misbehaving() as server, session_to(server.url) as session, session_to(server.url) as twin:
        server.kube_system_uid = None
        assert session.cluster == twin.cluster
        assert session.cluster.startswith("server-")
        assert not await session.identify()
        assert "no right to get namespaces" in (session.note or "")
        server.kube_system_uid = "uid-1"
        assert await session.identify()
        assert (session.cluster, session.note, session.version) == ("uid-1", None, "v1.36.0")
        await server.stop()
        with pytest.raises(KubeError):
            await session.identify()
        assert session.cluster == "uid-1"


async def test_opening_a_session_asks_the_server_nothing() -> None:
    async with session_to("http://127.0.0.1:9") as session:
        assert isinstance(session, Session)


async def test_a_stream_gives_whole_lines_and_a_text_its_last_piece_too() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.stream(anything, b"one\ntw", b"o\nthree", end="clean", times=2)
        async with session.stream("/log", idle=5, text=True) as lines:
            assert [line async for line in lines] == [b"one\n", b"two\n", b"three"]
        found: list[bytes] = []

        async def read() -> None:
            async with session.stream("/log", idle=5) as lines:
                async for line in lines:
                    found.append(line)

        with pytest.raises(KubeError, match="in the middle of a line"):
            await read()
        assert found == [b"one\n", b"two\n"]


async def test_leaving_a_stream_closes_its_connection() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        ended = asyncio.Event()

        async def act(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                while True:
                    await response.write(b"line\n")
                    await asyncio.sleep(0.01)
            except (ConnectionError, asyncio.CancelledError):
                ended.set()
                raise

        server.fault(anything, act)
        async with session.stream("/log", idle=5) as lines:
            assert await anext(aiter(lines)) == b"line\n"
        async with asyncio.timeout(60):
            await ended.wait()
