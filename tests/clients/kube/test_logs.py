"""Container logs as they are printed."""

from __future__ import annotations

import pytest

from clients.kube.errors import ErrorKind, KubeError
from clients.kube.logs import tail
from tests.support.kube import session_to
from tests.support.misbehaving import anything, misbehaving, status


async def test_the_last_lines_and_what_follows() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.stream(
            anything, b"one\r\n", b"tw", "o ü\n".encode(), b"\xff\n\n", b"last", end="clean", times=None
        )
        found = [line async for line in tail(session, "a", "pod-0", "main")]
        assert found == ["one", "two ü", "\ufffd", "", "last"]
        request = server.requests[-1]
        assert request.path == "/api/v1/namespaces/a/pods/pod-0/log"
        assert dict(request.query) == {"tailLines": "200", "container": "main", "follow": "true"}
        _ = [line async for line in tail(session, "a", "pod-0", None, lines=5, follow=False, previous=True)]
        assert dict(server.requests[-1].query) == {"tailLines": "5", "previous": "true"}


async def test_a_container_that_has_not_started() -> None:
    message = 'container "main" in pod "pod-0" is waiting to start: ContainerCreating'
    async with misbehaving() as server, session_to(server.url) as session:
        server.answer(anything, 400, status(400, "BadRequest", message))
        with pytest.raises(KubeError, match="waiting to start") as raised:
            _ = [line async for line in tail(session, "a", "pod-0", "main")]
        assert raised.value.kind is ErrorKind.INVALID


async def test_a_log_that_breaks_off() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.stream(anything, b"one\n", end="cut")
        found: list[str] = []
        with pytest.raises(KubeError) as raised:
            found.extend([line async for line in tail(session, "a", "pod-0", "main")])
        assert raised.value.kind is ErrorKind.UNREACHABLE
