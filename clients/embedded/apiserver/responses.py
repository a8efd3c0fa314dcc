"""Answers, with the headers that every answer of an API server carries."""

from __future__ import annotations

import secrets
from email.utils import formatdate

from aiohttp import web

from clients.clock import Clock
from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.objects import Json, encode

__all__ = ["Responder"]


class Responder:
    """Makes answers dated in the cluster's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def headers(self, content_type: str = "application/json") -> dict[str, str]:
        """What every answer carries."""
        return {
            "Audit-Id": secrets.token_hex(16),
            "Cache-Control": "no-cache, private",
            "Content-Type": content_type,
            "Date": formatdate(self._clock.now(), usegmt=True),
        }

    def raw(
        self,
        body: bytes,
        status: int = 200,
        *,
        warnings: list[str] | None = None,
        content_type: str = "application/json",
    ) -> web.Response:
        """A finished body."""
        response = web.Response(body=body, status=status, headers=self.headers(content_type))
        for warning in warnings or ():
            quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{quoted}"')
        return response

    def json(self, obj: Json, status: int = 200, *, warnings: list[str] | None = None) -> web.Response:
        """An object."""
        return self.raw(encode(obj), status, warnings=warnings)

    def text(self, text: str, status: int = 200) -> web.Response:
        """Plain text."""
        return self.raw(text.encode(), status, content_type="text/plain; charset=utf-8")

    def error(self, error: ApiError) -> web.Response:
        """A refusal."""
        if error.plain:
            return self.text(error.message, error.code)
        response = self.json(error.status, error.code)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response
