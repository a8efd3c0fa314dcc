"""A server on loopback for load tests: serves models, misbehaves by path, and writes down the truth."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from msgspec import Struct

from clients.clock import SystemClock

__all__ = ["LoadTarget", "Seen", "load_target"]

_CLOCK = SystemClock()
_HEAD = "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{more}\r\n"
_CHUNKED = "Transfer-Encoding: chunked\r\n"


class Seen(Struct):
    """A request, as the server saw it. Times are its monotonic seconds."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    arrived: float
    answered: float | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class LoadTarget:
    """Paths say how it behaves: ``/ok``, ``/slow``, ``/reset``, ``/half``, … and those of the protocols."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        """That are open now."""
        self.port = 0
        self.tokens = 5
        self.gap = 0.005
        """Seconds between them."""
        self.usage = True
        self.service = 0.02
        """Seconds that ``/stalling`` takes."""
        self.stall: tuple[float, float] | None = None
        """From and to when, in seconds after the first request, ``/stalling`` answers nobody."""
        self.cold = 0
        """How many requests are answered 503 first."""
        self.changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, count: int) -> None:
        """Until so many requests were seen."""
        async with asyncio.timeout(60):
            while len(self.seen) < count:
                self.changed.clear()
                await self.changed.wait()

    async def until_left(self) -> None:
        """Until nobody is connected."""
        async with asyncio.timeout(60):
            while self.connections:
                self.changed.clear()
                await self.changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.connections -= 1
            self.changed.set()
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection stays."""
        begins = await reader.readexactly(1)
        if begins == b"\x16":
            return await _whole(writer, 400, b"this is no TLS") and False
        head = (begins + await reader.readuntil(b"\r\n\r\n")).decode()
        arrived = _CLOCK.monotonic()
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        seen = Seen(method, path, headers, body, arrived)
        self.seen.append(seen)
        self.changed.set()
        stays = await self._behave(seen, reader, writer)
        seen.answered = _CLOCK.monotonic()
        return stays

    async def _behave(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.cold:
            self.cold -= 1
            return await _whole(writer, 503, b"warming up")
        match seen.path.strip("/").split("/"):
            case ["stalling"]:
                return await self._stalling(writer)
            case ["silent"]:
                await reader.read(1)
            case ["reset"]:
                _reset(writer)
            case ["leave"]:
                return False
            case ["gibberish"]:
                writer.write(b"\x00\x01 this is no HTTP\r\n\r\n")
                await writer.drain()
            case ["status", code]:
                return await _whole(writer, int(code), b"status says it all \x1b[2J")
            case ["moved"]:
                return await _whole(writer, 302, b"", more="Location: /ok\r\n")
            case ["echo-secret"]:
                return await _whole(writer, 400, f"you sent {seen.headers['authorization']}".encode())
            case ["stream", how]:
                return await self._stream_badly(reader, writer, how)
            case ["v1", "chat", "completions"] | ["v1", "completions"]:
                return await self._model(seen, writer)
            case ["v1", "models", _] | ["v2", "models", _, "infer"]:
                return await _whole(writer, 200, b'{"predictions": [1]}')
            case _:
                return await _whole(writer, 200, b"fine")
        return False

    async def _stalling(self, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(self.service)
        if self.stall is not None:
            since = _CLOCK.monotonic() - self.seen[0].arrived
            if self.stall[0] <= since < self.stall[1]:
                await asyncio.sleep(self.stall[1] - since)
        return await _whole(writer, 200, b"fine")

    async def _model(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        usage = {"prompt_tokens": 11, "completion_tokens": self.tokens} if self.usage else None
        chat = "messages" in seen.json
        if not seen.json.get("stream"):
            said = (
                {"message": {"content": "word " * self.tokens}} if chat else {"text": "word " * self.tokens}
            )
            answer = {"choices": [{**said, "finish_reason": "stop"}], "usage": usage}
            return await _whole(writer, 200, json.dumps(answer).encode(), kind="application/json")
        writer.write(_HEAD.format(status=200, kind="text/event-stream", more=_CHUNKED).encode())
        _chunk(writer, _event({"choices": [{"delta": {"role": "assistant", "content": ""}}]}))
        for _ in range(self.tokens):
            await asyncio.sleep(self.gap)
            _chunk(
                writer, _event({"choices": [{"delta": {"content": "word "}} if chat else {"text": "word "}]})
            )
            await writer.drain()
        _chunk(writer, _event({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
        if usage is not None:
            _chunk(writer, _event({"choices": [], "usage": usage}))
        _chunk(writer, b"data: [DONE]\n\n")
        _chunk(writer, b"")
        await writer.drain()
        return True

    async def _stream_badly(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: str
    ) -> bool:
        writer.write(_HEAD.format(status=200, kind="text/event-stream", more=_CHUNKED).encode())
        _chunk(writer, _event({"choices": [{"delta": {"content": "word "}}]}))
        match how:
            case "half" | "early":
                if how == "half":
                    _chunk(writer, b'data: {"choices": [{"delta": {"con')
                _chunk(writer, b"")
                await writer.drain()
                return True
            case "half-cut":
                _chunk(writer, b'data: {"choices": [{"delta": {"con')
            case "cut":
                pass
            case "reset":
                await writer.drain()
                await asyncio.sleep(0.05)
                _reset(writer)
            case "error":
                _chunk(writer, _event({"error": {"message": "out of memory"}}))
            case "no-json":
                _chunk(writer, b"data: surprise\n\n")
            case "endless-event":
                for _ in range(40):
                    _chunk(writer, b"data: " + b"x" * 65536)
            case "endless":
                while True:
                    _chunk(writer, _event({"choices": [{"delta": {"content": "word "}}]}))
                    await writer.drain()
                    await asyncio.sleep(0.02)
            case "hangs":
                await writer.drain()
                await reader.read(1)
        await writer.drain()
        return False


@asynccontextmanager
async def load_target(context: ssl.SSLContext | None = None) -> AsyncIterator[LoadTarget]:
    """A target on a free port, with TLS if there is a context."""
    target = LoadTarget()
    server = await asyncio.start_server(target.serve, "127.0.0.1", 0, ssl=context, backlog=1024)
    target.port = server.sockets[0].getsockname()[1]
    serving = asyncio.create_task(server.serve_forever())
    try:
        yield target
    finally:
        serving.cancel()
        server.close()


async def _whole(
    writer: asyncio.StreamWriter, status: int, body: bytes, *, kind: str = "text/plain", more: str = ""
) -> bool:
    head = _HEAD.format(status=status, kind=kind, more=f"Content-Length: {len(body)}\r\n{more}")
    writer.write(head.encode() + body)
    await writer.drain()
    return True


def _event(data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection with RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
