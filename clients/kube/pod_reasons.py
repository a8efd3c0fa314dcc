"""What is wrong with a pod, in words that a person can act on.

Texts here come from outside as they are (only cut to length): whoever draws them makes them plain.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from clients.kube.pod_scheduling import gang_sentence, unschedulable_sentence
from clients.kube.rows import ContainerRow, EventRow, PodGroupRow, PodRow
from clients.serving.phase import Stage, Trouble, TroubleKind
from clients.serving.workload import PodView

__all__ = ["PATIENCE", "SLACK", "Hints", "pod_trouble", "turned_after_start", "worst"]

SLACK = 10.0
"""Seconds after the grace period in which a pod may still be going."""
PATIENCE = 60.0
"""Seconds that a scheduler may take to say anything at all about a pod."""

_IMAGE = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
    | {"ImageInspectError", "SignatureValidationFailed"}
)
_CREATE = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError"}
    | {"PreStartHookError", "PostStartHookError", "StartError", "ContainerCannotRun"}
)
_Said = tuple[TroubleKind, str, str, float | None]
"""Kind, reason, message, and since when."""
_RANK = {TroubleKind.FAILED: 0, TroubleKind.BLOCKED: 1, TroubleKind.DEGRADED: 2}


class Hints:
    """What else bears on a pod: its gang, what events said of it, which nodes are lost."""

    __slots__ = ("events", "lost_nodes", "pod_group", "scheduler")

    def __init__(
        self,
        scheduler: str = "volcano",
        pod_group: PodGroupRow | None = None,
        events: Mapping[str, EventRow] | None = None,
        lost_nodes: Collection[str] = (),
    ) -> None:
        """``events``: the newest telling event of each pod, by the pod's name."""
        self.scheduler = scheduler
        self.pod_group = pod_group
        self.events: Mapping[str, EventRow] = events if events is not None else {}
        self.lost_nodes = lost_nodes

    def lost(self, node: str | None) -> bool:
        """Whether the node does not report any more."""
        return bool(self.lost_nodes) and node in self.lost_nodes


def worst(troubles: Collection[Trouble | None]) -> Trouble | None:
    """The gravest: failed, then blocked, then degraded; the first among equals."""
    found: Trouble | None = None
    for trouble in troubles:
        if trouble is not None and (found is None or _RANK[trouble.kind] < _RANK[found.kind]):
            found = trouble
    return found


def pod_trouble(
    pod: PodRow, stage: Stage, restarts: int, before: PodView | None, hints: Hints, now: float
) -> tuple[Trouble | None, float | None]:
    """What is wrong with a pod that is not plainly ready, and when to look again if nothing happens."""
    wake = None
    found: _Said
    if hints.lost(pod.node):
        found = (
            TroubleKind.FAILED,
            "NodeLost",
            f"node {pod.node} does not report; what runs there is not known",
            None,
        )
    elif pod.deleted is not None:
        if now < pod.deleted + SLACK:
            return None, pod.deleted + SLACK
        found = _stuck(pod)
    else:
        said = _container_trouble(pod, restarts, hints)
        if said is None and stage is Stage.UNSCHEDULED:
            said, wake = _unscheduled(pod, hints, now)
        if said is None and stage is Stage.PROBING and _served(pod, before):
            said = (
                TroubleKind.DEGRADED,
                "NotReady",
                "was ready and fails its readiness probe, without a restart",
                pod.ready_at,
            )
        if said is None:
            return None, wake
        found = said
    kind, reason, message, since = found
    old = before.trouble if before is not None else None
    if old is not None and old.kind is kind and old.reason == reason:
        since = old.since
    elif since is None or since > now:
        since = now
    return Trouble(kind, reason, message, since), wake


def _served(pod: PodRow, before: PodView | None) -> bool:
    """It was ready since its containers last started: by memory, else by when its Ready condition turned."""
    if before is not None:
        if before.stage is Stage.READY:
            return True
        if before.trouble is not None and before.trouble.kind is TroubleKind.DEGRADED:
            return True
    return turned_after_start(pod)


def turned_after_start(pod: PodRow) -> bool:
    """The Ready condition changed after every container had started, so it had been true before."""
    if pod.ready_at is None:
        return False
    starts = [item.started_at for item in pod.containers if not item.init and item.started_at is not None]
    return bool(starts) and pod.ready_at > max(starts)


def _stuck(pod: PodRow) -> _Said:
    since = pod.deleted
    if pod.finalizers:
        held = ", ".join(pod.finalizers)[:160]
        return (
            TroubleKind.BLOCKED,
            "StuckTerminating",
            f"past its grace period, held by finalizer {held}",
            since,
        )
    where = f"kubelet on {pod.node} has not ended it" if pod.node else "nothing has removed it"
    return TroubleKind.BLOCKED, "StuckTerminating", f"past its grace period: {where}", since


