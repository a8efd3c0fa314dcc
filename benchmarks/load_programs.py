"""Processes of the load benchmark: the server, bare loops, and the generator with its reader watched.

``python -m benchmarks.load_programs server`` prints its port. ``… bare URL USERS SECONDS`` prints requests a
second, ``… sleeper RATE SECONDS`` how late (p99, ms) a loop wakes that does nothing but wake. ``… watched``
is a generator (order on standard input) whose last line tells its readers' true lag.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from clients.clock import SystemClock
from clients.load import sse
from clients.load.process import main as generate

_CLOCK = SystemClock()
_CHUNKS, _GAP = 100, 0.02
"""A stream is 2 s of 50 tokens a second; where in a tick each begins is left to chance."""
_SERVICE = 0.02


class Server:
    """Answers at once, streams, or stalls, and remembers when."""

    def __init__(self) -> None:
        self.stall = (0.0, 0.0)
        self.times: list[tuple[float, float]] = []
        """(arrived, answered) of each request to ``/stalling``, monotonic seconds."""

    async def fine(self, request: web.Request) -> web.Response:
        """At once."""
        await request.read()
        return web.Response(body=b"fine")

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """A stream whose chunks say when they were written."""
        await request.read()
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        due = _CLOCK.monotonic()
        for _ in range(_CHUNKS):
            due += _GAP
            await asyncio.sleep(max(0.0, due - _CLOCK.monotonic()))
            padding = '"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1795392000'
            said = f'"choices":[{{"index":0,"delta":{{"content":" word"}}}}],"at":{_CLOCK.monotonic()!r}'
            await answer.write(f"data: {{{padding},{said}}}\n\n".encode())
        await answer.write(b"data: [DONE]\n\n")
        return answer

    async def stalling(self, request: web.Request) -> web.Response:
        """After 20 ms, but nobody during three seconds."""
        arrived = _CLOCK.monotonic()
        await asyncio.sleep(_SERVICE)
        if not self.times:
            self.stall = (arrived + 4.0, arrived + 7.0)
        self.times.append((arrived, 0.0))
        index = len(self.times) - 1
        now = _CLOCK.monotonic()
        if self.stall[0] <= now < self.stall[1]:
            await asyncio.sleep(self.stall[1] - now)
        self.times[index] = (arrived, _CLOCK.monotonic())
        return web.Response(body=b"fine")

    async def truth(self, request: web.Request) -> web.Response:
        """What was seen since it was last asked."""
        times, self.times = self.times, []
        return web.json_response(times)


async def _serve() -> None:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/", server.fine)
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_route("*", "/stalling", server.stalling)
    app.router.add_get("/truth", server.truth)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def _bare(url: str, users: int, seconds: float) -> None:
    """The least that aiohttp's client can do: users in a loop, nothing measured but their number."""
    end = _CLOCK.monotonic() + seconds
    done = 0

    async def user(session: aiohttp.ClientSession) -> None:
        nonlocal done
        while _CLOCK.monotonic() < end:
            async with session.get(url) as answer:
                await answer.read()
            done += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(user(session) for _ in range(users)))
    print(done / seconds, flush=True)


async def _sleep(rate: float, seconds: float) -> None:
    begun = _CLOCK.monotonic()
    late = []
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - _CLOCK.monotonic()))
        late.append(_CLOCK.monotonic() - due)
    print(1000 * sorted(late)[len(late) * 99 // 100], flush=True)


def _watched() -> None:
    lags: list[float] = []
    feed = sse.EventSplitter.feed

    def noted(self: Any, data: bytes) -> list[bytes]:
        now = _CLOCK.monotonic()
        events = feed(self, data)
        lags.extend(now - float(event[at + 5 : -1]) for event in events if (at := event.rfind(b'"at":')) > 0)
        return events

    sse.EventSplitter.feed = noted  # type: ignore[method-assign]
    generate(())
    lags.sort()
    told = {
        "type": "lags",
        "count": len(lags),
        "p50": lags[len(lags) // 2],
        "p99": lags[len(lags) * 99 // 100],
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["server"]:
            uvloop.run(_serve())
        case ["bare", url, users, seconds]:
            uvloop.run(_bare(url, int(users), float(seconds)))
        case ["sleeper", rate, seconds]:
            uvloop.run(_sleep(float(rate), float(seconds)))
        case ["watched"]:
            _watched()
