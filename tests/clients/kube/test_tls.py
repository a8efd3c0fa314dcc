"""Certificates of both sides, and proxies between them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from clients.clock import Clock
from clients.kube.credentials import Credential, FileCredentials, StaticCredentials
from clients.kube.errors import ConfigError, ErrorKind, KubeError
from tests.support.certificates import Authority, Pair
from tests.support.kube import config_for, session_to


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server_pair(authority: Authority) -> Pair:
    return authority.issue("server", alternatives="IP:127.0.0.1,DNS:api.example.com")


@pytest.fixture(scope="module")
def client_pair(authority: Authority) -> Pair:
    return authority.issue("ann")


@asynccontextmanager
async def serving(pair: Pair, authority: Authority, *, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """An https server that answers with the common name of the client's certificate."""

    async def who(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert") or {}
        names = [value for part in peer.get("subject", ()) for key, value in part if key == "commonName"]
        return web.Response(text=names[0] if names else "nobody")

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.pair.certificate))
    tls.verify_mode = ssl.CERT_OPTIONAL
    tls.load_cert_chain(pair.certificate, pair.key)
    app = web.Application()
    app.router.add_get("/who", who)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, host, 0, ssl_context=tls).start()
    try:
        yield f"https://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def certificate(pair: Pair) -> Credential:
    return Credential(certificate=pair.certificate.read_bytes(), key=pair.key.read_bytes())


async def test_authority_and_client_certificate(
    authority: Authority, server_pair: Pair, client_pair: Pair
) -> None:
    ca = authority.pair.certificate.read_bytes()
    async with serving(server_pair, authority) as url:
        async with session_to(url, ca=ca) as session:
            assert await session.get("/who") == b"nobody"
        async with session_to(url, ca=ca, credentials=StaticCredentials(certificate(client_pair))) as session:
            assert await session.get("/who") == b"ann"


async def test_a_certificate_of_somebody_else_is_refused_in_plain_words(
    authority: Authority, server_pair: Pair, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other").pair.certificate.read_bytes()
    async with serving(server_pair, authority) as url, session_to(url, ca=other) as session:
        with pytest.raises(KubeError, match="certificate not trusted") as raised:
            await session.get("/who")
        assert raised.value.kind is ErrorKind.UNREACHABLE
        assert not raised.value.sent
    async with serving(server_pair, authority) as url, session_to(url, insecure=True) as session:
        assert await session.get("/who") == b"nobody"


async def test_the_name_in_the_certificate_may_be_told(authority: Authority) -> None:
    pair = authority.issue("named", alternatives="DNS:api.example.com")
    ca = authority.pair.certificate.read_bytes()
    async with serving(pair, authority) as url:
        async with session_to(url, ca=ca) as session:
            with pytest.raises(KubeError, match="certificate not trusted"):
                await session.get("/who")
        async with session_to(url, ca=ca, server_name="api.example.com") as session:
            assert await session.get("/who") == b"nobody"


async def test_a_certificate_that_is_replaced_is_used_from_then_on(
    authority: Authority,
    server_pair: Pair,
    client_pair: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clients.kube.credentials.TOKEN_FILE_PERIOD", 0.0)
    files = Pair(tmp_path / "crt", tmp_path / "key")
    for source, target in ((client_pair.certificate, files.certificate), (client_pair.key, files.key)):
        target.write_bytes(source.read_bytes())
    credentials = FileCredentials(certificate=files.certificate, key=files.key)
    ca = authority.pair.certificate.read_bytes()
    async with (
        serving(server_pair, authority) as url,
        session_to(url, ca=ca, credentials=credentials) as session,
    ):
        assert await session.get("/who") == b"ann"
        newer = authority.issue("ben")
        files.certificate.write_bytes(newer.certificate.read_bytes())
        files.key.write_bytes(newer.key.read_bytes())
        assert await session.get("/who") == b"ben"


class Turned:
    """Credentials of a plugin that gave a second certificate."""

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.needs_login = False

    async def current(self, clock: Clock) -> Credential:
        return self.credential

    async def renew(self, clock: Clock, rejected: Credential) -> Credential:
        return self.credential

    def accepted(self) -> None:
        pass

    def login(self) -> None:
        pass


async def test_a_plugins_new_certificate_rebuilds_the_connections(
    authority: Authority, server_pair: Pair, client_pair: Pair
) -> None:
    credentials = Turned(certificate(client_pair))
    ca = authority.pair.certificate.read_bytes()
    async with (
        serving(server_pair, authority) as url,
        session_to(url, ca=ca, credentials=credentials) as session,
    ):
        assert await session.get("/who") == b"ann"
        credentials.credential = certificate(authority.issue("carl"))
        assert await session.get("/who") == b"carl"


async def test_certificates_that_are_none_name_file_and_field(
    client_pair: Pair, authority: Authority
) -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    with pytest.raises(ConfigError, match="kubeconfig: certificate-authority: holds no certificate"):
        async with session_to("https://127.0.0.1:9", ca=broken):
            pass
    mixed = Credential(certificate=client_pair.certificate.read_bytes(), key=authority.pair.key.read_bytes())
    async with session_to("https://127.0.0.1:9", credentials=StaticCredentials(mixed)) as session:
        with pytest.raises(ConfigError, match=r"client-certificate, client-key: .* not a pair"):
            await session.get("/who")


@asynccontextmanager
async def tunnelling() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that opens tunnels, and the heads of the requests it got."""
    heads: list[str] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        heads.append(head)
        target = head.split()[1]
        host, _, port = target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        tasks = [
            asyncio.ensure_future(copy(reader, far_writer)),
            asyncio.ensure_future(copy(far_reader, writer)),
        ]
        await asyncio.gather(*tasks, return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://user:pass@127.0.0.1:{server.sockets[0].getsockname()[1]}", heads
    finally:
        server.close()


async def test_through_an_http_proxy(authority: Authority, server_pair: Pair) -> None:
    ca = authority.pair.certificate.read_bytes()
    async with serving(server_pair, authority) as url, tunnelling() as (proxy, heads):
        async with session_to(url, ca=ca, proxy=proxy) as session:
            assert await session.get("/who") == b"nobody"
        assert heads[0].startswith(f"CONNECT {url.removeprefix('https://')} ")
        assert "Proxy-Authorization: Basic dXNlcjpwYXNz" in heads[0]


async def test_a_proxy_that_is_down_is_named_without_its_password() -> None:
    assert "pass" not in repr(config_for("https://10.0.0.1", proxy="http://user:pass@127.0.0.1:9"))
    async with session_to("https://10.0.0.1", proxy="http://user:pass@127.0.0.1:9") as session:
        with pytest.raises(KubeError, match="its proxy refuses or cannot be reached") as raised:
            await session.get("/who")
        assert "pass" not in raised.value.message
        assert not raised.value.sent
