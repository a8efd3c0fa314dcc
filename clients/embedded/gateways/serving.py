"""What the engines behind a gateway answer over HTTP, in the time that the simulated work takes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from email.utils import formatdate
from enum import Enum
from typing import Any

import msgspec
from aiohttp import web

from clients.embedded.demand import Demand
from clients.embedded.enginepages import EnginePages
from clients.embedded.faults import FaultKind
from clients.embedded.gateways import kserve, openai
from clients.embedded.gateways.routes import Team
from clients.embedded.simclock import SimClock
from clients.embedded.traffic import End, Job, Traffic

__all__ = ["Broken", "Serving", "reset"]

_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"


class Broken(Enum):
    """An answer that did not begin: its pod went away."""

    UPSTREAM = "upstream"


class Serving:
    """All engines of one cluster."""

    def __init__(self, traffic: Traffic, demand: Demand, pages: EnginePages, clock: SimClock) -> None:
        self._traffic = traffic
        self._demand = demand
        self._pages = pages
        self._clock = clock

    def said(self, status: int, body: bytes, kind: str = _JSON) -> web.Response:
        """An answer in the cluster's time."""
        return web.Response(status=status, body=body, headers=self._headers(kind))

    async def answer(
        self, request: web.Request, team: Team, fault: FaultKind | None, model: str
    ) -> web.StreamResponse | Broken:
        """What a team of pods answers. ``model``: written over that of the request, if any."""
        pod, path = team[-1], request.path
        if not pod.served:
            return self.said(404, b'{"detail":"Not Found"}')
        if request.method in ("GET", "HEAD"):
            if pod.model:
                told = self._pages.answer(pod, request.method, path)
                return self.said(told.status, told.body, told.headers["Content-Type"])
            found = kserve.page(path, pod.served)
            return self.said(found.status, found.body)
        if request.method != "POST":
            return self.said(405, b'{"detail":"Method Not Allowed"}')
        try:
            body = msgspec.json.decode(await request.read() or b"null")
        except msgspec.DecodeError as error:
            if pod.model:
                return self._refused(openai.RefusedError(400, f"json_invalid: {error}", "Bad Request"))
            return self.said(400, b'{"error":"Unrecognized request format"}')
        if not pod.model:
            return await self._predicted(request, body, team, fault)
        chat = openai.PATHS.get(path)
        if chat is None:
            return self._refused(openai.RefusedError(404, "Not Found", "NotFoundError"))
        try:
            asked = self._read(body, chat, team, model)
        except openai.RefusedError as refusal:
            return self._refused(refusal)
        if asked.stream:
            return await self._streamed(request, asked, team, fault)
        job = await self._done(asked.prompt, asked.wanted, team)
        if job.end is not End.ANSWERED:
            return Broken.UPSTREAM
        return await self._whole(request, asked.whole(), fault)

    # -- inside ------------------------------------------------------------------------------------------

    def _headers(self, kind: str) -> dict[str, str]:
        return {"Content-Type": kind, "Date": formatdate(self._clock.now(), usegmt=True)}

    def _refused(self, refusal: openai.RefusedError) -> web.Response:
        return self.said(refusal.status, refusal.body)

    def _read(self, body: Any, chat: bool, team: Team, model: str) -> openai.Asked:
        if not isinstance(body, Mapping):
            raise openai.RefusedError(400, "Input should be a valid dictionary", "Bad Request")
        pod = team[-1]
        named = {**body, "model": model} if model else body
        return openai.read_request(named, chat, pod.served, self._demand.pace(pod).typical, self._clock.now())

    async def _done(self, prompt: int, wanted: int, team: Team) -> Job:
        """The work, at its end; given up with the task that waits for it."""
        changed = asyncio.Event()
        job = Job(prompt, wanted, changed.set)
        self._traffic.submit(job, team)
        try:
            while job.end is None:
                await changed.wait()
                changed.clear()
        finally:
            self._traffic.withdraw(job)
        return job

    async def _predicted(
        self, request: web.Request, body: Any, team: Team, fault: FaultKind | None
    ) -> web.StreamResponse | Broken:
        found = kserve.prediction(request.path, body, team[-1].served)
        if found.status != 200:
            return self.said(found.status, found.body)
        job = await self._done(0, 0, team)
        if job.end is not End.ANSWERED:
            return Broken.UPSTREAM
        return await self._whole(request, found.body, fault)

    async def _whole(self, request: web.Request, body: bytes, fault: FaultKind | None) -> web.StreamResponse:
        if fault not in (FaultKind.HALF_EVENT, FaultKind.ENDLESS):
            return self.said(200, body)
        response = web.StreamResponse(headers=self._headers(_JSON))
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await _stop(request, fault)
        return response

    async def _streamed(
        self, request: web.Request, asked: openai.Asked, team: Team, fault: FaultKind | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._headers(_EVENTS))
        changed = asyncio.Event()
        job = Job(asked.prompt, asked.wanted, changed.set)
        # An engine takes a request before it has anything to say, and its headers leave at once.
        self._traffic.submit(job, team)
        try:
            await response.prepare(request)
            sent = 0
            while True:
                await changed.wait()
                changed.clear()
                if job.told > sent:
                    events = asked.event(sent, job.told)
                    if not sent:
                        events = asked.opening() + events
                    sent = job.told
                    if fault is FaultKind.HALF_EVENT and sent * 2 >= asked.wanted:
                        await response.write(events[: len(events) // 2])
                        await _stop(request, fault)
                        return response
                    await response.write(events)
                if job.end is not None:
                    break
            if job.end is not End.ANSWERED:
                _close(request)
            elif fault is FaultKind.ENDLESS:
                await _stop(request, fault)
            else:
                await response.write(asked.closing())
                await response.write_eof()
        finally:
            self._traffic.withdraw(job)
        return response


def reset(request: web.Request) -> web.Response:
    """Resets the connection; what is returned reaches nobody."""
    transport = request.transport
    if transport is not None:
        held: socket.socket | None = transport.get_extra_info("socket")
        if held is not None:
            # Closing without lingering is what sends a reset.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _stop(request: web.Request, fault: FaultKind) -> None:
    """In the middle of an answer: the connection ends, or nothing ever comes again."""
    if fault is FaultKind.ENDLESS:
        await asyncio.Event().wait()
    _close(request)


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
