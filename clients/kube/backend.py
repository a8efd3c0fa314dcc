"""One Kubernetes cluster behind the grid: reflectors feed the world, which is derived at most once a tick."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from clients.clock import Clock, ClusterClock
from clients.gpu.engine_watch import EngineWatch
from clients.gpu.watch import GpuWatch
from clients.kube import decode, kthena, logs, workloads
from clients.kube.access import Access
from clients.kube.autoscalers import Autoscalers
from clients.kube.autoscaling import autoscaling
from clients.kube.cluster_gpus import ClusterGpus, GpuOptions
from clients.kube.config import ClusterConfig
from clients.kube.cronhpa import read_zone
from clients.kube.discovery import kthena_schema
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.heartbeat import Heartbeat, Pulse
from clients.kube.held_cost import held_cost
from clients.kube.intake import DRIVING, KEEPERS, Intake, decoder_of, streams
from clients.kube.kthena_order import from_schema
from clients.kube.logs import Container
from clients.kube.objects import read_object
from clients.kube.plan_parts import Asker
from clients.kube.planner import SPECS, Planner
from clients.kube.reflector import Reflector, Timing
from clients.kube.scale_guards import Rights
from clients.kube.session import Session
from clients.kube.shared_watches import NODES, PODS
from clients.kube.target import load_target
from clients.kube.world import World
from clients.kube.writes import Writes
from clients.serving.autoscaling import Autoscaling
from clients.serving.backend import NotShown, Sink, Ticket
from clients.serving.chain import Chains
from clients.serving.changes import Change
from clients.serving.eta import Durations
from clients.serving.keys import ObjectRef, ScaleTarget, WorkloadKey
from clients.serving.plans import Money, ScalePlan
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.target import LoadTarget
from clients.serving.workload import Workload

__all__ = ["KubeBackend"]

_TICK = 0.05
"""Seconds between two derivations: whatever arrives within is derived once."""
_LISTS_AT_ONCE = 2
"""First lists at a time: a server counts each as several requests."""
_ASK_AGAIN = 2.0
_READ_ZONE = 300.0
"""Seconds between two looks at the time zone of the CronHPA controller."""
_NEEDED = (kthena.MODEL_SERVINGS.source, PODS.source)
"""Without these there is nothing true to show."""
_TOLD = (SourceState.DENIED, SourceState.ABSENT, SourceState.LOGIN)
"""States in which a source has said all that it is going to say for now."""


class KubeBackend:
    """One cluster, by one kubeconfig context. Made with ``open``; everything on one event loop."""

    def __init__(
        self,
        session: Session,
        clock: Clock,
        *,
        namespaces: tuple[str, ...] | None,
        order: Callable[[str, str], str | None],
        prices: Mapping[str, Money],
        durations: Durations,
        asker: Asker,
        timing: Timing | None,
        all_workloads: bool,
        gpu: GpuOptions,
    ) -> None:
        self._session = session
        self._clock = clock
        self._namespaces = namespaces
        self._order = order
        self._prices = prices
        self._timing = timing
        self._detected: str | None = None
        self._access = Access(session)
        self._writes = Writes(session, self._access)
        self._planner = Planner(
            session,
            self._access,
            self._writes,
            session.clock,
            order=order,
            version_of=self.version_of,
            prices=prices,
            durations=durations,
            asker=asker,
        )
        self._shows = partial(workloads.shows, everything=all_workloads)
        self._world = World(session.cluster, order=self.version_of, shown=self._shows)
        self._scalers = Autoscalers(session, self._world)
        self._gpus = ClusterGpus(session, clock, gpu, lambda: self._world.ledger.gpu_nodes())
        self._reflectors: dict[str, Reflector[Any]] = {}
        self._intakes: dict[str, Intake[Any]] = {}
        self._pulse: Pulse | None = None
        self._touched = asyncio.Event()

    @classmethod
    async def open(
        cls,
        config: ClusterConfig,
        *,
        clock: Clock,
        namespaces: tuple[str, ...] | None = None,
        order: Callable[[str, str], str | None] = lambda namespace, name: None,
        prices: Mapping[str, Money] | None = None,
        durations: Durations | None = None,
        asker: Asker | None = None,
        timing: Timing | None = None,
        all_workloads: bool = False,
        gpu: GpuOptions = GpuOptions(),  # noqa: B008 -- frozen
    ) -> KubeBackend:
        """Prepares the connection; the server is asked nothing yet, so it succeeds while that is down.

        ``order(namespace, name)`` is the user's word on a ModelServing's order rule, ``durations`` what was
        learned of start and stop times, ``asker`` how kubectl would have to be called to be this user.
        ``all_workloads`` shows every Deployment and StatefulSet, not only those that serve.
        Raises KubeError for a configuration that cannot work.
        """
        session = await Session.open(config, clock)
        return cls(
            session,
            clock,
            namespaces=namespaces,
            order=order,
            prices=prices or {},
            durations=durations or Durations(),
            asker=asker or Asker(context=config.context),
            timing=timing,
            all_workloads=all_workloads,
            gpu=gpu,
        )

    # -- what it is

    @property
    def cluster(self) -> str:
        """The uid of kube-system once known, else a name made of the server's URL."""
        return self._session.cluster

    @property
    def clock(self) -> ClusterClock:
        """The cluster's time."""
        return self._session.clock

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """Every source; before the server has answered, the required ones with what stands in the way."""
        if self._reflectors:
            return tuple(reflector.status for reflector in self._reflectors.values())
        pulse = self._pulse
        detail = f"connecting to {self._session.server}"
        state = SourceState.SYNCING
        if pulse is not None and not pulse.alive:
            state = SourceState.LOGIN if pulse.login else SourceState.STALE
            detail = pulse.detail or detail
        return tuple(
            SourceStatus(self.cluster, name, state, required=True, last_contact=None, detail=detail)
            for name in _NEEDED
        )

    def chains(self) -> Chains:
        """How everything that was read leads to a workload: for names that are no workload's own."""
        return self._world.chains()

    @property
    def gpus(self) -> GpuWatch:
        """The reader of this cluster's GPUs; it reads while somebody looks."""
        return self._gpus.watch

    @property
    def engines(self) -> EngineWatch:
        """The reader of the engines in its pods, of those that somebody looks at."""
        return self._gpus.engines

    def gpus_held(self) -> Mapping[str, int] | None:
        """GPUs that the pods of each node hold, where all pods may be seen."""
        return self._world.ledger.held()

    def version_of(self, namespace: str, name: str) -> str | None:
        """The version whose order rule holds: the user's word, else what the server's schema tells."""
        return self._order(namespace, name) or self._detected

    # -- reading

    async def run(self, sink: Sink) -> None:
        """Reads until cancelled; should another cluster answer under this address, starts afresh."""
        while True:
            tasks: list[asyncio.Task[None]] = []
            heartbeat = Heartbeat(self._session, self._clock, self._on_pulse)
            tasks.append(asyncio.create_task(heartbeat.run(), name="heartbeat"))
            tasks.append(asyncio.create_task(self._deliver(sink), name="deliver"))
            try:
                await self._identify()
                self._start_streams(tasks)
                tasks.append(asyncio.create_task(self._tell_version(), name="version"))
                await self._until_another(tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            sink.publish({}, [workload.key for workload in self._world.workloads])
            self._reflectors, self._intakes = {}, {}

    async def _identify(self) -> None:
        """Asks who the cluster is until it answers: its uid is in every key."""
        while True:
            try:
                await self._session.identify()
            except KubeError:
                await asyncio.sleep(_ASK_AGAIN)
            else:
                return

    def _start_streams(self, tasks: list[asyncio.Task[None]]) -> None:
        self._world = World(self._session.cluster, order=self.version_of, shown=self._shows)
        self._scalers = Autoscalers(self._session, self._world)
        tasks.append(asyncio.create_task(self._scalers.looks.run(), name="looks"))
        tasks.append(asyncio.create_task(self._scalers.policies.run(), name="policies"))
        tasks.append(asyncio.create_task(self._gpus.renew().run(), name="gpus"))
        tasks.append(asyncio.create_task(self._tell_zone(), name="zone"))
        gate = asyncio.Semaphore(_LISTS_AT_ONCE)
        for stream in streams(self._world, self._scalers):
            intake: Intake[Any] = Intake(stream.put, stream.drop, self._touched.set)
            reflector: Reflector[Any] = Reflector(
                self._session,
                stream.spec,
                decode=stream.decode,
                sink=intake,
                namespaces=None if stream.everywhere else self._namespaces,
                known=self._namespaces or (),
                gate=gate,
                timing=self._timing,
            )
            self._intakes[stream.spec.source] = intake
            self._reflectors[stream.spec.source] = reflector
            tasks.append(asyncio.create_task(reflector.run(), name=stream.spec.source))
        self._touched.set()

    async def _until_another(self, tasks: list[asyncio.Task[None]]) -> None:
        """Returns when the address answers as another cluster; raises what any part of the reading raised."""
        while self._session.cluster == self._world.cluster:
            done, _ = await asyncio.wait(tasks, timeout=_ASK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
                tasks.remove(task)

    async def _tell_version(self) -> None:
        """Finds Kthena's version out of the served schema; asks again while it is not installed."""
        while True:
            try:
                fields = await kthena_schema(self._session)
            except KubeError:
                fields = None
            found = from_schema(fields) if fields is not None else None
            if found is not None and found != self._detected:
                self._detected = found
                self._world.touch_all()
                self._touched.set()
            await asyncio.sleep(_ASK_AGAIN if found is None else 15 * _ASK_AGAIN)

    async def _tell_zone(self) -> None:
        """Finds out in which time zone CronHPAs run, once there are any."""
        while True:
            known = self._scalers.any_cron
            if known:
                await self._read_zone()
            await asyncio.sleep(_READ_ZONE if known else _ASK_AGAIN)

    async def _read_zone(self) -> None:
        self._scalers.in_zone(await read_zone(self._session))
        self._touched.set()

    def _on_pulse(self, pulse: Pulse) -> None:
        """Every unanswered question counts against the streams that are older than it.

        Missing credentials do not: open streams stay valid, and the next request says ``login needed``.
        """
        before, self._pulse = self._pulse, pulse
        for reflector in self._reflectors.values():
            if not pulse.alive and not pulse.login:
                reflector.mark_stale(pulse.detail or "no answer", pulse.asked)
            elif pulse.alive and before is not None and not before.alive:
                reflector.mark_contact()
        self._touched.set()

    async def _deliver(self, sink: Sink) -> None:
        """Derives and hands on, at most once a tick, whatever was touched since."""
        told: tuple[SourceStatus, ...] = ()
        while True:
            with contextlib.suppress(TimeoutError):  # Time alone can change what is derived.
                async with asyncio.timeout(1.0):
                    await self._touched.wait()
            self._touched.clear()
            sources = self.sources
            now = self.clock.now()
            if self._ready():
                self._scalers.fire()
                for passing in self._world.passed():
                    sink.publish({passing.key: passing}, ())
                if self._world.due(now):
                    changed, gone = self._world.derive(now)
                    if changed or gone:
                        sink.publish(changed, gone)
                moves = self._scalers.events(self._clock.now())
                if moves:
                    sink.events(moves)
                sink.totals(self.cluster, self._world.ledger.totals())
                sink.not_shown(self.cluster, NotShown(self._world.hidden))
            if sources != told:  # After what they brought: until then nothing of theirs is news.
                told = sources
                sink.sources(self._session.context, sources)
            await asyncio.sleep(_TICK)

    def _ready(self) -> bool:
        """Whether what is derived would be true: a ModelServing without its pods would look half made."""
        if not self._reflectors or not all(map(self._told, _NEEDED)):
            return False
        self._world.keepers_seen = all(self._told(spec.source) for spec in KEEPERS)
        ledger = self._world.ledger
        pods, nodes = self._reflectors[PODS.source], self._reflectors[NODES.source]
        ledger.pods_seen = pods.whole and self._intakes[PODS.source].synced
        ledger.nodes_seen = self._intakes[NODES.source].synced and nodes.status.state not in _TOLD
        self._world.pods_seen = self._intakes[PODS.source].synced
        return True

    def _told(self, source: str) -> bool:
        """Whether a source has told all it has, or never will."""
        return self._intakes[source].synced or self._reflectors[source].status.state in _TOLD

    # -- changing

    async def rights(self, key: WorkloadKey) -> Rights:
        """Whether this user may change the workload's counts."""
        return await self._planner.rights(key)

    def forget_rights(self) -> None:
        """The next question about a right goes to the server; what waits is tried now."""
        self._access.forget()
        for reflector in self._reflectors.values():
            reflector.wake()
        self._gpus.wake()

    def hourly(self, workload: Workload) -> Money | None:
        """The GPUs that its pods hold, by the models of their nodes."""
        return held_cost(workload, self._world.ledger, self._prices)

    async def plan(self, workload: Workload, change: Change) -> ScalePlan:
        """The plan with every guard but the server's dry run.

        Raises KubeError: the object is gone, or has no role of that name.
        """
        return await self._planner.plan(self._world, workload, change, stale=self._stale())

    def _stale(self) -> str | None:
        """Why what is shown may be old, if it may."""
        for name in _NEEDED:
            reflector = self._reflectors.get(name)
            if reflector is not None and reflector.status.state in (SourceState.STALE, SourceState.QUIET):
                return f"{name} {reflector.status.state}: {reflector.status.detail or 'no news'}"
        return None

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The plan with the server's own word on it; raises KubeError if it cannot be asked."""
        return await self._writes.dry_run(plan)

    async def apply(self, plan: ScalePlan) -> Ticket:
        """Sends the plan's write once."""
        return await self._writes.apply(plan, self.clock.now())

    async def poll(self, ticket: Ticket) -> Workload | None:
        """The workload re-read from the server, past every cache; ``None`` if it is gone.

        Raises KubeError when the server cannot be asked.
        """
        try:
            found = await self.object(ticket.key, managed_fields=True)
        except KubeError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        # The watch will bring the same object again; what it says of other workloads stays its business.
        raw = msgspec.json.encode(found)
        if ticket.key.kind == kthena.MODEL_SERVINGS.kind:
            return self._world.servings.derived(decode.model_serving(raw), self.clock.now())
        return self._world.keepers.reread(ticket.key, decoder_of(SPECS[ticket.key.kind])(raw))

    # -- looking closer

    async def autoscaling(self, workload: Workload) -> Autoscaling:
        """What drives the workload and what that decides; metrics are read while somebody asks."""
        if self._scalers.any_cron and not self._scalers.zone_asked:
            await self._read_zone()
        return await autoscaling(
            workload, self._scalers, self._world.ledger, self.sources, self.clock, self._clock.now()
        )

    async def object(self, key: WorkloadKey, *, managed_fields: bool = False) -> dict[str, Any]:
        """The whole object as the server has it now; raises KubeError."""
        return await read_object(
            self._session, SPECS[key.kind], key.namespace, key.name, managed_fields=managed_fields
        )

    async def scaled(self, workload: Workload) -> ScaleTarget:
        """What an autoscaler of the workload has as its target; raises KubeError."""
        return self._planner.scaled(self._world, workload)

    async def load_target(self, key: WorkloadKey, ingress: str | None) -> LoadTarget:
        """Where a load test of the workload goes; ``ingress`` is the setting's address. Raises KubeError."""
        return await load_target(self._session, SPECS[key.kind], key, ingress)

    async def driver(self, ref: ObjectRef) -> dict[str, Any]:
        """An object of a chain as the server has it now; raises KubeError."""
        spec = SPECS.get(ref.kind) or DRIVING.get(ref.kind)
        if spec is None:
            raise KubeError(f"{ref} is of a kind that is not read here", kind=ErrorKind.NOT_FOUND, sent=False)
        return await read_object(self._session, spec, ref.namespace, ref.name)

    def logs(
        self, namespace: str, pod: str, container: str | None, *, previous: bool = False
    ) -> AsyncIterator[str]:
        """The last 200 lines, then what follows; raises KubeError."""
        return logs.tail(self._session, namespace, pod, container, previous=previous)

    async def containers(self, namespace: str, pod: str) -> tuple[Container, ...]:
        """The pod's containers, the one that its logs are about first; raises KubeError."""
        return await logs.containers(self._session, namespace, pod)

    async def close(self) -> None:
        """Ends connections."""
        await self._gpus.close()
        await self._session.close()
