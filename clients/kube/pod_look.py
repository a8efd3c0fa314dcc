"""One pod: how far it has come, whether it is ready, and whether it has failed by Kthena's rule."""

from __future__ import annotations

from math import inf

from msgspec import Struct

from clients.kube.pod_reasons import Hints, pod_trouble, turned_after_start
from clients.kube.rows import ContainerRow, PodRow
from clients.serving.phase import Stage
from clients.serving.workload import PodView

__all__ = ["STEPS", "UNSEEN", "PodFacts", "is_error", "look_at", "looks_the_same"]

STEPS = 5
"""Stations of a pod: scheduled, initialised, containers started, probe passed once, ready."""


class PodFacts(Struct, frozen=True, gc=False):
    """What is derived from one pod, and when that has to be looked at again."""

    view: PodView
    passed: int
    """Stations passed, of ``STEPS``."""
    error: bool
    wake: float | None
    """Cluster time at which the same pod may be told differently."""


UNSEEN = PodFacts(
    PodView("", "", None, None, "", False, False, Stage.UNSCHEDULED, 0, 0, None), 0, False, wake=-inf
)
"""Of a pod that is yet to be looked at: due since ever."""


def looks_the_same(old: PodRow, new: PodRow) -> bool:
    """Nothing differs that is derived from. The old row, soon dropped, takes over what may differ unshown."""
    new.uid, new.name = old.uid, old.name
    if new.phase != "Failed":
        old.status_message = new.status_message
    return old == new


def is_error(pod: PodRow) -> bool:
    """Kthena's error pod: Failed, or restarted at some time and not ready now; never while terminating.

    Restart counts are cumulative: one that restarted long ago and now only loses readiness counts as well.
    """
    if pod.deleted is not None:
        return False
    if pod.phase == "Failed":
        return True
    return not pod.ready and pod.phase in ("Running", "Pending") and _restarts(pod) > 0


def _restarts(pod: PodRow) -> int:
    count = 0
    for container in pod.containers:
        count += container.restarts
    return count


def look_at(
    pod: PodRow, index: int | None, startup_probe: bool, before: PodView | None, hints: Hints, now: float
) -> PodFacts:
    """Everything about one pod. ``before`` is the view of the same pod (by uid) in the last value."""
    restarts = _restarts(pod)
    ready = pod.ready and pod.phase == "Running"
    if ready:
        stage, passed = Stage.READY, STEPS
    else:
        stage, passed = _stage(pod, restarts, startup_probe, before)
    terminating = pod.deleted is not None
    error = is_error(pod)
    trouble, wake = None, None
    if terminating or not ready or hints.lost(pod.node):
        trouble, wake = pod_trouble(pod, stage, restarts, before, hints, now)
    view = PodView(
        pod.name,
        pod.uid,
        index,
        pod.node,
        pod.phase,
        ready and not terminating,
        terminating,
        Stage.TERMINATING if terminating else stage,
        pod.gpus,
        restarts,
        pod.created,
        trouble,
    )
    return PodFacts(view, passed, error, wake)


def _stage(pod: PodRow, restarts: int, startup_probe: bool, before: PodView | None) -> tuple[Stage, int]:
    """The stage of a pod that is not ready, and the stations it has passed."""
    if pod.node is None and pod.scheduled is not True:
        return Stage.UNSCHEDULED, 0
    init = main = None
    for container in pod.containers:
        if container.init:
            if init is None and not _init_done(container):
                init = container
        elif main is None and container.state != "running":
            main = container
    if pod.initialized is False or init is not None:
        pulling = init is None or (init.state != "running" and init.restarts == 0)
        return (Stage.IMAGE if pulling else Stage.INIT), 1
    if main is not None and (main.state == "terminated" or main.restarts or main.last_reason):
        return Stage.WEIGHTS, 2
    if main is not None or not pod.containers:
        return Stage.IMAGE, 1 if pod.initialized is None else 2
    if _was_ready(pod, restarts, before):
        return Stage.PROBING, 4
    started = all(container.started is not False for container in pod.containers if not container.init)
    return (Stage.PROBING, 4) if started and startup_probe else (Stage.WEIGHTS, 3)


def _init_done(container: ContainerRow) -> bool:
    """Ended well, or a sidecar that has started and goes on."""
    if container.state == "terminated":
        return container.exit_code in (0, None)
    return container.ready or (container.state == "running" and container.started is True)


def _was_ready(pod: PodRow, restarts: int, before: PodView | None) -> bool:
    """Whether it was ready since its containers last started, by memory or by its Ready condition."""
    if before is not None and before.restarts == restarts and before.stage in (Stage.READY, Stage.PROBING):
        return True
    return turned_after_start(pod)
