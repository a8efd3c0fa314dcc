"""A real embedded cluster in trouble behind a front that puts chosen text into every string it tells.

What the front tells is consistent: a name carries the same text wherever it occurs, so that owners, labels,
nodes and paths still fit together, and a request for a tainted name reaches the object that bears it.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
import yaml
from aiohttp import web

from clients.embedded.api import serve
from clients.embedded.command import application
from clients.embedded.scenarios.catalogue import make_cluster

__all__ = ["HOSTILE", "Hostile", "hostile_cluster"]

HOSTILE = (
    "\x1b[31m\x1b[2J\x1b[1;1H\x1b]0;owned\x07",
    "[red]x[/] [@click=app.quit]y[/] [/nope] $bad {z}",
    "\x1b]52;c;b3duZWQ=\x07\x1b]8;;http://owned\x1b\\\x1b_owned\x1b\\",
    "M" * 10_000,
    "\x9b5n\x90q\x9c\x85\x9d0;owned\x9c\x8d",
    "模型服务🛑\ufe0f\U0001f469\u200d\U0001f680\U0001f1e9\U0001f1ea\U000e0041",
    "\x07\x08\x08\x08\x08\r\n\x00\x7f\x0b\x0c\x0e\x0f\t",
    "\u202eright\u2066to\u2069left\u05d0\u05d1\u0627\u200f",
    "\x1bP1$r0m\x1b\\\x1bc\x1b[?1049l\x1b[?25h\x1b[6n\x1b[>c",
    "zero\u200bwidth\u200d\ufeff\u2028e" + "\u0301\u20dd" * 200,
)
"""Escapes, markup, clipboard, links, titles, length, C1, width, direction, joiners, floods of marks."""

_SAID = frozenset(
    (
        "message",
        "reason",
        "image",
        "imageID",
        "manager",
        "description",
        "kubeletVersion",
        "reportingComponent",
    )
)
"""Keys of text that nothing is looked up by."""
_ROLES = ("prefill", "decode", "engine", "gpu-node", "downloader")


class Hostile:
    """The front. ``texts`` go round: each name gets the next one."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self.texts = texts
        self.names: dict[str, str] = {}
        self.url = ""
        self.refusal: Callable[[], web.Response] | None = None
        """Instead of answers to writes, where set."""
        self.writes: list[str] = []
        """Paths of the writes that came, those of dry runs left out."""
        self.answer_writes = threading.Event()
        """Until it is set, writes are done but not answered; dry runs are."""
        self.answer_writes.set()
        self._told = 0
        self._inner = ""
        self._session: aiohttp.ClientSession | None = None

    # Text

    def name(self, plain: str) -> str:
        """A name as the front tells it."""
        return self.names.get(plain, plain)

    def _next(self) -> str:
        self._told += 1
        return self.texts[self._told % len(self.texts)]

    def _swap(self, text: str) -> str:
        return self._there.sub(lambda found: self.names[found[0]], text)

    def _back(self, text: str) -> str:
        return self._home.sub(lambda found: self._plain[found[0]], text)

    def _taint(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {
                self._swap(name) if key in ("labels", "annotations") else name: self._taint(found, name)
                for name, found in value.items()
            }
        if isinstance(value, list):
            return [self._taint(found, key) for found in value]
        if isinstance(value, str) and key not in ("uid", "resourceVersion", "apiVersion", "kind"):
            told = self._swap(value)
            # A reason in the cluster's own words stays recognisable every other time.
            own = key == "reason" and self._told % 2
            return told + self._next() if key in _SAID and not own else told
        return value

    # Serving

    async def start(self) -> None:
        """Starts the cluster, frozen, and the front."""
        cluster = make_cluster("trouble", speed=0)
        behind, inner = await serve(application(cluster), 0)
        self._inner = f"http://127.0.0.1:{inner}"
        listed = cluster.store.list("modelservings.workload.serving.volcano.sh")
        found = [item["metadata"]["name"] for item in listed]
        found += sorted({item["metadata"]["namespace"] for item in listed} | {"default"})
        for word in sorted(found + list(_ROLES), key=len, reverse=True):
            self.names[word] = word + self._next()
        self._plain = {told: word for word, told in self.names.items()}
        self._there = _any_of(self.names)
        self._home = _any_of(self._plain)
        self._session = aiohttp.ClientSession(trust_env=False)
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01, max_line_size=1 << 20)
        self._runners = [runner, behind]
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Ends both."""
        for runner in self._runners:
            await runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        path = quote(self._back(unquote(path)))
        query = quote(self._back(unquote(query)), safe="=&")
        if request.method in ("PATCH", "PUT") and self.refusal is not None:
            return self.refusal()
        if path.endswith("/log"):
            return await self._log(request)
        if request.query.get("watch"):
            return await self._watch(request, path)
        assert self._session is not None
        real = request.method in ("PATCH", "PUT") and "dryRun" not in request.query
        if real:
            self.writes.append(path)
        kept = ("Accept", "Content-Type")
        async with self._session.request(
            request.method,
            f"{self._inner}{path}?{query}",
            data=self._back((await request.read()).decode()).encode(),
            headers={name: request.headers[name] for name in kept if name in request.headers},
        ) as answer:
            body = await answer.read()
            if real:
                await asyncio.to_thread(self.answer_writes.wait)
            if "json" not in answer.headers.get("Content-Type", "") or "openapi" in path:
                return web.Response(status=answer.status, body=body)
            value = json.loads(body)
            served = path.count("/") > 3 or path.startswith("/api/v1/")
            if served and value.get("kind") != "APIResourceList":
                value = self._taint(value)
            return web.Response(status=answer.status, text=json.dumps(value), content_type="application/json")

    async def _log(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for number, text in enumerate(self.texts):
            await response.write(f"line {number} {text}\n".encode())
        if request.query.get("follow"):
            await asyncio.Event().wait()
        return response

    async def _watch(self, request: web.Request, path: str) -> web.StreamResponse:
        """Says that a pod is gone, a second after it was asked, and then nothing."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        version = request.query.get("resourceVersion", "1")
        mark: dict[str, Any] = {"metadata": {"resourceVersion": version}}
        await _say(response, "BOOKMARK", mark)
        if path.endswith("/pods"):
            assert self._session is not None
            async with self._session.get(self._inner + path) as answer:
                items = (await answer.json())["items"]
            await asyncio.sleep(1.0)  # Only what changes after a look is told as an event.
            owned = [item for item in items if item["metadata"].get("ownerReferences")]
            for item in owned[:: max(1, len(owned) // 4)]:
                item["metadata"]["resourceVersion"] = version
                await _say(response, "DELETED", self._taint({**item, "kind": "Pod", "apiVersion": "v1"}))
        await asyncio.Event().wait()
        return response


async def _say(response: web.StreamResponse, kind: str, value: dict[str, Any]) -> None:
    await response.write(json.dumps({"type": kind, "object": value}).encode() + b"\n")


def _any_of(words: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)))


@contextmanager
def hostile_cluster(folder: Path, texts: tuple[str, ...]) -> Iterator[tuple[Hostile, Path]]:
    """A running front and a kubeconfig whose own names carry the texts too."""
    front = Hostile(texts)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(front.start(), loop).result(60)
    kubeconfig = folder / "kubeconfig"
    contexts = [f"ctx{number}{text}" for number, text in enumerate(texts)]
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": f"cluster{texts[0]}", "cluster": {"server": front.url}}],
                "users": [{"name": f"user{texts[-1]}", "user": {}}],
                "contexts": [
                    {"name": name, "context": {"cluster": f"cluster{texts[0]}", "user": f"user{texts[-1]}"}}
                    for name in contexts
                ],
                "current-context": contexts[0],
            }
        )
    )
    try:
        yield front, kubeconfig
    finally:
        asyncio.run_coroutine_threadsafe(front.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
