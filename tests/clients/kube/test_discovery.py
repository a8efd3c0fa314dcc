"""Which versions and fields a server has, and single objects of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clients.kube.discovery import Served, collection, kthena_schema, serves
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.objects import read_object
from clients.kube.resources import ResourceSpec, Scope
from clients.kube.session import Session
from tests.support.kube import THINGS, session_to
from tests.support.misbehaving import GROUP, Misbehaving, misbehaving, status

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/modelservings.workload.serving.volcano.sh"
OPENAPI = "/openapi/v3/apis/workload.serving.volcano.sh/v1alpha1"
ROLE: dict[str, Any] = {"properties": {"partition": {}, "entryTemplate": {"properties": {"spec": {}}}}}
SCHEMA = {
    "properties": {
        "spec": {"properties": {"template": {"properties": {"roles": {"type": "array", "items": ROLE}}}}},
        "status": {"properties": {"currentRevision": {"type": "string"}}},
    }
}
FIELDS = {"spec.template.roles[].partition", "status.currentRevision"}


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as running:
        yield running


@pytest.fixture
async def session(server: Misbehaving) -> AsyncIterator[Session]:
    async with session_to(server.url) as opened:
        yield opened


def at(server: Misbehaving, path: str, body: Any, code: int = 200) -> None:
    server.answer(lambda request: request.path == path, code, json.dumps(body), times=None)


def spec(*versions: str, group: str = GROUP, plural: str = "things") -> ResourceSpec:
    return ResourceSpec("things", group, plural, "Thing", versions)


async def test_the_best_version_that_has_the_resource(server: Misbehaving, session: Session) -> None:
    assert await serves(session, spec("v1")) == Served("v1", f"/apis/{GROUP}/v1")
    at(server, f"/apis/{GROUP}/v2", {"resources": [{"name": "others"}]})
    assert await serves(session, spec("v3", "v2", "v1")) == Served("v1", f"/apis/{GROUP}/v1")
    assert await serves(session, spec("v3")) is None
    assert await serves(session, spec("v1", plural="nothings")) is None
    assert await serves(session, spec("v1", group="")) == Served("v1", "/api/v1")
    server.installed = False
    assert await serves(session, spec("v1")) is None


async def test_refused_discovery_takes_the_first_version(server: Misbehaving, session: Session) -> None:
    at(server, f"/apis/{GROUP}", status(403, "Forbidden"), 403)
    assert await serves(session, spec("v2", "v1")) == Served("v2", f"/apis/{GROUP}/v2")


async def test_discovery_that_cannot_be_read_is_an_error(server: Misbehaving, session: Session) -> None:
    server.answer(lambda request: request.path == f"/apis/{GROUP}", 200, "<html>")
    with pytest.raises(KubeError) as raised:
        await serves(session, spec("v1"))
    assert raised.value.kind is ErrorKind.PROTOCOL


def test_where_a_list_is_found() -> None:
    served = Served("v1", "/apis/g/v1")
    assert collection(served, THINGS, "a") == "/apis/g/v1/namespaces/a/things"
    assert collection(served, THINGS, None) == "/apis/g/v1/things"
    nodes = ResourceSpec("nodes", "", "nodes", "Node", ("v1",), scope=Scope.CLUSTER)
    assert collection(Served("v1", "/api/v1"), nodes, "a") == "/api/v1/nodes"


async def test_kthena_fields_by_definition(server: Misbehaving, session: Session) -> None:
    old = {"served": False, "schema": {"openAPIV3Schema": {"properties": {"old": {}}}}}
    at(server, CRD, {"spec": {"versions": [old, {"served": True, "schema": {"openAPIV3Schema": SCHEMA}}]}})
    fields = await kthena_schema(session)
    assert fields is not None
    assert fields >= FIELDS
    assert "old" not in fields


async def test_kthena_fields_by_openapi_for_those_who_may_not_read_definitions(
    server: Misbehaving, session: Session
) -> None:
    at(server, CRD, status(403, "Forbidden"), 403)
    at(server, "/openapi/v3", {"paths": {OPENAPI.removeprefix("/openapi/v3/"): {}}})
    kinds = [{"group": "workload.serving.volcano.sh", "kind": "ModelServing", "version": "v1alpha1"}]
    at(
        server,
        OPENAPI,
        {"components": {"schemas": {"x": {}, "y": {**SCHEMA, "x-kubernetes-group-version-kind": kinds}}}},
    )
    fields = await kthena_schema(session)
    assert fields is not None
    assert fields >= FIELDS


@pytest.mark.parametrize("body", [{}, [], {"spec": {"versions": "x"}}, {"paths": None}])
async def test_kthena_fields_of_a_server_that_has_none(
    server: Misbehaving, session: Session, body: Any
) -> None:
    at(server, CRD, body)
    assert await kthena_schema(session) is None
    at(server, "/openapi/v3", body)
    server.faults.pop(0)
    assert await kthena_schema(session) is None
    await server.stop()
    with pytest.raises(KubeError):
        await kthena_schema(session)


async def test_a_whole_object_without_its_managed_fields(server: Misbehaving, session: Session) -> None:
    path = f"/apis/{GROUP}/v1/namespaces/a/things/one"
    at(server, path, {"metadata": {"name": "one", "managedFields": [{}]}, "spec": {"x": 1}})
    assert await read_object(session, THINGS, "a", "one") == {"metadata": {"name": "one"}, "spec": {"x": 1}}
    whole = await read_object(session, THINGS, "a", "one", managed_fields=True)
    assert "managedFields" in whole["metadata"]
    at(server, f"/apis/{GROUP}/v1/namespaces/a/things/list", [])
    with pytest.raises(KubeError, match="answered with no object"):
        await read_object(session, THINGS, "a", "list")
    server.installed = False
    with pytest.raises(KubeError, match="not installed") as raised:
        await read_object(session, THINGS, "a", "one")
    assert raised.value.kind is ErrorKind.NOT_FOUND
