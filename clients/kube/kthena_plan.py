"""Plans a change of a ModelServing's counts: which groups and role replicas, in what order, at what price.

Groups and several roles go into one JSON Patch, hence one generation and one pass of the controller.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from clients.kube.capacity import GpuLedger
from clients.kube.capacity_guard import capacity_guard
from clients.kube.kthena_guards import TAKES_BACK, gang_guard, overshoot_guard, webhook_guard
from clients.kube.kthena_order import Move, OrderRule, predict_groups, predict_overshoot, predict_roles
from clients.kube.plan_parts import NOBODY, Asker, ChangeError, capacity_of, kubectl, needs, serves, size
from clients.kube.resources import in_path
from clients.kube.rows import ModelServingRow
from clients.kube.scale_guards import (
    DRY_RUN_PENDING,
    Rights,
    driver_guards,
    owner_guard,
    right_guard,
)
from clients.serving.changes import ReplicasChange, inverse
from clients.serving.confirm import ScaleInWord, confirmation
from clients.serving.cost import hourly
from clients.serving.count_guards import expected_guard, operation_guard, stale_guard
from clients.serving.eta import Durations
from clients.serving.guards import Guard
from clients.serving.operation import Count, Prediction
from clients.serving.plans import Money, ScalePlan, Step, StepKind, Write
from clients.serving.workload import Group, RoleReplica, Workload

__all__ = ["build"]

_WITHOUT_SCALE = ("v0.1", "v0.2")
"""Versions whose ModelServing has no ``/scale``."""
_GROUP = "workload.serving.volcano.sh"
_JSON_PATCH = "application/json-patch+json"


_UNASKED = Rights()


def build(
    workload: Workload,
    row: ModelServingRow,
    change: ReplicasChange,
    *,
    rule: OrderRule,
    rule_source: str = "",
    gpus: GpuLedger | None = None,
    durations: Durations | None = None,
    rights: Rights = _UNASKED,
    prices: Mapping[str, Money] | Iterable[tuple[str, Money]] = (),
    asker: Asker = NOBODY,
    confirm_scale_in: ScaleInWord = "yes",
    protected: bool = False,
    stale: str | None = None,
) -> ScalePlan:
    """The plan with all guards but the server's dry run, for which ``DRY_RUN_PENDING`` stands.

    ``rule_source`` says how the order rule was found out, ``stale`` why what is shown may be old.

    Raises:
        ChangeError: a role that the workload does not have.
    """
    table = tuple(prices.items() if isinstance(prices, Mapping) else prices)
    before = Count(row.replicas, tuple((role.name, role.replicas) for role in row.roles))
    after = _after(before, change)
    changed = after != before
    roles_change = after.roles != before.roles
    by_scale = changed and rights.patch is False and bool(rights.scale) and not roles_change
    steps, order_known, lost = _steps(workload, row, before, after, rule)
    capacity = capacity_of(workload, after, steps, gpus) if changed else None
    eta = None
    if durations is not None and steps:
        eta = durations.eta(workload, steps, staged=rule.staged, role_counts=after.roles)
    guards: tuple[Guard, ...] = ()
    if changed:
        first = (
            right_guard(
                rights,
                "modelservings",
                row.namespace,
                by_scale=by_scale,
                more_than_scale="only for the number of groups" if roles_change else None,
            ),
            expected_guard(change.expect_groups, row.replicas),
        )
        last = (
            overshoot_guard(lost),
            capacity_guard(capacity),
            operation_guard(workload, after),
            stale_guard(stale),
        )
        guards = _guards(first, _rules_guards(workload, row, before, after, by_scale=by_scale), last)
    models = gpus.models(needs(workload.role_specs)) if gpus is not None else frozenset[str]()
    pods, held = size(workload.role_specs, before), size(workload.role_specs, after)
    patch = _patch(row, before, after)
    return ScalePlan(
        key=workload.key,
        uid=row.uid,
        change=change,
        before=before,
        after=after,
        steps=steps,
        order_known=order_known,
        order_note=_order_note(rule, rule_source, order_known),
        pods_delta=held[0] - pods[0],
        gpu_delta=held[1] - pods[1],
        capacity=capacity,
        eta=eta,
        guards=guards,
        write=_write(row, before, after, patch, by_scale=by_scale) if changed else None,
        equivalent=_equivalent(row, before, after, patch, asker, rule) if changed else "",
        confirmation=confirmation(
            before,
            after,
            steps,
            confirm_scale_in=confirm_scale_in,
            protected=protected,
            guards=guards,
        ),
        prediction=Prediction(
            tuple(step.name for step in steps) if order_known else None,
            eta.low if eta else None,
            eta.high if eta else None,
            eta.samples if eta else 0,
        ),
        cost_before=hourly(pods[1], models, table),
        cost_after=hourly(held[1], models, table),
        generation=row.generation,
        undo=inverse(change, before.groups, dict(before.roles)),
    )


def _after(before: Count, change: ReplicasChange) -> Count:
    wanted = dict(change.roles)
    unknown = [name for name in wanted if before.role(name) is None]
    if unknown:
        known = ", ".join(name for name, _ in before.roles)
        raise ChangeError(f"no role {unknown[0]!r}; there are: {known}")
    roles = tuple((name, wanted.get(name, replicas)) for name, replicas in before.roles)
    return Count(before.groups if change.groups is None else change.groups, roles)


def _steps(
    workload: Workload, row: ModelServingRow, before: Count, after: Count, rule: OrderRule
) -> tuple[tuple[Step, ...], bool, tuple[str, ...]]:
    """Steps in predicted order, whether it can be known at all, and groups lost beyond what is asked."""
    grouped: tuple[Move, ...] = ()
    if after.groups is not None and after.groups != before.groups:
        grouped = predict_groups(workload, max(0, after.groups), rule, row.partition)
    changes = {name: max(0, count) for name, count in after.roles if before.role(name) != count}
    gone = [move.name for move in grouped if not move.create]
    parts = {role.name: role.partition for role in row.roles}
    roles = predict_roles(workload, changes, rule, parts, gone) if changes else ()
    lost = predict_overshoot(workload, gone, roles, max(0, after.groups or 0), rule, row.partition)
    moves = (*grouped, *roles)
    known = rule.known and not lost and all(move.certain for move in moves)
    if rule.staged and roles and grouped:
        # One group is begun at once; the next one waits until the walk through the roles leaves all running.
        # Whether a group to be removed is visited before it goes is a matter of seconds.
        moves = (*grouped[:1], *roles, *grouped[1:])
        known = known and all(move.create for move in grouped)
    steps = [_step(workload, move, after) for move in moves]
    if not known:
        places = {group.name: index for index, group in enumerate(workload.groups)}
        steps.sort(key=lambda step: places.get(step.name.partition("/")[0], len(places)))
    return tuple(steps), known, lost


def _step(workload: Workload, move: Move, after: Count) -> Step:
    group_name, _, role_id = move.name.partition("/")
    role = role_id.rpartition("-")[0]
    spec = next((spec for spec in workload.role_specs if spec.name == role), None) if role_id else None
    if spec is None:
        group_name = move.name  # Whatever it may hold: no API server stores a name with a slash.
    group = next((group for group in workload.groups if group.name == group_name), None)
    kind = StepKind.CREATE if move.create else StepKind.DELETE
    if spec is not None:
        replica = _replica(group, role_id)
        serving = not move.create and group is not None and replica is not None and serves(group, replica)
        return Step(kind, move.name, 1 + spec.workers, spec.gpus_replica, serving, move.reason)
    if move.create or group is None:
        pods, gpus = size(workload.role_specs, Count(1, after.roles))
        return Step(
            kind, move.name, pods if move.create else 0, gpus if move.create else 0, False, move.reason
        )
    replicas = [replica for role in group.roles for replica in role.replicas]
    pods = sum(len(replica.pods) for replica in replicas)
    serving = any(serves(group, replica) for replica in replicas)
    return Step(kind, move.name, pods, group.gpus, serving, move.reason)


def _replica(group: Group | None, role_id: str) -> RoleReplica | None:
    replicas = (replica for role in group.roles for replica in role.replicas) if group else ()
    return next((replica for replica in replicas if replica.id == role_id), None)


def _rules_guards(
    workload: Workload, row: ModelServingRow, before: Count, after: Count, *, by_scale: bool
) -> tuple[Guard | None, ...]:
    """What Kthena, and whoever owns or drives the workload, has to say."""
    return (
        DRY_RUN_PENDING,
        webhook_guard(row, after, by_scale=by_scale),
        gang_guard(row, after),
        owner_guard(row.owner, takes_back=TAKES_BACK),
        *driver_guards(workload, before, after),
    )


def _guards(*parts: Iterable[Guard | None]) -> tuple[Guard, ...]:
    return tuple(guard for part in parts for guard in part if guard is not None)


def _patch(row: ModelServingRow, before: Count, after: Count) -> list[dict[str, Any]]:
    """``test`` the old value, then ``replace`` it; a role also by its name at its place in the list.

    An absent ``replicas`` counts as 1 and can not be tested: then it is added, and the whole object must not
    have changed since (``resourceVersion``), which is stricter than needed and never wrong.
    """
    patch: list[dict[str, Any]] = []
    absent = False

    def put(path: str, present: bool, old: int | None, new: int | None) -> None:
        nonlocal absent
        if present:
            patch.append({"op": "test", "path": path, "value": old})
        absent = absent or not present
        patch.append({"op": "replace" if present else "add", "path": path, "value": new})

    if after.groups != before.groups:
        put("/spec/replicas", row.replicas_present, before.groups, after.groups)
    for role in row.roles:
        old, new = before.role(role.name), after.role(role.name)
        if old != new:
            place = f"/spec/template/roles/{role.index}"
            patch.append({"op": "test", "path": f"{place}/name", "value": role.name})
            put(f"{place}/replicas", role.replicas_present, old, new)
    return [_version_test(row), *patch] if absent else patch


def _version_test(row: ModelServingRow) -> dict[str, Any]:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": row.resource_version}


def _write(
    row: ModelServingRow,
    before: Count,
    after: Count,
    patch: list[dict[str, Any]],
    *,
    by_scale: bool,
) -> Write:
    version = row.api_version.rpartition("/")[2]
    inside = f"namespaces/{in_path(row.namespace)}"
    path = f"/apis/{_GROUP}/{version}/{inside}/modelservings/{in_path(row.name)}"
    if not by_scale:
        note = None
        if patch and patch[0]["path"] == "/metadata/resourceVersion":
            note = "a count is not written in the object: refused if anything in it changes meanwhile"
        return Write("PATCH", path, _JSON_PATCH, patch, note)
    if before.groups:
        guard: dict[str, Any] = {"op": "test", "path": "/spec/replicas", "value": before.groups}
        body = [guard, {"op": "replace", "path": "/spec/replicas", "value": after.groups}]
    else:
        # A Scale object leaves out a count of 0, so that there is nothing to test.
        body = [_version_test(row), {"op": "add", "path": "/spec/replicas", "value": after.groups}]
    return Write("PATCH", f"{path}/scale", _JSON_PATCH, body, "through /scale: Kthena's webhook is not asked")


def _order_note(rule: OrderRule, source: str, known: bool) -> str:
    if not rule.known:
        return f"order unknown: {source}" if source else "order unknown"
    text = "documented order" if rule.version == "documented" else f"order of {rule.version}"
    if not known:
        text = f"order unknown: with the {text} it depends on what is gone or ready first"
    return f"{text}, {source}" if source else text


def _equivalent(
    row: ModelServingRow,
    before: Count,
    after: Count,
    patch: list[dict[str, Any]],
    asker: Asker,
    rule: OrderRule,
) -> str:
    if after.roles == before.roles and rule.version not in _WITHOUT_SCALE:
        return kubectl(
            asker,
            row.namespace,
            "scale",
            f"modelserving/{row.name}",
            f"--replicas={after.groups}",
            f"--current-replicas={before.groups}",
        )
    body = json.dumps(patch, separators=(",", ":"))
    return kubectl(asker, row.namespace, "patch", "modelserving", row.name, "--type=json", "-p", body)
