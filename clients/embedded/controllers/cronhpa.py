"""ACK's CronHorizontalPodAutoscaler controller: jobs at points in time, in the time zone of its process.

There is no status subresource: it writes the whole object. A job that fails is tried again every 3 s for
10 s. A schedule that cannot be read is a failed condition, no refusal; an ``apiVersion`` without a slash
makes the controller panic, so such an object never gets a status.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from random import Random
from zoneinfo import ZoneInfo

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.cron_schedule import Schedule, ScheduleError, parse_schedule
from clients.embedded.controllers.cronhpa_jobs import CRON_MANAGER, Job, JobError, JobRunner, day_off
from clients.embedded.controllers.recorder import Recorder, reference
from clients.embedded.engine import Engine, Event
from clients.embedded.store import Store

__all__ = ["CRON_HPAS", "CronHpaController"]

CRON_HPAS = "cronhorizontalpodautoscalers.autoscaling.alibabacloud.com"
_RETRY = 3.0
_GIVE_UP = 10.0
_REACTION = 0.05
_SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""The zone of the controller's own deploy.yaml; it has had no other offset since 1991."""

_Key = tuple[str, str]


class _Submitted:
    """A job in the cron engine."""

    __slots__ = ("event", "job", "schedule")

    def __init__(self, job: Job, schedule: Schedule) -> None:
        self.job = job
        self.schedule = schedule
        self.event: Event | None = None


