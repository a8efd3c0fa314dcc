"""Plans for Exoscale's deployments: another number of replicas, a new deployment, the end of one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from clients.exoscale import guards, vendor_times
from clients.exoscale.api import deployment_path
from clients.exoscale.creation import Creation
from clients.exoscale.decode import READY, Deployment, InstanceType, Quota
from clients.exoscale.following import Following
from clients.exoscale.grid import KIND, SYSTEM, gpus_of, group_name
from clients.exoscale.vendor_times import VendorTime
from clients.serving.changes import Change, ObjectChange, ReplicasChange
from clients.serving.cost import hourly
from clients.serving.count_guards import expected_guard, stale_guard
from clients.serving.eta import Durations, Way
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Count, Prediction
from clients.serving.plans import Eta, Money, ScalePlan, Step, StepKind, Write, uid_of_new
from clients.serving.workload import Workload

__all__ = ["Ground", "body_of", "plan_creation", "plan_deletion", "plan_fixed", "plan_scale"]

_JSON = "application/json"
_BASE = "/v2"
_NAMELESS = "order unknown: Exoscale's replicas have no names"


class Ground(Struct, frozen=True):
    """What is known of the zone; ``None`` where it could not be read."""

    zone: str
    quotas: Mapping[str, Quota] | None
    no_quotas: str | None
    families: Mapping[str, InstanceType] | None
    models: Mapping[str, int]
    """Bytes of a model, by its name, where told."""
    prices: Mapping[str, Money]
    durations: Durations
    stale: str | None
    """Why what is shown may be old, if it may."""


def plan_scale(
    workload: Workload,
    deployment: Deployment,
    following: Following | None,
    change: ReplicasChange,
    ground: Ground,
) -> ScalePlan:
    """Another number of replicas: the only thing of a deployment that is scaled."""
    pending = following is not None and not following.failed
    before = following.replicas if following is not None and pending else deployment.replicas
    wanted = before if change.groups is None else change.groups
    assert before is not None
    assert wanted is not None
    changed = wanted != before
    steps = _steps(deployment, before, wanted) if changed and abs(wanted - before) <= 10_000 else ()
    needed = gpus_of(deployment, wanted - before)
    vendor = vendor_times.scaling(before, max(0, wanted), ground.models.get(deployment.model or ""))
    learned = _learned(workload, before, wanted, ground.durations) if changed else None
    found = (
        guards.identity_guard(deployment),
        expected_guard(change.expect_groups, before),
        guards.count_guard(wanted),
        guards.state_guard(deployment, following, wanted),
        guards.gpus_guard(deployment, before, wanted),
        guards.quota_guard(deployment.gpu_type, needed, ground.quotas, ground.no_quotas),
        guards.authorized_guard(deployment.gpu_type, needed, ground.families),
        guards.zero_guard(wanted),
        stale_guard(ground.stale),
        guards.NO_DRY_RUN,
    )
    path = f"{_BASE}{deployment_path(deployment.id or '')}/scale"
    return _plan(
        workload.key,
        workload.uid,
        change,
        ground,
        before=before,
        after=wanted,
        steps=steps,
        gpu_delta=needed or 0,
        cost=(_cost(deployment, before, ground), _cost(deployment, wanted, ground)),
        found=found if changed else (),
        write=Write("POST", path, _JSON, {"replicas": wanted}) if changed else None,
        equivalent=_exo(ground.zone, "scale", deployment.name, str(wanted)) if changed else "",
        vendor=vendor,
        learned=learned,
        notes=_cost_notes(deployment.gpu_type, ground, zero=wanted == 0) if changed else (),
        undo=ReplicasChange(before),
    )


def plan_fixed(workload: Workload, deployment: Deployment, change: Change, ground: Ground) -> ScalePlan:
    """A change of what was fixed at creation: never sent, and said why."""
    count = deployment.replicas or 0
    return _plan(
        workload.key,
        workload.uid,
        change,
        ground,
        before=count,
        after=count,
        found=(guards.fixed_guard(deployment),),
    )


def plan_deletion(
    workload: Workload,
    deployment: Deployment,
    following: Following | None,
    change: ObjectChange,
    ground: Ground,
) -> ScalePlan:
    """The end of a deployment, with what is lost and the way that loses nothing."""
    count = deployment.replicas or 0
    keeps = (
        () if count == 0 else ("scale it to 0 instead: that stops GPU billing, and keeps URL and API key",)
    )
    found = (
        guards.identity_guard(deployment),
        guards.state_guard(deployment, following, None),
        Guard("lost", Level.CONFIRM, guards.LOST, keeps),
        stale_guard(ground.stale),
        guards.NO_DRY_RUN,
    )
    return _plan(
        workload.key,
        workload.uid,
        change,
        ground,
        before=count,
        after=0,
        steps=_steps(deployment, count, 0),
        gpu_delta=-(gpus_of(deployment, count) or 0),
        cost=(_cost(deployment, count, ground), _cost(deployment, 0, ground)),
        found=found,
        write=Write("DELETE", f"{_BASE}{deployment_path(deployment.id or '')}", _JSON, None),
        equivalent=_exo(ground.zone, "delete", deployment.name),
        vendor=VendorTime("near-instant", 0.0, 0.0),
    )


def plan_creation(
    creation: Creation, change: ObjectChange, taken: bool, instead_of: WorkloadKey | None, ground: Ground
) -> ScalePlan:
    """A new deployment. ``instead_of``: the one that it is to take the place of, with another GPU count."""
    needed = creation.gpu_count * creation.replicas
    made = Deployment(
        creation.name, state=READY, gpu_type=creation.gpu_type, gpu_count=creation.gpu_count, replicas=0
    )
    key = WorkloadKey(ground.zone, SYSTEM, None, KIND, creation.name)
    clash = Guard("name", Level.BLOCK, f"there is a deployment {creation.name} in this zone already")
    found = (
        clash if taken else None,
        guards.count_guard(creation.replicas, least=1),
        guards.gpus_guard(made, 0, creation.replicas),
        guards.quota_guard(creation.gpu_type, needed, ground.quotas, ground.no_quotas),
        guards.authorized_guard(creation.gpu_type, needed, ground.families),
        Guard("gpu-count", Level.PASS, "the GPU count cannot be changed afterwards"),
        stale_guard(ground.stale),
        guards.NO_DRY_RUN,
    )
    size = ground.models.get(creation.model)
    notes = _cost_notes(creation.gpu_type, ground, zero=False)
    if instead_of is not None:
        notes = (
            f"once it is {READY}: move callers to its URL, then scale {instead_of.name} to 0; until then "
            "both are billed",
            *notes,
        )
    return _plan(
        key,
        uid_of_new(key),
        change,
        ground,
        before=0,
        after=creation.replicas,
        steps=_steps(made, 0, creation.replicas) if creation.replicas <= 10_000 else (),
        gpu_delta=needed,
        cost=(_cost(made, 0, ground), _cost(made, creation.replicas, ground)),
        found=found,
        write=Write("POST", f"{_BASE}/ai/deployment", _JSON, creation.body()),
        equivalent=_exo(ground.zone, "create", creation.name, *creation.words()),
        vendor=vendor_times.creating(creation.replicas, size),
        notes=notes,
        replaces=instead_of,
    )


def _plan(
    key: WorkloadKey,
    uid: str,
    change: Change,
    ground: Ground,
    *,
    before: int,
    after: int,
    found: tuple[Guard | None, ...],
    steps: tuple[Step, ...] = (),
    gpu_delta: int = 0,
    cost: tuple[Money | None, Money | None] = (None, None),
    write: Write | None = None,
    equivalent: str = "",
    vendor: VendorTime | None = None,
    learned: Eta | None = None,
    notes: tuple[str, ...] = (),
    undo: Change | None = None,
    replaces: WorkloadKey | None = None,
) -> ScalePlan:
    low, high = (learned.low, learned.high) if learned else (None, None)
    if learned is None and vendor is not None and vendor.high is not None:
        low, high = vendor.low, vendor.high
    return ScalePlan(
        key=key,
        uid=uid,
        change=change,
        before=Count(before),
        after=Count(after),
        steps=steps,
        order_known=False,
        order_note=_NAMELESS if steps else "",
        pods_delta=0,
        gpu_delta=gpu_delta,
        capacity=None,
        eta=learned,
        guards=tuple(guard for guard in found if guard is not None),
        write=write,
        equivalent=equivalent,
        confirmation=Confirmation.NONE,
        prediction=Prediction(None, low, high, learned.samples if learned else 0),
        cost_before=cost[0],
        cost_after=cost[1],
        notes=notes,
        undo=undo,
        replaces=replaces,
        vendor_time="" if learned is not None or vendor is None else f"{vendor.words}, says Exoscale",
        scale_in="ok",
    )


def _steps(deployment: Deployment, before: int, after: int) -> tuple[Step, ...]:
    """One a replica; those removed serve if the deployment is ready."""
    gpus = deployment.gpu_count or 0
    if after > before:
        return tuple(
            Step(StepKind.CREATE, group_name(number), 0, gpus) for number in range(before + 1, after + 1)
        )
    serving = deployment.state == READY
    return tuple(
        Step(StepKind.DELETE, group_name(number), 0, gpus, serving)
        for number in range(before, max(0, after), -1)
    )


def _learned(workload: Workload, before: int, after: int, durations: Durations) -> Eta | None:
    """From earlier changes by as many replicas."""
    way: Way = "start" if after > before else "stop"
    return durations.of_group(workload, way, together=abs(after - before))


def _cost(deployment: Deployment, replicas: int, ground: Ground) -> Money | None:
    gpus = gpus_of(deployment, max(0, replicas))
    if gpus is None or deployment.gpu_type is None:
        return None
    return hourly(gpus, (deployment.gpu_type,), ground.prices)


def _cost_notes(family: str | None, ground: Ground, *, zero: bool) -> tuple[str, ...]:
    unknown = family is None or hourly(1, (family,), ground.prices) is None
    notes = (f"no price for {family or 'its GPUs'} in [prices]",) if unknown else ()
    return (*notes, "object storage of the model is billed on") if zero else notes


def _exo(zone: str, verb: str, *words: str) -> str:
    return shlex.join(["exo", "dedicated-inference", "deployment", verb, *words, "-z", zone])


def body_of(write: Write) -> bytes:
    """The bytes that are signed and sent."""
    return msgspec.json.encode(write.body)
