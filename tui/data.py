"""The data thread: reading, deriving and writing on a loop of their own, behind the door of the screens.

The Textual loop asks through here and never waits for anything but an answer: a first list of 20,000 pods, a
slow import or a dead server cost it nothing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from clients.clock import Clock
from clients.kube.config import ClusterConfig, ContextInfo, contexts, load
from clients.kube.errors import KubeError
from clients.serving.autoscaling import Autoscaling
from clients.serving.backend import Ticket
from clients.serving.changes import Change
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import DeviceKey
from clients.serving.keys import ObjectRef, ScaleTarget, WorkloadKey
from clients.serving.plain import plain
from clients.serving.plans import ScalePlan
from clients.serving.sources import SourceState
from clients.serving.workload import Workload
from tui.door import Asked, ContainerView, ContextView, DataError, EtaView, Mode, Right
from tui.fleet import Fleet
from tui.start import Start

if TYPE_CHECKING:
    from clients.gpu.history import Point
    from clients.kube.logs import Container
    from tui.line import Line
    from tui.pins import Pin

__all__ = ["Data"]

T = TypeVar("T")

_SAVE_EVERY = 30.0
"""Seconds between two writings of what was learned."""
_STEP = 0.5
_TURN = 0.02
_AGAIN = 2.0
_LOG_BATCH = 200
_END_SECONDS = 5.0
"""How long the end waits for a write that is under way."""


def _calm_collector() -> None:
    """Full collections of 100,000 rows stop both threads for 0.1 s and find nothing: rows hold no cycles.

    Young objects are still collected, a full round comes only after millions of new ones.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class Data:
    """The console's only way to clusters. Implements ``tui.door.Door``."""

    def __init__(self, start: Start, config: ClusterConfig, clock: Clock) -> None:
        self.fleet = Fleet(clock)
        self._start = start
        self._config = config
        self._clock = clock
        self._namespaces = start.scope(config)
        self._infos: tuple[ContextInfo, ...] = ()
        self._line: Line | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ending = False
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._main, name="servegrid-data", daemon=True)

    # -- life

    def start(self) -> None:
        """Starts the thread; the client libraries are imported there."""
        self._thread.start()

    async def stop(self) -> None:
        """Ends the thread once a write that is under way has its line in the audit log."""
        self._ending = True
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # It has ended by itself.
                self._loop.call_soon_threadsafe(self._leave)
            await asyncio.to_thread(self._thread.join, _END_SECONDS)

    def _leave(self) -> None:
        if self._serving is not None:
            self._serving.cancel()

    def _main(self) -> None:
        _calm_collector()
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not self._ending:
            self._serving = asyncio.ensure_future(self._serve())
            await asyncio.wait((self._serving,))
            if self._serving.cancelled():
                self.fleet.forget()
            elif (error := self._serving.exception()) is not None:
                self._say_broken(error)
                await asyncio.sleep(_AGAIN)

    def _say_broken(self, error: BaseException) -> None:
        """A fault of this program must not look like a cluster in which nothing happens."""
        detail = plain(f"reading broke off ({type(error).__name__}: {error}); it begins again")
        told = self.fleet.view().sources
        broken = [replace(status, state=SourceState.STALE, detail=detail) for status in told]
        self.fleet.sources(self._config.context, broken)

    async def _serve(self) -> None:
        """One context, until it is left."""
        if not self._infos:
            with suppress(
                KubeError
            ):  # It could be read a moment ago; without it there is no choice to offer.
                self._infos = contexts(self._start.connect, environ=self._start.environ)
        from tui.line import Line  # The client libraries: half a second that the first frame does not wait.

        try:
            line = await Line.open(self._start, self._config, self.fleet, self._clock, self._namespaces)
        except KubeError as error:
            self._failure = error.message
            await asyncio.Event().wait()  # Nothing to read; another context may be chosen.
        self._failure, self._line = None, line
        reading = asyncio.ensure_future(line.backend.run(self.fleet))
        try:
            await self._attend(line, reading)
        finally:
            self._line = None
            reading.cancel()
            await asyncio.wait((reading,))
            await line.close()

    async def _attend(self, line: Line, reading: asyncio.Task[None]) -> None:
        """While the backend reads: lets time pass, takes up what was left, saves what was learned."""
        taken_up = False
        saved = self._clock.monotonic()
        while True:
            done, _ = await asyncio.wait((reading,), timeout=_STEP)
            for task in done:
                task.result()
            self.fleet.tick()
            line.look(self.fleet, self._clock.now())
            workloads = self.fleet.view().workloads
            if workloads and not taken_up:
                taken_up = True
                await line.scaling.take_up(workloads.values())
            if self._clock.monotonic() - saved >= _SAVE_EVERY:
                saved = self._clock.monotonic()
                line.save()

    # -- where and when

    @property
    def context(self) -> ContextView:
        """Where the console is."""
        config = self._config
        line = self._line
        return ContextView(
            name=config.context,
            cluster=line.backend.cluster if line is not None else None,
            namespaces=self._namespaces,
            user=self._start.connect.as_user
            or next((info.user for info in self._infos if info.name == config.context), None),
            mode=Mode(self._start.mode(config.context).value),
            contexts=tuple(info.name for info in self._infos),
            known_namespaces=tuple(
                sorted({key.namespace for key in self.fleet.view().workloads if key.namespace})
            ),
        )

    def now(self) -> float:
        """Cluster time; this machine's until the cluster has answered."""
        line = self._line
        return line.backend.clock.now() if line is not None else self._clock.now()

    def monotonic(self) -> float:
        """This machine's monotonic seconds."""
        return self._clock.monotonic()

    # -- the way over

    async def _ask(self, question: Callable[[Line], Coroutine[Any, Any, T]]) -> T:
        """Runs a question on the data thread; raises ``DataError`` with one plain line."""
        line, loop = self._line, self._loop
        if line is None or loop is None:
            raise DataError(self._failure or "not connected yet; try again in a moment")
        future = asyncio.run_coroutine_threadsafe(question(line), loop)
        try:
            return await asyncio.wrap_future(future)
        except KubeError as error:
            raise DataError(error.message) from None
        except concurrent.futures.CancelledError:
            raise DataError("the connection was ended") from None
        except Exception as error:
            from tui.scaling import NotSent

            if isinstance(error, NotSent):
                raise DataError(f"nothing was sent: {error}") from None
            # A fault of this program is said where somebody waits for the answer.
            raise DataError(plain(f"a fault of this program ({type(error).__name__}: {error})")) from error

    def _workload(self, key: WorkloadKey) -> Workload:
        workload = self.fleet.view().workloads.get(key)
        if workload is None:
            raise DataError(f"{key} is gone")
        return workload

    # -- changing

    async def plan(self, key: WorkloadKey, change: Change) -> ScalePlan:
        """The plan with all guards but the server's dry run."""
        workload = self._workload(key)
        return await self._ask(lambda line: line.scaling.plan(workload, change))

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The same plan with the server's word on it."""
        return await self._ask(lambda line: line.scaling.dry_run(plan))

    async def send(self, plan: ScalePlan, *, confirmed: str) -> Ticket:
        """Audit log, dry run, the write, its answer. ``confirmed`` is what was typed. Never sent twice."""
        return await self._ask(lambda line: line.scaling.send(plan, typed=confirmed))

    def undo(self, key: WorkloadKey) -> Change | None:
        """The inverse of my last change to this workload."""
        line, workload = self._line, self.fleet.view().workloads.get(key)
        return line.scaling.undo(workload) if line is not None and workload is not None else None

    def pin(self, key: WorkloadKey, role: str | None) -> Pin | None:
        """What was pinned here, and what stood there before."""
        line = self._line
        return line.scaling.pins.of(key, role) if line is not None else None

    def wrote(self, key: WorkloadKey) -> Asked | None:
        """Who asked for the workload's present counts, by the audit log as far as it was read."""
        line, workload = self._line, self.fleet.view().workloads.get(key)
        return line.scaling.wrote(workload) if line is not None and workload is not None else None

    async def right(self, verb: str, key: WorkloadKey) -> Right:
        """Whether I may change its counts: write the object, or its ``/scale``."""
        rights = await self._ask(lambda line: line.backend.rights(key))
        if rights.patch is False and not rights.scale:
            return Right(False, f"{verb} {key.kind.lower()}s in {key.namespace}")
        return Right(True if rights.patch or rights.scale else None)

    def recheck_rights(self) -> None:
        """Asks every right again, and tries now what waits."""
        line, loop = self._line, self._loop
        if line is not None and loop is not None:
            loop.call_soon_threadsafe(line.backend.forget_rights)

    # -- looking

    def eta(self, key: WorkloadKey) -> EtaView | None:
        """What remains of the running operation, from earlier times."""
        workload = self.fleet.view().workloads.get(key)
        if workload is None or workload.operation is None or workload.operation.ended_at is not None:
            return None
        durations = self.fleet.durations
        staged = workload.version == "documented"
        left = durations.remaining(workload, workload.operation, self.now(), staged=staged)
        if left is None:
            return None
        return EtaView(*left, durations.samples(workload, workload.operation))

    async def containers(self, key: WorkloadKey, namespace: str, pod: str) -> Sequence[ContainerView]:
        """A pod's containers, the one that its logs are about first."""
        found = await self._ask(lambda line: line.backend.containers(namespace, pod))
        return tuple(ContainerView(one.name, _container_note(one)) for one in found)

    async def logs(
        self, key: WorkloadKey, namespace: str, pod: str, container: str | None, previous: bool = False
    ) -> AsyncIterator[str]:
        """The last 200 lines, then what follows."""
        queue: asyncio.Queue[list[str]] = asyncio.Queue(maxsize=16)
        here = asyncio.get_running_loop()

        async def read(line: Line) -> None:
            batch: list[str] = []
            try:
                async for text in line.backend.logs(namespace, pod, container, previous=previous):
                    batch.append(text)
                    if len(batch) >= _LOG_BATCH or queue.empty():
                        batch = await self._hand_over(here, queue, batch)
            finally:
                if batch:
                    await self._hand_over(here, queue, batch)

        reading = asyncio.ensure_future(self._ask(read))
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

    async def object_yaml(self, key: WorkloadKey) -> str:
        """The whole object, as YAML."""
        from tui.object_text import as_yaml

        return as_yaml(await self._ask(lambda line: line.backend.object(key)))

    async def autoscaling(self, key: WorkloadKey) -> Autoscaling | None:
        """What drives it and what that decides now."""
        workload = self._workload(key)
        return await self._ask(lambda line: line.backend.autoscaling(workload))

    def gpus(self, nodes: tuple[str, ...]) -> GpuView:
        """All devices as they were read last; they are read for as long as this is asked."""
        line = self._line
        return GpuView() if line is None else line.gpus.look(nodes)

    async def gpu_history(self, keys: Sequence[DeviceKey]) -> Mapping[DeviceKey, Sequence[Point]]:
        """What each device did since somebody looks."""
        return await self._ask(lambda line: line.gpus.history(keys))

    async def driver_yaml(self, ref: ObjectRef) -> str:
        """A whole object of a chain, as YAML."""
        from tui.object_text import as_yaml

        return as_yaml(await self._ask(lambda line: line.backend.driver(ref)))

    async def scaled(self, key: WorkloadKey) -> ScaleTarget:
        """What an autoscaler of it has as its target."""
        workload = self._workload(key)
        return await self._ask(lambda line: line.backend.scaled(workload))

    async def driver_object(self, ref: ObjectRef) -> Mapping[str, Any]:
        """A whole object of a chain, read now."""
        return await self._ask(lambda line: line.backend.driver(ref))

    async def describe(self, key: WorkloadKey) -> str:
        """The object, its groups and its drivers in words."""
        from tui.object_text import described

        found = await self._ask(lambda line: line.backend.object(key))
        return described(self._workload(key), found, self.now())

    # -- elsewhere

    async def switch(self, context: str | None, namespaces: tuple[str, ...] | None) -> None:
        """Another context (``None``: the same) and namespaces (``None``: all)."""
        config = self._config
        if context is not None:
            options = replace(self._start.connect, context=context)
            try:
                config = await asyncio.to_thread(
                    load, options, environ=self._start.environ, interactive=False
                )
            except KubeError as error:
                raise DataError(error.message) from None
            namespaces = namespaces or ((config.namespace,) if config.namespace else None)
        self._config, self._namespaces = config, namespaces
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leave)
            await self._opened(config)

    async def _opened(self, config: ClusterConfig) -> None:
        """Waits until the new context's connection is prepared, or cannot be."""
        while (  # noqa: ASYNC110 -- told from another thread's loop
            self._line is None or self._line.config is not config
        ) and self._failure is None:
            await asyncio.sleep(_TURN)

    async def login(self) -> None:
        """Runs the login plugin on the terminal, which the caller has freed."""
        try:
            await asyncio.to_thread(self._config.login)
        except KubeError as error:
            raise DataError(error.message) from None
        self.recheck_rights()


def _container_note(container: Container) -> str:
    words = ["init"] if container.init else []
    words += [plain(container.state)] if container.state else []
    words += [f"{container.restarts} restarts"] if container.restarts else []
    return ", ".join(words)
