"""Signed HTTP calls to one managed cloud: each is sent once, answers are bounded, failures are one line."""

from __future__ import annotations

import asyncio
import email.utils
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

import httpx
from msgspec import Struct

from clients.clock import ClusterClock
from clients.serving.backend import BackendError
from clients.serving.plain import plain

__all__ = ["Calls", "CloudError", "Problem", "Request", "Sign"]

LIMIT = 15.0
"""Seconds for one answer (exoscale/cli, ``--timeout``)."""
_LONGEST_ANSWER = 16 << 20
PROBLEM_LINE = 300
"""Characters of what a cloud says when it says no."""
LONGEST_RETRY_AFTER = 300.0
"""Seconds; a cloud that asks for more is asked again after this."""
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_NOT_US = (401, 403, 429)
_WRONG_TIME = 60.0
"""Seconds by which our time must have been wrong for a refused signature to be worth another try."""


class CloudError(BackendError):
    """What came to nothing at a managed cloud. ``status`` is the HTTP status, where there was an answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        sent: bool = True,
        lost: bool = False,
    ) -> None:
        super().__init__(message, sent=sent, lost=lost)
        self.status = status
        self.retry_after = retry_after

    @property
    def refused(self) -> bool:
        """The cloud said no, so that nothing was applied; else nobody knows."""
        return self.status is not None and 300 <= self.status < 500 and self.status != 408


class Request(Struct, frozen=True):
    """One request, exactly as it is sent: what a signature is made of."""

    method: str
    path: str
    """Percent-encoded, from the root: ``/v2/ai/deployment``."""
    query: tuple[tuple[str, str], ...] = ()
    """Names and values before encoding."""
    body: bytes | None = None

    @property
    def target(self) -> str:
        """Path and query as they stand in the request's first line."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote)}" if self.query else self.path


class Problem(Struct, frozen=True):
    """What an error's body says."""

    line: str
    """Empty where it says nothing that a person could read."""
    retry_after: float | None = None
    """Seconds that it asks for."""

    @classmethod
    def of_text(cls, body: bytes) -> Problem:
        """Of an answer that is not in the cloud's own form: its beginning, unless it is a web page."""
        text = body[: 4 * PROBLEM_LINE].decode("utf-8", "replace").strip()
        return cls("" if text.startswith("<") else plain(text, PROBLEM_LINE))


Sign = Callable[[Request], Mapping[str, str]]
"""The headers that make a request ours; asked anew for every request, for signatures expire."""


class Calls:
    """The way to one base URL. Reads share connections; every write has its own.

    So a write never meets a kept connection that turns out to be dead, which would leave open whether it was
    done. Redirects are answers and not followed: a signature is not carried elsewhere. ``proxy`` is the
    proxy's URL: nothing is taken from the environment unasked.
    """

    def __init__(
        self,
        base_url: str,
        sign: Sign,
        explain: Callable[[bytes], Problem],
        clock: ClusterClock,
        *,
        proxy: str | None = None,
        limit: float = LIMIT,
    ) -> None:
        self._base = httpx.URL(base_url.rstrip("/"))
        self._sign = sign
        self._explain = explain
        self._clock = clock
        self._limit = limit
        self._proxy = proxy
        self._kept: dict[bool, httpx.AsyncClient] = {}

    @property
    def host(self) -> str:
        """For messages."""
        return self._base.host

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        signed: bool = True,
    ) -> bytes:
        """The body of the answer; ``path`` is percent-encoded and relative to the base URL.

        A read whose signature was refused while our time was wrong is signed anew, once.

        Raises:
            CloudError: no answer, or one that says no.
        """
        request = Request(method, self._base.path.rstrip("/") + path, query, body)
        behind = self._clock.now() - self._clock.monotonic()
        answer = await self._answer(request, f"{method} {path}", signed=signed)
        corrected = abs(self._clock.now() - self._clock.monotonic() - behind) > _WRONG_TIME
        if signed and method == "GET" and answer.status in (401, 403) and corrected:
            answer = await self._answer(request, f"{method} {path}", signed=True)
        if 200 <= answer.status < 300:
            return answer.body
        raise self._refusal(f"{method} {path}", answer)

    async def _answer(self, request: Request, what: str, *, signed: bool) -> _Answer:
        headers = {"Accept": "application/json"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if signed:
            headers.update(self._sign(request))
        try:
            async with asyncio.timeout(self._limit):
                return await self._fetch(request, headers)
        except TimeoutError:
            raise CloudError(f"{self.host}: {what}: no answer in {self._limit:g} s", lost=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            unsent = isinstance(error, _UNSENT)
            raise CloudError(f"{self.host}: {what}: {_words(error)}", sent=not unsent, lost=True) from None

    async def _fetch(self, request: Request, headers: Mapping[str, str]) -> _Answer:
        url = self._base.copy_with(raw_path=request.target.encode("ascii"))
        body = bytearray()
        client = self._client(request.method == "GET")
        async with client.stream(request.method, url, content=request.body, headers=headers) as answer:
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _LONGEST_ANSWER:
                    raise CloudError(f"{self.host}: an answer longer than {_LONGEST_ANSWER >> 20} MiB")
        self._tell_time(answer.headers.get("date"))
        told = answer.headers
        return _Answer(answer.status_code, bytes(body), told.get("retry-after"), told.get("x-request-id", ""))

    def _client(self, reads: bool) -> httpx.AsyncClient:
        """Made when first needed: TLS settings take their time to load."""
        client = self._kept.get(reads)
        if client is None:
            client = self._kept[reads] = httpx.AsyncClient(
                timeout=httpx.Timeout(self._limit, connect=min(5.0, self._limit)),
                limits=httpx.Limits(max_keepalive_connections=4 if reads else 0),
                follow_redirects=False,
                # What this machine trusts, a company's authority among it: httpx brings its own list.
                verify=ssl.create_default_context(),
                trust_env=False,
                proxy=self._proxy,
            )
        return client

    def _tell_time(self, date: str | None) -> None:
        try:
            when = email.utils.parsedate_to_datetime(date or "")
        except ValueError:
            return
        self._clock.observe(when.timestamp())

    def _refusal(self, what: str, answer: _Answer) -> CloudError:
        problem = self._explain(answer.body)
        line = problem.line or f"{self.host}: {what}: answered without saying why"
        request = answer.request_id
        told = f", request {request}" if request and request not in line else ""
        return CloudError(
            f"{line} ({answer.status}{told})",
            status=answer.status,
            retry_after=_seconds(answer.retry_after) or problem.retry_after,
            lost=answer.status in _NOT_US or answer.status >= 500,
        )

    async def close(self) -> None:
        """Ends connections."""
        for client in self._kept.values():
            await client.aclose()


class _Answer(Struct, frozen=True):
    status: int
    body: bytes
    retry_after: str | None
    request_id: str
    """By which the cloud's own people find the request."""


def _words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return f"its certificate is not trusted on this machine: {error}"
        return "cannot be reached"
    return f"connection lost ({type(error).__name__})"


def _seconds(value: str | None) -> float | None:
    """Of a ``Retry-After``; its date form is not used by these clouds' gateways and reads as none."""
    try:
        seconds = float(value) if value is not None else 0.0
    except ValueError:
        return None
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else None
