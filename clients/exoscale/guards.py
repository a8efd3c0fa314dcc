"""What stands between a change of a deployment and its being sent: one function for each rule, EX1 to EX8.

The rules are those of the fact sheet ``managed-clouds``, C2. EX7 is the vendor's time in ``vendor_times``,
EX9 a plan without a write, and EX10 everybody's own rule of confirmation in ``clients.serving.confirm``.
"""

from __future__ import annotations

from collections.abc import Mapping

from clients.exoscale.decode import ERROR, READY, Deployment, InstanceType, Quota
from clients.exoscale.following import Following, settled
from clients.exoscale.grid import gpus_of
from clients.serving.guards import CHANGED, DRY_RUN, Guard, Level
from clients.serving.plain import plain

__all__ = [
    "LOST",
    "NO_DRY_RUN",
    "authorized_guard",
    "changed_guard",
    "count_guard",
    "fixed_guard",
    "gpus_guard",
    "identity_guard",
    "quota_guard",
    "replicas",
    "state_guard",
    "zero_guard",
]

NO_DRY_RUN = Guard(
    DRY_RUN,
    Level.WARN,
    "Exoscale has no dry run: the deployment is read again right before the change, and Exoscale may still "
    "refuse it",
)
LOST = "its URL and API key are lost with it: whoever calls it needs new ones"
_MOST = 10_000
"""Replicas; a higher number is a slip of the hand."""


def replicas(count: int | None) -> str:
    """``1 replica``."""
    number = "an unknown number of" if count is None else str(count)
    return f"{number} replica{'' if count == 1 else 's'}"


def gpus_guard(deployment: Deployment, before: int, after: int) -> Guard:
    """EX1: GPUs are the GPU count of a replica times the replicas."""
    each, total = deployment.gpu_count, gpus_of(deployment, after)
    if each is None or total is None:
        return Guard(
            "total", Level.WARN, "how many GPUs a replica has is not told: what this takes is unknown"
        )
    family = plain(deployment.gpu_type or "of unknown type", 60)
    change = each * (after - before)
    return Guard("total", Level.PASS, f"{each} {family} a replica times {after} = {total} GPUs ({change:+d})")


def fixed_guard(deployment: Deployment) -> Guard:
    """EX2: the GPU count is fixed when a deployment is created."""
    each = "" if deployment.gpu_count is None else f" of {deployment.gpu_count}"
    return Guard(
        "gpu-count",
        Level.BLOCK,
        f"the GPU count{each} was fixed when the deployment was created and cannot be changed",
        ("create a new deployment with another GPU count, then scale this one to zero",),
    )


def count_guard(wanted: int, *, least: int = 0) -> Guard | None:
    """EX3: whole numbers, from 0 for a deployment that there is and from 1 for a new one."""
    if wanted < least:
        what = "a new deployment starts with at least 1 replica" if least else "a count below zero"
        return Guard("rules", Level.BLOCK, f"{what}: {wanted}")
    if wanted > _MOST:
        return Guard("rules", Level.BLOCK, f"{wanted} is more than servegrid plans for: at most {_MOST}")
    return None


def quota_guard(
    family: str | None, needed: int | None, quotas: Mapping[str, Quota] | None, why_not: str | None
) -> Guard | None:
    """EX4: GPUs that are added must be left in the family's quota; going down never asks.

    That ``usage`` already counts running replicas is assumed. ``why_not``: why quotas could not be read.
    """
    if needed is not None and needed <= 0:
        return None
    if quotas is None:
        reason = f"quota unknown ({why_not or 'not read yet'}): Exoscale refuses if it does not suffice"
        return Guard("quota", Level.WARN, plain(reason, 300))
    quota = quotas.get(family or "")
    if quota is None or needed is None:
        what = plain(family or "its GPUs", 60)
        return Guard(
            "quota", Level.WARN, f"no quota is told for {what}: Exoscale refuses if it does not suffice"
        )
    name = plain(quota.resource, 60)
    if quota.limit == -1:
        return Guard("quota", Level.PASS, f"{needed} more {name} needed, {quota.usage} used, no limit")
    left = quota.limit - quota.usage
    told = f"{needed} more {name} needed, {max(0, left)} left of {quota.limit} ({quota.usage} used)"
    if needed <= left:
        return Guard("quota", Level.PASS, told)
    return Guard(
        "quota",
        Level.BLOCK,
        f"{told}: {needed - left} short",
        ("scale something else in first", f"ask Exoscale for a higher {name} quota"),
    )