def _container_trouble(pod: PodRow, restarts: int, hints: Hints) -> _Said | None:
    if pod.phase == "Failed":
        return _failed(pod)
    crashed: _Said | None = None
    for container in pod.containers:
        reason = container.reason
        if container.state == "waiting" and reason is not None:
            if reason in _IMAGE:
                return TroubleKind.FAILED, reason, _image(pod, container, hints), None
            if reason in _CREATE:
                said = container.message or _event_text(pod, hints) or reason
                return TroubleKind.FAILED, reason, f"{container.name}: {said[:300]}", None
            if reason == "CrashLoopBackOff" and crashed is None:
                crashed = TroubleKind.FAILED, reason, _crash(container), None
        if crashed is None and container.state == "terminated" and not container.init:
            crashed = TroubleKind.FAILED, reason or "Error", _ended(container), None
        if crashed is None and container.state == "terminated" and container.exit_code not in (0, None):
            crashed = TroubleKind.FAILED, reason or "Error", _ended(container), None
    if crashed is None and restarts:
        for container in pod.containers:
            if container.restarts and not container.ready and container.state == "running":
                name = "OOMKilled" if container.last_reason == "OOMKilled" else "Restarted"
                return TroubleKind.FAILED, name, _crash(container), container.started_at
    return crashed


def _failed(pod: PodRow) -> _Said:
    for container in pod.containers:
        if container.state == "terminated" and container.exit_code not in (0, None):
            reason = pod.status_reason or container.reason or "Failed"
            return TroubleKind.FAILED, reason, _ended(container), None
    message = pod.status_message or "the pod has failed; its containers left no word"
    return TroubleKind.FAILED, pod.status_reason or "Failed", message[:300], None


def _ended(container: ContainerRow) -> str:
    return f"{container.name} ended with {_exit(container.exit_code, container.reason)}" + _words(
        container.message
    )


def _crash(container: ContainerRow) -> str:
    times = f"{container.restarts} restart{'s' if container.restarts != 1 else ''}"
    ended = _exit(container.last_exit_code, container.last_reason)
    return f"{container.name}: {times}, last {ended}" + _words(container.last_message)


def _exit(code: int | None, reason: str | None) -> str:
    if reason and reason not in ("Error", "Completed"):
        return reason if code is None else f"{reason} (exit code {code})"
    return "end not known" if code is None else f"exit code {code}"


def _words(message: str | None) -> str:
    """The last line with something in it: tracebacks end with what went wrong."""
    if not message:
        return ""
    for line in reversed(message[-2000:].splitlines()):
        if line.strip():
            return ": " + line.strip()[:240]
    return ""


def _image(pod: PodRow, container: ContainerRow, hints: Hints) -> str:
    image = container.image or "its image"
    text = container.message or ""
    if not text or text.startswith("Back-off pulling image"):
        text = _event_text(pod, hints) or text
    return f"{container.name} cannot pull {image}" + (f": {text[:240]}" if text else "")


def _event_text(pod: PodRow, hints: Hints) -> str | None:
    event = hints.events.get(pod.name)
    if event is None or (event.object_uid and event.object_uid != pod.uid):
        return None
    if event.at is not None and pod.created is not None and event.at < pod.created - 1:
        return None
    return event.message or None


def _unscheduled(pod: PodRow, hints: Hints, now: float) -> tuple[_Said | None, float | None]:
    if pod.scheduled_reason == "SchedulingGated":
        text = "held back by a scheduling gate that nobody has lifted"
        return (TroubleKind.BLOCKED, "SchedulingGated", text, pod.created), None
    group = hints.pod_group
    own = pod.scheduled_message if pod.scheduled is False else None
    if not own:
        event = hints.events.get(pod.name)
        if event is not None and event.reason == "FailedScheduling":
            own = _event_text(pod, hints)
    if group is not None and group.message and group.phase != "Running":
        text = gang_sentence(group.message, group.min_member, group.phase)
        return (TroubleKind.BLOCKED, "GangUnschedulable", text, pod.scheduled_at or pod.created), None
    if own:
        reason = pod.scheduled_reason or "Unschedulable"
        text = unschedulable_sentence(own, pod.gpus)
        return (TroubleKind.BLOCKED, reason, text, pod.scheduled_at or pod.created), None
    if pod.scheduled is False:
        reason = pod.scheduled_reason or "Unschedulable"
        return (
            TroubleKind.BLOCKED,
            reason,
            "no node takes it; the scheduler gave no reason",
            pod.scheduled_at,
        ), None
    if pod.created is None:
        return None, None
    if now < pod.created + PATIENCE:
        return None, pod.created + PATIENCE
    text = f"scheduler {hints.scheduler} has said nothing about it for over a minute: is it running?"
    return (TroubleKind.BLOCKED, "NotScheduled", text, pod.created), None
