"""The sockets to one API server: TLS, keepalive, and nothing taken from the environment unasked."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from typing import Any

import aiohttp
from multidict import CIMultiDict

from clients.kube.config import ClusterConfig
from clients.kube.credentials import Credential
from clients.kube.errors import ConfigError

__all__ = ["Transport", "tls_context"]

KEEPALIVE_IDLE, KEEPALIVE_EVERY, KEEPALIVE_COUNT = 15, 5, 3
"""A peer that vanished without a word is noticed by the kernel after some 30 s even with nothing to send."""
UNACKNOWLEDGED_MS = 20_000
"""Sent bytes that are not acknowledged for this long break the connection."""
READ_BUFFER = 1 << 18


def tls_context(config: ClusterConfig, credential: Credential) -> ssl.SSLContext:
    """The TLS settings of a configuration; raises ConfigError naming file and field."""
    try:
        context = ssl.create_default_context(
            cadata=config.ca.decode("ascii", "replace") if config.ca else None
        )
    except (ssl.SSLError, ValueError):
        raise ConfigError(
            f"{config.source}: certificate-authority: holds no certificate that can be read"
        ) from None
    if config.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credential.certificate is not None:
        # The ssl module takes certificates from files only: one that nobody else may read, for this moment.
        with tempfile.NamedTemporaryFile(prefix="servegrid-", suffix=".pem") as pem:
            os.fchmod(pem.fileno(), 0o600)
            pem.write(credential.certificate.rstrip() + b"\n" + (credential.key or b""))
            pem.flush()
            try:
                context.load_cert_chain(pem.name, password=_no_password)
            except (ssl.SSLError, ValueError, OSError):
                raise ConfigError(
                    f"{config.source}: client-certificate, client-key: unreadable, encrypted, or not a pair"
                ) from None
    return context


def _no_password() -> str:
    """An encrypted key must fail here instead of asking on the terminal."""
    raise ValueError("the key is encrypted")


def _socket(address: Any) -> socket.socket:
    family, kind, protocol = address[0], address[1], address[2]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPALIVE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_EVERY),
        ("TCP_KEEPCNT", KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS),
    ):
        # Platforms name and offer these differently; the read timeouts above TCP hold everywhere.
        if (option := getattr(socket, name, None)) is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from sending a PUT or DELETE again, which it does after these errors and no others."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


class Transport:
    """aiohttp sessions in the place of the one that kubernetes_asyncio's ApiClient makes.

    Its own reads ``~/.netrc`` and proxy variables on every request, which breaks bearer tokens and sends
    loopback traffic to proxies. Reads share kept-alive connections; every write has a new connection, so
    that it never meets an idle one that turns out to be dead, which leaves open whether it was done.
    """

    def __init__(self, config: ClusterConfig, credential: Credential) -> None:
        tls = tls_context(config, credential) if config.server.startswith("https:") else True
        headers = CIMultiDict(config.impersonate)
        self.certificate = (credential.certificate, credential.key)
        self._reads = self._session(headers, tls, writes=False)
        self._writes = self._session(headers, tls, writes=True)

    @staticmethod
    def _session(
        headers: CIMultiDict[str], tls: ssl.SSLContext | bool, *, writes: bool
    ) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0, ssl=tls, force_close=writes, socket_factory=_socket, ttl_dns_cache=30
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            trust_env=False,
            middlewares=(_once,) if writes else (),
            read_bufsize=READ_BUFFER,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def request(self, *, method: str, url: str, **how: Any) -> aiohttp.ClientResponse:
        """One request, as ``aiohttp.ClientSession.request``; redirects are answers, not followed."""
        session = self._reads if method == "GET" else self._writes
        return await session.request(method, url, allow_redirects=False, **how)

    async def close(self) -> None:
        """Closes all connections; open streams end."""
        await self._reads.close()
        await self._writes.close()
