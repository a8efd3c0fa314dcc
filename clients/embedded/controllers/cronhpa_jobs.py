"""What one CronHPA job does when it is due: skip a day, set a count, or push an HPA's bounds.

As kubernetes-cronhpa-controller's HEAD does it, faults included: a day off is recognised by month and hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from clients.embedded.apiserver.errors import invalid
from clients.embedded.apiserver.hpa_rules import hpa_causes
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.cron_schedule import ScheduleError, parse_schedule
from clients.embedded.controllers.hpa import HPAS
from clients.embedded.controllers.scale_targets import ScaleTargets, TargetError
from clients.embedded.store import Store

__all__ = ["CRON_MANAGER", "Job", "JobError", "JobRunner", "day_off"]

CRON_MANAGER = "kubernetes-cronhpa-controller"


class JobError(Exception):
    """One try failed."""


class Job(Struct, frozen=True):
    """One job as it was submitted."""

    id: str
    namespace: str
    owner: str
    """Name of its CronHorizontalPodAutoscaler."""
    name: str
    schedule: str
    size: int
    run_once: bool
    target: dict[str, str]
    excluded: tuple[str, ...]


def day_off(excluded: Sequence[str], now: datetime) -> str | None:
    """The message of a skip, None on a day on which the job runs.

    The controller compares two times by a layout that is no date: only month and hour count. So it also
    skips what is due in the hour 0 of other days of the month, and nothing in the last second of an hour.
    """
    for date in excluded:
        try:
            found = parse_schedule(date).next(now)
        except ScheduleError:
            continue
        if found is not None and (found.month, found.hour) == (now.month, now.hour):
            return f"skip scaling activity,because of excludeDate ({date})."
    return None


class JobRunner:
    """Runs jobs, one try at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._targets = ScaleTargets(store)

    def run(self, job: Job) -> str:
        """What it says when it worked. Raises JobError."""
        try:
            if job.target.get("kind") == "HorizontalPodAutoscaler":
                return self._push(job)
            return self._set(job)
        except TargetError as error:
            raise JobError(str(error)) from None

    def _set(self, job: Job) -> str:
        """The count itself, whoever else sets it."""
        where = f"{job.target['kind']} {job.target['name']} in {job.namespace} namespace"
        try:
            scale = self._targets.read(job.namespace, job.target)
        except TargetError as error:
            if "no matches for kind" in str(error):
                raise JobError(f"Failed to create create mapping,because of {error}") from None
            raise JobError(f"failed to find source target {where}") from None
        self._write(job, job.target, where)
        return f"current replicas:{scale.replicas}, desired replicas:{job.size}."

    def _push(self, job: Job) -> str:
        """An HPA's bounds, and its target only upwards. The ceiling is never lowered again."""
        name = job.target["name"]
        hpa = self._store.get(HPAS, job.namespace, name)
        if hpa is None:
            why = f'HorizontalPodAutoscaler.autoscaling "{name}" not found'
            raise JobError(f"Failed to get HorizontalPodAutoscaler Ref,because of {why}")
        spec, target = hpa["spec"], hpa["spec"]["scaleTargetRef"]
        where = f"{job.target['kind']} {name} in {job.namespace} namespace"
        try:
            scale = self._targets.read(job.namespace, target)
        except TargetError as error:
            raise JobError(f"failed to found source target {where}, err is {error}") from None
        current = int((hpa.get("status") or {}).get("currentReplicas") or 0)
        least, most = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"])
        most = max(most, job.size)
        if job.size < least or (current == least and job.size < current) or current < job.size:
            least = job.size
        self._bound(job, hpa, least, most)
        if current >= job.size:
            return (
                f"Skip scale replicas because HPA {name} in namespace {job.namespace} "
                f"current replicas:{scale.replicas} >= desired replicas:{job.size}."
            )
        self._write(job, target, where)
        return f"current replicas:{scale.replicas}, desired replicas:{job.size}."

    def _bound(self, job: Job, hpa: Json, least: int, most: int) -> None:
        if (least, most) == (hpa["spec"].get("minReplicas", 1), hpa["spec"]["maxReplicas"]):
            return
        wanted = {**hpa, "spec": {**hpa["spec"], "minReplicas": least, "maxReplicas": most}}
        causes = hpa_causes(wanted, hpa)
        if causes:
            name = hpa["metadata"]["name"]
            raise JobError(invalid("autoscaling", "HorizontalPodAutoscaler", name, causes).message)

        def change(obj: Json) -> None:
            obj["spec"]["minReplicas"], obj["spec"]["maxReplicas"] = least, most

        self._store.mutate(HPAS, job.namespace, hpa["metadata"]["name"], change, manager=CRON_MANAGER)

    def _write(self, job: Job, target: dict[str, str], where: str) -> None:
        if job.size < 0:
            why = f"Invalid value: {job.size}: must be greater than or equal to 0"
            refused = f'Scale.autoscaling "{target["name"]}" is invalid: spec.replicas: {why}'
            raise JobError(f"failed to scale {where} to {job.size}, because of {refused}")
        scale = self._targets.read(job.namespace, target)
        self._targets.write(scale, job.size, manager=CRON_MANAGER)
