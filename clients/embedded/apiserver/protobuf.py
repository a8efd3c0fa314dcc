"""Bodies in Kubernetes' protobuf: kubectl sends so what it creates by a command, and what it asks of rights.

Read are the kinds of such commands, by the field numbers of their ``generated.proto`` (1.37). Field numbers
that are not named here are passed over, and an empty text means absent, as it does in the Go structs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from clients.embedded.apiserver.errors import ApiError, bad_request, unsupported_media_type
from clients.embedded.apiserver.objects import Json

__all__ = ["MEDIA_TYPE", "read_protobuf"]

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _Field(NamedTuple):
    """A field: a text unless it has fields of its own."""

    name: str
    below: dict[int, _Field] | None = None
    many: bool = False
    keyed: bool = False
    """A map of texts."""


def _texts(*names: str) -> dict[int, _Field]:
    return {number: _Field(name) for number, name in enumerate(names, 1)}


_META = _texts("name", "generateName", "namespace") | {
    11: _Field("labels", keyed=True),
    12: _Field("annotations", keyed=True),
}
_NAMED = {1: _Field("metadata", _META)}
_RULE = {
    number: _Field(name, many=True)
    for number, name in enumerate(("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"), 1)
}
_ROLE = _NAMED | {2: _Field("rules", _RULE, many=True)}
_BINDING = _NAMED | {
    2: _Field("subjects", _texts("kind", "apiGroup", "name", "namespace"), many=True),
    3: _Field("roleRef", _texts("apiGroup", "kind", "name")),
}
_ACCESS = {
    1: _Field(
        "resourceAttributes",
        _texts("namespace", "verb", "group", "version", "resource", "subresource", "name"),
    ),
    2: _Field("nonResourceAttributes", _texts("path", "verb")),
}
_KINDS: dict[str, dict[int, _Field]] = {
    "Namespace": _NAMED,
    "ServiceAccount": _NAMED,
    "ConfigMap": _NAMED | {2: _Field("data", keyed=True)},
    "Role": _ROLE,
    "ClusterRole": _ROLE,
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "SelfSubjectReview": _NAMED,
    "SelfSubjectAccessReview": _NAMED | {2: _Field("spec", _ACCESS)},
    "SelfSubjectRulesReview": _NAMED | {2: _Field("spec", _texts("namespace"))},
}
_UNKNOWN = {1: _Field("typeMeta", _texts("apiVersion", "kind"))}
_RAW = 2


def read_protobuf(data: bytes) -> Json:
    """The object in a body. Raises ApiError 415 for a kind that is not read, 400 for what cannot be."""
    if not data.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix k8s")
    envelope = data[len(_MAGIC) :]
    head: Json = _message(envelope, _UNKNOWN).get("typeMeta") or {}
    kind = head.get("kind", "")
    fields = _KINDS.get(kind)
    if fields is None:
        raise unsupported_media_type(f"this server reads {kind or 'this'} in JSON and YAML, not in protobuf")
    raw = b"".join(value for number, value in _fields(envelope) if number == _RAW)
    return {**head, **_message(raw, fields)}


def _message(data: bytes, fields: dict[int, _Field]) -> Json:
    made: Json = {}
    for number, value in _fields(data):
        field = fields.get(number)
        if field is None:
            continue
        if field.keyed:
            entry = _message(value, _texts("key", "value"))
            made.setdefault(field.name, {})[entry.get("key", "")] = entry.get("value", "")
            continue
        told: Any = _text(value) if field.below is None else _message(value, field.below)
        if field.many:
            made.setdefault(field.name, []).append(told)
        elif told != "":
            made[field.name] = told
    return made


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _broken() from None


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, content) of the fields that have content; plain numbers are none that is read here."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            _, at = _varint(data, at)
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise _broken()
        if at + length > len(data):
            raise _broken()
        if wire == _BYTES:
            yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
        shift += 7
    raise _broken()


def _broken() -> ApiError:
    return bad_request("error decoding request body: proto: illegal wireType or unexpected EOF")
