"""Which pods hold which GPUs, asked of the kubelet over its pod-resources socket every few seconds.

gRPC comes from grpcio, in the extra ``servegrid[agent]``: raw bytes both ways, so that nothing is generated.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from clients.clock import Clock
from clients.gpu.agent.pod_devices import Holding, Malformed, pod_devices
from clients.gpu.agent.samples import DeviceSample
from clients.serving.gpus import Holder

__all__ = ["SOCKET", "Attribution"]

SOCKET = "/var/lib/kubelet/pod-resources/kubelet.sock"

_METHOD = "/v1.PodResourcesLister/List"
_EVERY = 5.0
_DEADLINE = 2.0
_KEPT = 30.0
"""Seconds that an answer holds while the kubelet restarts; pods do not move in that time."""
_LARGEST = 16 << 20
"""Bytes of an answer: 4 KB for a hundred pods, more where processors are pinned."""


class Attribution:
    """The newest answer of the kubelet."""

    def __init__(self, socket: str, clock: Clock, every: float = _EVERY) -> None:
        self._socket = Path(socket)
        self._clock = clock
        self._every = every
        self._holding = Holding({})
        self._answered: float | None = None
        self._trouble = "the kubelet has not been asked yet"

    async def run(self) -> None:
        """Asks every few seconds until it is cancelled."""
        while True:
            if self._socket.is_socket():
                await self._ask_on_one_channel()
            else:
                self._trouble = f"no kubelet socket at {self._socket}"
            await asyncio.sleep(self._every)

    async def _ask_on_one_channel(self) -> None:
        """Asks until that fails."""
        try:
            from grpc import aio  # Only where there is a kubelet to ask: it costs time and memory.
        except ImportError:
            self._trouble = "grpcio is not installed; it comes with servegrid[agent]"
            return
        options = [("grpc.max_receive_message_length", _LARGEST), ("grpc.enable_http_proxy", 0)]
        async with aio.insecure_channel(f"unix:{self._socket}", options=options) as channel:
            call = channel.unary_unary(_METHOD)
            try:
                while True:
                    self._take(await call(b"", timeout=_DEADLINE))
                    await asyncio.sleep(self._every)
            except aio.AioRpcError as error:
                self._trouble = f"the kubelet does not tell: {error.code().name}: {_line(error.details())}"
            except Malformed as error:
                self._trouble = f"the kubelet's answer cannot be read: {error}"

    def _take(self, answer: bytes) -> None:
        self._holding = pod_devices(answer)
        self._answered = self._clock.monotonic()
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why pods are not known, or may be as old as an answer holds; empty if all is well."""
        if self._trouble or self._known():
            return self._trouble
        return "the kubelet is no longer asked"

    def _known(self) -> bool:
        return self._answered is not None and self._clock.monotonic() - self._answered <= _KEPT

    def claims(self) -> int:
        """Containers whose devices are claimed dynamically, so that their GPUs are not known."""
        return self._holding.claims if self._known() else 0

    def holders(self, row: DeviceSample) -> tuple[Holder, ...]:
        """The containers that hold this GPU or MIG instance; none if it is free, or nothing is known."""
        if not self._known():
            return ()
        device = row.device
        if row.instance is not None:
            ids = row.instance.ids
        else:
            ids = (device.uuid, *(() if device.minor is None else (f"nvidia{device.minor}",)))
        return tuple(holder for one in ids for holder in self._holding.holders.get(one, ()))


def _line(text: str | None) -> str:
    return " ".join((text or "no reason given").split())[:200]
