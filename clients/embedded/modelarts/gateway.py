"""What stands before the service: it checks the signature SDK-HMAC-SHA256 and the age of the request.

Written from the vendor's description and apart from the client's own signer, so that neither hides a
mistake of the other.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping
from time import strptime
from urllib.parse import quote

from aiohttp import web
from msgspec import Struct

__all__ = ["Account", "objection"]

_SKEW = 15 * 60
_FORM = re.compile(r"SDK-HMAC-SHA256 Access=([^,]+), SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})")
_NEEDED = frozenset(("host", "x-sdk-date"))


class Account(Struct, frozen=True):
    """The one that may call."""

    access: str = "EMBEDDEDAK"
    secret: str = "embedded-secret-key"
    project: str = "0123456789abcdef0123456789abcdef"
    security_token: str | None = None
    """Where its key is a temporary one."""


def objection(request: web.Request, body: bytes, account: Account, now: float) -> str | None:
    """Why the request is not let in, as the gateway says it; ``None`` if it is."""
    form = _FORM.fullmatch(request.headers.get("Authorization", ""))
    if form is None:
        return "Incorrect IAM authentication information: Authorization format is incorrect"
    access, names, signature = form.groups()
    told = {name.lower(): value for name, value in request.headers.items()}
    signed = names.split(";")
    if access != account.access:
        return "Incorrect IAM authentication information: Get secretKey failed"
    if not set(signed) >= _NEEDED or not all(name in told for name in signed):
        return "Incorrect IAM authentication information: SignedHeaders is incorrect"
    try:
        sent = timegm(strptime(told["x-sdk-date"], "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return "Incorrect IAM authentication information: x-sdk-date is incorrect"
    if abs(sent - now) > _SKEW:
        return "Incorrect IAM authentication information: signature expired"
    if told.get("x-security-token") != account.security_token:
        return "Incorrect IAM authentication information: security token is incorrect"
    if not hmac.compare_digest(_signature(request, body, told, signed, account.secret), signature):
        return "Incorrect IAM authentication information: verify aksk signature fail"
    return None


def _signature(
    request: web.Request, body: bytes, told: Mapping[str, str], signed: list[str], secret: str
) -> str:
    path = quote(request.path, safe="/~")
    pairs = sorted(request.query.items())
    lines = [
        request.method,
        path if path.endswith("/") else path + "/",
        "&".join(quote(name, safe="~") + "=" + quote(value, safe="~") for name, value in pairs),
        *(f"{name}:{told[name].strip()}" for name in signed),
        "",
        ";".join(signed),
        hashlib.sha256(body).hexdigest(),
    ]
    text = "SDK-HMAC-SHA256\n" + told["x-sdk-date"] + "\n"
    text += hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()
