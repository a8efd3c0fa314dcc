"""One GPU with its cached handle: read in each pass, with its MIG instances if it is divided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pynvml
from pynvml import NVMLError

from clients.gpu.agent import activity
from clients.gpu.agent.activity import Activity
from clients.gpu.agent.nvml_errors import Failure, failure, words
from clients.gpu.agent.readings import EACH_MINUTE, EACH_PASS, MEMORY, Fields, Reading, Values
from clients.gpu.agent.samples import Device, DeviceSample, Instance
from clients.serving.gpus import DeviceState

__all__ = ["Gpu"]

_MOST_INSTANCES = 64
"""More than any GPU can be divided into (7); bounds what a broken driver may count."""


class _Reader(Protocol):
    @property
    def what(self) -> str: ...

    def read(self, handle: Any) -> Values: ...


class _Calls:
    """A reading's calls: settles on the first one that the driver knows."""

    def __init__(self, reading: Reading) -> None:
        self.what = reading.what
        self._calls = list(reading.calls)

    def read(self, handle: Any) -> Values:
        while True:
            try:
                return self._calls[0](handle)
            except NVMLError as error:
                if failure(error) is not Failure.UNSUPPORTED or len(self._calls) == 1:
                    raise
                del self._calls[0]


class _Readings:
    """All that is read through one handle. What is not supported is asked once; the rest is kept trying."""

    def __init__(self, readers: list[_Reader]) -> None:
        self._readers = readers
        self.unsupported: list[str] = []
        self.failing: list[str] = []

    def read(self, handle: Any) -> Values:
        """The values that were there this time.

        Raises:
            NVMLError: the GPU is lost, or the driver gone.
        """
        found: Values = {}
        self.failing = []
        for reader in tuple(self._readers):
            try:
                found.update(reader.read(handle))
            except NVMLError as error:
                kind = failure(error)
                if kind in (Failure.LOST, Failure.GONE):
                    raise
                if kind is Failure.PASSING:
                    self.failing.append(f"{reader.what}: {words(error)}")
                else:
                    self._readers.remove(reader)
                    denied = f" ({words(error)})" if kind is Failure.DENIED else ""
                    self.unsupported.append(reader.what + denied)
        return found


class _Part:
    """A MIG instance with its handle."""

    def __init__(self, instance: Instance, handle: Any) -> None:
        self.instance = instance
        self.handle = handle
        self.memory = _Readings([_Calls(MEMORY)])
        self.follow(None)

    def follow(self, one: Activity | None) -> None:
        """Gives it its activity, which is read through the GPU's own handle."""
        self.activity = one
        self.activities = _Readings([] if one is None else [one])


