"""One request and its answer, with the time of everything that happens to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import aiohttp
import msgspec
from aiohttp import ClientResponse
from yarl import URL

from clients.clock import Clock
from clients.load.answers import Chunk, Usage, read_chunk
from clients.load.errors import ErrorKind, kind_of, late_kind, status_kind
from clients.load.outgoing import Outgoing, OutgoingError
from clients.load.plan import LoadPlan, Tls
from clients.load.sse import EventSplitter, OversizedEventError
from clients.load.time_limit import TimeLimit
from clients.serving.plain import plain

if TYPE_CHECKING:
    from aiohttp import ClientRequest
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

__all__ = ["Exchange", "Outcome"]

_WHOLE = 1 << 20
"""Most bytes of an answer that are kept to read its usage."""
_KEPT = 4096
"""Of an answer that is shown, or stands in an error's message."""
_MESSAGE = 300
"""Characters of an error's message."""
_DONE = b"[DONE]"


class Outcome:
    """What became of one request. Times are monotonic seconds; ``None`` where it did not come to it."""

    __slots__ = (
        "bytes_in",
        "chunks",
        "end",
        "error",
        "first_byte",
        "first_token",
        "headers",
        "last_token",
        "message",
        "number",
        "output_tokens",
        "prompt_tokens",
        "sent",
        "status",
        "text",
    )

    def __init__(self, number: int, sent: float) -> None:
        self.number = number
        self.sent = sent
        self.headers: float | None = None
        self.first_byte: float | None = None
        """Of the body."""
        self.first_token: float | None = None
        self.last_token: float | None = None
        self.end = sent
        self.status: int | None = None
        self.error: str | None = None
        self.message = ""
        self.bytes_in = 0
        self.chunks = 0
        """With content."""
        self.prompt_tokens: int | None = None
        self.output_tokens: int | None = None
        """As the server says."""
        self.text = ""
        """The beginning of what came, where it is kept."""

    def fail(self, kind: str, message: str = "") -> None:
        """It came to nothing."""
        self.error, self.message = kind, message

    def take(self, usage: Usage | None) -> None:
        """The server's own count; of several the last."""
        if usage is not None:
            self.prompt_tokens = usage.prompt_tokens
            self.output_tokens = usage.completion_tokens


