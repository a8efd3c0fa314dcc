"""The calls of ModelArts' v2 real-time services that a console needs, in one region and project."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from clients.clock import ClusterClock
from clients.managed.calls import PROBLEM_LINE, Calls, CloudError, Problem, Request
from clients.modelarts import decode
from clients.modelarts.credentials import AccessKey
from clients.modelarts.decode import Flavor, Hpa, Instance, Service, ServiceEvent
from clients.modelarts.signer import signed_headers
from clients.serving.plain import plain

__all__ = ["ENDPOINT", "Api", "scale_path", "start_path", "stop_path"]

T = TypeVar("T")

ENDPOINT = "https://modelarts.{region}.myhuaweicloud.com"
"""Where a region answers; some regions are told with ``.cn`` instead, for which the setting is."""
_PAGE = 500
"""The most that a page holds; an offset has to be a multiple of it."""
_MOST = 20_000
"""Rows of a list; one that never ends is not read for ever."""
_NO_HPA = (400, 404)
"""How it says that there is no autoscaler is not documented."""
_REQUEST = 64
"""Characters of a request's id."""
_WRONG = 60.0
"""Seconds by which a clock has to have been set for a second try; signatures hold for 15 minutes."""


def _deployment(service: str, deployment: str) -> str:
    return f"/services/{quote(service, safe='')}/deployments/{quote(deployment, safe='')}"


def scale_path(service: str, name: str) -> str:
    """A deployment by its *name*."""
    return f"{_deployment(service, name)}/scale"


def stop_path(service: str, deployment: str) -> str:
    """A deployment by its *id*."""
    return f"{_deployment(service, deployment)}/stop"


def start_path(service: str, deployment: str) -> str:
    """A deployment by its *id*."""
    return f"{_deployment(service, deployment)}/start"


class Api:
    """All raise CloudError."""

    def __init__(
        self,
        endpoint: str,
        project: str,
        key: AccessKey,
        clock: ClusterClock,
        *,
        proxy: str | None = None,
        limit: float | None = None,
    ) -> None:
        self._clock = clock
        host = httpx.URL(endpoint).netloc.decode("ascii")

        def sign(request: Request) -> dict[str, str]:
            return signed_headers(key, request, host=host, project=project, at=clock.now())

        more = {} if limit is None else {"limit": limit}
        base = f"{endpoint.rstrip('/')}/v2/{quote(project, safe='')}"
        self._calls = Calls(base, sign, read_problem, clock, proxy=proxy, **more)

    async def _get(self, path: str, query: tuple[tuple[str, str], ...] = ()) -> bytes:
        """Asks once more where it was refused while the clock was wrong: the refusal's date put it right."""
        began, asked = self._clock.monotonic(), self._clock.now()
        try:
            return await self._calls.send("GET", path, query=query)
        except CloudError as error:
            passed = (self._clock.monotonic() - began) * self._clock.rate
            if error.status != 401 or abs(self._clock.now() - asked - passed) < _WRONG:
                raise
        return await self._calls.send("GET", path, query=query)

    @property
    def host(self) -> str:
        """For messages."""
        return self._calls.host

    async def services(self) -> tuple[Service, ...]:
        """All of the project, without their deployments."""
        return await self._all("/services", decode.service)

    async def service(self, service: str) -> Service:
        """One, with its deployments and how many instances of each run."""
        found = decode.service(await self._get(f"/services/{quote(service, safe='')}"))
        if found is None:
            raise CloudError(f"{self.host}: no service in the answer")
        return found

    async def whole(self, service: str) -> dict[str, Any]:
        """One as it is told."""
        try:
            found = msgspec.json.decode(await self._get(f"/services/{quote(service, safe='')}"))
        except msgspec.MsgspecError:
            found = None
        return found if isinstance(found, dict) else {}

    async def instances(self, service: str, name: str) -> tuple[Instance, ...]:
        """Of a deployment by its name."""
        return await self._all(f"{_deployment(service, name)}/instances", decode.instance)

    async def events(self, service: str) -> tuple[ServiceEvent, ...]:
        """The newest of a service."""
        body = await self._calls.send(
            "GET", f"/services/{quote(service, safe='')}/events", query=_window(10, 0)
        )
        page = decode.page(body)
        return tuple(_kept(page.items if page is not None else (), decode.service_event))

    async def hpa(self, service: str, deployment: str) -> Hpa | None:
        """The autoscaler of a deployment by its id; ``None`` if it has none."""
        try:
            return decode.hpa(await self._get(f"{_deployment(service, deployment)}/hpa"))
        except CloudError as error:
            if error.status in _NO_HPA:
                return None
            raise

    async def flavors(self, category: str) -> tuple[Flavor, ...]:
        """``GPU``, ``ASCEND`` or ``CPU``."""
        return await self._all("/services/flavors", decode.flavor, (("flavor_type", category),))

    async def write(self, method: str, path: str, body: bytes | None) -> None:
        """Sends a change once; ``path`` is one of this module's."""
        await self._calls.send(method, path, body=body)

    async def _all(
        self,
        path: str,
        read: Callable[[dict[str, Any]], T | None],
        query: tuple[tuple[str, str], ...] = (),
    ) -> tuple[T, ...]:
        found: list[T] = []
        async for items in self._pages(path, query):
            found += _kept(items, read)
        return tuple(found)

    async def _pages(
        self, path: str, query: tuple[tuple[str, str], ...]
    ) -> AsyncIterator[tuple[dict[str, Any], ...]]:
        for offset in range(0, _MOST, _PAGE):
            body = await self._get(path, query=(*query, *_window(_PAGE, offset)))
            page = decode.page(body)
            if page is None:
                raise CloudError(f"{self.host}: GET {path}: no list in the answer")
            yield page.items
            more = len(page.items) == _PAGE if page.total is None else page.total > offset + _PAGE
            if not more or not page.items:
                return

    async def close(self) -> None:
        """Ends connections."""
        await self._calls.close()


def _window(limit: int, offset: int) -> tuple[tuple[str, str], ...]:
    return (("limit", str(limit)), ("offset", str(offset)))


def _kept(items: tuple[dict[str, Any], ...], read: Callable[[dict[str, Any]], T | None]) -> list[T]:
    return [one for one in map(read, items) if one is not None]


def read_problem(body: bytes) -> Problem:
    """Code, words and request id as they were told; empty for a web page or no text at all."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Problem.of_text(body)
    if not isinstance(told, dict):
        return Problem("")
    code, words, request = (
        value if isinstance(value := told.get(name), str) else ""
        for name in ("error_code", "error_msg", "request_id")
    )
    line = plain(": ".join(part for part in (code, words) if part), PROBLEM_LINE - _REQUEST)
    if line and request:  # Never cut off: by it Huawei's people find what happened.
        line = f"{line}, request {plain(request, _REQUEST)}"
    return Problem(line)
