"""Models asked from outside: the way there from the objects alone, protocols, refusals."""

from __future__ import annotations

import pytest

from tests.support.outside import (
    CHAT,
    INGRESSES,
    IRIS,
    LLAMA,
    LLAMA_MODEL,
    QWEN,
    SERVINGS,
    Outside,
)

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6}
NETWORKING = "/apis/networking.serving.volcano.sh/v1alpha1/namespaces/default"


async def balanced(outside: Outside, namespace: str, name: str) -> str:
    """The URL that a Service of type LoadBalancer tells."""
    service = await outside.get(f"/api/v1/namespaces/{namespace}/services/{name}")
    assert service["spec"]["type"] == "LoadBalancer"
    (port,) = [port["port"] for port in service["spec"]["ports"] if port["name"] == "http"]
    (entry,) = service["status"]["loadBalancer"]["ingress"]
    return f"http://{entry['ip']}:{port}"


async def test_an_inference_service_is_found_by_its_url_and_the_load_balancer(outside: Outside) -> None:
    url = await balanced(outside, "kube-system", "nginx-ingress-lb")
    assert url == outside.ingress
    service = await outside.get("/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/iris")
    host = service["status"]["url"].removeprefix("http://")
    ingress = await outside.get(INGRESSES.format("default", "iris"))
    (entry,) = ingress["status"]["loadBalancer"]["ingress"]
    assert f"http://{entry['ip']}:{entry['ports'][0]['port']}" == url
    assert host in [rule["host"] for rule in ingress["spec"]["rules"]]
    rows = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6], [5.0, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
    status, told = await outside.ask(f"{url}/v1/models/iris:predict", {"instances": rows}, host)
    assert (status, told) == (200, {"predictions": [1, 1, 0, 2]})


async def test_a_model_serving_is_found_by_its_route_and_the_routers_load_balancer(outside: Outside) -> None:
    url = await balanced(outside, "kthena-system", "kthena-router")
    assert url == outside.router
    serving = await outside.get(SERVINGS.format("default", "qwen-chat"))
    server = await outside.get(f"{NETWORKING}/modelservers/qwen-chat")
    selector = server["spec"]["workloadSelector"]
    assert selector["matchLabels"] == {"modelserving.volcano.sh/name": serving["metadata"]["name"]}
    route = await outside.get(f"{NETWORKING}/modelroutes/qwen-chat")
    assert route["spec"]["rules"][0]["targetModels"][0]["modelServerName"] == "qwen-chat"
    model = route["spec"]["modelName"]
    status, told = await outside.ask(url + CHAT, {"model": model, **HELLO})
    assert (status, told["model"], told["usage"]["completion_tokens"]) == (200, model, 6)
    status, models = await outside.ask(f"{url}/v1/models")
    assert status == 200
    assert {"qwen-chat", "phi-chat", "deepseek-r1"} <= {each["id"] for each in models["data"]}


async def test_a_deployment_is_found_by_its_service_and_ingress(outside: Outside) -> None:
    ingress = await outside.get(INGRESSES.format("llm-prod", "vllm-llama"))
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == LLAMA
    status, models = await outside.ask(f"{outside.ingress}/v1/models", host=rule["host"])
    assert (status, models["data"][0]["id"]) == (200, LLAMA_MODEL)
    assert (await outside.ask(f"{outside.ingress}/health", host=rule["host"])) == (200, "")
    leaders = "ds-r1-leader-llm-prod.example.com"
    status, models = await outside.ask(f"{outside.ingress}/v1/models", host=leaders)
    assert (status, "DeepSeek-R1" in models["data"][0]["id"]) == (200, True)


@pytest.mark.parametrize("usage", [False, True])
async def test_a_chat_streams_its_role_its_tokens_and_its_usage_if_asked(
    outside: Outside, usage: bool
) -> None:
    body = {"model": "qwen", **HELLO, "stream_options": {"include_usage": usage}}
    *events, done = await outside.events(outside.ingress + CHAT, body, QWEN)
    assert done == "[DONE]"
    if usage:
        last = events.pop()
        assert last["choices"] == []
        assert last["usage"]["completion_tokens"] == 6
        assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + 6
    assert all("usage" not in event for event in events)
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert len({event["id"] for event in events}) == 1
    deltas = [event["choices"][0]["delta"] for event in events]
    assert deltas[0] == {"role": "assistant", "content": ""}
    text = "".join(delta["content"] for delta in deltas)
    assert len(text.split()) == 6
    assert [event["choices"][0]["finish_reason"] for event in events][-2:] == [None, "length"]
    status, whole = await outside.ask(outside.ingress + CHAT, {"model": "qwen", **HELLO}, QWEN)
    assert (status, whole["choices"][0]["message"]["content"]) == (200, text)


async def test_completions_stream_and_come_whole(outside: Outside) -> None:
    url, body = f"{outside.ingress}/v1/completions", {"model": "qwen", "prompt": "Once", "max_tokens": 5}
    status, whole = await outside.ask(url, body, QWEN)
    assert (status, whole["object"], whole["choices"][0]["finish_reason"]) == (
        200,
        "text_completion",
        "length",
    )
    *events, done = await outside.events(
        url, {**body, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}, QWEN
    )
    assert done == "[DONE]"
    told = [event["usage"]["completion_tokens"] for event in events]
    assert told == sorted(told)
    assert told[-1] == 5
    texts = [event["choices"][0]["text"] for event in events if event["choices"]]
    assert "".join(texts) == whole["choices"][0]["text"]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 400, "json_invalid"),
        (b"[]", 400, "dictionary"),
        ({"model": "other", **HELLO}, 404, "The model `other` does not exist."),
        ({"model": "qwen"}, 400, "messages"),
        ({"model": "qwen", "messages": "Hello"}, 400, "messages"),
        ({"model": "qwen", **HELLO, "max_tokens": 0}, 400, "max_tokens must be at least 1, got 0."),
        ({"model": "qwen", **HELLO, "max_tokens": 40_000}, 400, "maximum context length is 32768"),
        ({"model": "qwen", **HELLO, "n": 2}, 400, "one choice"),
    ],
)
async def test_what_an_engine_refuses(outside: Outside, body: object, status: int, word: str) -> None:
    found, told = await outside.ask(outside.ingress + CHAT, body, QWEN)
    assert (found, told["error"]["code"]) == (status, status)
    assert word in told["error"]["message"]
    assert set(told["error"]) == {"message", "type", "param", "code"}