class Exchange:
    """Sends the requests of a run. One session, as many connections as requests are underway."""

    def __init__(self, plan: LoadPlan, outgoing: Outgoing, clock: Clock) -> None:
        self._outgoing = outgoing
        self._url = URL(outgoing.url, encoded=True)
        self._clock = clock
        self._speaks_openai = plan.protocol in ("openai-chat", "openai-completions")
        self._limit = TimeLimit(plan.timeout_s, clock)
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                limit=0, force_close=not plan.keepalive, ssl=_verification(plan.tls), ttl_dns_cache=10
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            headers=outgoing.headers,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, number: int, gap: Callable[[int], None], *, keep: bool = False) -> Outcome:
        """One request, to its end, whatever that is; only being cancelled gets out of it.

        ``gap`` is told the microseconds between one chunk with content and the next, as they pass. ``keep``:
        the beginning of the answer's text goes into the outcome.
        """
        body = self._outgoing.body(number)
        outcome = Outcome(number, self._clock.monotonic())
        task = self._limit.begin(outcome.sent)
        try:
            # Not entered as a context: leaving it costs as much as reading a small answer.
            response = await self._session.request(
                self._outgoing.method,
                self._url,
                data=body,
                allow_redirects=False,
                server_hostname=self._outgoing.server_hostname,
            )
            outcome.headers = self._clock.monotonic()
            outcome.status = response.status
            try:
                await self._take(response, outcome, gap, keep)
            finally:
                if not response.closed:
                    response.close()
        except asyncio.CancelledError as error:
            if not self._limit.passed(task):
                raise
            if outcome.error is None:
                connecting = isinstance(error, _CutConnecting)
                outcome.fail(late_kind(connecting=connecting, begun=outcome.headers is not None))
        except Exception as error:
            kind = kind_of(error, begun=outcome.headers is not None)
            if kind is None:
                raise
            if outcome.error is None:
                outcome.fail(kind, str(error))
        finally:
            self._limit.end(task)
        outcome.end = self._clock.monotonic()
        if outcome.message:
            outcome.message = plain(self._without_secrets(outcome.message), _MESSAGE)
        if outcome.text:
            outcome.text = self._without_secrets(outcome.text)
        return outcome

    async def _take(
        self, response: ClientResponse, outcome: Outcome, gap: Callable[[int], None], keep: bool
    ) -> None:
        if not 200 <= response.status < 300:
            said = await self._read(response, outcome, _KEPT)
            outcome.fail(status_kind(response.status), said.decode("utf-8", "replace"))
            outcome.text = outcome.message if keep else ""
        elif self._speaks_openai and response.content_type == "text/event-stream":
            await self._stream(response, outcome, gap, keep)
        else:
            await self._whole(response, outcome, keep)

    def _without_secrets(self, text: str) -> str:
        """Servers repeat what they were sent."""
        for secret in self._outgoing.secrets:
            text = text.replace(secret, "***")
        return text

    async def _read(self, response: ClientResponse, outcome: Outcome, most: int) -> bytes:
        """The whole body; only its first ``most`` bytes are kept."""
        kept = b""
        while data := await response.content.readany():
            if outcome.first_byte is None:
                outcome.first_byte = self._clock.monotonic()
            outcome.bytes_in += len(data)
            if len(kept) < most:
                kept = kept + data if kept else data
        return kept[:most]

    async def _whole(self, response: ClientResponse, outcome: Outcome, keep: bool) -> None:
        kept = await self._read(response, outcome, _WHOLE if self._speaks_openai else _KEPT * keep)
        if keep:
            outcome.text = kept[:_KEPT].decode("utf-8", "replace")
        if not self._speaks_openai:
            return
        try:
            answer = read_chunk(kept)
        except msgspec.DecodeError as error:
            if outcome.bytes_in <= _WHOLE:
                outcome.fail(ErrorKind.BAD_ANSWER, str(error))
            return
        if answer.failed:
            outcome.fail(ErrorKind.ERROR_EVENT, bytes(answer.error).decode("utf-8", "replace"))
        outcome.take(answer.usage)
        if keep:
            outcome.text = answer.text[:_KEPT] or outcome.text

    async def _stream(
        self, response: ClientResponse, outcome: Outcome, gap: Callable[[int], None], keep: bool
    ) -> None:
        events = EventSplitter()
        ended = False
        try:
            while data := await response.content.readany():
                at = self._clock.monotonic()
                if outcome.first_byte is None:
                    outcome.first_byte = at
                outcome.bytes_in += len(data)
                for event in events.feed(data):
                    ended = self._event(event, at, outcome, gap, keep) or ended
                if outcome.error is not None:
                    return
        except OversizedEventError:
            outcome.fail(ErrorKind.OVERSIZED)
            return
        except (aiohttp.ClientPayloadError, aiohttp.ClientOSError) as error:
            if ended:
                return
            if events.rest() is not None:
                outcome.fail(ErrorKind.HALF_EVENT, str(error))
            raise
        rest = events.rest()
        if rest is not None:
            ended = self._event(rest, self._clock.monotonic(), outcome, gap, keep) or ended
            if outcome.error == ErrorKind.BAD_ANSWER:
                outcome.error = ErrorKind.HALF_EVENT
        if not ended and outcome.error is None:
            outcome.fail(ErrorKind.ENDED_EARLY)

    def _event(
        self, event: bytes, at: float, outcome: Outcome, gap: Callable[[int], None], keep: bool
    ) -> bool:
        """Whether the answer ends with it."""
        if event == _DONE:
            return True
        try:
            chunk = read_chunk(event)
        except msgspec.DecodeError as error:
            outcome.fail(ErrorKind.BAD_ANSWER, str(error))
            return True
        if chunk.failed:
            outcome.fail(ErrorKind.ERROR_EVENT, bytes(chunk.error).decode("utf-8", "replace"))
            return True
        if chunk.says:
            self._said(chunk, at, outcome, gap, keep)
        outcome.take(chunk.usage)
        return chunk.ends

    def _said(
        self, chunk: Chunk, at: float, outcome: Outcome, gap: Callable[[int], None], keep: bool
    ) -> None:
        outcome.chunks += 1
        if outcome.last_token is None:
            outcome.first_token = at
        else:
            gap(int((at - outcome.last_token) * 1e6))
        outcome.last_token = at
        if keep and len(outcome.text) < _KEPT:
            outcome.text += chunk.text


class _CutConnecting(asyncio.CancelledError):
    """Cancelled before there was a connection."""


class _Connector(aiohttp.TCPConnector):
    """Tells being cut off while connecting from being cut off later."""

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        try:
            return await super()._create_connection(req, traces, timeout)
        except asyncio.CancelledError as error:
            raise _CutConnecting(*error.args) from None


def _verification(tls: Tls) -> ssl.SSLContext | bool:
    if not tls.verify:
        return False
    try:
        return ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise OutgoingError(
            f"tls.ca_file: {tls.ca_file}: {error.strerror or 'holds no certificate'}"
        ) from None
