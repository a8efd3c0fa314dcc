"""Plans for ModelArts' deployments: another number of instances, a stop, a start."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from clients.modelarts import guards
from clients.modelarts.api import scale_path, start_path, stop_path
from clients.modelarts.cost import BESIDE, cost_guard, hourly
from clients.modelarts.decode import Flavor
from clients.modelarts.grid import Row, gpus_each, sole_flavor
from clients.serving.changes import ReplicasChange, RunChange
from clients.serving.count_guards import expected_guard, operation_guard, stale_guard
from clients.serving.eta import Durations
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.operation import Count, Prediction
from clients.serving.plans import Money, ScalePlan, Step, StepKind, Write
from clients.serving.workload import Workload

__all__ = ["Ground", "body_of", "plan_run", "plan_scale"]

_JSON = "application/json;charset=UTF-8"
_NAMELESS = "order unknown: ModelArts does not tell which instances come or go"


class Ground(Struct, frozen=True):
    """What is known of the region beside the row."""

    host: str
    flavors: Mapping[str, Flavor]
    prices: Mapping[str, Money]
    durations: Durations
    no_hpa: str | None
    """Why nobody knows whether the deployment has an autoscaler."""
    stale: str | None
    """Why what is shown may be old, if it may."""


def plan_scale(workload: Workload, row: Row, change: ReplicasChange, ground: Ground) -> ScalePlan:
    """Another number of instances, by the deployment's name."""
    before = row.deployment.desired
    assert before is not None
    wanted = before if change.groups is None else change.groups
    if wanted == before:
        return _plan(workload, row, change, ground, before, before)
    flavor = ground.flavors.get(sole_flavor(row.deployment) or "") if wanted > before else None
    return _plan(
        workload,
        row,
        change,
        ground,
        before,
        wanted,
        found=(
            guards.state_guard(row),
            guards.frozen_guard(row),
            guards.count_guard(wanted),
            expected_guard(change.expect_groups, before),
            guards.scale_in_guard(before, wanted),
            guards.driver_guard(row.hpa, ground.no_hpa, wanted),
            guards.sold_out_guard(row, flavor),
            operation_guard(workload, Count(wanted)),
        ),
        write=Write("PUT", scale_path(row.service.id, row.deployment.name), _JSON, {"count": wanted}),
        notes=("the service keeps answering while it scales",),
        undo=ReplicasChange(before),
    )


def plan_run(workload: Workload, row: Row, change: RunChange, ground: Ground) -> ScalePlan:
    """A stop, which keeps deployment and count, or a start. What runs or is stopped already stays so."""
    count, stopped = row.deployment.desired, workload.stopped
    if change.running:
        before, after = (0, count) if stopped else (count, count)
        path, note = start_path(row.service.id, row.deployment.id), "all its instances are started"
        again = not stopped and workload.given_up is None
        confirm = None
    else:
        before, after = (0, 0) if stopped else (count, 0)
        path = stop_path(row.service.id, row.deployment.id)
        note = "all its instances end and it does not answer; the deployment and its count are kept"
        again = stopped
        confirm = Guard("stop", Level.CONFIRM, "nothing of it serves until it is started again")
    if again:
        return _plan(workload, row, change, ground, before, before)
    return _plan(
        workload,
        row,
        change,
        ground,
        before,
        after,
        found=(
            guards.identity_guard(row),
            guards.run_guard(row, change.running),
            guards.frozen_guard(row),
            confirm,
            operation_guard(workload, Count(after)),
        ),
        write=Write("POST", path, _JSON, None),
        notes=(note,),
        undo=RunChange(not change.running),
    )


def body_of(write: Write) -> bytes | None:
    """The bytes that are signed and sent."""
    return None if write.body is None else msgspec.json.encode(write.body)


def _plan(
    workload: Workload,
    row: Row,
    change: ReplicasChange | RunChange,
    ground: Ground,
    before: int | None,
    after: int | None,
    *,
    found: tuple[Guard | None, ...] = (),
    write: Write | None = None,
    notes: tuple[str, ...] = (),
    undo: ReplicasChange | RunChange | None = None,
) -> ScalePlan:
    steps = _steps(row, before or 0, after or 0, gpus_each(row.deployment, ground.flavors))
    way = 1 if (after or 0) > (before or 0) else -1
    eta = ground.durations.eta(workload, steps, staged=False)
    if write is not None:
        found = (*found, cost_guard(row.deployment, after, ground.prices), stale_guard(ground.stale))
        notes = (*notes, BESIDE)
        if gpus_each(row.deployment, ground.flavors) is None:
            notes = (*notes, "GPUs unknown: ModelArts does not list them for an instance of it")
    return ScalePlan(
        key=workload.key,
        uid=workload.uid,
        change=change,
        before=Count(before),
        after=Count(after),
        steps=steps,
        order_known=False,
        order_note=_NAMELESS if steps else "",
        pods_delta=way * sum(step.pods for step in steps),
        gpu_delta=way * sum(step.gpus for step in steps),
        capacity=None,
        eta=eta,
        guards=tuple(guard for guard in found if guard is not None),
        write=write,
        equivalent="" if write is None else _line(ground.host, write),
        confirmation=Confirmation.NONE,
        prediction=Prediction(
            None, eta.low if eta else None, eta.high if eta else None, eta.samples if eta else 0
        ),
        cost_before=hourly(row.deployment, before, ground.prices),
        cost_after=hourly(row.deployment, after, ground.prices),
        generation=workload.generation,
        notes=notes,
        undo=undo,
    )


def _steps(row: Row, before: int, after: int, each: int | None) -> tuple[Step, ...]:
    """One an instance. Those that go are any: as many of them serve as run beyond what stays."""
    pods = max((one.pods or 1 for one in row.instances or ()), default=1)
    if not 0 <= after <= guards.MOST:
        return ()
    if after >= before:
        made = range(1, after - before + 1)
        return tuple(Step(StepKind.CREATE, f"new-{number}", pods, each or 0) for number in made)
    serving = (row.deployment.running or 0) - after
    idle = before - after - serving
    return tuple(
        Step(StepKind.DELETE, f"any-{number}", pods, each or 0, number > idle, "which one is not told")
        for number in range(1, before - after + 1)
    )


def _line(host: str, write: Write) -> str:
    """The request itself: no tool of the vendor's is known to do the same."""
    body = body_of(write)
    return " ".join((write.method, f"https://{host}/v2/PROJECT{write.path}", (body or b"").decode())).rstrip()
