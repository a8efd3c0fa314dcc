"""CronHorizontalPodAutoscalers as drivers: jobs that set a count, or an HPA's bounds, at given times.

Rules and traps of the controller at HEAD (2023-11-27): fact sheet ``kserve-hpa-lws``, section 4. All its jobs
run in one time zone, that of its process; no API tells it but its Deployment's environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from msgspec import Struct

from clients.kube.cron import CronError
from clients.kube.cron import Schedule as Cron
from clients.kube.cron import parse as parse_cron
from clients.kube.decode import timestamp
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.resources import ResourceSpec
from clients.kube.rows import OwnerRow
from clients.kube.scaler_fields import group_of, integer, listed, mapping, metadata, opened, text
from clients.kube.session import Session
from clients.serving.chain import Link, LinkKind
from clients.serving.decision_words import lasted
from clients.serving.keys import ObjectRef
from clients.serving.schedule import Firing, Schedule, ScheduledJob, zone_named
from clients.serving.workload import Driver

__all__ = [
    "DEFAULT_ZONE",
    "GROUP",
    "KIND",
    "WATCHES",
    "Bounds",
    "CronHpaRow",
    "CronJobRow",
    "bounds_after",
    "controller_runs",
    "decode",
    "drivers",
    "links",
    "owner_note",
    "plan",
    "read_zone",
    "zone_in",
]

GROUP = "autoscaling.alibabacloud.com"
KIND = "CronHorizontalPodAutoscaler"
WATCHES = (ResourceSpec("cronhpa", GROUP, "cronhorizontalpodautoscalers", KIND, ("v1beta1",)),)
DEFAULT_ZONE = "Asia/Shanghai"
"""``TZ`` of the controller's own manifest."""

_CONTROLLERS = tuple(
    f"/apis/apps/v1/namespaces/kube-system/deployments/{name}"
    for name in ("kubernetes-cronhpa-controller", "ack-kubernetes-cronhpa-controller")
)
"""As its own manifest names it, and as ACK does."""
_SILENT = 300.0
"""Seconds after which a job that has not run is overdue: the controller itself runs late jobs again then."""
_HPA = "HorizontalPodAutoscaler"
_ENDED = ("Succeed", "Failed")
_DAY = 86400.0
_MOST = 500
"""Firings that a plan lists: a job of every second is 86,400 a day."""


class CronJobRow(Struct, frozen=True):
    """One entry of ``spec.jobs``, with its condition."""

    name: str
    line: str
    size: int | None
    once: bool = False
    cron: Cron | None = None
    error: str | None = None
    state: str | None = None
    probed: float | None = None
    """When the controller last ran it, or took it in."""
    message: str | None = None

    @property
    def ended(self) -> bool:
        """It ran, once and for all."""
        return self.once and self.state in _ENDED


class CronHpaRow(Struct, frozen=True):
    """A CronHPA."""

    uid: str
    namespace: str
    name: str
    target: ObjectRef | None
    jobs: tuple[CronJobRow, ...]
    exclude: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Traps in the object itself."""
    created: float | None = None

    @property
    def ref(self) -> ObjectRef:
        """Itself."""
        return ObjectRef(GROUP, KIND, self.namespace, self.name)


def decode(raw: bytes | msgspec.Raw) -> CronHpaRow:
    """A row from an object's JSON. Raises ``msgspec.DecodeError`` where it is not JSON."""
    obj = opened(raw)
    uid, namespace, name = metadata(obj)
    spec = mapping(obj.get("spec"))
    ref = mapping(spec.get("scaleTargetRef"))
    conditions = {
        text(entry.get("name")): entry for entry in listed(mapping(obj.get("status")).get("conditions"))
    }
    jobs = tuple(_job(entry, conditions) for entry in listed(spec.get("jobs")))
    excluded = spec.get("excludeDates")
    target = ObjectRef(
        group_of(ref.get("apiVersion"), ""), text(ref.get("kind")), namespace, text(ref.get("name"))
    )
    return CronHpaRow(
        uid,
        namespace,
        name,
        target if target.kind and target.name else None,
        jobs,
        tuple(text(entry) for entry in excluded if text(entry)) if isinstance(excluded, list) else (),
        tuple(_traps(ref, jobs)),
        timestamp(text(mapping(obj.get("metadata")).get("creationTimestamp"))),
    )


