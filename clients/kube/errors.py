"""What can go wrong between here and an API server, told in one plain line."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from clients.serving.backend import BackendError
from clients.serving.plain import plain

__all__ = ["Cause", "ConfigError", "ErrorKind", "KubeError", "StreamIdleError", "from_reply", "retry_after"]

LONGEST_RETRY_AFTER = 300.0
"""Seconds; a server that asks for more is asked again after this."""


class ErrorKind(StrEnum):
    """What a caller can do about it."""

    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    GONE = "gone"
    CONFLICT = "conflict"
    INVALID = "invalid"
    THROTTLED = "throttled"
    SERVER = "server"
    PROTOCOL = "protocol"
    CONFIG = "config"
    LOGIN = "login"


_LOST = frozenset(
    (
        ErrorKind.UNREACHABLE,
        ErrorKind.UNAUTHORIZED,
        ErrorKind.FORBIDDEN,
        ErrorKind.LOGIN,
        ErrorKind.THROTTLED,
    )
)


class Cause(Struct, frozen=True):
    """One entry of a Status' ``details.causes``."""

    reason: str = ""
    message: str = ""
    field: str = ""


class KubeError(BackendError):
    """What came to nothing at an API server, and of which kind that was."""

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind,
        status: int | None = None,
        reason: str | None = None,
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
        sent: bool = False,
    ) -> None:
        super().__init__(message, sent=sent, lost=kind in _LOST)
        self.kind = kind
        self.status = status
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after


class ConfigError(KubeError):
    """A connection that cannot be made as configured; the message names the file and the field."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind=ErrorKind.CONFIG)


class StreamIdleError(KubeError):
    """No byte on an open stream for as long as its caller allows."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no byte for {seconds:.0f} s", kind=ErrorKind.UNREACHABLE, sent=True)


_KINDS = {
    401: ErrorKind.UNAUTHORIZED,
    403: ErrorKind.FORBIDDEN,
    404: ErrorKind.NOT_FOUND,
    409: ErrorKind.CONFLICT,
    410: ErrorKind.GONE,
    429: ErrorKind.THROTTLED,
}


class _Status(Struct):
    """A ``meta/v1 Status``, every field as loose as a broken server may send it."""

    message: Any = None
    reason: Any = None
    details: Any = None
    code: Any = None


_decode_status = msgspec.json.Decoder(_Status).decode


def retry_after(value: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header; the date form is not used by API servers and reads as None."""
    try:
        seconds = float(value) if value is not None else None
    except ValueError:
        return None
    if seconds is None or not seconds >= 0:
        return None
    return min(seconds, LONGEST_RETRY_AFTER)


def _kind(code: int) -> ErrorKind:
    if code in _KINDS:
        return _KINDS[code]
    if code >= 500:
        return ErrorKind.SERVER
    return ErrorKind.INVALID if code >= 400 else ErrorKind.PROTOCOL


def _causes(details: Any) -> tuple[Cause, ...]:
    found = details.get("causes") if isinstance(details, dict) else None
    if not isinstance(found, list):
        return ()
    texts = ({key: plain(str(entry.get(key) or "")) for key in ("reason", "message", "field")}
             for entry in found if isinstance(entry, dict))  # fmt: skip
    return tuple(Cause(**text) for text in texts)


def from_reply(what: str, code: int, body: bytes, wait: str | None = None) -> KubeError:
    """The error that a reply with this HTTP status and body stands for.

    ``what`` says what was asked, for the line: ``GET /api/v1/pods``. ``wait`` is the Retry-After header.
    A body that is no Status (a proxy's HTML page, plain text, half a document) is not quoted.
    """
    try:
        status = _decode_status(body)
    except msgspec.MsgspecError:
        status = _Status()
    seconds = retry_after(wait)
    if isinstance(status.details, dict) and seconds is None:
        told = status.details.get("retryAfterSeconds")
        seconds = retry_after(str(told)) if told else None
    if isinstance(status.message, str) and status.message:
        line = f"{status.message} ({code})"
    else:
        line = f"{what}: the server answered {code} without saying why"
        if body.lstrip()[:1] == b"<":
            line = f"{what}: answered {code} with a web page; a proxy or gateway stands before the API server"
    return KubeError(
        line,
        kind=_kind(code),
        status=code,
        reason=status.reason if isinstance(status.reason, str) else None,
        causes=_causes(status.details),
        retry_after=seconds,
        sent=True,
    )
