"""A kubelet's pod-resources socket: real gRPC on a real unix socket, with its answer written byte by byte."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc import aio

Devices = tuple[str, Sequence[str]]
"""A resource's name and the ids of the devices given."""


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def _message(number: int, data: bytes | str) -> bytes:
    held = data.encode() if isinstance(data, str) else data
    return _varint(number << 3 | 2) + _varint(len(held)) + held


def container(name: str, *devices: Devices, claimed: bool = False) -> bytes:
    """A container with its devices, its processors, which the agent has no use for, and perhaps a claim."""
    held = _message(1, name)
    for resource, ids in devices:
        topology = _message(3, _message(1, _varint(1 << 3) + _varint(300)))
        held += _message(2, _message(1, resource) + b"".join(_message(2, one) for one in ids) + topology)
    held += _message(3, _varint(7) + _varint(1_000_000)) + _varint(9 << 3 | 1) + b"12345678"
    if claimed:
        held += _message(5, _message(2, "claim") + _message(3, "llm"))
    return held


def pod(namespace: str, name: str, *containers: bytes) -> bytes:
    """A pod of the answer."""
    held = _message(1, name) + _message(2, namespace) + b"".join(_message(3, one) for one in containers)
    return _message(1, held)


@dataclass
class Kubelet:
    """What the socket answers."""

    socket: str
    answer: bytes = b""
    refusal: grpc.StatusCode | None = None
    asked: int = field(default=0)

    async def _list(self, _: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        self.asked += 1
        if self.refusal is not None:
            await context.abort(self.refusal, "not\nnow")
        return self.answer


@asynccontextmanager
async def kubelet(*pods: bytes, socket: str | None = None) -> AsyncIterator[Kubelet]:
    """Serves the pods; the path is short, as those of unix sockets must be."""
    with tempfile.TemporaryDirectory(prefix="sg") as home:
        one = Kubelet(socket or f"{home}/kubelet.sock", b"".join(pods))
        handlers: dict[str, Any] = {"List": grpc.unary_unary_rpc_method_handler(one._list)}
        server = aio.server()
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("v1.PodResourcesLister", handlers),)
        )
        server.add_insecure_port(f"unix:{one.socket}")
        await server.start()
        try:
            yield one
        finally:
            await server.stop(None)
