"""Checks the signature EXO2-HMAC-SHA256 and its expiry.

Written from the description of the scheme and apart from the client's own signing, so that neither hides a
mistake of the other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from aiohttp import web
from msgspec import Struct

__all__ = ["Account", "objection"]

_FORM = re.compile(
    r"EXO2-HMAC-SHA256 credential=(?P<key>[^,]+)(?:,signed-query-args=(?P<names>[^,]+))?"
    r",expires=(?P<expires>\d+),signature=(?P<signature>[A-Za-z0-9+/]+=*)"
)


class Account(Struct, frozen=True):
    """The one that may call."""

    key: str = "EXOembeddedembeddedembedded"
    secret: str = "embedded-secret-embedded-secret-embedded-se"


def objection(request: web.Request, body: bytes, account: Account, now: float) -> str | None:
    """Why the request is not let in; ``None`` if it is."""
    form = _FORM.fullmatch(request.headers.get("Authorization", ""))
    if form is None:
        return "Missing or malformed signature"
    if form["key"] != account.key:
        return "Invalid API key"
    if int(form["expires"]) < now:
        return "Signature expired"
    names = (form["names"] or "").split(";") if form["names"] else []
    once = sorted(name for name in set(request.query) if len(request.query.getall(name)) == 1)
    if names != once:
        return "Query arguments are not signed"
    text = "\n".join(
        (
            f"{request.method} {request.raw_path.partition('?')[0]}",
            body.decode("utf-8", "surrogateescape"),
            "".join(request.query[name] for name in names),
            "",
            form["expires"],
        )
    )
    signed = hmac.digest(account.secret.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256)
    if not hmac.compare_digest(base64.b64encode(signed).decode(), form["signature"]):
        return "Invalid signature"
    return None
