"""What requests do to the cluster, and what the cluster and its faults do to them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp
import pytest

from clients.embedded.faults import ENDPOINT_FAULT
from tests.support.outside import CHAT, LLAMA, LLAMA_MODEL, SERVINGS, Outside

LLAMAS = "/apis/apps/v1/namespaces/llm-prod/deployments/vllm-llama"
SERVICE = "/api/v1/namespaces/llm-prod/services/vllm-llama"
SERVER = "/apis/networking.serving.volcano.sh/v1alpha1/namespaces/llm-prod/modelservers/glm-4"
METRIC = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/default/pods/*/vllm:num_requests_running"
LONG = {"model": LLAMA_MODEL, "prompt": "Tell me everything", "max_tokens": 4000, "ignore_eos": True}
SHORT = {**LONG, "max_tokens": 5}


async def counted(outside: Outside) -> dict[str, float]:
    """The figures of the one vllm-llama pod, by name and reason, bucket or nothing."""
    status, page = await outside.ask(f"{outside.ingress}/metrics", host=LLAMA)
    assert status == 200
    found = {}
    for line in page.splitlines():
        match = re.fullmatch(r'vllm:(\w+)\{[^}]*?(?:finished_reason="(\w+)"|le="([^"]+)")?\} (\S+)', line)
        if match:
            found[" ".join(word for word in match.groups()[:3] if word)] = float(match[4])
    return found


async def test_every_answer_counts_in_the_engines_histograms(outside: Outside) -> None:
    """One that is read for longer than any simulated one is seen beside these, which go on meanwhile.

    A machine that stands still for a second holds some of these up as long.
    """

    async def slow() -> float:
        told = await counted(outside)
        name = "time_to_first_token_seconds"
        return told[f"{name}_count"] - told[f"{name}_bucket 5.0"]

    before = await slow()
    url = f"{outside.ingress}/v1/completions"
    status, told = await outside.ask(url, {**SHORT, "prompt": "word " * 24_000}, LLAMA)
    assert (status, told["usage"]["prompt_tokens"]) == (200, 30_000)
    assert await slow() >= before + 1


async def test_who_goes_away_is_an_aborted_request(outside: Outside) -> None:
    before = (await counted(outside))["request_success_total abort"]
    url = f"{outside.ingress}/v1/completions"
    answer = await outside.http.post(url, json={**LONG, "stream": True}, headers={"Host": LLAMA})
    await answer.content.readany()
    answer.close()

    async def noticed() -> bool:
        return (await counted(outside))["request_success_total abort"] == before + 1

    await outside.until(noticed, "the engine noticed")


async def test_requests_in_flight_reach_the_metrics_that_an_hpa_reads(outside: Outside) -> None:
    async def running() -> float:
        metrics = await outside.get(f"{METRIC}?labelSelector=modelserving.volcano.sh/name%3Dqwen-chat")
        values = [item["value"] for item in metrics["items"]]
        return sum(float(v[:-1]) / 1000 if v.endswith("m") else float(v) for v in values)

    async def user() -> None:
        while True:
            status, _ = await outside.ask(f"{outside.router}/v1/completions", body)
            assert status == 200

    async def seen() -> bool:
        # Each has a place at a prefill and at a decode pod.
        return await running() > before + 6

    before = await running()
    body = {"model": "qwen-chat", "prompt": "Tell me more", "max_tokens": 300, "ignore_eos": True}
    users = [asyncio.create_task(user()) for _ in range(8)]
    try:
        await outside.until(seen, "the load is seen")
    finally:
        for each in users:
            each.cancel()


async def test_without_a_ready_pod_gateways_say_so(outside: Outside) -> None:
    async def status() -> int:
        return (await outside.ask(f"{outside.ingress}/v1/completions", SHORT, LLAMA))[0]

    assert await status() == 200
    await outside.patch(LLAMAS, {"spec": {"replicas": 0}})

    async def gone() -> bool:
        return await status() == 503

    await outside.until(gone, "nobody answers")
    found, page = await outside.ask(f"{outside.ingress}/v1/completions", SHORT, LLAMA)
    assert (found, "503 Service Temporarily Unavailable" in page) == (503, True)
    await outside.patch(LLAMAS, {"spec": {"replicas": 1}})

    async def back() -> bool:
        return await status() == 200

    await outside.until(back, "the new pod answers")
    serving = SERVINGS.format("llm-prod", "glm-4")
    before = (await outside.get(serving))["spec"]["replicas"]
    await outside.patch(serving, {"spec": {"replicas": 0}})
    ask = {"model": "glm-4", "prompt": "x"}

    async def refused() -> bool:
        return (await outside.ask(f"{outside.router}/v1/completions", ask))[0] == 503

    await outside.until(refused, "the router has nobody")
    told = await outside.ask(f"{outside.router}/v1/completions", ask)
    assert told == (503, "no available pods for model server: llm-prod/glm-4")
    await outside.patch(serving, {"spec": {"replicas": before}})


async def test_a_stream_breaks_off_with_its_pod(outside: Outside) -> None:
    pods = await outside.get("/api/v1/namespaces/llm-prod/pods?labelSelector=app%3Dvllm-llama")
    (name,) = [pod["metadata"]["name"] for pod in pods["items"]]
    url = f"{outside.ingress}/v1/completions"
    streaming = await outside.http.post(url, json={**LONG, "stream": True}, headers={"Host": LLAMA})
    whole = asyncio.create_task(outside.ask(url, LONG, LLAMA))
    await streaming.content.readany()
    path = f"{outside.server}/api/v1/namespaces/llm-prod/pods/{name}?gracePeriodSeconds=0"
    async with outside.http.delete(path) as deleted:
        assert deleted.status == 200
    with pytest.raises(aiohttp.ClientPayloadError):
        await streaming.read()
    status, page = await whole
    assert (status, "502 Bad Gateway" in page) == (502, True)

    async def back() -> bool:
        return (await outside.ask(url, SHORT, LLAMA))[0] == 200

    await outside.until(back, "the next pod answers")


async def wrong(outside: Outside, path: str, fault: str | None) -> None:
    """Tells an endpoint what to do wrong; None: nothing any more."""
    await outside.patch(path, {"metadata": {"annotations": {ENDPOINT_FAULT: fault}}})


async def asked(outside: Outside, body: Any) -> str:
    """How a request through the ingress ends: its status, ``whole`` behind it, or the error's name."""
    url = f"{outside.ingress}/v1/completions"
    try:
        async with outside.http.post(url, json=body, headers={"Host": LLAMA}) as answer:
            text = await answer.text()
            done = not body.get("stream") or text.endswith("data: [DONE]\n\n")
            return f"{answer.status} whole" if done else f"{answer.status} cut"
    except aiohttp.ClientError as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("fault", "streamed", "whole"),
    [
        ("reset", "ClientOSError", "ClientOSError"),
        ("429", "429 cut", "429 whole"),
        ("503", "503 cut", "503 whole"),
        ("half-event", "ClientPayloadError", "ClientPayloadError"),
        ("nonsense", "200 whole", "200 whole"),
    ],
)
async def test_an_annotation_makes_an_endpoint_fail(
    outside: Outside, fault: str, streamed: str, whole: str
) -> None:
    await wrong(outside, SERVICE, fault)
    try:
        assert await asked(outside, {**SHORT, "stream": True}) == streamed
        assert await asked(outside, SHORT) == whole
    finally:
        await wrong(outside, SERVICE, None)
    assert await asked(outside, SHORT) == "200 whole"


