"""Plans changes of what drives a workload: its bounds, stopping it, freezing or suspending its autoscaler.

Written where they last: an autoscaler that somebody owns is written by way of its owner. No label and no
annotation is ever added to an InferenceService but the one that stops it: KServe copies them into the pod
template, and every pod would be made anew (fact sheet ``kserve-hpa-lws``, 3.2).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from clients.kube import bounds_place, kserve
from clients.kube.access import Access
from clients.kube.bounds_place import BoundsPlace, bounded_driver, bounds_at, place_of
from clients.kube.controller_rows import InferenceServiceRow
from clients.kube.count_plan import JSON_PATCH, right_guard
from clients.kube.discovery import collection, serves
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.json_patch import MISSING, at, pointer, tested
from clients.kube.object_guards import object_guards
from clients.kube.object_undo import inverse
from clients.kube.objects import read_object
from clients.kube.plan_parts import Asker, ChangeError, kubectl
from clients.kube.resources import ResourceSpec, in_path
from clients.kube.rows import OwnerRow
from clients.kube.scale_guards import DRY_RUN_PENDING, owner_guard
from clients.kube.session import Session
from clients.kube.world import World
from clients.serving.affected import count_of
from clients.serving.changes import (
    Bounds,
    BoundsChange,
    Change,
    Direction,
    FreezeChange,
    ObjectChange,
    ReplicasChange,
    RunChange,
    SuspendChange,
    Verb,
)
from clients.serving.count_guards import stale_guard
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.keys import ObjectRef
from clients.serving.phase import Phase
from clients.serving.plain import plain
from clients.serving.plans import ScalePlan, Write
from clients.serving.workload import Driver, Workload

__all__ = ["BoundsPlanner", "Consequence"]

Consequence = Callable[[World, Workload, ReplicasChange, str | None], ScalePlan]
"""(world, workload, counts, role) → the plan of the counts that a change leads to."""

_STOP = pointer("metadata", "annotations", "serving.kserve.io/stop")
_PAUSED = pointer("metadata", "annotations", "autoscaling.keda.sh/paused")
_PREDICTOR = "predictor"
_KEPT = ("gpus", "operation", "gang", "overshoot")
"""Guards of the counts that hold for the bounds that lead to them."""


class BoundsPlanner:
    """Plans for one cluster; the object to write is read afresh, so that its old values can be tested."""

    def __init__(self, session: Session, access: Access, consequence: Consequence, asker: Asker) -> None:
        self._session = session
        self._access = access
        self._consequence = consequence
        self._asker = asker

    async def plan(self, world: World, workload: Workload, change: Change, *, stale: str | None) -> ScalePlan:
        """The plan with every guard but the server's dry run.

        Raises:
            ChangeError: nothing that drives it has such a field.
            KubeError: the object to write can not be read.
        """
        row = world.keepers.row(workload.key)
        service = row if isinstance(row, InferenceServiceRow) else None
        if service is not None and service.mode != "Standard":
            raise ChangeError(kserve.shown_only(service))
        if isinstance(change, BoundsChange):
            plan = await self._bounded(world, workload, change, service)
        elif isinstance(change, RunChange):
            plan = await self._run(world, workload, change, service)
        elif isinstance(change, FreezeChange):
            plan = await self._freeze(workload, change, service)
        elif isinstance(change, SuspendChange):
            plan = await self._suspend(workload, change)
        elif isinstance(change, ObjectChange):
            plan = await self._object(workload, change)
        else:
            raise ChangeError("counts are planned elsewhere")
        extra = stale_guard(stale)
        return replace(plan, guards=(*plan.guards, extra)) if extra is not None else plan

    # -- bounds

    async def _bounded(
        self, world: World, workload: Workload, change: BoundsChange, service: InferenceServiceRow | None
    ) -> ScalePlan:
        scaler = service.scaler if service is not None else None
        driver = bounded_driver(workload, change.role)
        raw: Any = None
        if scaler not in ("hpa", "keda", "none") and driver is not None:
            raw = await self._read(driver.ref)
        place = place_of(workload, scaler, change.role, raw)
        if place is None:
            raise ChangeError("nothing with bounds drives it: set its count, or create an autoscaler")
        if raw is None:
            raw = await self._read(place.ref)
        before = bounds_at(raw, place)
        after = _wanted(before, change)
        part = change.role or (_PREDICTOR if service is not None else None)
        counts = _leads_to(workload, after, scaler, part, driver)
        inner = self._consequence(world, workload, counts, part)
        patch = tested(
            raw,
            [
                (where, new)
                for where, old, new in (
                    (place.minimum, before.minimum, after.minimum),
                    (place.maximum, before.maximum, after.maximum),
                )
                if old != new
            ],
        )
        guards = [
            _rule_guard(place, change, after, service),
            _restart_guard(service),
            _owner_guard(raw) if service is None else None,
            *_cron_guards(workload, place),
        ]
        plan = await self._made(workload, change, place.ref, patch, guards, inner=inner)
        return replace(
            plan,
            bounds_before=before,
            bounds_after=after,
            notes=_then(
                plan, *_notes(place, before, after, inner, resting=workload.desired == 0 and scaler != "none")
            ),
            undo=BoundsChange(before.minimum, before.maximum, change.role),
        )

    # -- stop and resume

    async def _run(
        self, world: World, workload: Workload, change: RunChange, service: InferenceServiceRow | None
    ) -> ScalePlan:
        if service is None:
            raise ChangeError(
                "only an InferenceService can be stopped and resumed; set its count to 0 instead"
            )
        ref = ObjectRef(service.group, service.kind, service.namespace, service.name)
        raw = await self._read(ref)
        now = at(raw, _STOP) == "true"
        patch = [] if now != change.running else tested(raw, [(_STOP, MISSING if change.running else "true")])
        counts = ReplicasChange(_resumed(service) if change.running else 0)
        inner = self._consequence(world, workload, counts, None)
        note = (
            "KServe makes its Deployment and autoscaler again from the service"
            if change.running
            else "KServe deletes its Deployment and autoscaler; the service, its name and its URL stay"
        )
        plan = await self._made(workload, change, ref, patch, [], inner=inner)
        return replace(plan, notes=_then(plan, note), undo=RunChange(not change.running))

    # -- freezing and suspending

    async def _freeze(
        self, workload: Workload, change: FreezeChange, service: InferenceServiceRow | None
    ) -> ScalePlan:
        raw = await self._read(change.driver)
        word = "in" if change.direction is Direction.IN else "out"
        kind = change.driver.kind
        if kind == "ScaledObject":
            path = pointer("metadata", "annotations", f"autoscaling.keda.sh/paused-scale-{word}")
            patch = tested(raw, [(path, "true" if change.frozen else MISSING)])
            notes: tuple[str, ...] = ()
        elif kind == "HorizontalPodAutoscaler":
            if service is not None and service.scaler in ("hpa", "keda"):
                raise ChangeError(
                    "KServe writes this HPA's behavior again at its next look: pin the service instead"
                )
            side = "scaleDown" if change.direction is Direction.IN else "scaleUp"
            path = pointer("spec", "behavior", side, "selectPolicy")
            patch = tested(raw, [(path, "Disabled" if change.frozen else "Max")])
            notes = ()
            if at(raw, "/spec/behavior") is MISSING:
                notes = (
                    "it gets a behavior, whose defaults replace the rules of an HPA without one: scaling out "
                    "by at most 4 pods or 100 % in 15 s",
                )
        else:
            raise ChangeError(f"{plain(kind)} has nothing that freezes one direction: pin its bounds instead")
        plan = await self._made(workload, change, change.driver, patch, [_owner_guard(raw)])
        said = f"no scaling {word} by it any more" if change.frozen else f"scaling {word} by it again"
        return replace(
            plan,
            notes=_then(plan, said, *notes),
            undo=FreezeChange(change.driver, change.direction, not change.frozen),
        )

    async def _suspend(self, workload: Workload, change: SuspendChange) -> ScalePlan:
        if change.driver.kind != "ScaledObject":
            raise ChangeError(f"{plain(change.driver.kind)} can not be suspended: pin its bounds instead")
        raw = await self._read(change.driver)
        patch = tested(raw, [(_PAUSED, "true" if change.suspended else MISSING)])
        plan = await self._made(workload, change, change.driver, patch, [])
        said = (
            "KEDA deletes its HPA and leaves the count as it is"
            if change.suspended
            else "KEDA makes its HPA again and acts on its triggers"
        )
        return replace(plan, notes=_then(plan, said), undo=SuspendChange(change.driver, not change.suspended))

    # -- whole objects

    async def _object(self, workload: Workload, change: ObjectChange) -> ScalePlan:
        spec = _spec(change.ref.kind)
        base = await self._collection(spec, change.ref.namespace)
        before = None if change.verb is Verb.CREATE else await self._read(change.ref)
        body = msgspec.json.decode(change.body) if change.body else _only(before)
        path = base if change.verb is Verb.CREATE else f"{base}/{in_path(change.ref.name)}"
        method, content = {
            Verb.CREATE: ("POST", "application/json"),
            Verb.PATCH: ("PATCH", JSON_PATCH),
            Verb.DELETE: ("DELETE", "application/json"),
        }[change.verb]
        right = await self._access.can(
            change.verb, spec.group, spec.plural, change.ref.namespace, name=change.ref.name
        )
        write = None if body == [] else Write(method, path, content, body)
        verb = {Verb.CREATE: "create -f -", Verb.PATCH: "patch", Verb.DELETE: "delete"}[change.verb]
        target = [] if change.verb is Verb.CREATE else [spec.plural, change.ref.name]
        if change.verb is Verb.PATCH:
            target += ["--type=json", "-p", change.body]
        line = kubectl(self._asker, change.ref.namespace or "", *verb.split(), *target)
        against = await object_guards(self._session, workload, change, before)
        guards = (right_guard(right), *against, DRY_RUN_PENDING)
        plan = _plan(workload, change, change.ref, write, guards, line)
        return replace(plan, undo=inverse(change, before))

    # -- what they share

    async def _made(
        self,
        workload: Workload,
        change: Change,
        ref: ObjectRef,
        patch: list[dict[str, Any]],
        guards: list[Guard | None],
        *,
        inner: ScalePlan | None = None,
    ) -> ScalePlan:
        spec = _spec(ref.kind)
        right = await self._access.can("patch", spec.group, spec.plural, ref.namespace, name=ref.name)
        path = f"{await self._collection(spec, ref.namespace)}/{in_path(ref.name)}"
        kept = [guard for guard in inner.guards if guard.id in _KEPT] if inner is not None else []
        found = [right_guard(right), *guards, *kept, DRY_RUN_PENDING]
        write = Write("PATCH", path, JSON_PATCH, patch) if patch else None
        body = json.dumps(patch, separators=(",", ":"))
        line = kubectl(
            self._asker,
            ref.namespace or "",
            "patch",
            f"{spec.plural}.{spec.group}",
            ref.name,
            "--type=json",
            "-p",
            body,
        )
        settled = tuple(guard for guard in found if guard is not None) if patch else ()
        plan = _plan(workload, change, ref, write, settled, line if patch else "")
        if inner is None:
            return plan
        return replace(
            inner,
            change=change,
            guards=plan.guards,
            write=plan.write,
            equivalent=plan.equivalent,
            target=plan.target,
            confirmation=Confirmation.NONE,
        )

    async def _read(self, ref: ObjectRef) -> dict[str, Any]:
        return await read_object(self._session, _spec(ref.kind), ref.namespace, ref.name)

    async def _collection(self, spec: ResourceSpec, namespace: str | None) -> str:
        served = await serves(self._session, spec)
        if served is None:
            missing = f"{spec.plural}.{spec.group} is not installed"
            raise KubeError(missing, kind=ErrorKind.NOT_FOUND, sent=True)
        return collection(served, spec, namespace)


def _only(before: Any) -> dict[str, Any]:
    """What keeps a deletion from another object of the same name."""
    uid = {"uid": at(before, "/metadata/uid")}
    return {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": uid}


def _spec(kind: str) -> ResourceSpec:
    spec = bounds_place.SPECS.get(kind)
    if spec is None:
        raise ChangeError(f"{plain(kind)} has no bounds that servegrid knows of")
    return spec


def _plan(
    workload: Workload,
    change: Change,
    ref: ObjectRef,
    write: Write | None,
    guards: tuple[Guard, ...],
    line: str,
) -> ScalePlan:
    """A plan that by itself makes and removes nothing."""
    count = count_of(workload)
    return ScalePlan(
        key=workload.key,
        uid=workload.uid,
        change=change,
        before=count,
        after=count,
        steps=(),
        order_known=True,
        order_note="",
        pods_delta=0,
        gpu_delta=0,
        capacity=None,
        eta=None,
        guards=guards,
        write=write,
        equivalent=line,
        confirmation=Confirmation.NONE,
        generation=workload.generation,
        target=ref if (ref.kind, ref.name) != (workload.key.kind, workload.key.name) else None,
    )


def _wanted(before: Bounds, change: BoundsChange) -> Bounds:
    """The bounds that are asked for; a pin makes both the one number that it names."""
    low = before.minimum if change.minimum is None else change.minimum
    high = before.maximum if change.maximum is None else change.maximum
    if not change.pin:
        return Bounds(low, high)
    pinned = change.maximum if change.minimum is None else change.minimum
    if pinned is None or (change.minimum is not None and change.maximum not in (None, change.minimum)):
        raise ChangeError("a pin takes one number")
    return Bounds(pinned, pinned)


def _leads_to(
    workload: Workload, after: Bounds, scaler: str | None, part: str | None, driver: Driver | None
) -> ReplicasChange:
    """The counts that the bounds force at once; metrics move them further only later.

    ``part`` is a service's component. A role of a ModelServing is counted within every group.
    """
    if scaler == "none":
        return ReplicasChange(after.minimum)
    if part is None and driver is not None and driver.role is not None:
        count = count_of(workload).role(driver.role)
        return ReplicasChange(None, ((driver.role, after.clamp(count)),)) if count else ReplicasChange()
    now = workload.desired
    if part is not None:
        now = sum(
            group.roles[0].name == part and group.phase not in (Phase.DELETING, Phase.ABSENT)
            for group in workload.groups
        )
    return ReplicasChange(after.clamp(now)) if now else ReplicasChange()


def _then(plan: ScalePlan, *notes: str) -> tuple[str, ...]:
    """What comes of it; nothing does of what is not sent."""
    return notes if plan.write is not None else ()


def _notes(
    place: BoundsPlace, before: Bounds, after: Bounds, inner: ScalePlan, *, resting: bool
) -> tuple[str, ...]:
    """What it changes, and when that is felt."""
    notes = [f"bounds {before} to {after}: {place.acts}"]
    if after.pinned:
        notes.append(f"pinned at {after.minimum}: neither scaled out nor in until it is unpinned")
    if resting:
        notes.append("its count is 0, where an autoscaler rests: bounds bite once it runs again")
    elif inner.before == inner.after:
        notes.append(
            "nothing moves now: it stands within them, and they bite when the autoscaler next decides"
        )
    return tuple(notes)


def _resumed(service: InferenceServiceRow) -> int:
    """Groups after a resumption: the minimum of each component."""
    return sum(max(1, 1 if part.minimum is None else part.minimum) for part in service.components)


def _rule_guard(
    place: BoundsPlace, change: BoundsChange, after: Bounds, service: InferenceServiceRow | None
) -> Guard:
    wrong, remedies = [], []
    low, high = after.minimum, after.maximum
    by_hpa = place.ref.kind == "HorizontalPodAutoscaler" or (service is not None and service.scaler == "hpa")
    if low is not None and low < 0:
        wrong.append(f"a minimum below zero: {low}")
    if high is not None and high < 1:
        wrong.append(f"a maximum of {high}: at least 1")
    if low is not None and high is not None and low > high:
        wrong.append(f"the minimum {low} is above the maximum {high}")
        remedies.append("set both")
    if by_hpa and change.minimum == 0:
        wrong.append("an HPA does not go to 0: a minimum of 0 is refused, or silently counts as 1")
        remedies.append(
            "stop the service instead"
            if service is not None
            else "set the count to 0 instead: an HPA rests then"
        )
    if wrong:
        return Guard("rules", Level.BLOCK, "; ".join(wrong), tuple(remedies))
    return Guard("rules", Level.PASS, f"pinned at {low}" if after.pinned else "the bounds are possible")


def _owner_guard(raw: dict[str, Any]) -> Guard | None:
    """Who keeps the object that is written, and writes it again."""
    owners = at(raw, "/metadata/ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if at(owner, "/controller") is True:
            group = str(owner.get("apiVersion", "")).rpartition("/")[0]
            row = OwnerRow(str(owner.get("kind")), str(owner.get("name")), str(owner.get("uid")), group)
            return owner_guard(row, takes_back={"ScaledObject": True, "InferenceService": False})
    return None


def _restart_guard(service: InferenceServiceRow | None) -> Guard | None:
    """A multi-node service carries its generation in a pod label: any edit makes all its pods anew."""
    if service is None or not service.multi_node:
        return None
    reason = "this service has workers: any edit of it makes every pod anew, with the model loaded again"
    return Guard("restart", Level.CONFIRM, reason)


def _cron_guards(workload: Workload, place: BoundsPlace) -> list[Guard]:
    return [
        Guard(
            "driver",
            Level.WARN,
            f"CronHPA {plain(driver.ref.name)} moves these bounds as well"
            + (f": {plain(driver.signal, 60)}" if driver.signal else ""),
            (f"change the jobs of {plain(driver.ref.name)}",),
        )
        for driver in workload.drivers
        if driver.ref.kind == "CronHorizontalPodAutoscaler" and place.ref.kind == "HorizontalPodAutoscaler"
    ]
