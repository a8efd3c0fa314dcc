"""How an object is kept: encoded in parts, so that versions share what did not change.

A decoded pod holds some 40 KB, its JSON 5 to 8 KB. A status write keeps the bytes of ``spec``; an
unchanged part is found by comparing bytes, so a write that changes nothing is seen without a copy.
"""

from __future__ import annotations

from sys import intern
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import Json, at_path, decode, encode
from clients.embedded.apiserver.registry import Resource

__all__ = ["Record", "make_record"]

_EMPTY: dict[str, str] = {}


class Record(Struct, frozen=True, gc=False):
    """One version of one object. Everything is read-only and may be shared."""

    namespace: str
    """Empty for cluster-scoped objects."""
    name: str
    uid: str
    rv: int
    generation: int
    deleting: bool
    labels: dict[str, str]
    fields: tuple[str, ...]
    """Values of the resource's field selectors, in their order."""
    owners: tuple[str, ...]
    """Uids of the owners."""
    meta: bytes
    """metadata without resourceVersion."""
    spec: bytes | None
    status: bytes | None
    rest: bytes | None
    """Every other top-level field but kind and apiVersion, as one object."""

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)"""
        return (self.namespace, self.name)

    def body(self, head: bytes = b"{") -> bytes:
        """The object as JSON; ``head`` is ``{``, or an opened object that holds kind and apiVersion."""
        parts = [head, b'"metadata":{"resourceVersion":"', str(self.rv).encode(), b'",', self.meta[1:]]
        if self.spec is not None:
            parts += (b',"spec":', self.spec)
        if self.status is not None:
            parts += (b',"status":', self.status)
        if self.rest is not None:
            parts += (b",", self.rest[1:])
        else:
            parts.append(b"}")
        return b"".join(parts)

    def metadata(self) -> Json:
        """A fresh metadata."""
        meta: Json = decode(self.meta)
        meta["resourceVersion"] = str(self.rv)
        return meta

    def decode(self, kind: str, api_version: str) -> Json:
        """A fresh dict of the whole object."""
        obj: Json = {"kind": kind, "apiVersion": api_version, "metadata": self.metadata()}
        if self.spec is not None:
            obj["spec"] = decode(self.spec)
        if self.status is not None:
            obj["status"] = decode(self.status)
        if self.rest is not None:
            obj.update(decode(self.rest))
        return obj

    def same_content(self, other: Record) -> bool:
        """Whether nothing but version bookkeeping differs."""
        return (
            self.meta == other.meta
            and self.status == other.status
            and self.spec == other.spec
            and self.rest == other.rest
        )


_KNOWN = frozenset(("kind", "apiVersion", "metadata", "spec", "status"))


def make_record(resource: Resource, obj: Json, rv: int, previous: Record | None = None) -> Record:
    """Encodes ``obj``; parts equal to those of ``previous`` are shared with it."""
    metadata: Json = dict(obj["metadata"])
    metadata.pop("resourceVersion", None)
    meta = encode(metadata)
    spec = encode(obj["spec"]) if obj.get("spec") is not None else None
    status = encode(obj["status"]) if obj.get("status") is not None else None
    more = {k: v for k, v in obj.items() if k not in _KNOWN}
    rest = encode(more) if more else None
    labels = metadata.get("labels") or _EMPTY
    owners = tuple(o.get("uid", "") for o in metadata.get("ownerReferences") or ())
    if previous is not None:
        meta = previous.meta if meta == previous.meta else meta
        spec = previous.spec if spec == previous.spec else spec
        status = previous.status if status == previous.status else status
        rest = previous.rest if rest == previous.rest else rest
        owners = previous.owners if owners == previous.owners else owners
    if previous is not None and labels == previous.labels:
        labels = previous.labels
    elif labels is not _EMPTY:
        labels = {intern(str(k)): intern(str(v)) for k, v in labels.items()}
    return Record(
        namespace=intern(metadata.get("namespace") or ""),
        name=previous.name if previous is not None else metadata["name"],
        uid=previous.uid if previous is not None else metadata["uid"],
        rv=rv,
        generation=metadata.get("generation") or 0,
        deleting="deletionTimestamp" in metadata,
        labels=labels,
        fields=tuple([intern(_field_text(at_path(obj, path))) for path in resource.fields.values()]),
        owners=owners,
        meta=meta,
        spec=spec,
        status=status,
        rest=rest,
    )


def _field_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