async def test_a_share_of_the_requests_fails(outside: Outside) -> None:
    await wrong(outside, SERVICE, "429 20%")
    try:
        ends = [await asked(outside, SHORT) for _ in range(10)]
    finally:
        await wrong(outside, SERVICE, None)
    assert sorted(ends) == ["200 whole"] * 8 + ["429 whole"] * 2


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_endless_answer_begins_and_never_ends(outside: Outside, streamed: bool) -> None:
    await wrong(outside, SERVICE, "endless")
    try:
        body = {**SHORT, "stream": streamed}
        url = f"{outside.ingress}/v1/completions"
        async with outside.http.post(url, json=body, headers={"Host": LLAMA}) as answer:
            assert answer.status == 200
            rest = asyncio.create_task(answer.read())
            done, _ = await asyncio.wait((rest,), timeout=1.0)
            assert not done
            rest.cancel()
    finally:
        await wrong(outside, SERVICE, None)


async def test_a_stall_holds_requests_until_it_is_over(outside: Outside) -> None:
    await wrong(outside, SERVICE, "stall")
    waiting = [asyncio.create_task(asked(outside, SHORT)) for _ in range(3)]
    try:
        done, _ = await asyncio.wait(waiting, timeout=1.0)
        assert not done
    finally:
        await wrong(outside, SERVICE, None)
    assert await asyncio.gather(*waiting) == ["200 whole"] * 3


async def test_the_router_fails_in_its_own_words(outside: Outside) -> None:
    await wrong(outside, SERVER, "429")
    try:
        told = await outside.ask(outside.router + CHAT, {"model": "glm-4", "prompt": "x"})
    finally:
        await wrong(outside, SERVER, None)
    assert told == (429, "token usage exceeds rate limit")
