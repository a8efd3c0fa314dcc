"""What a request asks: its path, its options and the shape of answer it accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml
from aiohttp import web
from msgspec import Struct

from clients.embedded.apiserver.access import Attributes
from clients.embedded.apiserver.errors import ApiError, bad_request, unsupported_media_type
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.protobuf import MEDIA_TYPE, read_protobuf
from clients.embedded.apiserver.registry import Registry, Resource

__all__ = ["Accept", "Target", "body_object", "field_manager", "flag", "number", "read_accept", "resolve"]


class Target(Struct, frozen=True):
    """A resource path, taken apart."""

    resource: Resource
    version: str
    namespace: str | None
    name: str | None
    subresource: str | None
    rest: str
    """What follows a proxy subresource."""

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version`` as asked for."""
        return self.resource.api_version(self.version)

    def attributes(self, verb: str) -> Attributes:
        """What the right to do this is called."""
        namespace = self.namespace
        if self.resource.plural == "namespaces" and not self.resource.group:
            namespace = self.name
        return Attributes(
            verb, self.resource.group, self.resource.plural, self.subresource, namespace, self.name
        )


def resolve(registry: Registry, path: str) -> Target | None:
    """The target of ``/api/v1/…`` or ``/apis/group/version/…``; None if nothing like it is served.

    Raises ApiError 404 (a Status) for an unknown resource of the core group, as the real server does.
    """
    steps = [step for step in path.split("/") if step]
    if len(steps) >= 3 and steps[0] == "api":
        group, version, steps = "", steps[1], steps[2:]
    elif len(steps) >= 4 and steps[0] == "apis":
        group, version, steps = steps[1], steps[2], steps[3:]
    else:
        return None
    namespace = None
    if steps[0] == "namespaces" and len(steps) >= 3 and steps[2] not in ("status", "finalize"):
        namespace, steps = steps[1], steps[2:]
    resource = registry.find(group, version, steps[0])
    if resource is None:
        if not group and version == "v1":
            raise ApiError(404, "NotFound", "the server could not find the requested resource", details={})
        return None
    if namespace is not None and not resource.namespaced:
        return None
    name = steps[1] if len(steps) > 1 else None
    subresource = steps[2] if len(steps) > 2 else None
    if name is not None and resource.namespaced and namespace is None:
        return None
    rest = ""
    if subresource == "proxy":
        _, _, rest = path.partition(f"/{name}/proxy")
    elif len(steps) > 3:
        return None
    return Target(resource, version, namespace, name, subresource, rest)


class Accept(Struct, frozen=True):
    """The representation chosen from an Accept header."""

    kind: str | None = None
    """Table, PartialObjectMetadata(List), APIGroupDiscoveryList, or None for the object itself."""
    version: str = ""


_JSON = ("application/json", "*/*", "application/*")
_SHAPES = {
    "Table": "meta.k8s.io",
    "PartialObjectMetadata": "meta.k8s.io",
    "PartialObjectMetadataList": "meta.k8s.io",
    "APIGroupDiscoveryList": "apidiscovery.k8s.io",
}


def read_accept(header: str | None, *shapes: str) -> Accept:
    """The first acceptable range that is one of ``shapes`` or plain JSON. Raises ApiError 406 if none is."""
    if not header:
        return Accept()
    for offered in header.split(","):
        media, *parameters = (part.strip() for part in offered.split(";"))
        if media not in _JSON:
            continue
        told = dict(p.partition("=")[::2] for p in parameters)
        shape = told.get("as")
        if shape is None:
            return Accept()
        if shape in shapes and told.get("g") == _SHAPES[shape] and told.get("v") in ("v1", "v1beta1", "v2"):
            return Accept(shape, told["v"])
    accepted = "application/json, application/json;stream=watch"
    message = f"only the following media types are accepted: {accepted}"
    raise ApiError(406, "NotAcceptable", message)


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean option; ``1``, ``true``, ``True`` and the bare name are true."""
    return name in query and query[name].lower() not in ("0", "false")


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole-number option, None if absent. Raises ApiError 400."""
    text = query.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_request(f"invalid value for {name}: {text!r}") from None


def field_manager(request: web.Request) -> str:
    """Who writes: the option, or the first word of the user agent."""
    told = request.query.get("fieldManager")
    agent = told or request.headers.get("User-Agent", "").split("/")[0].strip()
    return (agent or "unknown")[:128]


async def body_object(request: web.Request, *, required: bool = True) -> Json:
    """The body as an object. Raises ApiError 415 for another format, 400 for what cannot be read."""
    if request.content_type == MEDIA_TYPE:
        return read_protobuf(await request.read())
    if request.content_type not in (
        "application/json",
        "application/yaml",
        "application/octet-stream",
        "text/plain",
    ):
        raise unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml"
        )
    raw = await request.read()
    if not raw.strip():
        if required:
            raise bad_request("the body of the request is empty")
        return {}
    found = parse_body(raw, as_yaml=request.content_type == "application/yaml")
    if not isinstance(found, dict):
        raise bad_request("the body of the request is not an object")
    return found


def parse_body(raw: bytes, *, as_yaml: bool = False) -> Any:
    """JSON, or YAML of one document. Raises ApiError 400."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not as_yaml:
            raise bad_request(f"error decoding request body: {error}") from None
    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding request body: {error}") from None
