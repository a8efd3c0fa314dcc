"""The client against the embedded cluster's API server, with the decoders that the product uses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from clients.embedded.accounts import namespace_account, viewer_account
from clients.embedded.api import make_app, serve
from clients.embedded.apiserver.access import Identity
from clients.kube import decode
from clients.kube.access import Access
from clients.kube.discovery import kthena_schema
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.kthena_order import from_schema
from clients.kube.objects import read_object
from clients.kube.reflector import Reflector
from clients.kube.resources import ResourceSpec, Scope
from clients.kube.session import Session
from clients.serving.sources import SourceState, SourceStatus
from tests.support.kube import SHORT, session_to, until
from tests.support.simworld import NAMESPACE, World

GROUP = "workload.serving.volcano.sh"
PODS = ResourceSpec("pods", "", "pods", "Pod", ("v1",), required=True)
SERVINGS = ResourceSpec("ms", GROUP, "modelservings", "ModelServing", ("v1alpha1",), required=True)
NODES = ResourceSpec("nodes", "", "nodes", "Node", ("v1",), scope=Scope.CLUSTER)
SERVING = f"/apis/{GROUP}/v1alpha1/namespaces/{NAMESPACE}/modelservings/chat"


class Embedded:
    """A simulated cluster behind a real port."""

    def __init__(self) -> None:
        self.world = World().grown(groups=3)
        self.port = 0
        self._stop: Callable[[], Any] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        store = self.world.store
        identity = Identity({"viewer": viewer_account(store), "ns": namespace_account(store, NAMESPACE)})
        app = make_app(self.world.store, identity=identity, clock_rate=lambda: 20.0, bookmark_seconds=0.05)
        runner, self.port = await serve(app, self.port)
        self._stop = runner.cleanup

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()
            self._stop = None

    async def truth(self, path: str) -> set[tuple[str, str]]:
        """(uid, resourceVersion) of every object of a list."""
        async with session_to(self.url) as admin:
            items = json.loads(await admin.get(path))["items"]
        return {(item["metadata"]["uid"], item["metadata"]["name"]) for item in items}


class Mirror:
    """A sink that keeps names by the calls alone."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.replacements = 0

    def replaced(self, rows: Mapping[str, Any]) -> None:
        self.names = {uid: row.name for uid, row in rows.items()}
        self.replacements += 1

    def changed(self, row: Any) -> None:
        self.names[row.uid] = row.name

    def removed(self, row: Any) -> None:
        del self.names[row.uid]

    def status_changed(self, status: SourceStatus) -> None:
        pass

    def agrees(self, truth: set[tuple[str, str]]) -> bool:
        return set(self.names.items()) == truth


@asynccontextmanager
async def mirroring(
    session: Session, spec: ResourceSpec, decoder: Callable[[msgspec.Raw], Any]
) -> AsyncIterator[tuple[Reflector[Any], Mirror]]:
    mirror = Mirror()
    timing = msgspec.structs.replace(SHORT, page=4)
    reflector: Reflector[Any] = Reflector(
        session, spec, decode=decoder, sink=mirror, namespaces=None, gate=asyncio.Semaphore(2), timing=timing
    )
    task = asyncio.ensure_future(reflector.run())
    try:
        yield reflector, mirror
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def embedded() -> AsyncIterator[Embedded]:
    running = Embedded()
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


async def follow(embedded: Embedded, mirror: Mirror, path: str = "/api/v1/pods") -> None:
    """Waits until the mirror shows what the server has now."""
    truth = await embedded.truth(path)
    await until(lambda: mirror.agrees(truth))


async def test_pods_are_mirrored_through_a_scale_and_a_restart(embedded: Embedded) -> None:
    async with (
        session_to(embedded.url) as session,
        mirroring(session, PODS, decode.pod) as (reflector, mirror),
    ):
        await follow(embedded, mirror)
        before = len(mirror.names)
        patch = [{"op": "replace", "path": "/spec/replicas", "value": 5}]
        await session.send("PATCH", SERVING, body=patch, content_type="application/json-patch+json")
        embedded.world.cluster.run_for(300)
        await follow(embedded, mirror)
        assert len(mirror.names) > before

        await embedded.stop()
        patch[0]["value"] = 1
        await until(lambda: reflector.status.state is SourceState.STALE)
        await embedded.start()
        await session.send("PATCH", SERVING, body=patch, content_type="application/json-patch+json")
        embedded.world.cluster.run_for(300)
        await follow(embedded, mirror)
        assert len(mirror.names) < before
        assert mirror.replacements == 1, "read once, resumed by the watch"


async def test_another_cluster_under_the_same_address_is_read_anew(embedded: Embedded) -> None:
    async with session_to(embedded.url) as session, mirroring(session, PODS, decode.pod) as (_, mirror):
        await follow(embedded, mirror)
        patch = [{"op": "replace", "path": "/spec/replicas", "value": 6}]
        await session.send("PATCH", SERVING, body=patch, content_type="application/json-patch+json")
        embedded.world.cluster.run_for(300)
        await follow(embedded, mirror)
        await embedded.stop()
        embedded.world = World().grown(groups=1)
        await embedded.start()
        await follow(embedded, mirror)
        assert mirror.replacements == 2


async def test_other_resources(embedded: Embedded) -> None:
    async with session_to(embedded.url) as session:
        async with mirroring(session, SERVINGS, decode.model_serving) as (_, servings):
            async with mirroring(session, NODES, decode.node) as (_, nodes):
                await follow(embedded, servings, SERVING.removesuffix("/chat"))
                await follow(embedded, nodes, "/api/v1/nodes")
                assert len(nodes.names) == 8


async def test_a_user_of_one_namespace_sees_it_and_nothing_else(embedded: Embedded) -> None:
    async with session_to(embedded.url, token="ns", namespace=NAMESPACE) as session:
        async with mirroring(session, PODS, decode.pod) as (reflector, mirror):
            truth = await embedded.truth(f"/api/v1/namespaces/{NAMESPACE}/pods")
            await until(lambda: mirror.agrees(truth))
            assert reflector.status.state is SourceState.LIVE
            assert f"only namespace {NAMESPACE}" in (reflector.status.detail or "")
        async with mirroring(session, NODES, decode.node) as (reflector, _):
            await until(lambda: reflector.status.state is SourceState.DENIED)
            assert "nodes" in (reflector.status.detail or "")


async def test_rights_are_told_as_they_are(embedded: Embedded) -> None:
    expected = {"viewer": False, "ns": True, None: True}
    for token, allowed in expected.items():
        async with session_to(embedded.url, token=token) as session:
            right = await Access(session).can("patch", GROUP, "modelservings", NAMESPACE, "scale")
            assert right.allowed is allowed
    async with session_to(embedded.url, token="nobody") as session:
        with pytest.raises(KubeError) as raised:
            await session.get("/api/v1/pods")
        assert raised.value.kind is ErrorKind.UNAUTHORIZED


async def test_version_clock_and_objects(embedded: Embedded) -> None:
    async with session_to(embedded.url) as session:
        assert await session.identify()
        assert session.clock.rate == 20.0
        assert abs(session.clock.now() - embedded.world.cluster.clock.now()) < 60
        fields = await kthena_schema(session)
        assert fields is not None
        assert from_schema(fields) == "head"
        found = await read_object(session, SERVINGS, NAMESPACE, "chat")
        assert found["spec"]["replicas"] == 3
        assert "managedFields" not in found["metadata"]
