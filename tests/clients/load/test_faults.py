"""Whatever a server does to it: a fault has its own kind, and no run hangs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from clients.load.plan import LoadPlan, Secret
from clients.load.run import try_once
from tests.support.certificates import Authority
from tests.support.load_runs import run_load
from tests.support.load_target import LoadTarget, load_target

TWICE: dict[str, Any] = {"requests": 2, "concurrency": 1}
STREAM: dict[str, Any] = {**TWICE, "protocol": "openai-chat", "model": "m"}
SHORT: dict[str, Any] = {"timeout_s": 2.0}


@pytest.mark.parametrize(
    ("path", "fields", "kind"),
    [
        ("/silent", TWICE | SHORT, "timeout"),
        ("/reset", TWICE, "reset"),
        ("/leave", TWICE, "reset"),
        ("/gibberish", TWICE, "bad answer"),
        ("/status/429", TWICE, "http 429"),
        ("/status/503", TWICE, "http 503"),
        ("/status/500", STREAM, "http 500"),
        ("/moved", TWICE, "http 302"),
        ("/ok", STREAM, "bad answer"),
        ("/stream/half", STREAM, "half event"),
        ("/stream/half-cut", STREAM, "half event"),
        ("/stream/cut", STREAM, "cut mid-answer"),
        ("/stream/reset", STREAM, "cut mid-answer"),
        ("/stream/early", STREAM, "ended early"),
        ("/stream/error", STREAM, "error event"),
        ("/stream/no-json", STREAM, "bad answer"),
        ("/stream/endless-event", STREAM, "oversized event"),
        ("/stream/endless", STREAM | SHORT, "timeout mid-answer"),
        ("/stream/hangs", STREAM | SHORT, "timeout mid-answer"),
    ],
)
async def test_each_fault_is_a_kind_of_its_own(
    target: LoadTarget, path: str, fields: dict[str, Any], kind: str
) -> None:
    result = await run_load(url=target.url + path, **fields)
    assert result.errors == {kind: 2}
    assert (result.requests.ok, result.requests.failed, result.requests.unfinished) == (0, 2, 0)
    assert result.ended == "requests"
    assert list(result.error_samples) == [kind]
    assert result.latency_with_failures_ms.p50 == "infinite"
    assert result.latency_from_schedule_ms.p50 is None
    assert all(text.isprintable() for text in result.error_samples.values())


async def test_a_closed_port_refuses() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        result = await run_load(url=f"http://127.0.0.1:{free.getsockname()[1]}/", **TWICE)
    assert result.errors == {"connect refused": 2}


async def test_a_handshake_that_nobody_answers_is_a_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = await run_load(url=f"https://127.0.0.1:{silent.getsockname()[1]}/", **TWICE | SHORT)
    assert result.errors == {"connect timeout": 2}


async def test_every_request_has_the_whole_time(target: LoadTarget) -> None:
    result = await run_load(
        url=f"{target.url}/silent", rate=10, arrivals="constant", requests=10, timeout_s=2.0
    )
    assert result.errors == {"timeout": 10}
    assert result.measured_s >= 0.9 + 2.0


async def test_a_name_that_is_nobodys() -> None:
    result = await run_load(url="http://nobody.invalid/", **TWICE)
    assert result.errors == {"no such host": 2}


async def test_plain_http_where_tls_was_expected(target: LoadTarget) -> None:
    result = await run_load(url=target.url.replace("http", "https"), **TWICE)
    assert result.errors == {"tls": 2}


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    @pytest.fixture
    def context(self, authority: Authority) -> ssl.SSLContext:
        pair = authority.issue("llm.test", alternatives="DNS:llm.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        return context

    async def test_a_certificate_is_verified_unless_told(self, context: ssl.SSLContext) -> None:
        async with load_target(context) as target:
            url = f"https://127.0.0.1:{target.port}/"
            assert (await run_load(url=url, **TWICE)).errors == {"tls": 2}
            assert (await run_load(url=url, tls={"verify": False}, **TWICE)).requests.ok == 2

    async def test_the_name_may_be_another_than_the_address(
        self, context: ssl.SSLContext, authority: Authority
    ) -> None:
        tls = {"ca_file": str(authority.pair.certificate)}
        async with load_target(context) as target:
            address = f"127.0.0.1:{target.port}"
            by_name = {**tls, "server_hostname": "llm.test"}
            assert (await run_load(url=f"https://{address}/", tls=by_name, **TWICE)).requests.ok == 2
            other = {**tls, "server_hostname": "other.test"}
            assert (await run_load(url=f"https://{address}/", tls=other, **TWICE)).errors == {"tls": 2}
            dialled = await run_load(url="https://llm.test/x", connect_to=address, tls=tls, **TWICE)
            assert dialled.requests.ok == 2
            assert target.seen[-1].headers["host"] == "llm.test"


async def test_what_does_not_end_is_unfinished_and_never_lost(target: LoadTarget) -> None:
    result = await run_load(
        url=f"{target.url}/silent", rate=20, arrivals="constant", duration_s=1, drain_s=0.3, timeout_s=60
    )
    assert (result.requests.scheduled, result.requests.sent, result.requests.unfinished) == (20, 20, 20)
    assert result.requests.oldest_unfinished_s is not None
    assert result.requests.oldest_unfinished_s >= 1
    assert result.latency_with_failures_ms.p50 == "infinite"


async def test_messages_hold_no_secret(target: LoadTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_TOKEN", "s3cr3t-value")
    result = await run_load(
        url=f"{target.url}/echo-secret", secret_headers={"Authorization": {"env": "LLM_TOKEN"}}, **TWICE
    )
    assert target.seen[0].headers["authorization"] == "Bearer s3cr3t-value"
    assert result.error_samples == {"http 400": "you sent Bearer ***"}
    assert b"s3cr3t" not in result.json()
    secrets = {"Authorization": Secret(env="LLM_TOKEN")}
    reply = await try_once(LoadPlan(url=f"{target.url}/echo-secret", secret_headers=secrets))
    assert reply.text == "you sent Bearer ***"


async def test_a_run_goes_on_through_faults_and_tells_the_cold_start(target: LoadTarget) -> None:
    target.cold = 5
    result = await run_load(url=f"{target.url}/ok", rate=20, arrivals="constant", duration_s=1)
    assert result.status == {"200": 15, "503": 5}
    assert result.cold_start.failed_before == 5
    assert result.cold_start.first_ok_s is not None
    assert result.cold_start.first_ok_s > 0
    await asyncio.wait_for(target.until_left(), 60)
