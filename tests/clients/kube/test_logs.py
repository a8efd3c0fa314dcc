"""Container logs as they are printed."""

from __future__ import annotations

import pytest

from clients.kube.errors import ErrorKind, KubeError
from clients.kube.logs import Container, containers, tail
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


async def test_a_pods_containers_begin_with_the_one_its_logs_are_about() -> None:
    pod = {
        "metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "engine"}},
        "spec": {
            "initContainers": [{"name": "model"}],
            "containers": [{"name": "proxy"}, {"name": "engine"}],
        },
        "status": {
            "initContainerStatuses": [{"name": "model", "state": {"terminated": {"reason": "Completed"}}}],
            "containerStatuses": [
                {"name": "engine", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                {"name": "proxy", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}},
            ],
        },
    }
    async with misbehaving() as server, session_to(server.url) as session:
        server.answer(anything, 200, {"items": [pod]})
        assert await containers(session, "a", "pod-0") == (
            Container("engine", state="waiting: CrashLoopBackOff", restarts=4),
            Container("proxy", state="running"),
            Container("model", init=True, state="terminated: Completed"),
        )
        assert server.requests[-1].path == "/api/v1/namespaces/a/pods"
        assert dict(server.requests[-1].query) == {"fieldSelector": "metadata.name=pod-0"}


async def test_an_odd_pod_has_no_containers_that_are_known_and_one_that_is_gone_is_said() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.answer(anything, 200, {"items": [{"spec": {"containers": [1, {"name": 2}]}}]})
        assert await containers(session, "a", "pod-0") == ()
        for body in ("null", "[]", '{"items": []}'):
            server.answer(anything, 200, body)
            with pytest.raises(KubeError, match="pod-0 is gone"):
                await containers(session, "a", "pod-0")
