"""Who may read the agent's page, and what it does with requests that are none."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from clients.gpu.agent.token import Token, TokenError
from tests.support.fake_nvml import FakeGpu, FakeNvml
from tests.support.gpu_agent import running
from tests.support.kube import until


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    return path


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer s3cret"},
        {"Authorization": "bearer  s3cret"},
        {"X-Servegrid-Token": "s3cret"},
        {"X-Servegrid-Token": "s3cret", "Authorization": "Bearer of-the-api-server"},
    ],
)
async def test_the_token_opens_in_either_header(token_file: Path, headers: dict[str, str]) -> None:
    async with running(FakeNvml(FakeGpu("GPU-a")), token=Token(token_file)) as agent:
        answer = await agent.client.get("/metrics", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer s3cre"},
        {"Authorization": "Bearer s3cret2"},
        {"Authorization": "Basic s3cret"},
        {"Authorization": "s3cret"},
        {"Authorization": "Bearer"},
        {"X-Servegrid-Token": ""},
        {"X-Servegrid-Token": "sécret"},
    ],
)
async def test_nothing_else_does(token_file: Path, headers: dict[str, str]) -> None:
    async with running(FakeNvml(FakeGpu("GPU-a")), token=Token(token_file)) as agent:
        raw = [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
        answer = await agent.client.get("/metrics", headers=raw)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "DCGM" not in answer.text
        assert (await agent.client.get("/other", headers=raw)).status_code == 401
        assert (await agent.client.get("/healthz", headers=raw)).status_code == 200


async def test_a_token_that_is_replaced_counts_at_once(token_file: Path) -> None:
    async with running(FakeNvml(), token=Token(token_file)) as agent:

        async def status(token: str) -> int:
            return (await agent.client.get("/metrics", headers={"X-Servegrid-Token": token})).status_code

        assert await status("s3cret") == 200
        token_file.write_text("another")  # noqa: ASYNC240
        assert await status("s3cret") == 401
        assert await status("another") == 200
        token_file.unlink()  # noqa: ASYNC240
        assert await status("another") == 503
        assert await status("") == 503


@pytest.mark.parametrize("held", [b"", b"\n \n", b"two\nlines", b"caf\xc3\xa9", b"x" * 5000, None])
def test_a_file_without_a_token_is_refused(tmp_path: Path, held: bytes | None) -> None:
    path = tmp_path / "token"
    if held is not None:
        path.write_bytes(held)
    with pytest.raises(TokenError, match="token"):
        Token(path)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_it_can_only_be_read(method: str) -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        assert (await agent.client.request(method, "/metrics", content=b"x" * 100)).status_code == 405
        assert (await agent.client.get("/")).status_code == 404
        assert (await agent.client.head("/metrics")).status_code == 200
        await agent.passed()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9400", "127.0.0.1.evil.example", "", "[::2]"])
async def test_a_name_of_elsewhere_does_not_reach_loopback(host: str) -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        answer = await agent.client.get("/metrics", headers={"Host": host})
        assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:9400", "127.0.0.1", "127.0.0.1:1", "[::1]:9400"])
async def test_the_names_of_this_machine_do(host: str) -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        answer = await agent.client.get("/metrics", headers={"Host": host})
        assert answer.status_code == 200


async def test_every_name_reaches_an_address_for_others() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a")), address="0.0.0.0") as agent:
        answer = await agent.client.get("/metrics", headers={"Host": "agent.servegrid.svc:9400"})
        assert answer.status_code == 200


async def raw(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 500 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["line", "header", "headers", "tls"],
)
async def test_requests_out_of_measure_are_refused(request_head: bytes) -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        assert (await raw(agent.served.port, request_head)).split(b" ")[1] == b"400"
        await agent.passed()


async def test_one_connection_too_many_is_closed_and_the_others_live() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        await agent.page()
        held = [await asyncio.open_connection("127.0.0.1", agent.served.port) for _ in range(63)]
        try:
            assert await raw(agent.served.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
            await agent.page()
        finally:
            for _, writer in held:
                writer.close()
        answered = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

        async def served_again() -> bool:
            return (await raw(agent.served.port, answered)).startswith(b"HTTP/1.1 200")

        async with asyncio.timeout(60):
            while not await served_again():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.02)


async def test_a_driver_that_hangs_ages_the_page_and_in_the_end_the_health() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a"))
    async with running(nvml) as agent:
        await agent.passed()
        hang, hanging = threading.Event(), threading.Event()
        answer = nvml._nvmlDeviceGetPowerUsage

        def slow(handle: object, number: object) -> int:
            hanging.set()
            hang.wait(60)
            return answer(handle, number)

        nvml._nvmlDeviceGetPowerUsage = slow  # type: ignore[method-assign]
        try:
            await until(hanging.is_set)
            agent.clock.ahead += 30
            page = await agent.page()
            assert page.value("servegrid_sample_age_seconds") >= 30
            assert page.value("DCGM_FI_DEV_GPU_TEMP") == 72
            assert (await agent.client.get("/healthz")).text == "ok\n"
            agent.clock.ahead += 100
            unwell = await agent.client.get("/healthz")
            assert unwell.status_code == 503
            assert unwell.text.startswith("NVML has not answered for 13")
        finally:
            hang.set()
        await agent.until(lambda page: page.value("servegrid_sample_age_seconds") < 30)
        assert (await agent.client.get("/healthz")).status_code == 200
