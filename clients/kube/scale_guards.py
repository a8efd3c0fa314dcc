"""What stands between a change of a Kubernetes workload's counts and its being sent."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.kube.rows import OwnerRow
from clients.serving.eta import spell
from clients.serving.guards import DRY_RUN, Guard, Level
from clients.serving.operation import Count
from clients.serving.plain import plain
from clients.serving.workload import Driver, Workload

__all__ = [
    "DRY_RUN_PENDING",
    "Rights",
    "driver_guards",
    "owner_guard",
    "right_guard",
]

DRY_RUN_PENDING = Guard(DRY_RUN, Level.WARN, "the server's own check has not been run yet")
"""Stands in for the server's word until the backend has asked for it."""


class Rights(Struct, frozen=True):
    """What this user may do; ``None`` where the server would not say, and trying is the only way to know."""

    patch: bool | None = None
    """``patch`` on the object itself."""
    scale: bool | None = None
    """``patch`` on its ``/scale``."""


def right_guard(
    rights: Rights, resource: str, key_namespace: str, *, by_scale: bool, more_than_scale: str | None = None
) -> Guard:
    """No right blocks; a right that could not be asked for does not.

    ``more_than_scale``: what of the change is more than the right to ``/scale`` allows.
    """
    where = f"{resource} in {plain(key_namespace)}"
    if rights.patch is False and not by_scale:
        missing = f"no right to patch {where}"
        if rights.scale and more_than_scale:
            missing += f"; the right to {resource}/scale is {more_than_scale}"
        remedy = f"kubectl -n {plain(key_namespace)} auth can-i patch {resource}"
        return Guard("right", Level.BLOCK, missing, (remedy,))
    if by_scale:
        return Guard("right", Level.PASS, f"by the right to {resource}/scale")
    if rights.patch is None:
        return Guard("right", Level.PASS, "rights unknown: the server will say")
    return Guard("right", Level.PASS, "allowed")


def owner_guard(owner: OwnerRow | None, *, takes_back: Mapping[str, bool]) -> Guard | None:
    """What owns an object may write its counts again.

    ``takes_back``: by the owner's kind, whether it does so at once (``True``) or at its own next edit.
    """
    if owner is None:
        return None
    who = f"{plain(owner.kind)}/{plain(owner.name)}"
    at_once = takes_back.get(owner.kind)
    if at_once:
        reason = f"{who} owns it and reverts this at once"
        return Guard("owner", Level.BLOCK, reason, (f"scale {who} instead",))
    when = "takes this back at its own next edit" if at_once is False else "may take this back"
    return Guard("owner", Level.WARN, f"{who} owns it and {when}", (f"change {who} as well",))


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
    if driver.ref.kind == "CronHorizontalPodAutoscaler":
        job = plain(driver.signal, 60) if driver.signal else "at its next job"
        remedy = f"change the jobs of {plain(driver.ref.name)}"
        return Guard("driver", Level.WARN, f"{who} sets {what} again: {job}", (remedy,))
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
        will = f"may set {what} again {when}{bounds}"  # Its metric moves on while the plan is read.
        remedy = f"set the bounds of {plain(driver.ref.kind)}/{plain(driver.ref.name)} to {wanted}"
    return Guard("driver", Level.WARN, f"{who} {will}", (remedy,))
