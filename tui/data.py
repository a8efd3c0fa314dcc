"""The console's only way to clusters and clouds: what a screen asks is asked of whoever has the workload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from clients.clock import Clock
from clients.kube.config import ClusterConfig, load
from clients.kube.errors import KubeError
from clients.serving.autoscaling import Autoscaling
from clients.serving.backend import Ticket
from clients.serving.changes import Change, ObjectChange, Verb
from clients.serving.engine_figures import EngineReading
from clients.serving.engine_use import Pod
from clients.serving.events import Event, EventKind
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import DeviceKey
from clients.serving.keys import ObjectRef, ScaleTarget, WorkloadKey
from clients.serving.plans import ScalePlan
from clients.serving.spending import Spent, SpentInAll
from clients.serving.workload import Workload
from tui.data_thread import NO_CONTEXT, DataThread
from tui.door import Asked, CloudView, ContainerView, ContextView, DataError, EtaView, Mode, Right
from tui.start import Start, login_name
from tui.succession import Offers

if TYPE_CHECKING:
    from pathlib import Path

    from clients.gpu.history import Point
    from clients.serving.target import LoadTarget
    from tui.line import KubeLine, Line
    from tui.load_settings import LoadSettings
    from tui.pins import Pin

__all__ = ["Data"]

_STEP = 0.5
_LOG_BATCH = 200


class Data:
    """Implements ``tui.door.Door``."""

    def __init__(self, start: Start, config: ClusterConfig | None, clock: Clock) -> None:
        """``config``: without one there are only the clouds that the settings name."""
        namespaces = None if config is None else start.scope(config)
        self._thread = DataThread(start, config, clock, namespaces)
        self.fleet = self._thread.fleet
        self._start = start
        self._clock = clock

    def start(self) -> None:
        """Starts the data thread; returns at once."""
        self._thread.start()

    async def stop(self) -> None:
        """Ends it once a write that is under way has its line in the audit log."""
        await self._thread.stop()

    # -- where and when

    @property
    def context(self) -> ContextView:
        """Where the console is."""
        config, lines = self._thread.config, self._thread.lines
        name = NO_CONTEXT if config is None else config.context
        kube = None if lines is None else lines.kube
        clouds = {} if lines is None else lines.clouds
        namespaces = {key.namespace for key in self.fleet.view().workloads if key.cluster not in clouds}
        infos = self._thread.infos
        return ContextView(
            name=name,
            cluster=None if kube is None else kube.backend.cluster,
            namespaces=self._thread.namespaces,
            user=self._start.connect.as_user
            or next((info.user for info in infos if info.name == name), None),
            mode=Mode(self._start.mode(None if config is None else name).value),
            contexts=tuple(info.name for info in infos),
            known_namespaces=tuple(sorted(name for name in namespaces if name)),
            clouds=tuple(
                CloudView(cluster, line.name, Mode(line.scaling.policy.mode.value))
                for cluster, line in clouds.items()
            ),
        )

    def now(self, cluster: str | None = None) -> float:
        """A cluster's time, without one the context's; this machine's until the cluster has answered."""
        lines = self._thread.lines
        return (self._clock if lines is None else lines.clock(cluster)).now()

    def monotonic(self) -> float:
        """This machine's monotonic seconds."""
        return self._clock.monotonic()

    def _line(self, key: WorkloadKey) -> Line | None:
        lines = self._thread.lines
        return None if lines is None else lines.of(key)

    def _workload(self, key: WorkloadKey) -> Workload:
        workload = self.fleet.view().workloads.get(key)
        if workload is None:
            raise DataError(f"{key} is gone")
        return workload

    # -- changing

    async def plan(self, key: WorkloadKey, change: Change) -> ScalePlan:
        """The plan with all guards but the server's dry run; what is not there yet can only be made."""
        if isinstance(change, ObjectChange) and change.verb is Verb.CREATE and key.managed:
            known = self.fleet.view().workloads.get(key)
            if known is None:
                return await self._thread.ask_of(key, lambda line: line.scaling.plan_new(change))
        workload = self._workload(key)
        return await self._thread.ask_of(key, lambda line: line.scaling.plan(workload, change))

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The same plan with the server's word on it."""
        return await self._thread.ask_of(plan.key, lambda line: line.scaling.dry_run(plan))

    async def send(self, plan: ScalePlan, *, confirmed: str) -> Ticket:
        """Audit log, dry run, the write, its answer. ``confirmed`` is what was typed. Never sent twice."""
        return await self._thread.ask_of(plan.key, lambda line: line.scaling.send(plan, typed=confirmed))

    def spent(self, key: WorkloadKey) -> Spent | None:
        """What it has cost since this console began to look."""
        lines = self._thread.lines
        return None if lines is None else lines.spent(key)

    @property
    def spent_in_all(self) -> SpentInAll | None:
        """What all of them have cost since then; ``None`` where no cost was ever known."""
        lines = self._thread.lines
        return None if lines is None else lines.spent_in_all

    @property
    def offers(self) -> Offers:
        """What may be scaled to zero now, for what was made in its place is ready."""
        lines = self._thread.lines
        return {} if lines is None else lines.offers

    def undo(self, key: WorkloadKey) -> Change | None:
        """The inverse of my last change to this workload."""
        line, workload = self._line(key), self.fleet.view().workloads.get(key)
        return line.scaling.undo(workload) if line is not None and workload is not None else None

    def pin(self, key: WorkloadKey, role: str | None) -> Pin | None:
        """What was pinned here, and what stood there before."""
        lines = self._thread.lines
        return lines.pins.of(key, role) if lines is not None else None

    def wrote(self, key: WorkloadKey) -> Asked | None:
        """Who asked for the workload's present counts, by the audit log as far as it was read."""
        line, workload = self._line(key), self.fleet.view().workloads.get(key)
        return line.scaling.wrote(workload) if line is not None and workload is not None else None

    async def right(self, verb: str, key: WorkloadKey) -> Right:
        """Whether I may change its counts, as far as can be known before it is tried."""
        return await self._thread.ask_of(key, lambda line: line.right(verb, key))

    def recheck_rights(self) -> None:
        """Asks every right again, and tries now what waits."""
        lines, loop = self._thread.lines, self._thread.loop
        if lines is not None and loop is not None:
            loop.call_soon_threadsafe(lines.recheck)

    # -- looking

    def attend(self, key: WorkloadKey) -> None:
        """Somebody looks at it now; said again every second for as long as they do."""
        line, loop = self._line(key), self._thread.loop
        if line is not None and loop is not None:
            loop.call_soon_threadsafe(line.attend, key)

    def eta(self, key: WorkloadKey) -> EtaView | None:
        """What remains of the running operation, from earlier times."""
        workload = self.fleet.view().workloads.get(key)
        if workload is None or workload.operation is None or workload.operation.ended_at is not None:
            return None
        durations = self.fleet.durations
        staged = workload.version == "documented"
        left = durations.remaining(workload, workload.operation, self.now(key.cluster), staged=staged)
        if left is None:
            return None
        return EtaView(*left, durations.samples(workload, workload.operation))

    async def containers(self, key: WorkloadKey, namespace: str, pod: str) -> Sequence[ContainerView]:
        """A pod's containers, the one that its logs are about first."""
        return await self._thread.ask_of(key, lambda line: line.containers(namespace, pod))

    async def logs(
        self, key: WorkloadKey, namespace: str, pod: str, container: str | None, previous: bool = False
    ) -> AsyncIterator[str]:
        """The last 200 lines, then what follows."""
        queue: asyncio.Queue[list[str]] = asyncio.Queue(maxsize=16)
        here = asyncio.get_running_loop()

        async def read(line: Line) -> None:
            batch: list[str] = []
            try:
                async for text in line.logs(key, namespace, pod, container, previous=previous):
                    batch.append(text)
                    if len(batch) >= _LOG_BATCH or queue.empty():
                        batch = await self._hand_over(here, queue, batch)
            finally:
                if batch:
                    await self._hand_over(here, queue, batch)

        reading = asyncio.ensure_future(self._thread.ask_of(key, read))
        try:
            while not (reading.done() and queue.empty()):
                try:
                    async with asyncio.timeout(_STEP):
                        batch = await queue.get()
                except TimeoutError:
                    continue
                for text in batch:
                    yield text
            await reading
        finally:
            reading.cancel()

    @staticmethod
    async def _hand_over(
        loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[list[str]], batch: list[str]
    ) -> list[str]:
        """Waits while the reader is behind: a container that floods must not fill this program's memory."""
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(queue.put(batch), loop))
        return []

    async def object_text(self, key: WorkloadKey) -> str:
        """The whole object, as its system writes it."""
        return await self._thread.ask_of(key, lambda line: line.object_text(key))

    async def autoscaling(self, key: WorkloadKey) -> Autoscaling | None:
        """What drives it and what that decides now."""
        workload = self._workload(key)
        return await self._thread.ask_of(key, lambda line: line.backend.autoscaling(workload))

    async def load_target(self, key: WorkloadKey) -> LoadTarget:
        """Where a load test of it goes, read now."""
        from clients.serving.target import of_endpoint, showable  # Not needed for the first frame.

        workload, lines = self._workload(key), self._thread.lines
        if lines is not None and key.cluster in lines.clouds:
            return showable(of_endpoint(workload.endpoint))
        ingress = self.load_rules.ingress
        return showable(await self._thread.ask_context(lambda line: line.backend.load_target(key, ingress)))

    @property
    def load_rules(self) -> LoadSettings:
        """What the settings say of load tests."""
        return self._start.settings.load

    @property
    def runs(self) -> Path:
        """Where load tests are kept."""
        return self._start.state / "runs"

    def note_load(self, key: WorkloadKey, moment: str, why: str | None) -> None:
        """Puts a moment of a load test into the time line."""
        event = Event(
            at=self.now(key.cluster),
            seen_at=self._clock.now(),
            cluster=key.cluster,
            kind=EventKind.LOAD,
            key=key,
            after=moment,
            actor=login_name(),
            reason=why,
        )
        if self._thread.loop is not None:
            self._thread.loop.call_soon_threadsafe(self.fleet.events, (event,))

    def gpus(self, nodes: tuple[str, ...]) -> GpuView:
        """All devices as they were read last; they are read for as long as this is asked."""
        kube = self._kube
        return GpuView() if kube is None else kube.gpus.look(nodes)

    def engines(self, pods: tuple[Pod, ...]) -> Mapping[Pod, EngineReading]:
        """The engines of these pods as they were read last; they are read for as long as this is asked."""
        kube = self._kube
        return {} if kube is None else kube.engines.look(pods)

    @property
    def _kube(self) -> KubeLine | None:
        """The line to the context, once there is one."""
        lines = self._thread.lines
        return None if lines is None else lines.kube

    async def gpu_history(self, keys: Sequence[DeviceKey]) -> Mapping[DeviceKey, Sequence[Point]]:
        """What each device did since somebody looks."""
        return await self._thread.ask_context(lambda line: line.gpus.history(keys))

    async def driver_yaml(self, ref: ObjectRef) -> str:
        """A whole object of a chain, as YAML."""
        from tui.object_text import as_yaml

        return as_yaml(await self._thread.ask_context(lambda line: line.backend.driver(ref)))

    async def scaled(self, key: WorkloadKey) -> ScaleTarget:
        """What an autoscaler of it has as its target."""
        workload = self._workload(key)
        return await self._thread.ask_context(lambda line: line.backend.scaled(workload))

    async def driver_object(self, ref: ObjectRef) -> Mapping[str, Any]:
        """A whole object of a chain, read now."""
        return await self._thread.ask_context(lambda line: line.backend.driver(ref))

    async def describe(self, key: WorkloadKey) -> str:
        """The object, its groups and its drivers in words."""
        from tui.object_text import described

        found = await self._thread.ask_of(key, lambda line: line.object(key))
        return described(self._workload(key), found, self.now(key.cluster))

    # -- elsewhere

    async def switch(self, context: str | None, namespaces: tuple[str, ...] | None) -> None:
        """Another context (``None``: the same) and namespaces (``None``: all)."""
        config = self._thread.config
        if context is not None:
            options = replace(self._start.connect, context=context)
            try:
                config = await asyncio.to_thread(
                    load, options, environ=self._start.environ, interactive=False
                )
            except KubeError as error:
                raise DataError(error.message) from None
            namespaces = namespaces or ((config.namespace,) if config.namespace else None)
        await self._thread.change_to(config, namespaces)

    async def login(self) -> None:
        """Runs the login plugin on the terminal, which the caller has freed."""
        config = self._thread.config
        if config is None:
            raise DataError(NO_CONTEXT)
        try:
            await asyncio.to_thread(config.login)
        except KubeError as error:
            raise DataError(error.message) from None
        self.recheck_rights()