class CronHpaController:
    """Acts on every CronHorizontalPodAutoscaler from ``start`` on, if it is installed."""

    def __init__(self, store: Store, engine: Engine, seed: int) -> None:
        self._store = store
        self._engine = engine
        self._rng = Random(f"{seed}/cronhpa")
        self._runner = JobRunner(store)
        self._recorder = Recorder(store, engine, "CronHorizontalPodAutoscaler")
        self._jobs: dict[str, _Submitted] = {}
        self._queued: set[_Key] = set()
        self._started = False
        self._zone: tzinfo = _SHANGHAI
        self.installed = True
        """Set to False before the start for a cluster that has the definition and nobody who acts on it."""
        store.subscribe(CRON_HPAS, self._changed)

    def set_zone(self, name: str) -> None:
        """The time zone of the controller's process. Raises ZoneInfoNotFoundError (a KeyError)."""
        self._zone = UTC if name == "UTC" else ZoneInfo(name)

    def start(self) -> None:
        """Submits what is there."""
        if not self.installed:
            return
        self._started = True
        for record in self._store.records(CRON_HPAS):
            self._enqueue(record.key)

    def _changed(self, change: str, obj: Json) -> None:
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if change == "DELETED":
            for job_id, known in list(self._jobs.items()):
                if (known.job.namespace, known.job.owner) == key:
                    self._remove(job_id)
        elif self._started:
            self._enqueue(key)

    def _enqueue(self, key: _Key) -> None:
        if key not in self._queued:
            self._queued.add(key)
            self._engine.after(_REACTION, lambda: self._reconcile(key))

    # -- from the object to jobs -------------------------------------------------------------------------

    def _reconcile(self, key: _Key) -> None:
        self._queued.discard(key)
        obj = self._store.get(CRON_HPAS, *key)
        if obj is None:
            return
        spec = obj["spec"]
        if "/" not in str(spec["scaleTargetRef"].get("apiVersion", "")):
            return
        status = obj.setdefault("status", {})
        known: list[Json] = status.get("conditions") or []
        left = self._still_valid(spec, status, known)
        conditions = {condition["name"]: condition for condition in left}
        changed = len(left) != len(known)
        for told in spec["jobs"]:
            made = self._submit(key, spec, told, conditions.get(told["name"]))
            if made is not None:
                conditions[told["name"]] = made
                changed = True
        if not changed:
            return
        ordered = list(conditions.values())
        # The controller builds them from a map: their order means nothing.
        self._rng.shuffle(ordered)
        status["conditions"] = ordered
        self._put(key, status)

    def _still_valid(self, spec: Json, status: Json, known: list[Json]) -> list[Json]:
        """The conditions of jobs that stay as they are; the other jobs are taken out."""
        wanted = {job["name"]: job for job in spec["jobs"]}
        excluded = spec.get("excludeDates") or []
        moved = status.get("scaleTargetRef") != spec["scaleTargetRef"]
        if moved or set(status.get("excludeDates") or []) != set(excluded):
            status["scaleTargetRef"] = dict(spec["scaleTargetRef"])
            status["excludeDates"] = list(excluded)
            wanted = {}
        left = []
        for condition in known:
            job = wanted.get(condition["name"])
            if job is not None and all(
                condition.get(field, False) == job.get(field, False)
                for field in ("schedule", "targetSize", "runOnce")
            ):
                left.append(condition)
            else:
                self._remove(condition.get("jobId", ""))
        return left

    def _submit(self, key: _Key, spec: Json, told: Json, known: Json | None) -> Json | None:
        """Puts a job into the cron engine; its new condition, None if that stays as it is."""
        run_once = bool(told.get("runOnce"))
        if known is not None:
            once = run_once or "@date " in told["schedule"]
            if once and known["state"] in ("Succeed", "Failed"):
                self._remove(known["jobId"])
                return None
            if known["jobId"] in self._jobs:
                return None
        condition: Json = {
            "name": told["name"],
            "jobId": known["jobId"] if known is not None else self._new_id(),
            "schedule": told["schedule"],
            "targetSize": told["targetSize"],
            "runOnce": run_once,
            "lastProbeTime": timestamp(self._engine.clock.now()),
            "state": "Submitted",
            "message": "",
        }
        target = {name: str(value) for name, value in spec["scaleTargetRef"].items()}
        empty = [
            part
            for part in (*target["apiVersion"].split("/")[:2], target["kind"], target["name"])
            if not part
        ]
        try:
            if empty:
                raise JobError("any properties in ref could not be empty")
            schedule = parse_schedule(told["schedule"])
        except JobError as error:
            where = f"{told['name']} in {key[1]} namespace {key[0]}"
            why = f"Failed to create cron hpa job {where},because of {error}"
        except ScheduleError as error:
            why = f"Failed to add job to cronExecutor,because of {error}"
            why = f"Failed to update cron hpa job {told['name']},because of {why}"
        else:
            job = Job(
                condition["jobId"],
                *key,
                told["name"],
                told["schedule"],
                told["targetSize"],
                run_once,
                target,
                tuple(spec.get("excludeDates") or ()),
            )
            self._jobs[job.id] = _Submitted(job, schedule)
            self._wait(self._jobs[job.id])
            return condition
        if known is not None and known["message"] == why:
            return None
        return {**condition, "state": "Failed", "message": why}

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _remove(self, job_id: str) -> None:
        gone = self._jobs.pop(job_id, None)
        if gone is not None and gone.event is not None:
            gone.event.cancel()

    # -- from a job to its effect ------------------------------------------------------------------------

    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._engine.clock.now(), self._zone)

    def _wait(self, submitted: _Submitted) -> None:
        due = submitted.schedule.next(self._local())
        if due is not None:
            submitted.event = self._engine.at(due.timestamp(), lambda: self._fire(submitted))

    def _fire(self, submitted: _Submitted) -> None:
        self._wait(submitted)
        skipped = day_off(submitted.job.excluded, self._local())
        if skipped is not None:
            self._report(submitted.job, skipped, None)
        else:
            self._try(submitted.job, self._engine.clock.now(), 0, "<nil>")

    def _try(self, job: Job, began: float, times: int, last: str) -> None:
        if self._engine.clock.now() > began + _GIVE_UP:
            what = f"{job.target['kind']} {job.target['name']} in {job.namespace} namespace to {job.size}"
            why = f"failed to scale {what} after retrying {times} times and exit,because of {last}"
            self._report(job, "", why)
            return
        try:
            self._report(job, self._runner.run(job), None)
        except JobError as error:
            told = str(error)
            self._engine.after(_RETRY, lambda: self._try(job, began, times + 1, told))

    def _report(self, job: Job, message: str, error: str | None) -> None:
        obj = self._store.get(CRON_HPAS, job.namespace, job.owner)
        if obj is None:
            return
        if error is None:
            state, kind = "Succeed", "Normal"
            told = f"cron hpa job {job.name} executed successfully. {message}"
        else:
            state, kind = "Failed", "Warning"
            told = f"cron hpa failed to execute, because of {error}"
        condition = {
            "name": job.name,
            "jobId": job.id,
            "schedule": job.schedule,
            "targetSize": job.size,
            "runOnce": job.run_once,
            "lastProbeTime": timestamp(self._engine.clock.now()),
            "state": state,
            "message": told,
        }
        status = obj.setdefault("status", {})
        others = [c for c in status.get("conditions") or [] if c["name"] != job.name]
        status["conditions"] = [*others, condition]
        self._put((job.namespace, job.owner), status)
        self._recorder.event(reference(obj), state, told, kind)

    def _put(self, key: _Key, status: Json) -> None:
        def change(obj: Json) -> None:
            obj["status"] = status

        self._store.mutate(CRON_HPAS, *key, change, manager=CRON_MANAGER)
