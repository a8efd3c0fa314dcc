"""Rights: asked once, asked again on demand, and unknown where the server will not say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from clients.kube.access import PATH, Access
from clients.kube.session import Session
from tests.support.kube import session_to
from tests.support.misbehaving import Misbehaving, misbehaving, status


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as running:
        yield running


@pytest.fixture
async def session(server: Misbehaving) -> AsyncIterator[Session]:
    async with session_to(server.url) as opened:
        yield opened


def reviewing(server: Misbehaving, *allowed: bool) -> list[dict[str, Any]]:
    """Answers reviews in this order; the questions are noted."""
    asked: list[dict[str, Any]] = []

    async def act(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json())["spec"]["resourceAttributes"])
        verdict = {"allowed": allowed[len(asked) - 1], "reason": "RBAC: nobody\x07 said so"}
        return web.json_response({"status": verdict}, status=201)

    server.fault(lambda request: request.path == PATH and request.method == "POST", act, times=None)
    return asked


async def test_a_right_is_asked_once_for_each_namespace(server: Misbehaving, session: Session) -> None:
    asked = reviewing(server, True, False, True)
    access = Access(session)
    for _ in range(3):
        assert (await access.can("patch", "g", "things", "a", name="x")).allowed is True
    assert asked == [{"verb": "patch", "group": "g", "resource": "things", "namespace": "a", "name": "x"}]
    refused = await access.can("patch", "g", "things", "b", subresource="scale")
    assert refused.allowed is False
    assert refused.detail == "no right to patch things/scale in b: RBAC: nobody␇ said so"
    access.forget()
    assert (await access.can("patch", "g", "things", "b", subresource="scale")).allowed is True
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (403, json.dumps(status(403, "Forbidden", "no reviews"))),
        (404, "nope"),
        (201, "{}"),
        (201, "nonsense"),
    ],
)
async def test_a_refused_review_is_unknown_and_not_kept(
    server: Misbehaving, session: Session, code: int, body: str
) -> None:
    server.answer(lambda request: request.path == PATH, code, body)
    access = Access(session)
    right = await access.can("patch", "g", "things", "a")
    assert right.allowed is None
    assert right.detail.startswith("rights unknown: ")
    reviewing(server, True)
    assert (await access.can("patch", "g", "things", "a")).allowed is True


async def test_a_server_that_is_gone_leaves_the_right_unknown(server: Misbehaving, session: Session) -> None:
    await server.stop()
    assert (await Access(session).can("patch", "g", "things", "a")).allowed is None
