"""The order of a generator that is a pod of an Indexed Job: what its environment holds, and what it can hold.

All pods share one schedule, by their completion index, and begin it at one moment that all were told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from clients.load.lines import Order, Share
from clients.load.plan import LoadPlan
from clients.load.plan_check import PlanError, problems

__all__ = ["INDEX", "ORDER", "START_AT", "PodOrderError", "order_text", "plan_for_pods", "pod_order"]

ORDER = "SERVEGRID_LOAD_ORDER"
"""Variable that holds the ``Order`` of all pods as JSON."""
START_AT = "SERVEGRID_LOAD_START_AT"
"""When all begin: UTC seconds since the epoch."""
INDEX = "JOB_COMPLETION_INDEX"
"""Set by Kubernetes for each pod of an Indexed Job, from 0."""

_LONGEST = 100_000
"""Bytes of an order: Linux takes 128 KiB in one variable."""


class PodOrderError(Exception):
    """The environment holds no order."""


def plan_for_pods(plan: LoadPlan, pods: int) -> LoadPlan:
    """The plan as that many pods share it: ``workers`` of them.

    Raises:
        PlanError: it names what is on this machine only, or is too small for so many.
    """
    shared = replace(plan, workers=pods)
    found = tuple(_left_behind(plan)) or problems(shared)
    if found:
        raise PlanError(*found)
    return shared


def _left_behind(plan: LoadPlan) -> Iterator[str]:
    if plan.workers != 1:
        yield "workers: pods share the schedule, so it goes without"
    for name in plan.secret_headers:
        yield f"secret_headers.{name}: no secret is given to a pod"
    if plan.body_file is not None:
        yield "body_file: a pod has no such file; put it in body"
    if plan.prompts is not None and plan.prompts.file is not None:
        yield "prompts.file: a pod has no such file"
    if plan.tls.ca_file is not None:
        yield "tls.ca_file: a pod has no such file"
    if len(order_text(plan)) > _LONGEST:
        yield f"body: a pod is told its order in one variable, of {_LONGEST:,} bytes at most"


def order_text(plan: LoadPlan) -> str:
    """What ``ORDER`` holds, of a plan with ``workers`` pods."""
    return msgspec.json.encode(Order(plan=plan, share=Share(0, plan.workers))).decode()


def pod_order(environ: Mapping[str, str]) -> tuple[Order, float]:
    """This pod's order, and when it begins: UTC seconds since the epoch.

    Raises:
        PodOrderError: a variable is missing or holds something else.
    """
    try:
        order = msgspec.json.decode(environ[ORDER], type=Order)
        index, start_at = int(environ[INDEX]), float(environ[START_AT])
    except KeyError as error:
        raise PodOrderError(f"{error.args[0]} is not set") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise PodOrderError(f"the pod's order cannot be read: {error}") from None
    if not 0 <= index < order.share.of:
        raise PodOrderError(f"{INDEX} is {index}, of {order.share.of} pods")
    return replace(order, share=Share(index, order.share.of)), start_at
