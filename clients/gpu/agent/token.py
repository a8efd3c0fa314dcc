"""The token that a reader must show, from a file that may be replaced while the agent runs."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

__all__ = ["HEADER", "Token", "TokenError"]

HEADER = "X-Servegrid-Token"
"""Beside ``Authorization: Bearer``, which a Kubernetes API server does not pass on when it proxies."""

_LONGEST = 4096


class TokenError(Exception):
    """The file holds no token; the message says why, without what is in it."""


class Token:
    """The token in a file, read anew for each request: a Secret that is rotated counts at once."""

    def __init__(self, path: Path) -> None:
        """Reads it once.

        Raises:
            TokenError: there is none.
        """
        self._path = path
        self._read()

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                token = file.read(_LONGEST + 1).strip()
        except OSError as error:
            raise TokenError(f"{self._path}: {error.strerror}") from None
        if not token or len(token) > _LONGEST or any(byte <= 0x20 or byte >= 0x7F for byte in token):
            raise TokenError(f"{self._path}: expected one line of 1 to {_LONGEST} printable ASCII characters")
        return token

    def shown_in(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers hold it. Compared in constant time.

        Raises:
            TokenError: the file is no longer there, so that nobody can be told from anybody.
        """
        token = self._read()
        scheme, _, bearer = headers.get("Authorization", "").partition(" ")
        offers = [headers.get(HEADER, ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        matches = [hmac.compare_digest(offer.encode("utf-8", "surrogateescape"), token) for offer in offers]
        return any(matches)