class Gpu:
    """One GPU. A GPU that is lost stays lost for this object; NVML is opened anew to find it again."""

    def __init__(self, device: Device, handle: Any) -> None:
        self.device = device
        self.handle = handle
        self._lost = ""
        self._steady: Values = {}
        self._slow = _Readings([*map(_Calls, EACH_MINUTE)])
        self._parts: dict[int, _Part] = {}
        self._activities: list[Activity] = []
        self._whole = self._follow()
        self._begin()

    @classmethod
    def at(cls, index: int) -> Gpu:
        """The GPU with this index.

        Raises:
            NVMLError: it cannot be opened, or does not tell its UUID.
        """
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        pci = _asked(pynvml.nvmlDeviceGetPciInfo, handle)
        device = Device(
            index,
            uuid=pynvml.nvmlDeviceGetUUID(handle),
            bus_id=pci.busId if pci is not None else "",
            minor=_asked(pynvml.nvmlDeviceGetMinorNumber, handle),
            model=_asked(pynvml.nvmlDeviceGetName, handle) or "",
        )
        return cls(device, handle)

    def _begin(self) -> None:
        """Asks for everything again: a GPU tells other things while it is divided."""
        self._fields = Fields()
        readers: list[_Reader] = [*map(_Calls, EACH_PASS), self._fields]
        if self._whole is not None:
            readers.append(self._whole)
        self._readings = _Readings(readers)

    def _follow(self, instance: int | None = None) -> Activity | None:
        """None if this GPU does not tell its activity."""
        try:
            if not activity.told_by(self.handle):
                return None
            one = Activity(instance)
        except NVMLError as error:
            if failure(error) in (Failure.LOST, Failure.GONE):
                raise
            return None
        self._activities.append(one)
        return one

    def look_again(self) -> None:
        """Reads what changes seldom: limits, and how the GPU is divided. To be called first, and each minute.

        Raises:
            NVMLError: the driver is gone.
        """
        try:
            self._steady = self._slow.read(self.handle)
            self._divide({part.instance.number: part for part in self._instances()})
        except NVMLError as error:
            if failure(error) in (Failure.LOST, Failure.GONE):
                self._fail(error)
            # Else it stays divided as it was known to be.

    def _divide(self, found: dict[int, _Part]) -> None:
        kept = {
            number: known
            for number, known in self._parts.items()
            if number in found and found[number].instance == known.instance
        }
        for number, part in self._parts.items():
            if number not in kept and part.activity is not None:
                self._activities.remove(part.activity)
                part.activity.close()
        for number, part in found.items():
            if number not in kept:
                part.follow(self._follow(number))
        if bool(found) != bool(self._parts):
            self._begin()
        self._parts = {**found, **kept}

    def _instances(self) -> Iterator[_Part]:
        """The GPU instances; compute instances within one share its memory, and so its row.

        Raises:
            NVMLError: how it is divided is not known this time.
        """
        try:
            mode = pynvml.nvmlDeviceGetMigMode(self.handle)[0]
        except NVMLError as error:
            if failure(error) in (Failure.UNSUPPORTED, Failure.DENIED):
                return
            raise
        if mode != pynvml.NVML_DEVICE_MIG_ENABLE:
            return
        most = min(pynvml.nvmlDeviceGetMaxMigDeviceCount(self.handle), _MOST_INSTANCES)
        found: dict[int, tuple[Any, str, list[str]]] = {}
        for index in range(most):
            try:
                handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(self.handle, index)
                number = pynvml.nvmlDeviceGetGpuInstanceId(handle)
                compute = pynvml.nvmlDeviceGetComputeInstanceId(handle)
                uuid = pynvml.nvmlDeviceGetUUID(handle)
            except (pynvml.NVMLError_NotFound, pynvml.NVMLError_InvalidArgument):
                continue  # Instances come and go, and indices have gaps.
            name = _asked(pynvml.nvmlDeviceGetName, handle) or ""
            ids = found.setdefault(number, (handle, name, []))[2]
            ids += [uuid, f"MIG-{self.device.uuid}/{number}/{compute}"]
        for number, (handle, name, ids) in sorted(found.items()):
            if self.device.minor is not None:
                ids.append(f"nvidia{self.device.minor}/gi{number}")
            yield _Part(Instance(number, name.partition(" MIG ")[2], tuple(ids)), handle)

    @property
    def lost(self) -> bool:
        """Whether only opening NVML anew may bring it back."""
        return bool(self._lost)

    def _fail(self, error: NVMLError) -> None:
        if failure(error) is Failure.GONE:
            raise error
        self._lost = words(error)

    def sample(self) -> list[DeviceSample]:
        """The GPU, or each of its MIG instances.

        Raises:
            NVMLError: the driver is gone.
        """
        if not self._lost:
            try:
                return self._sample()
            except NVMLError as error:
                self._fail(error)
        return [DeviceSample(self.device, DeviceState.LOST, {}, reason=self._lost)]

    def _sample(self) -> list[DeviceSample]:
        values = self._readings.read(self.handle)
        unsupported = (*self._readings.unsupported, *self._fields.unsupported, *self._slow.unsupported)
        if self._whole is None:
            unsupported += (Activity.what,)
        failing = tuple(self._readings.failing)
        if not values and failing:
            return [DeviceSample(self.device, DeviceState.FAILED, {}, reason=failing[0], failing=failing)]
        values.update(self._steady)
        live = DeviceState.LIVE
        if not self._parts:
            return [DeviceSample(self.device, live, values, unsupported=unsupported, failing=failing)]
        # As dcgm-exporter does: an instance has its GPU's temperature, power and errors beside its own memory
        # and activity. How busy or full the whole GPU is says nothing of an instance.
        shared = {name: value for name, value in values.items() if not name.startswith(_OF_ITS_OWN)}
        rows = []
        for part in self._parts.values():
            own = {**shared, **part.memory.read(part.handle), **part.activities.read(self.handle)}
            troubles = (*failing, *part.memory.failing, *part.activities.failing)
            refused = (*unsupported, *part.memory.unsupported, *part.activities.unsupported)
            rows.append(DeviceSample(self.device, live, own, part.instance, "", refused, troubles))
        return rows

    def close(self) -> None:
        """Gives back what the driver holds for it; NVML must still be open."""
        while self._activities:
            try:
                self._activities.pop().close()
            except NVMLError:
                continue  # Closing NVML frees it too.


_OF_ITS_OWN = (
    "DCGM_FI_PROF_",
    "DCGM_FI_DEV_FB_",
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_MEM_COPY_UTIL",
)


def _asked(call: Callable[..., Any], *arguments: Any) -> Any:
    """What an answer that is good to have says; None if this GPU does not give it.

    Raises:
        NVMLError: the GPU is lost, or the driver gone.
    """
    try:
        return call(*arguments)
    except NVMLError as error:
        if failure(error) in (Failure.LOST, Failure.GONE):
            raise
        return None
