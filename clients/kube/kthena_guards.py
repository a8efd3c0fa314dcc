"""What stands between a plan for a ModelServing and its being sent: Kthena's rules, owners, drivers, GPUs.

The webhook's rules (fact sheet ``kthena``, section 2) are checked here so that a person sees them at
once; the server's own word comes with the dry run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from clients.kube.rows import ModelServingRow, RoleRow
from clients.serving.eta import spell
from clients.serving.guards import Guard, Level
from clients.serving.operation import Count
from clients.serving.plain import plain
from clients.serving.plans import Capacity
from clients.serving.workload import Driver, Workload

__all__ = [
    "Rights",
    "capacity_guard",
    "driver_guards",
    "expected_guard",
    "gang_guard",
    "operation_guard",
    "overshoot_guard",
    "owner_guard",
    "right_guard",
    "webhook_guard",
]

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST = 63


class Rights(Struct, frozen=True):
    """What this user may do; ``None`` where the server would not say, and trying is the only way to know."""

    patch: bool | None = None
    """``patch`` on ``modelservings``."""
    scale: bool | None = None
    """``patch`` on ``modelservings/scale``."""


def right_guard(rights: Rights, key_namespace: str, *, by_scale: bool, roles: bool) -> Guard:
    """No right blocks; a right that could not be asked for does not."""
    if rights.patch is False and not by_scale:
        missing = f"no right to patch modelservings in {plain(key_namespace)}"
        if rights.scale and roles:
            missing += "; the right to modelservings/scale is only for the number of groups"
        remedy = f"kubectl -n {plain(key_namespace)} auth can-i patch modelservings"
        return Guard("right", Level.BLOCK, missing, (remedy,))
    if by_scale:
        return Guard("right", Level.PASS, "by the right to modelservings/scale")
    if rights.patch is None:
        return Guard("right", Level.PASS, "rights unknown: the server will say")
    return Guard("right", Level.PASS, "allowed")


def expected_guard(expected: int | None, now: int) -> Guard | None:
    """``--current``: refuses unless so many groups are wanted now."""
    if expected is None or expected == now:
        return None
    return Guard("current", Level.BLOCK, f"expected {expected} groups to be wanted now, but it is {now}")


def _floor(setting: str, of: int) -> int | None:
    """An int-or-percent setting of ``of``, rounded down; ``None`` if it is neither."""
    text = setting.strip()
    try:
        return of * int(text[:-1]) // 100 if text.endswith("%") else int(text)
    except ValueError:
        return None


def _rules(row: ModelServingRow, after: Count) -> list[str]:
    """What the webhook would find wrong with the row if the counts were ``after``."""
    wrong = []
    groups = row.replicas if after.groups is None else after.groups
    if groups < 0:
        wrong.append(f"the number of groups is negative: {groups}")
    by_role = row.rollout_type == "RoleRollingUpdate"
    if row.max_unavailable is not None and not by_role and _floor(row.max_unavailable, groups) == 0:
        wrong.append(f"maxUnavailable {plain(row.max_unavailable)} of {groups} groups rounds down to 0")
    for role in row.roles:
        replicas = _replicas(role, after)
        if replicas < 0:
            wrong.append(f"replicas of {plain(role.name)} are negative: {replicas}")
        name = f"{row.name}-{groups}-{role.name}-{replicas}-{role.workers}"
        if len(name) > _LONGEST:
            wrong.append(f"{plain(name)} has {len(name)} characters, and such a name may have {_LONGEST}")
        elif min(groups, replicas) >= 0 and _LABEL.fullmatch(name) is None:
            wrong.append(f"{plain(name)} is no DNS label")
        if by_role:
            setting = role.max_unavailable or "1"
            spare = _floor(setting, replicas)
            if spare is not None and not 0 < spare <= replicas:
                wrong.append(
                    f"{plain(role.name)}: maxUnavailable {plain(setting)} needs 1 to {replicas}"
                    if replicas
                    else f"{plain(role.name)} can not go to 0 under RoleRollingUpdate"
                )
    return wrong


def _replicas(role: RoleRow, after: Count) -> int:
    wanted = after.role(role.name)
    return role.replicas if wanted is None else wanted


def webhook_guard(row: ModelServingRow, after: Count, *, by_scale: bool) -> Guard:
    """What the validating webhook refuses; through ``/scale`` it is not asked, so then it is a warning."""
    wrong = _rules(row, after)
    if not wrong:
        return Guard("webhook", Level.PASS, "Kthena's rules hold")
    negative = any("negative" in rule for rule in wrong)
    level = Level.WARN if by_scale and not negative else Level.BLOCK
    reason = "; ".join(wrong)
    if level is Level.WARN:
        reason = f"{reason}; /scale does not ask the webhook, which will refuse the next edit of the object"
    return Guard("webhook", level, reason)


def gang_guard(row: ModelServingRow, after: Count) -> Guard | None:
    """A role may not go below its gang minimum, which can not be changed once set."""
    short = [
        f"{plain(role.name)} {_replicas(role, after)} is below its gang minimum {minimum}"
        for name, minimum in row.min_role_replicas
        for role in row.roles
        if role.name == name and _replicas(role, after) < minimum
    ]
    if short:
        return Guard("gang", Level.BLOCK, "; ".join(short), ("remove groups instead of role replicas",))
    return Guard("gang", Level.PASS, "gang minimum kept") if row.min_role_replicas else None


def owner_guard(row: ModelServingRow) -> Guard | None:
    """A LeaderWorkerSet reverts any edit at once; a ModelBooster at its own next edit."""
    owner = row.owner
    if owner is None:
        return None
    who = f"{plain(owner.kind)}/{plain(owner.name)}"
    if owner.kind == "LeaderWorkerSet":
        return Guard(
            "owner", Level.BLOCK, f"{who} owns it and reverts this at once", (f"scale {who} instead",)
        )
    if owner.kind == "ModelBooster":
        reason = f"{who} owns it and takes this back at its own next edit"
        return Guard("owner", Level.WARN, reason, (f"change {who} as well",))
    return Guard("owner", Level.WARN, f"{who} owns it and may take this back", (f"change {who} as well",))


def driver_guards(workload: Workload, before: Count, after: Count) -> list[Guard]:
    """One warning for each driver that will set the count again: who, when, and to what."""
    found = []
    for driver in workload.drivers:
        was = before.groups if driver.role is None else before.role(driver.role)
        wanted = after.groups if driver.role is None else after.role(driver.role)
        if driver.reverts and wanted is not None and wanted != was:
            found.append(_driver_guard(driver, wanted))
    return found


def _driver_guard(driver: Driver, wanted: int) -> Guard:
    who = f"{plain(driver.kind)} {plain(driver.ref.name)}"
    what = "groups" if driver.role is None else plain(driver.role)
    low, high = driver.minimum, driver.maximum
    if driver.interval is None:
        when = "soon"
    else:
        when = "at once" if driver.interval == 0 else f"within {spell(driver.interval)}"
    if wanted == 0 and driver.ref.kind == "HorizontalPodAutoscaler":
        return Guard(
            "driver", Level.WARN, f"{who} rests while {what} are 0 and does not bring them back by itself"
        )
    if low is not None and wanted < low:
        will = f"sets {what} to {low} {when}: {wanted} is below its minimum"
        remedy = f"lower the minimum of {plain(driver.ref.kind)}/{plain(driver.ref.name)}"
    elif high is not None and wanted > high:
        will = f"sets {what} to {high} {when}: {wanted} is above its maximum"
        remedy = f"raise the maximum of {plain(driver.ref.kind)}/{plain(driver.ref.name)}"
    else:
        bounds = f" between {low} and {high}" if low is not None and high is not None else ""
        signal = f" by {plain(driver.signal, 60)}" if driver.signal else ""
        will = f"may set {what} again {when}{bounds}{signal}"
        remedy = f"set the bounds of {plain(driver.ref.kind)}/{plain(driver.ref.name)} to {wanted}"
    return Guard("driver", Level.WARN, f"{who} {will}", (remedy,))


def overshoot_guard(lost: Sequence[str]) -> Guard | None:
    """Kthena may delete groups that should stay while others are on their way out, and make them again.

    Deleting ones stay candidates for deletion in every pass; one that is scaled inside is not ready
    either, and goes if it is cheaper or its ordinal is higher (fact sheet ``kthena``, section 5: overshoot).
    """
    if not lost:
        return None
    reason = f"{', '.join(plain(name) for name in lost)} may be deleted as well and made again afterwards"
    why = "scaled inside, it counts as not ready while other groups are being deleted"
    remedy = "change the number of groups first, the roles when that is done"
    return Guard("overshoot", Level.CONFIRM, f"{reason}: {why}", (remedy,))


def capacity_guard(capacity: Capacity | None) -> Guard | None:
    """GPUs short or unknown warn: pods may wait, and the cluster may grow."""
    if capacity is None or capacity.needed == 0:
        return None
    needed = capacity.needed
    if capacity.free is None:
        return Guard("gpus", Level.WARN, f"{needed} GPUs needed, free ones unknown: no right to list them")
    if capacity.free < needed:
        short = needed - capacity.free
        reason = f"{short} GPUs short: {needed} needed, {capacity.free} free on {capacity.nodes or 0} nodes"
        return Guard("gpus", Level.WARN, reason, ("scale something else in first", "add nodes"))
    if capacity.fits is False:
        reason = (
            f"{needed} GPUs needed and {capacity.free} free, but scattered: no node holds some of the pods"
        )
        return Guard("gpus", Level.WARN, reason, ("free a whole node", "add nodes"))
    return Guard("gpus", Level.PASS, f"{needed} GPUs needed, {capacity.free} free")


def operation_guard(workload: Workload, after: Count) -> Guard | None:
    """A running operation warns; going back to where it began is always allowed."""
    operation = workload.operation
    if operation is None or operation.ended_at is not None:
        return None
    if after == operation.before:
        return Guard("operation", Level.PASS, f"takes back what {plain(operation.by)} began")
    reason = f"a change by {plain(operation.by)} is under way, {operation.done} of {operation.total} done"
    return Guard("operation", Level.WARN, reason, ("wait until it is done",))
