"""A server by its URL: a Prometheus that is reached without the API server."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from clients.gpu.door import DoorError, Reply

__all__ = ["WebDoor"]


class WebDoor:
    """A server by its URL; a user and password in it are sent, and never told."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url.rstrip("/"))
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(20.0, connect=5.0), follow_redirects=False)

    async def fetch(
        self, path: str, params: Mapping[str, str] | None, *, headers: Mapping[str, str], limit: int
    ) -> Reply:
        """As ``Door.fetch``."""
        url = self._url.copy_with(path=self._url.path.rstrip("/") + path)
        body = bytearray()
        try:
            async with self._client.stream("GET", url, params=params, headers=headers) as answer:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > limit:
                        raise DoorError(f"{self._url.host}: an answer longer than {limit >> 20} MiB")
        except httpx.HTTPError as error:
            raise DoorError(f"{self._url.host}: {_short(error)}") from None
        return Reply(answer.status_code, bytes(body))

    async def close(self) -> None:
        """Ends connections."""
        await self._client.aclose()


def _short(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "cannot be reached"
    return f"connection lost ({type(error).__name__})"
