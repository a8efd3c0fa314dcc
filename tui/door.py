"""The door between the screens and the data thread: all that a screen may ask for, and nothing else.

The screens are written against these protocols; ``tui.data`` implements them, tests script them. Every
method may be called from the Textual loop and none of them blocks it. No Textual in here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from clients.serving.autoscaling import Autoscaling
from clients.serving.backend import Ticket
from clients.serving.changes import Change
from clients.serving.engine_figures import EngineReading
from clients.serving.engine_use import Pod
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import DeviceKey
from clients.serving.keys import ObjectRef, ScaleTarget, WorkloadKey
from clients.serving.operation import Count, Operation
from clients.serving.plans import ScalePlan
from clients.serving.spending import Spent, SpentInAll
from tui.fleet import FleetDelta, FleetView
from tui.pins import Pin
from tui.succession import Offers

if TYPE_CHECKING:
    from pathlib import Path

    from clients.gpu.history import Point
    from clients.serving.target import LoadTarget
    from tui.load_settings import LoadSettings

__all__ = [
    "Asked",
    "CloudView",
    "ContainerView",
    "ContextView",
    "DataError",
    "Door",
    "EtaView",
    "FleetDoor",
    "Mode",
    "Right",
]


class Mode(StrEnum):
    """What a context allows."""

    LIVE = "live"
    READ_ONLY = "read-only"
    PROTECTED = "protected"


class ContextView(Struct, frozen=True):
    """Where the console is, for the status line and the titles of dialogs."""

    name: str
    """The kubeconfig context, fixed at start until the user switches; ``no cluster`` without any."""
    cluster: str | None = None
    """``None`` until the cluster answered for the first time."""
    namespaces: tuple[str, ...] | None = None
    """``None``: all namespaces."""
    user: str | None = None
    mode: Mode = Mode.LIVE
    contexts: tuple[str, ...] = ()
    """Every context of the kubeconfig, for the switch."""
    known_namespaces: tuple[str, ...] = ()
    """Namespaces seen so far, for the switch."""
    clouds: tuple[CloudView, ...] = ()

    def cloud(self, cluster: str) -> CloudView | None:
        """The zone or region of a key's cluster; ``None`` for a workload of the context."""
        return next((one for one in self.clouds if one.cluster == cluster), None)


class CloudView(Struct, frozen=True):
    """A zone or region of a managed cloud, beside the context."""

    cluster: str
    """What stands as the cluster in its workloads' keys."""
    name: str
    """``exoscale/at-vie-2``."""
    mode: Mode = Mode.LIVE


class EtaView(Struct, frozen=True):
    """What remains of a running operation: seconds of cluster time."""

    low: float
    high: float
    samples: int


class Right(Struct, frozen=True):
    """Whether an action is allowed. ``allowed`` is ``None`` where the review was refused: unknown, try."""

    allowed: bool | None
    missing: str | None = None
    """The missing right in words: ``patch modelservings in llm-prod``."""


class ContainerView(Struct, frozen=True):
    """One container of a pod."""

    name: str
    note: str = ""
    """Plain: what it is and how it is: ``init, terminated: Error, 3 restarts``."""


class Asked(Struct, frozen=True):
    """A change in the audit log."""

    by: str
    at: float
    """Cluster time."""
    before: Count
    after: Count
    last: bool
    """The object was not changed since: its generation is the one that the server gave back."""


class DataError(Exception):
    """Something that was asked for could not be had. Its text is one plain line that says what to do."""


class FleetDoor(Protocol):
    """Newest values, latest wins."""

    def view(self) -> FleetView:
        """Everything as it is now; an immutable value."""
        ...

    def finished(self, key: WorkloadKey) -> Operation | None:
        """The workload's last operation that has ended, with its prediction and outcome."""
        ...

    def drain(self) -> FleetDelta | None:
        """What changed since the last call, or ``None``. Called by the data tick only."""
        ...


