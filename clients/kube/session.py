"""One connection to one cluster: requests, streams, who we are there, and what time it is there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct

from clients.clock import Clock, ClusterClock
from clients.kube.config import ClusterConfig
from clients.kube.credentials import Credential
from clients.kube.errors import ErrorKind, KubeError, StreamIdleError, from_reply
from clients.kube.transport import Transport

__all__ = ["LONGEST_LINE", "Lines", "Params", "Reply", "Session"]

Params = Mapping[str, str | int | bool]

USER_AGENT = "servegrid"
CONNECT_LIMIT = 10.0
"""Seconds to reach the server, TLS included."""
REQUEST_LIMIT = 60.0
LONGEST_LINE = 64 << 20
LONGEST_ERROR = 1 << 20
"""Bytes of an error's body that are read."""


class Reply(Struct, frozen=True):
    """An answer with its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class _Version(Struct):
    rate: Any = msgspec.field(default=None, name="clockRate")
    git: Any = msgspec.field(default=None, name="gitVersion")


class _Named(Struct):
    class Meta(Struct):
        """The identity of an object."""

        uid: str = ""

    metadata: Meta = msgspec.field(default_factory=Meta)


class _Kind(Struct):
    kind: Any = None


class Lines:
    """The lines of an open stream, each without waiting longer than its idle limit for the next byte."""

    def __init__(self, response: aiohttp.ClientResponse, what: str, idle: float, *, text: bool) -> None:
        self._readline = response.content.readline
        self._what = what
        self._idle = idle
        self._text = text

    def __aiter__(self) -> Lines:
        return self

    async def __anext__(self) -> bytes:
        """The next line with its line feed; a last piece without one is an error, except in text.

        Raises StreamIdleError, or KubeError when the connection breaks or a line is longer than 64 MiB.
        """
        try:
            line = await self._readline(max_line_length=LONGEST_LINE)
        except TimeoutError:
            raise StreamIdleError(self._idle) from None
        except HttpProcessingError:
            raise KubeError(
                f"{self._what}: a line longer than {LONGEST_LINE >> 20} MiB",
                kind=ErrorKind.PROTOCOL,
                sent=True,
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise KubeError(
                f"{self._what}: connection lost: {_short(error)}", kind=ErrorKind.UNREACHABLE, sent=True
            ) from None
        if not line:
            raise StopAsyncIteration
        if not self._text and not line.endswith(b"\n"):
            raise KubeError(
                f"{self._what}: ended in the middle of a line", kind=ErrorKind.PROTOCOL, sent=True
            )
        return line


class Session:
    """Made with ``open``. All methods belong to the event loop that it was opened on."""

    def __init__(self, config: ClusterConfig, clock: Clock, api: Any, transport: Transport) -> None:
        self.config = config
        self.context = config.context
        self.server = config.server
        self.namespace = config.namespace
        self.clock = ClusterClock(clock)
        self.cluster = "server-" + hashlib.sha256(config.server.encode()).hexdigest()[:16]
        """uid of the namespace kube-system once ``identify`` has read it; before, a name made of the URL."""
        self.identified = False
        self.note: str | None = "cluster known by its URL only: kube-system has not been read"
        self.version: str | None = None
        """gitVersion of the server."""
        self._clock = clock
        self._api = api
        self._transport = transport

    @classmethod
    async def open(cls, config: ClusterConfig, clock: Clock) -> Session:
        """Prepares the connection; asks the server nothing, so it succeeds with the server down.

        Raises KubeError when the configuration cannot work (certificates that are none).
        """
        # Some 0.6 s of import: in a thread, so that other sessions' loop goes on.
        api = await asyncio.to_thread(_api_client_type)
        configuration = await asyncio.to_thread(_configuration, config)
        client = api(configuration)
        await client.rest_client.pool_manager.close()
        transport = Transport(config, Credential())
        client.rest_client.pool_manager = transport
        client.user_agent = USER_AGENT
        return cls(config, clock, client, transport)

    async def identify(self) -> bool:
        """Reads ``/version`` (clock rate) and kube-system's uid; True once the cluster is known by it.

        A server that refuses leaves a note and the name made of the URL. Raises KubeError when the server
        cannot be reached, so that the caller asks again.
        """
        try:
            version = msgspec.json.decode(await self.get("/version"), type=_Version)
        except msgspec.MsgspecError:
            version = _Version()
        except KubeError as error:
            if error.status is None:
                raise
            version = _Version()
        self.version = version.git if isinstance(version.git, str) else None
        rate = version.rate
        rate = (
            float(rate) if isinstance(rate, int | float) and not isinstance(rate, bool) and rate >= 0 else 1.0
        )
        if rate != self.clock.rate:
            self.clock.set_rate(rate)
        try:
            body = await self.get("/api/v1/namespaces/kube-system")
            uid = msgspec.json.decode(body, type=_Named).metadata.uid
        except msgspec.MsgspecError:
            uid = ""
        except KubeError as error:
            if error.status is None:
                raise
            self.note = f"cluster known by its URL only: {error.message}"
            return self.identified
        if uid:
            self.cluster, self.identified, self.note = uid, True, None
        return self.identified

    async def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        timeout: float = REQUEST_LIMIT,  # noqa: ASYNC109 -- told to the HTTP client, which names what ran out
    ) -> bytes:
        """The body of a GET; raises KubeError. After a 401, tried once more with renewed credentials."""
        credential = await self._credential()
        try:
            return await self._get(path, params, timeout, credential)
        except KubeError as error:
            if error.kind is not ErrorKind.UNAUTHORIZED:
                raise
            newer = await self.config.credentials.renew(self._clock, credential)
            if newer is credential:
                raise self._unauthorized(error) from None
        try:
            return await self._get(path, params, timeout, newer)
        except KubeError as error:
            raise self._unauthorized(error) from None

    async def fetch(
        self,
        path: str,
        params: Params | None,
        *,
        headers: Mapping[str, str],
        limit: int,
        seconds: float,
    ) -> Reply:
        """A GET that a pod or service may answer, behind the server's proxy: whatever it says, of any status.

        ``seconds`` is the longest it may take, ``limit`` the most bytes. Raises KubeError without an answer,
        for a longer one, and where the server itself refuses the credentials.
        """
        credential = await self._credential()
        reply = await self._fetch(path, params, credential, headers, limit, seconds)
        if reply.status != 401 or not _own_word(reply.body):
            return reply
        newer = await self.config.credentials.renew(self._clock, credential)
        if newer is not credential:
            reply = await self._fetch(path, params, newer, headers, limit, seconds)
        if reply.status == 401 and _own_word(reply.body):
            raise self._unauthorized(from_reply(_what("GET", path), 401, reply.body))
        return reply

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = REQUEST_LIMIT,  # noqa: ASYNC109 -- as in get
    ) -> Reply:
        """A write, sent once and never again; raises KubeError, ``sent`` telling if it may have arrived."""
        credential = await self._credential()
        what = _what(method, path)
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_LIMIT)
        try:
            response = await self._request(method, path, params, credential, limits, body, content_type)
            async with response:
                content = await response.read()
        except KubeError:
            raise
        except Exception as error:
            raise self._broken(what, error, sent=True) from None
        if not 200 <= response.status < 300:
            refused = from_reply(what, response.status, content, response.headers.get("Retry-After"))
            if refused.kind is ErrorKind.UNAUTHORIZED:
                with contextlib.suppress(KubeError):
                    await self.config.credentials.renew(self._clock, credential)
                raise self._unauthorized(refused)
            raise refused
        return Reply(response.status, content, response.headers)

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, params: Params | None = None, *, idle: float, text: bool = False
    ) -> AsyncIterator[Lines]:
        """The lines of a long answer; raises KubeError as ``get`` does, and from the iteration.

        ``idle`` is the longest silence in seconds, also before the answer begins. ``text`` may end without
        a line feed.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT, sock_read=idle)
        credential = await self._credential()
        try:
            response = await self._opened(path, params, limits, credential)
        except KubeError as error:
            if error.kind is not ErrorKind.UNAUTHORIZED:
                raise
            newer = await self.config.credentials.renew(self._clock, credential)
            if newer is credential:
                raise self._unauthorized(error) from None
            response = await self._opened(path, params, limits, newer)
        try:
            yield Lines(response, _what("GET", path), idle, text=text)
        finally:
            response.close()

    async def close(self) -> None:
        """Closes every connection."""
        await self._transport.close()

    async def _credential(self) -> Credential:
        """The credential to use, with the connections rebuilt if its client certificate has changed."""
        credential = await self.config.credentials.current(self._clock)
        if (credential.certificate, credential.key) != self._transport.certificate:
            before = self._transport
            self._transport = Transport(self.config, credential)
            self._api.rest_client.pool_manager = self._transport
            await before.close()
        return credential

    async def _get(self, path: str, params: Params | None, limit: float, credential: Credential) -> bytes:
        limits = aiohttp.ClientTimeout(total=limit, sock_connect=min(limit, CONNECT_LIMIT))
        response = await self._opened(path, params, limits, credential)
        try:
            async with response:
                return await response.read()
        except Exception as error:
            raise self._broken(_what("GET", path), error, sent=True) from None

    async def _fetch(
        self,
        path: str,
        params: Params | None,
        credential: Credential,
        headers: Mapping[str, str],
        limit: int,
        seconds: float,
    ) -> Reply:
        what = _what("GET", path)
        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_LIMIT))
        response = await self._request("GET", path, params, credential, limits, more=headers)
        body = bytearray()
        try:
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > limit:
                    raise KubeError(
                        f"{what}: an answer longer than {limit >> 20} MiB", kind=ErrorKind.PROTOCOL, sent=True
                    )
        except KubeError:
            raise
        except Exception as error:
            raise self._broken(what, error, sent=True) from None
        finally:
            # Gives the connection back after a whole answer, ends it after half of one.
            if response.content.at_eof():
                response.release()
            else:
                response.close()
        return Reply(response.status, bytes(body), response.headers)

    async def _opened(
        self, path: str, params: Params | None, limits: aiohttp.ClientTimeout, credential: Credential
    ) -> aiohttp.ClientResponse:
        """A response of status 2xx whose body is still to be read."""
        what = _what("GET", path)
        response = await self._request("GET", path, params, credential, limits)
        if 200 <= response.status < 300:
            self.config.credentials.accepted()
            return response
        try:
            body = await response.content.read(LONGEST_ERROR)
        except Exception:
            body = b""
        response.close()
        raise from_reply(what, response.status, body, response.headers.get("Retry-After"))

    async def _request(
        self,
        method: str,
        path: str,
        params: Params | None,
        credential: Credential,
        limits: aiohttp.ClientTimeout,
        body: Any = None,
        content_type: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", **(more or {})}
        if credential.authorization is not None:
            headers["Authorization"] = credential.authorization
        if content_type is not None:
            headers["Content-Type"] = content_type
        query = [(key, _text(value)) for key, value in (params or {}).items()]
        try:
            response: aiohttp.ClientResponse = await self._api.call_api(
                path,
                method,
                query_params=query,
                header_params=headers,
                body=body,
                _preload_content=False,
                _request_timeout=limits,
            )
        except Exception as error:
            raise self._broken(_what(method, path), error, sent=_arrived(error)) from None
        if (date := response.headers.get("Date")) is not None:
            with contextlib.suppress(ValueError, TypeError):
                self.clock.observe(parsedate_to_datetime(date).timestamp())
        return response

    def _broken(self, what: str, error: Exception, *, sent: bool) -> KubeError:
        host = urlsplit(self.server).netloc.rpartition("@")[2]
        if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
            reason = getattr(getattr(error, "certificate_error", error), "verify_message", "") or _short(
                error
            )
            line = f"{host}: certificate not trusted: {reason}; check certificate-authority in the kubeconfig"
        elif isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
            line = f"{host}: its proxy refuses or cannot be reached; check proxy-url and HTTPS_PROXY"
        elif isinstance(error, TimeoutError):
            line = f"{host}: no answer in time ({what})"
        elif isinstance(error, aiohttp.ClientConnectorError):
            line = f"{host}: cannot be reached: {_short(error.os_error)}"
        elif isinstance(error, aiohttp.ClientError | OSError):
            line = f"{host}: connection lost: {_short(error)} ({what})"
        else:
            return KubeError(f"{what}: {_short(error)}", kind=ErrorKind.PROTOCOL, sent=sent)
        return KubeError(line, kind=ErrorKind.UNREACHABLE, sent=sent)

    def _unauthorized(self, error: KubeError) -> KubeError:
        if error.kind is not ErrorKind.UNAUTHORIZED:
            return error
        return KubeError(
            f"{self.config.source}: the server refuses the credentials of context {self.context} (401); "
            "log in again",
            kind=ErrorKind.UNAUTHORIZED,
            status=error.status,
            reason=error.reason,
            sent=error.sent,
        )


_PATH = 200
"""Characters of a path that are quoted in an error."""


def _what(method: str, path: str) -> str:
    """A request in an error's words. Of a very long path only the beginning, so that the reason is read."""
    return f"{method} {path if len(path) <= _PATH else path[: _PATH - 1] + '…'}"


def _own_word(body: bytes) -> bool:
    """Whether the API server itself says this, and not somebody behind its proxy."""
    try:
        return bool(msgspec.json.decode(body, type=_Kind).kind == "Status")
    except msgspec.MsgspecError:
        return False


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arrived(error: Exception) -> bool:
    """Whether a request that ended in this error may have reached the server."""
    return not isinstance(
        error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL
    )


def _short(error: BaseException) -> str:
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _api_client_type() -> Any:
    from kubernetes_asyncio.client import ApiClient

    return ApiClient


def _configuration(config: ClusterConfig) -> Any:
    """kubernetes_asyncio's settings; sockets and TLS are the transport's, so only names and proxy are set."""
    from kubernetes_asyncio.client import Configuration

    settings = Configuration()
    settings.host = config.server
    settings.tls_server_name = config.server_name
    settings.proxy = config.proxy
    return settings
