"""How one served resource shows its records: whole, as list items, as metadata only."""

from __future__ import annotations

from functools import lru_cache

from clients.embedded.apiserver.eventview import to_new_shape
from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.apiserver.records import Record
from clients.embedded.apiserver.registry import Resource

__all__ = ["View", "opened"]

_PARTIAL = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",'


@lru_cache(maxsize=256)
def opened(kind: str, api_version: str) -> bytes:
    """An object opened with its kind and apiVersion, to be followed by more fields."""
    return encode({"kind": kind, "apiVersion": api_version})[:-1] + b","


class View:
    """A resource in one of its versions."""

    def __init__(self, resource: Resource, version: str) -> None:
        self.resource = resource
        self.version = version
        self.api_version = resource.api_version(version)
        self.kind = resource.kind
        self.key = resource.view_of or resource.key
        """Where the store keeps the objects."""
        self._head = opened(self.kind, self.api_version)
        self._item_head = self._head if resource.custom else b"{"

    def obj(self, record: Record) -> Json:
        """A fresh dict."""
        obj = record.decode(self.kind, self.api_version)
        return obj if self.resource.view_of is None else to_new_shape(obj)

    def from_stored(self, obj: Json) -> Json:
        """An object as it is kept, in this version's shape."""
        obj = {**obj, "kind": self.kind, "apiVersion": self.api_version}
        return obj if self.resource.view_of is None else to_new_shape(obj)

    def whole(self, record: Record) -> bytes:
        """The object with kind and apiVersion."""
        if self.resource.view_of is not None:
            return encode(self.obj(record))
        return record.body(self._head)

    def item(self, record: Record) -> bytes:
        """The object as a list holds it: built-in kinds leave out kind and apiVersion."""
        if self.resource.view_of is not None:
            obj = self.obj(record)
            del obj["kind"], obj["apiVersion"]
            return encode(obj)
        return record.body(self._item_head)

    def partial(self, record: Record) -> bytes:
        """Its metadata alone."""
        return b"".join(
            (
                _PARTIAL,
                b'"metadata":{"resourceVersion":"',
                str(record.rv).encode(),
                b'",',
                record.meta[1:],
                b"}",
            )
        )
