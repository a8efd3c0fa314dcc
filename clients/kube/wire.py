"""The frames that Kubernetes wraps objects in: list pages, watch events, and who an object is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from clients.kube.errors import ErrorKind, KubeError, from_reply

__all__ = [
    "Event",
    "Page",
    "changed_object",
    "decode_event",
    "decode_page",
    "error_of",
    "identity",
    "version_of",
]


class _PageMeta(Struct, gc=False):
    version: str = msgspec.field(default="", name="resourceVersion")
    token: str = msgspec.field(default="", name="continue")
    remaining: int | None = msgspec.field(default=None, name="remainingItemCount")


class Page(Struct):
    """One page of a list; items stay bytes."""

    items: list[msgspec.Raw] | None = None
    metadata: _PageMeta = msgspec.field(default_factory=_PageMeta)


class Event(Struct, gc=False):
    """One line of a watch."""

    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Identity(Struct, gc=False):
    class Meta(Struct, gc=False):
        """Of any type: the object is one that could not be decoded."""

        uid: Any = None
        namespace: Any = None
        name: Any = None

    metadata: Meta | None = None


class _Version(Struct, gc=False):
    class Meta(Struct, gc=False):
        """Where in the history an object stands."""

        version: str = msgspec.field(default="", name="resourceVersion")

    metadata: Meta = msgspec.field(default_factory=Meta)


_page = msgspec.json.Decoder(Page).decode
_identity = msgspec.json.Decoder(_Identity).decode
_version = msgspec.json.Decoder(_Version).decode

_event = msgspec.json.Decoder(Event).decode


_ADDED = b'{"type":"ADDED","object":'
_MODIFIED = b'{"type":"MODIFIED","object":'


def changed_object(line: bytes) -> msgspec.Raw | None:
    """The unread object of a line that tells of a new or changed one, if written as kube-apiserver does.

    ``None`` for all other lines, which ``decode_event`` reads.
    """
    if line.startswith(_MODIFIED):
        return msgspec.Raw(line[len(_MODIFIED) : -2])
    if line.startswith(_ADDED):
        return msgspec.Raw(line[len(_ADDED) : -2])
    return None


def decode_event(line: bytes) -> Event:
    """A line of a watch; raises msgspec.MsgspecError."""
    try:
        return _event(line)
    except msgspec.MsgspecError:
        return _event(_mended(line))


def _mended(body: bytes) -> bytes:
    """JSON that only a lenient reader takes (half a surrogate pair, text that is not UTF-8) as strict JSON.

    One such string in one object would otherwise cost the whole page or stream. Raises
    msgspec.DecodeError for what is no JSON at all.
    """
    try:
        return json.dumps(json.loads(body.decode("utf-8", "replace")), ensure_ascii=False).encode(
            "utf-8", "replace"
        )
    except (ValueError, RecursionError):
        raise msgspec.DecodeError("not JSON") from None


def decode_page(body: bytes, what: str) -> Page:
    """A list's body; raises KubeError(kind=protocol) when it is no list (a proxy's page, half a document)."""
    try:
        page = _page(body)
    except msgspec.MsgspecError:
        try:
            page = _page(_mended(body))
        except msgspec.MsgspecError:
            page = None
    if page is None or not page.metadata.version:
        shown = "a web page" if body.lstrip()[:1] == b"<" else "something that is no Kubernetes list"
        raise KubeError(f"{what}: answered with {shown}", kind=ErrorKind.PROTOCOL, sent=True)
    return page


def version_of(raw: msgspec.Raw | bytes) -> str:
    """An object's resourceVersion; empty if it has none. Raises msgspec.MsgspecError."""
    return _version(raw).metadata.version


def identity(raw: msgspec.Raw | bytes) -> tuple[str, str]:
    """(uid, ``namespace/name``) of an object whose other fields may be anything; empty where not readable."""
    try:
        metadata = _identity(raw).metadata
    except (msgspec.MsgspecError, UnicodeDecodeError):
        metadata = None
    if metadata is None:
        return "", ""
    names = (name for name in (metadata.namespace, metadata.name) if isinstance(name, str) and name)
    return metadata.uid if isinstance(metadata.uid, str) else "", "/".join(names)


def error_of(raw: msgspec.Raw | bytes, what: str) -> KubeError:
    """The error that an ``ERROR`` event carries."""
    code = 500
    try:
        told = msgspec.json.decode(raw).get("code")
        code = told if isinstance(told, int) and 400 <= told < 600 else 500
    except (msgspec.MsgspecError, AttributeError):
        pass
    return from_reply(what, code, bytes(raw))
