"""EXO2-HMAC-SHA256, the signature of Exoscale's API v2.

As egoscale v3.1.42 and requests-exoscale-auth 1.1.2 make it. An old page reads as if the message were encoded
in base64 before it is signed; neither does that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter

from clients.exoscale.credentials import Credentials
from clients.managed.calls import Request

__all__ = ["LIFETIME", "SCHEME", "authorization", "message", "signature"]

SCHEME = "EXO2-HMAC-SHA256"
LIFETIME = 600
"""Seconds that a signature is good for, as in Exoscale's own SDKs."""


def _signed_arguments(request: Request) -> list[tuple[str, str]]:
    """Names that occur once, in order; others are not covered by the signature."""
    times = Counter(name for name, _ in request.query)
    return sorted((name, value) for name, value in request.query if times[name] == 1)


def message(request: Request, expires: int) -> bytes:
    """What is signed: method and path, body, query values, no headers, and when it expires."""
    values = "".join(value for _, value in _signed_arguments(request))
    parts = (f"{request.method} {request.path}".encode(), request.body or b"", values.encode(), b"",
             str(expires).encode())  # fmt: skip
    return b"\n".join(parts)


def signature(secret: str, text: bytes) -> str:
    """In base64."""
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode("ascii")


def authorization(credentials: Credentials, request: Request, expires: int) -> str:
    """The value of the header ``Authorization``; ``expires`` is in UTC seconds."""
    parts = [f"credential={credentials.key.reveal()}"]
    names = [name for name, _ in _signed_arguments(request)]
    if names:
        parts.append(f"signed-query-args={';'.join(names)}")
    parts.append(f"expires={expires}")
    signed = signature(credentials.secret.reveal(), message(request, expires))
    return f"{SCHEME} {','.join(parts)},signature={signed}"
