"""What can go wrong with one request, each kind by its own name."""

from __future__ import annotations

import errno
from enum import StrEnum

import aiohttp

__all__ = ["ErrorKind", "kind_of", "late_kind", "status_kind"]


class ErrorKind(StrEnum):
    """Kinds of failure. Answers with a status other than 2xx are ``http 429``, ``http 503`` and so on."""

    DNS = "no such host"
    REFUSED = "connect refused"
    UNREACHABLE = "connect failed"
    CONNECT_TIMEOUT = "connect timeout"
    TLS = "tls"
    NO_SOCKET = "no socket here"
    """This machine ran out of ports or open files: the generator's fault, not the server's."""
    RESET = "reset"
    """The connection ended before the answer began."""
    TIMEOUT = "timeout"
    """No answer began within ``timeout_s``."""
    TIMEOUT_MIDWAY = "timeout mid-answer"
    """An answer began and did not end within ``timeout_s``."""
    CUT = "cut mid-answer"
    """The connection ended within an answer."""
    HALF_EVENT = "half event"
    """The stream ended within an event."""
    ENDED_EARLY = "ended early"
    """The stream ended between events, with neither ``[DONE]`` nor a finish reason."""
    ERROR_EVENT = "error event"
    """The stream carried an error."""
    OVERSIZED = "oversized event"
    BAD_ANSWER = "bad answer"
    """No HTTP, or no JSON where the protocol has it."""


_HERE = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS}


def status_kind(status: int) -> str:
    """The kind of an answer's status."""
    return f"http {status}"


def late_kind(*, connecting: bool, begun: bool) -> ErrorKind:
    """The kind of what did not end within ``timeout_s``; ``begun`` says that the answer's head was read."""
    if connecting:
        return ErrorKind.CONNECT_TIMEOUT
    return ErrorKind.TIMEOUT_MIDWAY if begun else ErrorKind.TIMEOUT


def kind_of(error: Exception, *, begun: bool) -> ErrorKind | None:
    """The kind of an exception of aiohttp's client; ``begun`` says that the answer's head was read.

    ``None`` of exceptions that are no failure of the network.
    """
    match error:
        case aiohttp.ClientConnectorDNSError():
            return ErrorKind.DNS
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return ErrorKind.TLS
        case aiohttp.ClientConnectorError() if error.os_error.errno in _HERE:
            return ErrorKind.NO_SOCKET
        case aiohttp.ClientConnectorError() if error.os_error.errno == errno.ECONNREFUSED:
            return ErrorKind.REFUSED
        case aiohttp.ClientConnectorError():
            return ErrorKind.UNREACHABLE
        case aiohttp.ClientResponseError() | aiohttp.InvalidURL() | ValueError():
            return ErrorKind.BAD_ANSWER
        case aiohttp.ClientError() | OSError():
            return ErrorKind.CUT if begun else ErrorKind.RESET
    return None