class Door(Protocol):
    """All that a screen may ask of the data side."""

    @property
    def fleet(self) -> FleetDoor:
        """Workloads, sources, events."""
        ...

    @property
    def context(self) -> ContextView:
        """Where we are."""
        ...

    def start(self) -> None:
        """Starts the data thread; returns at once."""
        ...

    async def stop(self) -> None:
        """Ends the data thread and its connections."""
        ...

    def now(self, cluster: str | None = None) -> float:
        """A cluster's time, UTC seconds; without one that of the context."""
        ...

    def monotonic(self) -> float:
        """This machine's monotonic seconds."""
        ...

    async def plan(self, key: WorkloadKey, change: Change) -> ScalePlan:
        """The plan with all guards; a few ms. Raises ``DataError``."""
        ...

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The same plan with the server's word on it. Raises ``DataError``."""
        ...

    async def send(self, plan: ScalePlan, *, confirmed: str) -> Ticket:
        """Audit log, dry run, the write, audit outcome; never twice. ``confirmed``: what was typed."""
        ...

    def eta(self, key: WorkloadKey) -> EtaView | None:
        """What remains of the workload's running operation; ``None``: no history or nothing running."""
        ...

    def wrote(self, key: WorkloadKey) -> Asked | None:
        """Who asked for the workload's present counts, by the audit log as far as it was read."""
        ...

    def spent(self, key: WorkloadKey) -> Spent | None:
        """What it has cost since this console began to look; ``None`` where that was never known."""
        ...

    @property
    def spent_in_all(self) -> SpentInAll | None:
        """What all of them have cost since then; ``None`` where no cost was ever known."""
        ...

    def attend(self, key: WorkloadKey) -> None:
        """Somebody looks at it now; said again every second for as long as they do."""
        ...

    @property
    def offers(self) -> Offers:
        """What may be scaled to zero now, for what was made in its place is ready."""
        ...

    def undo(self, key: WorkloadKey) -> Change | None:
        """The inverse of my last change to this workload, if there was one."""
        ...

    def pin(self, key: WorkloadKey, role: str | None) -> Pin | None:
        """What was pinned from this user's consoles, and what stood there before."""
        ...

    async def right(self, verb: str, key: WorkloadKey) -> Right:
        """Whether I may, by access review, cached."""
        ...

    async def containers(self, key: WorkloadKey, namespace: str, pod: str) -> Sequence[ContainerView]:
        """A pod's containers, the one that its logs are about first. Raises ``DataError``."""
        ...

    def logs(
        self, key: WorkloadKey, namespace: str, pod: str, container: str | None, previous: bool = False
    ) -> AsyncIterator[str]:
        """The last 200 lines, then what follows. Raises ``DataError``."""
        ...

    async def object_text(self, key: WorkloadKey) -> str:
        """The whole object: YAML as a cluster has it now, JSON as a cloud told it. Raises ``DataError``."""
        ...

    async def autoscaling(self, key: WorkloadKey) -> Autoscaling | None:
        """What drives it and what that decides now; ``None``: its system has nothing that does.

        Metrics are read for as long as this is asked, once a second or so. Raises ``DataError``.
        """
        ...

    def gpus(self, nodes: tuple[str, ...]) -> GpuView:
        """All devices as they were read last, latest wins; ``nodes`` are looked at closely.

        They are read for as long as this is asked, once a second or so.
        """
        ...

    def engines(self, pods: tuple[Pod, ...]) -> Mapping[Pod, EngineReading]:
        """The engines of these pods as they were read last; the same object until one says something else.

        They are read for as long as this is asked, once a second or so.
        """
        ...

    async def load_target(self, key: WorkloadKey) -> LoadTarget:
        """Where a load test of the workload goes, by its objects as they are now. Raises ``DataError``."""
        ...

    @property
    def load_rules(self) -> LoadSettings:
        """What the settings say of load tests."""
        ...

    @property
    def runs(self) -> Path:
        """The directory in which load tests are kept."""
        ...

    def note_load(self, key: WorkloadKey, moment: str, why: str | None) -> None:
        """Puts a moment of a load test into the time line: ``begun``, ``ended``, and why."""
        ...

    async def gpu_history(self, keys: Sequence[DeviceKey]) -> Mapping[DeviceKey, Sequence[Point]]:
        """What each device did since somebody looks, oldest first. Raises ``DataError``."""
        ...

    async def driver_yaml(self, ref: ObjectRef) -> str:
        """A whole object of a chain as YAML. Raises ``DataError``."""
        ...

    async def scaled(self, key: WorkloadKey) -> ScaleTarget:
        """What an autoscaler of it has, or would have, as its target. Raises ``DataError``."""
        ...

    async def driver_object(self, ref: ObjectRef) -> Mapping[str, Any]:
        """A whole object of a chain, read now. Raises ``DataError``."""
        ...

    async def describe(self, key: WorkloadKey) -> str:
        """The object, its pods and their events in words. Raises ``DataError``."""
        ...

    async def switch(self, context: str | None, namespaces: tuple[str, ...] | None) -> None:
        """Another context (``None``: the same) and namespaces (``None``: all). Raises ``DataError``."""
        ...

    def recheck_rights(self) -> None:
        """Forgets every cached access review."""
        ...

    async def login(self) -> None:
        """Runs the login plugin on the terminal, which the caller has freed. Raises ``DataError``."""
        ...