def _job(entry: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> CronJobRow:
    name, line = text(entry.get("name")), text(entry.get("schedule"))
    told = conditions.get(name, {})
    cron, error = None, None
    try:
        cron = parse_cron(line)
    except CronError as refusal:
        error = f"the schedule is refused: {refusal}"
    return CronJobRow(
        name=name,
        line=line,
        size=integer(entry.get("targetSize")),
        once=entry.get("runOnce") is True or line.startswith("@date "),
        cron=cron,
        error=error,
        state=text(told.get("state")) or None,
        probed=timestamp(text(told.get("lastProbeTime"))),
        message=text(told.get("message")) or None,
    )


def _traps(ref: Mapping[str, Any], jobs: tuple[CronJobRow, ...]) -> Iterator[str]:
    version = text(ref.get("apiVersion"))
    if "/" not in version:
        yield f"apiVersion {version or '(none)'} of its target has no group: the controller crashes on it"
    if text(ref.get("kind")) == _HPA:
        yield "acts on an HPA: raises max where a job needs it, and never lowers max again"
    names = [job.name for job in jobs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two jobs are named {name}: names must differ"
    for job in jobs:
        if job.error is not None:
            yield f"job {job.name}: {job.error}"
        elif job.cron is not None and job.cron.misread is not None:
            yield f"job {job.name}: {job.cron.misread}"


def owner_note(owner: OwnerRow | None) -> str | None:
    """What fights back if the HPA that a CronHPA acts on has this owner."""
    if owner is None or owner.kind not in ("InferenceService", "ScaledObject", "LLMInferenceService"):
        return None
    who = "KEDA" if owner.kind == "ScaledObject" else "KServe"
    return (
        f"{who} rewrites this HPA: what CronHPA sets there lasts only until {who} next looks at {owner.name}"
    )


# -- time


def zone_in(raw: bytes | msgspec.Raw) -> str | None:
    """The zone in the JSON of the controller's Deployment: ``TZ`` of its containers."""
    spec = mapping(opened(raw).get("spec"))
    pod = mapping(mapping(spec.get("template")).get("spec"))
    for container in listed(pod.get("containers")):
        for variable in listed(container.get("env")):
            if variable.get("name") == "TZ" and text(variable.get("value")):
                return text(variable.get("value"))
    return None


async def read_zone(session: Session) -> str | None:
    """The controller's zone, read from its Deployment; ``None`` where that cannot be read, or sets none."""
    for path in _CONTROLLERS:
        try:
            return zone_in(await session.get(path))
        except (KubeError, msgspec.DecodeError):
            continue
    return None


async def controller_runs(session: Session) -> bool:
    """Whether its controller is ready where it usually runs. Raises KubeError where that is not told."""
    for path in _CONTROLLERS:
        try:
            found = opened(await session.get(path))
        except KubeError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            continue
        if integer(mapping(found.get("status")).get("readyReplicas")):
            return True
    return False


def _next(job: CronJobRow, now: float, zone: tzinfo) -> float | None:
    """When it fires next; ``@every`` is known only from its last run."""
    if job.cron is None or job.ended:
        return None
    if job.cron.every is None:
        return job.cron.next_after(now, zone)
    if job.state not in _ENDED or job.probed is None:
        return None
    return job.probed + job.cron.every * max(1.0, (now - job.probed) // job.cron.every + 1)


def _skipped(row: CronHpaRow, at: float, zone: tzinfo) -> str | None:
    """Whether an excluded date stops a job at this moment, as HEAD compares: by month and hour alone.

    Its layout string names no day, so besides the day that is meant it also skips jobs in the hour from 0 to
    1 on other days before it in the same month.
    """
    for line in row.exclude:
        try:
            cron = parse_cron(line)
        except CronError:
            continue
        found = cron.next_after(at, zone)
        if found is None:
            continue
        there, here = datetime.fromtimestamp(found, zone), datetime.fromtimestamp(at, zone)
        if (there.month, there.hour) == (here.month, here.hour):
            if there.date() == here.date():
                return f"excluded by {line}"
            return f"excluded by {line} through a fault of the controller, which compares month and hour only"
    return None


def plan(
    row: CronHpaRow, now: float, zone: str | None = None, ahead: float = _DAY, notes: tuple[str, ...] = ()
) -> Schedule:
    """What it does in the next ``ahead`` seconds. ``zone`` is the controller's, where it is known."""
    name = zone or DEFAULT_ZONE
    where = zone_named(name)
    firings: list[Firing] = []
    for job in row.jobs:
        if job.cron is None or job.ended:
            continue
        if job.cron.every is None:
            times = list(job.cron.between(now, now + ahead, where, 1 if job.once else _MOST + 1))
        else:
            times = list(_every(job, now, now + ahead, where))
        firings += [Firing(at, job.name, job.size, _skipped(row, at, where)) for at in times]
    firings.sort(key=lambda firing: (firing.at, firing.job))
    return Schedule(
        subject=row.ref,
        target=row.target,
        zone=name,
        zone_known=zone is not None,
        jobs=tuple(_told(job, now, where) for job in row.jobs),
        firings=tuple(firings[:_MOST]),
        more=len(firings) > _MOST,
        notes=(*row.notes, *_silence(row, now), *notes),
    )


def _silence(row: CronHpaRow, now: float) -> Iterator[str]:
    """A controller that does not answer, by what it has not written."""
    waited = None if row.created is None else now - row.created
    if row.jobs and waited is not None and waited > _SILENT and not any(job.state for job in row.jobs):
        yield f"no CronHPA controller has taken this in for {lasted(waited)}: it is not installed, or is down"


def _overdue(job: CronJobRow, now: float, zone: tzinfo) -> float | None:
    """Since when it should have run."""
    if job.cron is None or job.cron.every is not None or job.probed is None or job.ended:
        return None
    due = job.cron.next_after(job.probed, zone)
    return due if due is not None and due + _SILENT < now else None


def _every(job: CronJobRow, now: float, end: float, zone: tzinfo) -> Iterator[float]:
    at, count = _next(job, now, zone), 0
    while at is not None and job.cron is not None and job.cron.every and at <= end and count <= _MOST:
        yield at
        at, count = at + job.cron.every, count + 1


def _told(job: CronJobRow, now: float, zone: tzinfo) -> ScheduledJob:
    notes = [] if job.cron is None else [*([job.cron.misread] if job.cron.misread else []), *job.cron.notes]
    due = _overdue(job, now, zone)
    if due is not None:
        notes.append(f"was due {lasted(now - due)} ago and has not run: the controller may be down")
    if job.ended:
        notes.append("ran once and does not run again")
    elif job.cron is not None and job.cron.every is not None and job.state not in _ENDED:
        notes.append("counted from the controller's start: the next time is not known")
    return ScheduledJob(
        name=job.name,
        line=job.line,
        replicas=job.size,
        once=job.once,
        next_at=_next(job, now, zone),
        last_at=job.probed if job.state in _ENDED else None,
        state=job.state,
        message=job.message,
        error=job.error,
        notes=tuple(notes),
    )


# -- what a job does to an HPA


class Bounds(Struct, frozen=True):
    """What is left after a job fired at an HPA."""

    minimum: int
    maximum: int
    replicas: int | None
    """The count that the job sets itself; ``None``: it leaves the count to the HPA."""


def bounds_after(size: int, minimum: int, maximum: int, current: int) -> Bounds:
    """The effect of one job on an HPA whose status says ``current`` replicas."""
    most = max(maximum, size)
    least = minimum
    if size < minimum or current < size or (current == minimum and size < current):
        least = size
    return Bounds(least, most, size if current < size else None)


# -- the driver


def drivers(
    row: CronHpaRow, now: float | None = None, zone: str | None = None
) -> tuple[tuple[ObjectRef, Driver], ...]:
    """(target, driver); the target may be an HPA. ``now`` is cluster time: the signal tells the next firing.

    Without ``now`` the signal counts the jobs.
    """
    if row.target is None:
        return ()
    where = zone_named(zone or DEFAULT_ZONE)
    signal, interval = f"{len(row.jobs)} job{'' if len(row.jobs) == 1 else 's'}", None
    if now is not None:
        coming = [(at, job.size) for job in row.jobs if (at := _next(job, now, where)) is not None]
        if coming:
            at, size = min(coming, key=lambda each: each[0])
            interval = at - now
            signal = f"{_when(at, now, where)} to {'–' if size is None else size}"
        else:
            signal = "fires no more"
    return (
        (
            row.target,
            Driver(
                kind="CronHPA",
                ref=row.ref,
                signal=signal,
                interval=interval,
                note=row.notes[0] if row.notes else None,
            ),
        ),
    )


def _when(at: float, now: float, zone: tzinfo) -> str:
    there, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if at - now < _DAY:
        return f"{there:%H:%M}"
    return (
        f"{there:%a %H:%M}"
        if at - now < 6 * _DAY and there.date() != today.date()
        else f"{there:%b %d %H:%M}"
    )


def links(row: CronHpaRow) -> tuple[Link, ...]:
    """It scales its target, or bounds the HPA that does."""
    if row.target is None:
        return ()
    kind = LinkKind.BOUNDS if row.target.kind == _HPA else LinkKind.SCALES
    return (Link(row.ref, row.target, kind),)
