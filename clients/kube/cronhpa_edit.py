"""What a form asks of a CronHPA, as the change that makes it or edits one of its jobs (v1beta1, ACK)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from clients.kube.cron import CronError, parse
from clients.kube.json_patch import at, tested
from clients.kube.scaler_fields import integer, listed, mapping, text
from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef

__all__ = ["JobWish", "created", "jobs_of", "problems", "with_job", "without_job"]


class JobWish(Struct, frozen=True):
    """One job."""

    name: str
    schedule: str
    size: int | None
    once: bool = False


def jobs_of(raw: Mapping[str, Any]) -> tuple[JobWish, ...]:
    """Its jobs in the order in which they stand."""
    return tuple(
        JobWish(
            text(job.get("name")),
            text(job.get("schedule")),
            integer(job.get("targetSize")),
            job.get("runOnce") is True,
        )
        for job in listed(mapping(raw.get("spec")).get("jobs"))
    )


def problems(wish: JobWish, others: tuple[JobWish, ...]) -> Iterator[str]:
    """Why the controller would not run it, in plain words: it accepts whatever is written."""
    if not wish.name:
        yield "a name is missing"
    elif wish.name in (other.name for other in others):
        yield f"another job is called {wish.name}"
    if wish.size is None:
        yield "a number of replicas is missing"
    try:
        parse(wish.schedule)
    except CronError as error:
        yield f"the schedule: {error}"


def created(ref: ObjectRef, target: ObjectRef, api_version: str, job: JobWish) -> ObjectChange:
    """A new CronHPA with one job."""
    body = {
        "apiVersion": "autoscaling.alibabacloud.com/v1beta1",
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": api_version, "kind": target.kind, "name": target.name},
            "jobs": [_job(job)],
        },
    }
    return ObjectChange(Verb.CREATE, ref, json.dumps(body))


def with_job(ref: ObjectRef, raw: Mapping[str, Any], job: JobWish, index: int | None) -> ObjectChange:
    """One more job, or another one in the place of that with the index."""
    if index is None:
        there = at(raw, "/spec/jobs")
        if not isinstance(there, list):
            return ObjectChange(Verb.PATCH, ref, json.dumps(tested(raw, [("/spec/jobs", [_job(job)])])))
        steps: list[dict[str, Any]] = [
            {"op": "test", "path": "/spec/jobs", "value": there},
            {"op": "add", "path": f"/spec/jobs/{len(there)}", "value": _job(job)},
        ]
        return ObjectChange(Verb.PATCH, ref, json.dumps(steps))
    path = f"/spec/jobs/{index}"
    old = at(raw, path)
    new = {**old, **_job(job)}
    if "runOnce" in old:
        new["runOnce"] = job.once
    steps = [
        {"op": "test", "path": path, "value": old},
        {"op": "replace", "path": path, "value": new},
    ]
    return ObjectChange(Verb.PATCH, ref, json.dumps(steps if new != old else []))


def without_job(ref: ObjectRef, raw: Mapping[str, Any], index: int) -> ObjectChange:
    """Without that job; with it the whole object, if it is the only one."""
    if len(jobs_of(raw)) == 1:
        return ObjectChange(Verb.DELETE, ref, "")
    path = f"/spec/jobs/{index}"
    steps = [{"op": "test", "path": path, "value": at(raw, path)}, {"op": "remove", "path": path}]
    return ObjectChange(Verb.PATCH, ref, json.dumps(steps))


def _job(job: JobWish) -> dict[str, Any]:
    found: dict[str, Any] = {"name": job.name, "schedule": job.schedule, "targetSize": job.size}
    return {**found, "runOnce": True} if job.once else found
