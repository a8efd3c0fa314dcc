"""What stands between a change of a deployment and its being sent: one function for each rule, MA1 to MA8.

The rules are those of the fact sheet ``managed-clouds``, C2. MA4 is a plan without a write, MA5 stands in
``cost``; MA7, when a change is done, follows from the row that ``grid`` makes.
"""

from __future__ import annotations

from collections.abc import Collection

from clients.modelarts.autoscaler import ACTIVE
from clients.modelarts.decode import Flavor, Hpa
from clients.modelarts.grid import Row, status_of
from clients.modelarts.statuses import FAILURES, SCALABLE, STARTABLE, STOPPABLE, spoken
from clients.serving.guards import CHANGED, Guard, Level
from clients.serving.plain import plain

__all__ = [
    "DRIVER", "FROZEN", "MOST", "STATE", "changed_guard", "count_guard", "driver_guard", "frozen_guard",
    "identity_guard", "run_guard", "scale_in_guard", "sold_out_guard", "state_guard",
]  # fmt: skip

STATE, FROZEN, DRIVER = "state", "frozen", "driver"
LEAST, MOST = 1, 128
_SHORT = 100


def state_guard(row: Row) -> Guard:
    """MA1: counts are changed in RUNNING or CONCERNING only, of the deployment and of its service."""
    for what, status in (("the deployment", status_of(row)), ("its service", row.service.status)):
        if status not in SCALABLE:
            return _not_in(what, status, SCALABLE, "scales")
    return Guard(STATE, Level.PASS, f"its status is {_status(status_of(row))}")


def run_guard(row: Row, running: bool) -> Guard:
    """Deployments start from STOPPED or FAILED, and stop from RUNNING, DEPLOYING, FAILED or CONCERNING."""
    allowed, does = (STARTABLE, "starts") if running else (STOPPABLE, "stops")
    status = status_of(row)
    if status not in allowed:
        return _not_in("the deployment", status, allowed, does)
    return Guard(STATE, Level.PASS, f"its status is {_status(status)}")


def _not_in(what: str, status: str, allowed: Collection[str], does: str) -> Guard:
    words = " or ".join(sorted(spoken(one) for one in allowed))
    reason = f"{what} is {_status(status)}; ModelArts {does} only what is {words}"
    remedy = "look at its events in ModelArts' console" if status in FAILURES else "wait until it has settled"
    return Guard(STATE, Level.BLOCK, reason, (remedy,))


def _status(status: str) -> str:
    return plain(spoken(status), _SHORT)


def scale_in_guard(before: int, after: int) -> Guard | None:
    """MA2: scaling in asks for the typed word YES, whatever the settings say; scaling out for an OK."""
    if after >= before:
        return None
    return Guard(
        "scale-in", Level.CONFIRM, f"{before - after} of {before} instances go: ModelArts asks for YES"
    )


def count_guard(wanted: int) -> Guard | None:
    """MA3: from 1 to 128; none at all is Stop."""
    if wanted < LEAST:
        reason = f"a deployment has at least {LEAST} instance, not {wanted}: use Stop"
        return Guard(
            "rules", Level.BLOCK, reason, ("use Stop: it ends all instances and keeps the deployment",)
        )
    if wanted > MOST:
        return Guard("rules", Level.BLOCK, f"a deployment has at most {MOST} instances, not {wanted}")
    return None


def frozen_guard(row: Row) -> Guard | None:
    """MA6: a frozen service is not written to; its scene is shown."""
    if not row.service.frozen:
        return None
    scenes = ", ".join(
        f"{plain(one.scene, 40)}{' (not releasable)' if one.effect == 2 else ''}"
        for one in row.service.frozen
    )
    remedy = "settle the account's arrears" if "ARREAR" in scenes else "ask Huawei Cloud to release it"
    return Guard(FROZEN, Level.BLOCK, f"the service is frozen: {scenes}", (remedy,))


def driver_guard(hpa: Hpa | None, unknown: str | None, wanted: int) -> Guard | None:
    """MA8: an active autoscaler may undo what is set by hand. ``unknown``: why nobody knows of one."""
    if unknown is not None:
        return Guard(
            DRIVER, Level.WARN, f"whether an autoscaler will undo it is unknown: {plain(unknown, 200)}"
        )
    if hpa is None or hpa.status != ACTIVE:
        return None
    low, high = hpa.minimum, hpa.maximum
    name = plain(hpa.name or hpa.id, 60)
    if low is not None and wanted < low:
        will = f"will set it to {low}: {wanted} is below its minimum"
    elif high is not None and wanted > high:
        will = f"will set it to {high}: {wanted} is above its maximum"
    else:
        bounds = f" between {low} and {high}" if low is not None and high is not None else ""
        will = f"may set another count{bounds} and undo this"
    return Guard(
        DRIVER, Level.WARN, f"its autoscaler {name} is active and {will}", ("change the autoscaler instead",)
    )


def sold_out_guard(row: Row, flavor: Flavor | None) -> Guard | None:
    """More instances of a public pool need a flavor that is not sold out."""
    if flavor is None or not flavor.sold_out or row.deployment.pool is not None:
        return None
    return Guard("gpus", Level.WARN, f"{plain(flavor.id, _SHORT)} is sold out in the public pool")


def identity_guard(row: Row) -> Guard | None:
    """What tells no id can be scaled, by its name, and neither stopped nor started."""
    if row.deployment.id:
        return None
    return Guard(
        "identity", Level.BLOCK, "ModelArts tells no id of it, by which it could be stopped or started"
    )


def changed_guard(was: int | None, now: int | None, *, gone: bool) -> Guard | None:
    """Somebody else was faster: another count than the plan began from, or nothing at all."""
    if gone:
        return Guard(CHANGED, Level.BLOCK, "it is gone")
    if was != now:
        told = ("an unknown number of" if count is None else str(count) for count in (now, was))
        found, planned = told
        reason = f"{found} instances are wanted by now, not {planned}"
        return Guard(CHANGED, Level.BLOCK, reason, ("look at it and plan again",))
    return None
