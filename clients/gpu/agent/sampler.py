"""Passes over the node's GPUs, whatever becomes of the driver: opens NVML, reads, closes and opens again."""

from __future__ import annotations

import pynvml
from msgspec.structs import replace
from pynvml import NVMLError

from clients.clock import Clock
from clients.gpu.agent.gpu import Gpu
from clients.gpu.agent.metrics import XID
from clients.gpu.agent.nvml_errors import Failure, failure, words
from clients.gpu.agent.samples import Device, DeviceSample, NodeSample
from clients.gpu.agent.xids import Xids
from clients.serving.gpus import DeviceState

__all__ = ["Sampler"]

_LOOK_AGAIN = 60.0
_RETRIES = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds until NVML is opened anew: doing so takes the driver up to seconds, while others wait for it."""


class Sampler:
    """Reads the GPUs of this node. Used from one thread; a call may take as long as the driver likes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open = False
        self._absent = "not looked yet"
        self._driver = ""
        self._gpus: list[Gpu] = []
        self._unreadable: list[DeviceSample] = []
        self._known: dict[str, Device] = {}
        self._xids = Xids(clock)
        self._looked = 0.0
        self._retries = 0
        self._retry_at = clock.monotonic()

    def sample(self) -> NodeSample:
        """One pass. Never raises, whatever a driver or GPU may do."""
        begun = self._clock.monotonic()
        devices: list[DeviceSample] = []
        try:
            if begun >= self._retry_at and not self._well():
                self._reopen()
            if self._open:
                devices = self._pass(begun)
                if self._well():
                    self._retries = 0
        except NVMLError as error:
            devices = []
            self._give_up(words(error))
        except Exception as error:
            # NVML's Python binding, not NVML. Whatever it is, the page must go on saying so.
            devices = []
            self._give_up(f"the NVML binding failed: {error!r}")
        now = self._clock.monotonic()
        return NodeSample(now, now - begun, tuple(devices), self._driver, "" if self._open else self._absent)

    def _well(self) -> bool:
        return self._open and not self._unreadable and not any(gpu.lost for gpu in self._gpus)

    def _pass(self, now: float) -> list[DeviceSample]:
        if now - self._looked >= _LOOK_AGAIN:
            for gpu in self._gpus:
                gpu.look_again()
            self._looked = now
        try:
            self._xids.take()
        except NVMLError as error:
            if failure(error) is Failure.GONE:
                raise
        rows = [row for gpu in self._gpus for row in gpu.sample()] + self._unreadable
        return [self._with_xid(row) for row in rows]

    def _with_xid(self, row: DeviceSample) -> DeviceSample:
        """A lost GPU keeps its last XID: it often says why."""
        uuid = row.device.uuid
        live = row.state is DeviceState.LIVE
        if (last := self._xids.last(uuid)) is not None:
            return replace(row, values={**row.values, XID: last[0]}, xid_seen_at=last[1])
        if live and self._xids.hears(uuid):
            return replace(row, values={**row.values, XID: 0})
        return replace(row, unsupported=(*row.unsupported, "XIDs")) if live else row

    def _reopen(self) -> None:
        """Opens NVML, closing it first if it is open. Sets when to try the next time, should this not do."""
        self._retry_at = self._clock.monotonic() + _RETRIES[min(self._retries, len(_RETRIES) - 1)]
        self._retries += 1
        self.close()
        pynvml.nvmlInit()
        self._open = True
        self._driver = pynvml.nvmlSystemGetDriverVersion()
        try:
            self._xids.open()
        except NVMLError as error:
            if failure(error) is Failure.GONE:
                raise
        self._find()
        self._looked = self._clock.monotonic()

    def _find(self) -> None:
        """Every GPU that the driver lists, and those that it no longer lists."""
        refused: dict[int, str] = {}
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                gpu = Gpu.at(index)
                gpu.look_again()
            except NVMLError as error:
                if failure(error) is Failure.GONE:
                    raise
                refused[index] = words(error)
                continue
            self._gpus.append(gpu)
            self._hear(gpu)
        found = {gpu.device.uuid: gpu.device for gpu in self._gpus}
        missing = [device for uuid, device in self._known.items() if uuid not in found]
        for device in missing:
            reason = refused.pop(device.index, "the driver no longer lists it")
            self._unreadable.append(DeviceSample(device, DeviceState.LOST, {}, reason=reason))
        for index, reason in refused.items():
            self._unreadable.append(DeviceSample(Device(index), DeviceState.LOST, {}, reason=reason))
        self._known.update(found)

    def _hear(self, gpu: Gpu) -> None:
        try:
            self._xids.hear(gpu.handle, gpu.device.uuid)
        except NVMLError as error:
            if failure(error) is Failure.GONE:
                raise

    def _give_up(self, reason: str) -> None:
        self.close()
        self._absent, self._driver = reason, ""
        self._retry_at = max(self._retry_at, self._clock.monotonic() + _RETRIES[0])

    def close(self) -> None:
        """Closes NVML, if it is open."""
        for gpu in self._gpus:
            gpu.close()
        self._gpus, self._unreadable = [], []
        self._xids.close()
        if self._open:
            self._open = False
            try:
                pynvml.nvmlShutdown()
            except NVMLError:
                pass  # It was gone already.
