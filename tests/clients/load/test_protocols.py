"""What goes out, and what is measured of what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clients.load.plan import LoadPlan
from clients.load.run import LoadError, try_once
from tests.support.load_runs import run_load
from tests.support.load_target import LoadTarget

CHAT: dict[str, Any] = {"protocol": "openai-chat", "model": "m", "requests": 4, "concurrency": 1, "seed": 7}


async def test_a_chat_that_streams(target: LoadTarget) -> None:
    result = await run_load(url=target.url, max_tokens=5, ignore_eos=True, **CHAT)
    sent = target.seen[0]
    assert (sent.method, sent.path) == ("POST", "/v1/chat/completions")
    assert sent.headers["accept"] == "text/event-stream"
    asked = sent.json
    (message,) = asked.pop("messages")
    assert message["role"] == "user"
    assert len(message["content"].split()) > 100
    assert asked == {
        "model": "m",
        "max_tokens": 5,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert result.tokens is not None
    assert (result.tokens.prompt, result.tokens.output, result.tokens.counted) == (44, 20, False)
    assert isinstance(result.ttft_ms.p50, float)
    assert isinstance(result.latency_from_schedule_ms.p50, float)
    assert 0 < result.ttft_ms.p50 < result.latency_from_schedule_ms.p50
    assert isinstance(result.itl_ms.p50, float)
    assert isinstance(result.tpot_ms.p50, float)
    assert result.tokens.per_s_per_user == pytest.approx(1000 / result.tpot_ms.p50, rel=0.01)


async def test_tokens_are_counted_and_marked_where_the_server_does_not_say(target: LoadTarget) -> None:
    target.usage = False
    result = await run_load(url=target.url, **CHAT)
    assert result.tokens is not None
    assert (result.tokens.prompt, result.tokens.output, result.tokens.counted) == (None, 20, True)


async def test_a_role_alone_is_no_first_token(target: LoadTarget) -> None:
    target.gap = 0.2
    result = await run_load(url=target.url, **CHAT | {"requests": 1})
    assert isinstance(result.ttft_ms.p50, float)
    assert result.ttft_ms.p50 >= 190


async def test_completions_that_stream(target: LoadTarget) -> None:
    result = await run_load(url=f"{target.url}/v1", **CHAT | {"protocol": "openai-completions"})
    assert target.seen[0].path == "/v1/completions"
    assert isinstance(target.seen[0].json["prompt"], str)
    assert result.tokens is not None
    assert result.tokens.output == 20


@pytest.mark.parametrize("usage", [True, False])
async def test_without_a_stream_only_usage_tells_tokens(target: LoadTarget, usage: bool) -> None:
    target.usage = usage
    result = await run_load(url=target.url, stream=False, **CHAT)
    assert "stream" not in target.seen[0].json
    assert result.requests.ok == 4
    assert result.ttft_ms.p50 is None
    assert result.tokens is not None
    assert result.tokens.output == (20 if usage else None)


async def test_goodput_is_of_all_that_were_scheduled(target: LoadTarget) -> None:
    good = await run_load(url=target.url, slo={"ttft_ms": 60_000, "tpot_ms": 60_000}, **CHAT)
    assert good.goodput is not None
    assert (good.goodput.percent, good.goodput.met) == (100, 4)
    target.cold = 2
    half = await run_load(url=target.url, slo={"e2e_ms": 60_000}, **CHAT)
    assert half.goodput is not None
    assert half.goodput.percent == 50
    none = await run_load(url=target.url, slo={"e2e_ms": 0.001}, **CHAT)
    assert none.goodput is not None
    assert none.goodput.percent == 0


@pytest.mark.parametrize(
    ("protocol", "path"), [("kserve-v1", "/v1/models/iris:predict"), ("kserve-v2", "/v2/models/iris/infer")]
)
async def test_kserve(target: LoadTarget, tmp_path: Path, protocol: str, path: str) -> None:
    body = tmp_path / "iris.json"
    body.write_bytes(b'{"instances": [[6.8, 2.8]]}')
    result = await run_load(
        url=target.url, protocol=protocol, model="iris", body_file=str(body), requests=2, concurrency=1
    )
    assert result.requests.ok == 2
    assert {(seen.method, seen.path, seen.body) for seen in target.seen} == {
        ("POST", path, body.read_bytes())
    }


async def test_a_path_in_the_url_is_kept(target: LoadTarget) -> None:
    await run_load(
        url=f"{target.url}/v1/models/iris:predict", protocol="kserve-v1", body="{}", requests=1, concurrency=1
    )
    assert target.seen[0].path == "/v1/models/iris:predict"


async def test_plain_http_with_method_headers_host_and_body(target: LoadTarget) -> None:
    await run_load(
        url=f"{target.url}/x?a=1",
        method="PUT",
        headers={"X-One": "1", "content-type": "text/csv"},
        host="iris.llm.test",
        body="a;b",
        requests=1,
        concurrency=1,
    )
    (seen,) = target.seen
    assert (seen.method, seen.path, seen.body) == ("PUT", "/x?a=1", b"a;b")
    assert (seen.headers["x-one"], seen.headers["content-type"]) == ("1", "text/csv")
    assert seen.headers["host"] == "iris.llm.test"


async def test_another_address_is_dialled_for_the_same_host(target: LoadTarget) -> None:
    await run_load(
        url="http://llm.test:8080/ok", connect_to=f"127.0.0.1:{target.port}", requests=1, concurrency=1
    )
    assert target.seen[0].headers["host"] == "llm.test:8080"


async def test_one_request_and_what_came_back(target: LoadTarget) -> None:
    plan = LoadPlan(url=target.url, protocol="openai-chat", model="m", rate=100)
    reply = await try_once(plan)
    assert (reply.status, reply.error, reply.text) == (200, None, "word " * 5)
    assert (reply.prompt_tokens, reply.output_tokens) == (11, 5)
    assert reply.ttft_ms is not None
    assert reply.ttft_ms < reply.took_ms
    assert len(target.seen) == 1


async def test_one_request_that_fails(target: LoadTarget) -> None:
    reply = await try_once(LoadPlan(url=f"{target.url}/status/503"))
    assert (reply.status, reply.error) == (503, "http 503")
    assert reply.message.startswith("status says it all")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"body_file": "/nowhere"}, "body_file: /nowhere: No such file or directory"),
        (
            {"secret_headers": {"Authorization": {"env": "NO_TOKEN"}}},
            "secret_headers.Authorization: the environment variable NO_TOKEN holds no value for a header",
        ),
        ({"tls": {"ca_file": "/nowhere"}}, "tls.ca_file: /nowhere: No such file or directory"),
    ],
)
async def test_what_the_plan_names_and_is_not_there(
    target: LoadTarget, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(LoadError) as caught:
        await run_load(url=f"{target.url}/ok", requests=1, concurrency=1, **fields)
    assert str(caught.value) == message
    assert target.seen == []
