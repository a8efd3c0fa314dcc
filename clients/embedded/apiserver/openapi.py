"""OpenAPI documents: enough for ``kubectl apply`` to leave validation to the server and to patch rightly."""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.registry import Registry, Resource

__all__ = ["document_v2", "document_v3", "index_v3"]

_INFO: Json = {"title": "Kubernetes", "version": "v1.36.0"}
_OPTIONS = ("dryRun", "fieldManager", "fieldValidation")
# Strategic merge is left out although built-in kinds take it: kubectl would then look for merge keys in
# these schemas instead of in the types that it knows.
_WRITES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")


def _paths_of(registry: Registry) -> dict[str, tuple[str, str]]:
    """Document path → (group, version)."""
    return {
        (f"apis/{group}/{version}" if group else f"api/{version}"): (group, version)
        for group, versions in registry.groups().items()
        for version in versions
    }


def index_v3(registry: Registry) -> Json:
    """``/openapi/v3``"""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={registry.revision:08X}"}
            for path in _paths_of(registry)
        }
    }


def _schema_name(resource: Resource, version: str) -> str:
    reverse = (
        ".".join(reversed(resource.group.split(".")))
        if "." in resource.group
        else (f"io.k8s.api.{resource.group or 'core'}")
    )
    return f"{reverse}.{version}.{resource.kind}"


def _kind(resource: Resource, version: str) -> Json:
    return {"group": resource.group, "version": version, "kind": resource.kind}


def _schema(resource: Resource, version: str) -> Json:
    schema: Json = dict(resource.schemas.get(version) or {"type": "object"})
    if not resource.custom:
        schema["x-kubernetes-preserve-unknown-fields"] = True
    schema["x-kubernetes-group-version-kind"] = [_kind(resource, version)]
    return schema


def _place(resource: Resource, version: str) -> str:
    root = f"/apis/{resource.group}/{version}" if resource.group else f"/api/{version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"{root}{scope}/{resource.plural}"


def document_v3(registry: Registry, path: str) -> Json | None:
    """``/openapi/v3/{path}``; None if nothing is served there."""
    found = _paths_of(registry).get(path)
    if found is None:
        return None
    group, version = found
    paths: Json = {}
    schemas: Json = {}
    for resource in registry.of_version(group, version):
        name = _schema_name(resource, version)
        schemas[name] = _schema(resource, version)
        options = [{"name": o, "in": "query", "schema": {"type": "string"}} for o in _OPTIONS]
        content = {"schema": {"$ref": f"#/components/schemas/{name}"}}
        answer = {"200": {"description": "OK", "content": {"application/json": content}}}

        def operation(action: str, types: tuple[str, ...] = (), told: Any = None, **more: Any) -> Json:
            made: Json = {"responses": told, "x-kubernetes-action": action, **more}
            if types:
                made["requestBody"] = {"content": {t: {"schema": {"type": "object"}} for t in types}}
            return made

        kind = {"x-kubernetes-group-version-kind": _kind(resource, version)}
        place = _place(resource, version)
        if "create" in resource.verbs:
            paths[place] = {
                "post": operation("post", ("application/json",), answer, parameters=options, **kind)
            }
        if "patch" in resource.verbs:
            paths[place + "/{name}"] = {
                "get": operation("get", (), answer, **kind),
                "put": operation("put", ("application/json",), answer, parameters=options, **kind),
                "patch": operation("patch", _WRITES, answer, parameters=options, **kind),
                "delete": operation("delete", (), answer, **kind),
            }
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}}


def document_v2(registry: Registry) -> Json:
    """``/openapi/v2``"""
    definitions: Json = {}
    paths: Json = {}
    for resource in registry:
        for version in resource.versions:
            definitions[_schema_name(resource, version)] = _schema(resource, version)
            parameters = [{"name": o, "in": "query", "type": "string"} for o in _OPTIONS]
            kind = {"x-kubernetes-group-version-kind": _kind(resource, version)}
            told = {"200": {"description": "OK"}}
            paths[_place(resource, version) + "/{name}"] = {
                "patch": {"responses": told, "parameters": parameters, **kind}
            }
    return {"swagger": "2.0", "info": _INFO, "paths": paths, "definitions": definitions}
