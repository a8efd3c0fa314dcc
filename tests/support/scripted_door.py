"""A door with a script behind it: values of ``clients.serving``, and a clock that stands until moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from clients.gpu.history import Point
from clients.serving.autoscaling import Autoscaling
from clients.serving.backend import GpuTotals, Result, Ticket
from clients.serving.changes import Bounds, BoundsChange, Change, ReplicasChange
from clients.serving.confirm import confirmation
from clients.serving.engine_figures import EngineReading
from clients.serving.engine_use import Pod
from clients.serving.events import Event
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import DeviceKey
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.keys import ObjectRef, ScaleTarget, WorkloadKey
from clients.serving.operation import Count, Operation
from clients.serving.plans import Capacity, ScalePlan, Step, StepKind, Write
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.spending import Spent, SpentInAll
from clients.serving.target import LoadTarget, of_endpoint
from clients.serving.workload import Workload
from tui.door import Asked, ContainerView, ContextView, DataError, EtaView, Right
from tui.fleet import FleetDelta, FleetView
from tui.load_settings import LoadSettings
from tui.pins import Pin
from tui.succession import Offers

__all__ = ["ScriptedDoor", "ScriptedFleet", "live_source"]


def live_source(
    name: str = "ms", state: SourceState = SourceState.LIVE, detail: str | None = None
) -> SourceStatus:
    return SourceStatus("c0ffee", name, state, True, last_contact=0.0, detail=detail, have=3)


NOT_ASKED = Guard("dry-run", Level.WARN, "the server's own check has not been run yet")


class ScriptedFleet:
    def __init__(self) -> None:
        self._view = FleetView(0, MappingProxyType({}))
        self._delta: FleetDelta | None = None
        self.ended: dict[WorkloadKey, Operation] = {}

    def view(self) -> FleetView:
        return self._view

    def finished(self, key: WorkloadKey) -> Operation | None:
        return self.ended.get(key)

    def drain(self) -> FleetDelta | None:
        delta, self._delta = self._delta, None
        return delta

    def put(
        self,
        *workloads: Workload,
        removed: Iterable[WorkloadKey] = (),
        events: tuple[Event, ...] = (),
        sources: tuple[SourceStatus, ...] | None = None,
        totals: GpuTotals | None = None,
    ) -> None:
        gone = frozenset(removed)
        values = {key: value for key, value in self._view.workloads.items() if key not in gone}
        values |= {workload.key: workload for workload in workloads}
        self._view = FleetView(
            self._view.version + 1,
            MappingProxyType(values),
            self._view.sources if sources is None else sources,
            totals or self._view.totals,
            (*self._view.events, *events),
        )
        old = self._delta
        self._delta = FleetDelta(
            self._view,
            frozenset(workload.key for workload in workloads) | (old.changed if old else frozenset()),
            (gone | (old.removed if old else frozenset())) - values.keys(),
            (*(old.events if old else ()), *events),
            sources is not None or bool(old and old.sources_changed),
        )


class ScriptedDoor:
    """What was asked of it is in ``asked``; what it shall answer is set beforehand."""

    def __init__(self) -> None:
        self.fleet = ScriptedFleet()
        self.context = ContextView(
            "prod-eu",
            "c0ffee",
            None,
            "ops",
            contexts=("prod-eu", "prod-us"),
            known_namespaces=("llm", "batch"),
        )
        self.written: dict[WorkloadKey, Asked] = {}
        self.time = 1000.0
        self.mono = 50.0
        self.asked: list[str] = []
        self.sent: list[tuple[ScalePlan, str]] = []
        self.guards: tuple[Guard, ...] = ()
        self.ticket: Result = Result.ACCEPTED
        self.ticket_message = ""
        self.costs: dict[WorkloadKey, Spent] = {}
        self.offered: Offers = {}
        self.spent_in_all: SpentInAll | None = None
        self.undoable: dict[WorkloadKey, Change] = {}
        self.pins: dict[WorkloadKey, Pin] = {}
        self.devices = GpuView()
        self.target = of_endpoint(None)
        self.load_rules = LoadSettings()
        self.runs = Path("/nowhere")
        self.engine_readings: Mapping[Pod, EngineReading] = {}
        self.engines_asked: tuple[Pod, ...] = ()
        self.looked_at: list[tuple[str, ...]] = []
        self.histories: dict[DeviceKey, Sequence[Point]] = {}
        self.objects: dict[ObjectRef, Mapping[str, Any]] = {}
        self.rights: dict[str, Right] = {}
        self.etas: dict[WorkloadKey, EtaView] = {}
        self.slow_plans: asyncio.Event | None = None
        self.slow_dry_runs: asyncio.Event | None = None
        self.dry_run_word = Guard("dry-run", Level.PASS, "the server accepts it")
        self.slow_send: asyncio.Event | None = None
        self.members: tuple[ContainerView, ...] = (ContainerView("engine"),)
        self.driven: dict[WorkloadKey, Autoscaling] = {}
        self.lines: list[str] = ["first line", "second line"]
        self.error: str | None = None
        self.protected = False
        self.started = False

    # The clock

    def now(self, cluster: str | None = None) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.mono

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        self.mono += seconds

    # What is asked

    def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        self.asked.append("stop")

    async def plan(self, key: WorkloadKey, change: Change) -> ScalePlan:
        self.asked.append("plan")
        if self.slow_plans:
            await self.slow_plans.wait()
        if self.error:
            raise DataError(self.error)
        workload = self.fleet.view().workloads[key]
        if isinstance(change, ReplicasChange):
            return self.make_plan(workload, change)
        return self.make_other_plan(workload, change)

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        self.asked.append("dry run")
        if self.slow_dry_runs:
            await self.slow_dry_runs.wait()
        kept = tuple(guard for guard in plan.guards if guard.id != "dry-run")
        return msgspec.structs.replace(plan, guards=(*kept, self.dry_run_word))

    async def send(self, plan: ScalePlan, *, confirmed: str) -> Ticket:
        self.sent.append((plan, confirmed))
        if self.slow_send:
            await self.slow_send.wait()
        return Ticket(plan.key, self.ticket, self.time, self.ticket_message)

    def eta(self, key: WorkloadKey) -> EtaView | None:
        return self.etas.get(key)

    def spent(self, key: WorkloadKey) -> Spent | None:
        return self.costs.get(key)

    def attend(self, key: WorkloadKey) -> None:
        pass

    @property
    def offers(self) -> Offers:
        return self.offered

    def undo(self, key: WorkloadKey) -> Change | None:
        return self.undoable.get(key)

    def wrote(self, key: WorkloadKey) -> Asked | None:
        return self.written.get(key)

    def pin(self, key: WorkloadKey, role: str | None) -> Pin | None:
        return self.pins.get(key)

    async def right(self, verb: str, key: WorkloadKey) -> Right:
        self.asked.append(f"right {verb}")
        return self.rights.get(verb, Right(True))

    async def containers(self, key: WorkloadKey, namespace: str, pod: str) -> tuple[ContainerView, ...]:
        if self.error:
            raise DataError(self.error)
        return self.members

    async def logs(
        self, key: WorkloadKey, namespace: str, pod: str, container: str | None, previous: bool = False
    ) -> AsyncIterator[str]:
        self.asked.append(f"logs {namespace}/{pod} {container} {previous}")
        if self.error:
            raise DataError(self.error)
        for line in self.lines:
            yield line

    async def object_text(self, key: WorkloadKey) -> str:
        if self.error:
            raise DataError(self.error)
        return f"kind: {key.kind}\nmetadata:\n  name: {key.name}\n"

    async def autoscaling(self, key: WorkloadKey) -> Autoscaling | None:
        self.asked.append(f"autoscaling {key.name}")
        if self.error:
            raise DataError(self.error)
        return self.driven.get(key)

    def gpus(self, nodes: tuple[str, ...]) -> GpuView:
        self.looked_at.append(nodes)
        return self.devices

    def engines(self, pods: tuple[Pod, ...]) -> Mapping[Pod, EngineReading]:
        self.engines_asked = pods
        return self.engine_readings

    async def load_target(self, key: WorkloadKey) -> LoadTarget:
        self.asked.append(f"load target {key.name}")
        if self.error:
            raise DataError(self.error)
        return self.target

    def note_load(self, key: WorkloadKey, moment: str, why: str | None) -> None:
        self.asked.append(f"load {moment}")

    async def gpu_history(self, keys: Sequence[DeviceKey]) -> Mapping[DeviceKey, Sequence[Point]]:
        return {key: self.histories.get(key, ()) for key in keys}

    async def driver_yaml(self, ref: ObjectRef) -> str:
        return f"kind: {ref.kind}\nmetadata:\n  name: {ref.name}\n"

    async def scaled(self, key: WorkloadKey) -> ScaleTarget:
        return ScaleTarget(ObjectRef("apps", key.kind, key.namespace, key.name), "apps/v1")

    async def driver_object(self, ref: ObjectRef) -> Mapping[str, Any]:
        return self.objects[ref]

    async def describe(self, key: WorkloadKey) -> str:
        return f"Name: {key.name}\n"

    async def switch(self, context: str | None, namespaces: tuple[str, ...] | None) -> None:
        self.asked.append(f"switch {context} {namespaces}")
        if self.error:
            raise DataError(self.error)
        self.context = msgspec.structs.replace(
            self.context, name=context or self.context.name, namespaces=namespaces
        )
        self.fleet = ScriptedFleet()

    def recheck_rights(self) -> None:
        self.asked.append("recheck")

    async def login(self) -> None:
        self.asked.append("login")

    # The plan

    def make_plan(self, workload: Workload, change: ReplicasChange) -> ScalePlan:
        before = Count(workload.desired, tuple((role.name, role.replicas) for role in workload.role_specs))
        roles = dict(before.roles) | dict(change.roles)
        groups = before.groups if change.groups is None else change.groups
        after = Count(groups, tuple(roles.items()))
        steps = _steps(workload, before, after)
        same = before == after
        asks = confirmation(before, after, steps, protected=self.protected, guards=self.guards)
        return ScalePlan(
            key=workload.key,
            uid=workload.uid,
            change=change,
            before=before,
            after=after,
            steps=steps,
            order_known=True,
            order_note="order of v1.0",
            pods_delta=sum(step.pods if step.kind is StepKind.CREATE else -step.pods for step in steps),
            gpu_delta=sum(step.gpus if step.kind is StepKind.CREATE else -step.gpus for step in steps),
            capacity=Capacity(24, 128, sum(step.gpus for step in steps), True, 16),
            eta=None,
            guards=self.guards if same else (*self.guards, NOT_ASKED),
            write=None if same else Write("PATCH", "/modelservings/x", "application/json-patch+json", []),
            equivalent=f"kubectl -n llm scale modelserving/{workload.key.name} --replicas={groups}",
            confirmation=Confirmation.NONE if same else asks,
        )

    def make_other_plan(self, workload: Workload, change: Change) -> ScalePlan:
        """Of bounds, or of what moves no group by itself."""
        now = Count(workload.desired, tuple((role.name, role.replicas) for role in workload.role_specs))
        plan = self.make_plan(workload, ReplicasChange(now.groups))
        driver = workload.drivers[0]
        before = after = None
        if isinstance(change, BoundsChange):
            before = Bounds(driver.minimum, driver.maximum)
            low = before.minimum if change.minimum is None else change.minimum
            after = Bounds(low, before.maximum if change.maximum is None else change.maximum)
        same = before is not None and before == after
        return msgspec.structs.replace(
            plan,
            change=change,
            target=driver.ref,
            bounds_before=before,
            bounds_after=after,
            guards=() if same else (*self.guards, NOT_ASKED),
            write=None if same else Write("PATCH", "/hpa", "application/json-patch+json", [str(after)]),
            equivalent="" if same else f"kubectl -n llm patch hpa {driver.ref.name} --type=json -p …",
            confirmation=Confirmation.NONE
            if same
            else Confirmation.NAME
            if self.protected
            else Confirmation.OK,
            notes=() if after is None else (f"bounds {before} to {after}: the HPA acts within 15 s",),
        )


def _steps(workload: Workload, before: Count, after: Count) -> tuple[Step, ...]:
    name, old, new = workload.key.name, before.groups or 0, after.groups or 0
    serving = {group.name for group in workload.groups}
    if new >= old:
        return tuple(Step(StepKind.CREATE, f"{name}-{at}", 4, 4) for at in range(old, new))
    return tuple(
        Step(StepKind.DELETE, f"{name}-{at}", 4, 4, f"{name}-{at}" in serving)
        for at in range(old - 1, new - 1, -1)
    )
