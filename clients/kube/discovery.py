"""What a cluster serves: which version of a resource, and which fields its schema knows."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from clients.kube.errors import ErrorKind, KubeError
from clients.kube.kthena_order import schema_fields
from clients.kube.resources import ResourceSpec, Scope, in_path
from clients.kube.session import Session

__all__ = ["Served", "collection", "kthena_schema", "serves"]

KTHENA_GROUP = "workload.serving.volcano.sh"
KTHENA_PLURAL = "modelservings"


class Served(Struct, frozen=True):
    """Where a resource is found."""

    version: str
    path: str
    """``/apis/GROUP/VERSION`` or ``/api/v1``."""


class _Resource(Struct):
    name: str = ""


class _Resources(Struct):
    resources: list[_Resource] | None = None


class _GroupVersion(Struct):
    version: str = ""


class _Group(Struct):
    versions: list[_GroupVersion] | None = None


async def serves(session: Session, spec: ResourceSpec) -> Served | None:
    """The first of the resource's versions that the server has; None if it is not installed.

    Raises KubeError when the server cannot say. A server that refuses discovery (rare: every
    authenticated user may, by default) is taken to have the first version.
    """
    if not spec.group:
        return Served("v1", "/api/v1")
    base = f"/apis/{spec.group}"
    try:
        group = msgspec.json.decode(await session.get(base), type=_Group)
        offered = {entry.version for entry in group.versions or ()}
        for version in spec.versions:
            if version not in offered:
                continue
            body = await session.get(f"{base}/{version}")
            found = msgspec.json.decode(body, type=_Resources)
            if any(resource.name == spec.plural for resource in found.resources or ()):
                return Served(version, f"{base}/{version}")
    except msgspec.MsgspecError:
        raise KubeError(
            f"GET {base}: answered with no API group", kind=ErrorKind.PROTOCOL, sent=True
        ) from None
    except KubeError as error:
        if error.kind is ErrorKind.NOT_FOUND:
            return None
        if error.kind is ErrorKind.FORBIDDEN:
            return Served(spec.versions[0], f"{base}/{spec.versions[0]}")
        raise
    return None


def collection(served: Served, spec: ResourceSpec, namespace: str | None) -> str:
    """The path of a resource's list, in one namespace or in all."""
    inside = f"/namespaces/{in_path(namespace)}" if namespace and spec.scope is Scope.NAMESPACED else ""
    return f"{served.path}{inside}/{spec.plural}"


async def kthena_schema(session: Session) -> frozenset[str] | None:
    """The field paths of the served ModelServing, by which Kthena's version is told; None if not installed.

    The paths are those of ``kthena_order.schema_fields``. Read from the CustomResourceDefinition, or from
    OpenAPI v3 by those who may not read that. Raises KubeError when the server cannot be reached.
    """
    try:
        name = f"{KTHENA_PLURAL}.{KTHENA_GROUP}"
        body = await session.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
        return _fields(_crd_schema(msgspec.json.decode(body)))
    except KubeError as error:
        if error.status is None:
            raise
    except msgspec.MsgspecError:
        pass
    try:
        root = msgspec.json.decode(await session.get("/openapi/v3"))
        path = f"apis/{KTHENA_GROUP}/v1alpha1"
        if not isinstance(root, dict) or path not in (root.get("paths") or {}):
            return None
        document = msgspec.json.decode(await session.get(f"/openapi/v3/{path}"))
        return _fields(_openapi_schema(document))
    except msgspec.MsgspecError:
        return None
    except KubeError as error:
        if error.status is None:
            raise
        return None


def _crd_schema(crd: Any) -> Any:
    """``openAPIV3Schema`` of the first served version."""
    versions = _at(crd, "spec", "versions")
    for version in versions if isinstance(versions, list) else ():
        if _at(version, "served") is True:
            return _at(version, "schema", "openAPIV3Schema")
    return None


def _openapi_schema(document: Any) -> Any:
    """The schema that carries ``x-kubernetes-group-version-kind`` of ModelServing."""
    schemas = _at(document, "components", "schemas")
    for schema in schemas.values() if isinstance(schemas, dict) else ():
        kinds = _at(schema, "x-kubernetes-group-version-kind")
        if isinstance(kinds, list) and any(_at(kind, "kind") == "ModelServing" for kind in kinds):
            return schema
    return None


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _fields(schema: Any) -> frozenset[str] | None:
    return (schema_fields(schema) or None) if isinstance(schema, dict) else None
