"""Huawei Cloud's request signature SDK-HMAC-SHA256, as ``huaweicloudsdkcore`` 3.1.219 makes it.

The gateway takes it for 15 minutes around the time it carries; every try of a request is signed anew.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from clients.managed.calls import Request
from clients.modelarts.credentials import AccessKey

__all__ = ["signed_headers"]

_ALGORITHM = "SDK-HMAC-SHA256"
_TYPED = {True: "application/json;charset=UTF-8", False: "application/json"}
"""Content types by whether there is a body: the vendor's SDK sends one either way."""


def signed_headers(key: AccessKey, request: Request, *, host: str, project: str, at: float) -> dict[str, str]:
    """All headers of one request, ``Authorization`` among them.

    ``host`` is as it goes on the wire, with its port; ``at`` UTC seconds.
    """
    body = request.body or b""
    date = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "Content-Type": _TYPED[bool(body)],
        "Host": host,
        "X-Project-Id": project,
        "X-Sdk-Date": date,
    }
    if key.security_token is not None:
        headers["X-Security-Token"] = key.security_token.reveal()
    names = ";".join(sorted(name.lower() for name in headers))
    canonical = "\n".join(
        (
            request.method,
            _canonical_path(request.path),
            "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(request.query)),
            _canonical_headers(headers),
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    text = f"{_ALGORITHM}\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key.secret.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"{_ALGORITHM} Access={key.access.reveal()}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _canonical_headers(headers: Mapping[str, str]) -> str:
    """Each ends its line, so that an empty line follows the last."""
    return "".join(
        f"{name}:{value.strip()}\n" for name, value in sorted((n.lower(), v) for n, v in headers.items())
    )


def _canonical_path(path: str) -> str:
    """Ends in a slash here, whatever is on the wire."""
    encoded = "/".join(_encoded(unquote(part)) for part in path.split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _encoded(text: str) -> str:
    return quote(text, safe="~")