async def test_the_other_protocol_of_kserve(outside: Outside) -> None:
    tensor = {"name": "input-0", "shape": [2, 4], "datatype": "FP32"}
    flat = [6.8, 2.8, 4.8, 1.4, 5.0, 3.5, 1.4, 0.2]
    url = f"{outside.ingress}/v2/models/iris/infer"
    status, told = await outside.ask(url, {"id": "a", "inputs": [tensor | {"data": flat}]}, IRIS)
    (output,) = told["outputs"]
    assert (status, told["model_name"], told["id"]) == (200, "iris", "a")
    assert (output["shape"], output["data"]) == ([2], [1, 0])
    nested = [flat[:4], flat[4:]]
    assert (await outside.ask(url, {"inputs": [tensor | {"data": nested}]}, IRIS))[1]["outputs"] == [output]
    status, told = await outside.ask(f"{outside.ingress}/v2/models/iris/ready", host=IRIS)
    assert (status, told["ready"]) == (200, True)


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/v1/models/iris:predict", {}, 400, "instances"),
        ("/v1/models/rose:predict", {"instances": []}, 404, "rose does not exist"),
        ("/v1/models/iris:predict", b"{", 400, "Unrecognized"),
        ("/v2/models/iris/infer", {"inputs": [{"data": [1], "shape": [0]}]}, 400, "tensors"),
        ("/v1/chat/completions", HELLO, 404, "Not Found"),
    ],
)
async def test_what_a_kserve_server_refuses(
    outside: Outside, path: str, body: object, status: int, word: str
) -> None:
    found, told = await outside.ask(outside.ingress + path, body, IRIS)
    assert (found, word in told["error"]) == (status, True)


async def test_gateways_refuse_what_they_have_no_route_for(outside: Outside) -> None:
    status, page = await outside.ask(f"{outside.ingress}/", host="nobody.example.com")
    assert (status, "404 Not Found" in page, "nginx" in page) == (404, True, True)
    for body, status, word in (
        ({"model": "nobody", **HELLO}, 404, "route not found"),
        (HELLO, 404, "model not found"),
        ({"model": "qwen-chat"}, 404, "prompt not found"),
        (b"", 400, "truncated"),
    ):
        found, told = await outside.ask(outside.router + CHAT, body)
        assert (found, word in told) == (status, True)


async def test_a_route_follows_its_objects(outside: Outside) -> None:
    name = {"metadata": {"name": "other"}}
    rules = [{"targetModels": [{"modelServerName": "missing"}]}]
    path = f"{outside.server}{NETWORKING}/modelroutes"
    route = {**name, "kind": "ModelRoute", "apiVersion": "networking.serving.volcano.sh/v1alpha1"}
    async with outside.http.post(path, json=route | {"spec": {"modelName": "mine", "rules": rules}}) as made:
        assert made.status == 201, await made.text()
    ask = {"model": "mine", **HELLO}
    assert await outside.ask(outside.router + CHAT, ask) == (404, "can't find model server: default/missing")
    rules[0]["targetModels"][0]["modelServerName"] = "llama-guide"
    await outside.patch(f"{NETWORKING}/modelroutes/other", {"spec": {"rules": rules}})
    status, told = await outside.ask(outside.router + CHAT, ask)
    assert (status, told["model"]) == (200, "llama-guide")
    async with outside.http.delete(f"{path}/other") as gone:
        assert gone.status == 200
    assert (await outside.ask(outside.router + CHAT, ask))[0] == 404
