"""Models of an embedded cluster as somebody outside asks them: by URL and Host, beside its API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

__all__ = ["CHAT", "INGRESSES", "IRIS", "LLAMA", "LLAMA_MODEL", "QWEN", "SERVINGS", "Outside"]

CHAT = "/v1/chat/completions"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{}/ingresses/{}"
SERVINGS = "/apis/workload.serving.volcano.sh/v1alpha1/namespaces/{}/modelservings/{}"
LLAMA = "vllm-llama-llm-prod.example.com"
LLAMA_MODEL = "meta-llama/Llama-3.1-8B-Instruct"
QWEN = "qwen-llm-prod.example.com"
IRIS = "iris-default.example.com"


class Outside:
    """A person with curl."""

    def __init__(self, http: aiohttp.ClientSession, ready: dict[str, Any]) -> None:
        self.http = http
        self.server: str = ready["server"]
        self.ingress: str = ready["ingress"]
        self.router: str = ready["router"]

    async def get(self, path: str) -> Any:
        """An object of the API."""
        async with self.http.get(self.server + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def patch(self, path: str, change: Any) -> None:
        """A merge patch."""
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self.http.patch(self.server + path, data=json.dumps(change), headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def ask(self, url: str, body: Any = None, host: str = "") -> tuple[int, Any]:
        """Status and body of a POST, or of a GET without a body; JSON where it is some."""
        headers = {"Host": host} if host else {}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        method = "GET" if data is None else "POST"
        async with self.http.request(method, url, data=data, headers=headers) as answer:
            text = await answer.text()
            is_json = text and answer.content_type == "application/json"
            return answer.status, json.loads(text) if is_json else text

    async def events(self, url: str, body: Any, host: str = "") -> list[Any]:
        """The events of a stream, ``[DONE]`` as it stands."""
        headers = {"Host": host} if host else {}
        async with self.http.post(url, json={**body, "stream": True}, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream"), await answer.text()
            text = await answer.text()
        assert text.endswith("\n\n")
        told = [line.removeprefix("data: ") for line in text.split("\n\n")[:-1]]
        return [event if event == "[DONE]" else json.loads(event) for event in told]

    async def until(self, condition: Callable[[], Awaitable[Any]], what: str) -> Any:
        """Waits until something holds, and gives it."""
        for _ in range(1200):
            found = await condition()
            if found:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"never: {what}")