def authorized_guard(
    family: str | None, needed: int | None, families: Mapping[str, InstanceType] | None
) -> Guard | None:
    """EX5: going up, the family should be authorised in the zone."""
    if (needed is not None and needed <= 0) or families is None or family is None:
        return None
    found = families.get(family)
    if found is None:
        reason = f"{plain(family, 60)} is not among the GPU types that this zone offers"
    elif found.authorized is False:
        reason = (
            f"{plain(family, 60)} is not authorised for you in this zone: the organisation or its capacity "
            "says no"
        )
    else:
        return None
    return Guard("authorized", Level.WARN, reason, ("ask Exoscale to authorise it",))


def zero_guard(wanted: int) -> Guard | None:
    """EX6: what zero keeps, stops and still costs."""
    if wanted:
        return None
    kept = "URL and API key are kept; GPU billing stops; the model stays in object storage, which is billed"
    return Guard("zero", Level.PASS, kept)


def state_guard(deployment: Deployment, following: Following | None, wanted: int | None) -> Guard:
    """EX8: only what is ready is changed; out of an error the ways to zero and to nothing are open.

    That Exoscale refuses all else with 409 is assumed: the status is documented and its reason is not.
    ``wanted``: replicas, ``None`` for a deletion.
    """
    told = f'"{plain(deployment.state, 60)}"' if deployment.state else "not told"
    if following is not None and not following.failed:
        reason = "a change that you sent is still under way; Exoscale takes one at a time"
        return Guard("state", Level.BLOCK, reason, ("wait until it is done",))
    if deployment.state == ERROR:
        if not wanted:
            reason = f"its state is {told}: {plain(deployment.details, 200) or 'no reason is told'}"
            return Guard("state", Level.WARN, reason)
        return Guard(
            "state",
            Level.BLOCK,
            f"its state is {told}; Exoscale changes only what is {READY}",
            ("look at its logs", "scale it to zero or delete it"),
        )
    if deployment.state != READY and settled(deployment):
        reason = f"its state is {told} at zero replicas: should somebody be scaling it now, Exoscale refuses"
        return Guard("state", Level.WARN, reason)
    if not settled(deployment):
        reason = f"its state is {told}; Exoscale changes only what is {READY}"
        return Guard("state", Level.BLOCK, reason, (f"wait until it is {READY}",))
    return Guard("state", Level.PASS, f"its state is {told}")


def identity_guard(deployment: Deployment) -> Guard | None:
    """What has no id cannot be written to."""
    if deployment.id is None:
        return Guard("identity", Level.BLOCK, "Exoscale tells no id of it, so that it cannot be changed")
    return None


def changed_guard(planned: str, was: int | None, found: Deployment | None) -> Guard | None:
    """Somebody else was faster: another count than the plan began from, nothing at all, or a namesake.

    ``planned``: id of the deployment that the plan is for.
    """
    if found is None:
        return Guard(CHANGED, Level.BLOCK, "it is gone")
    if found.id is not None and found.id != planned:
        return Guard(CHANGED, Level.BLOCK, "another deployment has its name by now", ("plan again",))
    if found.replicas != was:
        return Guard(
            CHANGED, Level.BLOCK, f"it has {replicas(found.replicas)} by now, not {was}", ("plan again",)
        )
    return None
