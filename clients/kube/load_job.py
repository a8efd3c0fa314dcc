"""A load test as an Indexed Job: its manifest, its pods' records read from their logs, and its end.

Kubernetes is the engine: it places the pods, gives each its index, and ends them all at the Job's deadline,
whatever becomes of who started it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from clients.clock import Clock
from clients.kube.access import Access
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.logs import tail
from clients.kube.resources import in_path
from clients.kube.session import Session
from clients.load.joining import Joining
from clients.load.lines import Finished, Record, Refused, Second, Started, read_record
from clients.load.plan import LoadPlan
from clients.load.pod_order import ORDER, START_AT, order_text
from clients.load.result import Result
from clients.load.run import LoadError
from clients.serving.plans import Write

__all__ = ["NAME", "JobRun", "LoadJob", "Recorded", "missing_rights"]

NAME = "servegrid-load"
"""The label ``app.kubernetes.io/name`` of Jobs and pods, and the container's name."""
_JOB_LABEL = "batch.kubernetes.io/job-name"
_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
_POLL = 1.0
"""Seconds between two looks at pods that do not run yet, and between two tries to read a log."""
_MARGIN = 2.0
"""Seconds before the common begin at which a Job is given up: the pods that do run should send nothing."""
_TRIES = 5
"""How often a log may break off, or end without a result, before its pod is given up."""
_SLACK = 60
"""Seconds that a Job may last beyond what its plan can take."""
_KEPT = 600
"""Seconds after its end that a Job stays, with its logs."""
_LAST_WORDS = 30.0
"""Seconds that pods get to tell what was, once their Job is deleted: their grace period."""
_RIGHTS = (
    ("create", "batch", "jobs", ""),
    ("delete", "batch", "jobs", ""),
    ("list", "", "pods", ""),
    ("get", "", "pods", "log"),
)


Recorded = Callable[[Write], AbstractAsyncContextManager[None]]
"""Entered before a write is sent, and left with what became of it; if it raises, nothing is sent."""


class LoadJob(Struct, frozen=True, kw_only=True):
    """A Job that is to be. ``plan`` has a seed, a duration, and as many ``workers`` as there are pods."""

    name: str
    namespace: str
    image: str
    plan: LoadPlan
    gather: float
    """Seconds from its creation to the moment at which all pods begin."""

    def manifest(self, created_at: float | None = None) -> dict[str, Any]:
        """The object; without a time of creation (UTC seconds) it says in words when its pods begin."""
        plan, labels = self.plan, {"app.kubernetes.io/name": NAME}
        lasts = self.gather + (plan.begins_for or 0.0) + max(plan.drain_s, plan.timeout_s) + _SLACK
        start = f"{self.gather:g} s after it is made"
        if created_at is not None:
            start = f"{created_at + self.gather:.3f}"
        container = {
            "name": NAME,
            "image": self.image,
            "args": ["--job"],
            "env": [{"name": ORDER, "value": order_text(plan)}, {"name": START_AT, "value": start}],
            "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        pod = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels},
            "spec": {
                "completionMode": "Indexed",
                "completions": plan.workers,
                "parallelism": plan.workers,
                "backoffLimit": 0,
                "activeDeadlineSeconds": math.ceil(lasts),
                "ttlSecondsAfterFinished": _KEPT,
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }


async def missing_rights(session: Session, namespace: str) -> list[str]:
    """What this user may not do and would have to, by name."""
    access = Access(session)
    rights = [
        await access.can(verb, group, resource, namespace, subresource=sub)
        for verb, group, resource, sub in _RIGHTS
    ]
    return [right.detail for right in rights if right.allowed is False]


class JobRun:
    """One Job, from its creation to its result. An asynchronous context manager, used once.

    Left before its pods have ended, it deletes the Job, and with it the pods.
    """

    def __init__(self, job: LoadJob, session: Session, clock: Clock, recorded: Recorded) -> None:
        self.job = job
        self.result: Result | None = None
        """Set once ``Finished`` was handed out."""
        self._session = session
        self._clock = clock
        self._recorded = recorded
        self._rule: str | None = None
        self.made = False
        """Whether the server has taken it."""
        self._there = False
        self._stopping = asyncio.Event()
        self._pods = f"/api/v1/namespaces/{in_path(job.namespace)}/pods"
        self._jobs = f"/apis/batch/v1/namespaces/{in_path(job.namespace)}/jobs"

    async def __aenter__(self) -> Self:
        """Makes the Job.

        Raises:
            KubeError: it was not made, or nobody knows.
        """
        self._created_at = self._clock.now()
        try:
            await self._send("POST", self._jobs, self.job.manifest(self._created_at))
        except (KubeError, asyncio.CancelledError) as error:
            if not isinstance(error, KubeError) or (error.status is None and error.sent):
                with suppress(KubeError):
                    await self._delete()
            raise
        self.made = self._there = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Deletes a Job whose pods have not all ended; raises KubeError where it could not."""
        if self.result is None:
            await self.stop()

    async def stop(self) -> None:
        """Deletes the Job; what its pods tell of it while they end, ``records`` still gives.

        Raises:
            KubeError: it may still run, until its deadline.
        """
        try:
            if self._there:
                await self._delete()
                self._there = False
        finally:
            self._stopping.set()

    async def _delete(self) -> None:
        path = f"{self._jobs}/{in_path(self.job.name)}"
        try:
            await self._send("DELETE", path, {"propagationPolicy": "Background"})
        except KubeError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise

    async def _send(self, method: str, path: str, body: dict[str, Any]) -> None:
        write = Write(method, path, "application/json", body)
        async with self._recorded(write):
            await self._session.send(method, path, body=body)

    async def records(self) -> AsyncIterator[Started | Second | Finished]:
        """What all pods tell, joined; ends after ``Finished``.

        Raises:
            LoadError: a pod did not run in time, could not begin, or ended before it had told all.
            KubeError: the pods cannot be seen.
        """
        queue: asyncio.Queue[tuple[int, Record | LoadError]] = asyncio.Queue()
        readers = [asyncio.create_task(self._watch(queue))]
        joining = Joining(self.job.plan.workers)
        started_at = self._created_at + self.job.gather
        try:
            while not joining.complete:
                index, record = await self._next(queue)
                if isinstance(record, LoadError):
                    raise record
                if isinstance(record, Finished):
                    record = await self._ended(record)
                for joined in joining.take(index, record):
                    if isinstance(joined, Started):
                        started_at = joined.at
                    elif isinstance(joined, Finished):
                        self.result = Result.of(self.job.plan, started_at, joined)
                    yield joined
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _next(
        self, queue: asyncio.Queue[tuple[int, Record | LoadError]]
    ) -> tuple[int, Record | LoadError]:
        if not self._stopping.is_set():
            getting, stopping = (
                asyncio.ensure_future(queue.get()),
                asyncio.ensure_future(self._stopping.wait()),
            )
            try:
                await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if getting.done():
                    return getting.result()
            finally:
                getting.cancel()
                stopping.cancel()
        try:
            return await asyncio.wait_for(queue.get(), _LAST_WORDS)
        except TimeoutError:
            raise LoadError("the pods were gone before they had told what was") from None

    async def _ended(self, record: Finished) -> Finished:
        """A rule of one pod ends all; those that it cuts off have ended by it."""
        if record.ended == "rule" and self._rule is None:
            self._rule = record.why
            await self.stop()
        if record.ended == "aborted" and self._rule is not None:
            return replace(record, ended="rule", why=self._rule)
        return record

    async def _watch(self, queue: asyncio.Queue[tuple[int, Record | LoadError]]) -> None:
        """Reads every pod's log, once all of them run."""
        try:
            pods = await self._gathered()
            async with asyncio.TaskGroup() as reading:
                for index, pod in pods.items():
                    reading.create_task(self._read(index, pod, queue))
        except* (KubeError, LoadError) as errors:
            first: BaseException = errors
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            queue.put_nowait((0, LoadError(str(first))))

    async def _gathered(self) -> dict[int, str]:
        """Every pod's name by its index, once their containers have begun."""
        end = self._clock.monotonic() + self.job.gather - _MARGIN
        wanted = self.job.plan.workers
        while True:
            pods = await self._list()
            known = {pod.index: pod.name for pod in pods if pod.index is not None and pod.begun}
            if len(known) >= wanted:
                return known
            if self._stopping.is_set():
                raise LoadError("stopped before all of its pods ran")
            if self._clock.monotonic() > end:
                why = next((pod.why for pod in pods if not pod.begun and pod.why), "")
                told = f"{len(known)} of {wanted} pods ran within load.gather, {self.job.gather:g} s"
                raise LoadError(f"{told}: {why}" if why else told)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _POLL)

    async def _list(self) -> list[_Pod]:
        body = await self._session.get(self._pods, {"labelSelector": f"{_JOB_LABEL}={self.job.name}"})
        try:
            return [_Pod.of(item) for item in msgspec.json.decode(body, type=_Pods).items]
        except msgspec.MsgspecError:
            raise KubeError(
                f"GET {self._pods}: answered with no list", kind=ErrorKind.PROTOCOL, sent=True
            ) from None

    async def _read(self, index: int, pod: str, queue: asyncio.Queue[tuple[int, Record | LoadError]]) -> None:
        """A log that breaks off is read again from its begin; seconds that were told are not told twice."""
        number, last = 0, "it told nothing"
        for _ in range(_TRIES):
            try:
                async for line in tail(self._session, self.job.namespace, pod, NAME, lines=None):
                    try:
                        record = read_record(line.encode())
                    except msgspec.MsgspecError:
                        last = line  # Standard error is in the log too.
                        continue
                    if isinstance(record, Refused):
                        raise LoadError(record.message)
                    if not isinstance(record, Second) or record.number > number:
                        number = record.number if isinstance(record, Second) else number
                        queue.put_nowait((index, record))
                    if isinstance(record, Finished):
                        return
            except KubeError as error:
                if error.kind in (ErrorKind.FORBIDDEN, ErrorKind.NOT_FOUND):
                    raise
                last = error.message
            await asyncio.sleep(_POLL)
        raise LoadError(f"pod {pod} ended without a result: {last}")


class _Pod(Struct, frozen=True):
    """What matters of a pod before its log can be read."""

    name: str
    index: int | None
    begun: bool
    why: str
    """Of one that does not run, as the cluster says it."""

    @classmethod
    def of(cls, item: _Item) -> _Pod:
        """Texts are from outside."""
        told = item.metadata.labels.get(_INDEX_LABEL, "")
        waiting = [one.state.waiting for one in item.status.containers if one.state.waiting is not None]
        words = [waits.message or waits.reason for waits in waiting]
        words += [one.message for one in item.status.conditions if one.status == "False"]
        return cls(
            item.metadata.name,
            int(told) if told.isascii() and told.isdigit() else None,
            item.status.phase in ("Running", "Succeeded", "Failed"),
            next((word for word in words if word), ""),
        )


class _Waiting(Struct):
    reason: str = ""
    message: str = ""


class _State(Struct):
    waiting: _Waiting | None = None


class _Container(Struct):
    state: _State = msgspec.field(default_factory=_State)


class _Condition(Struct):
    status: str = ""
    message: str = ""


class _Status(Struct):
    phase: str = ""
    containers: list[_Container] = msgspec.field(default_factory=list, name="containerStatuses")
    conditions: list[_Condition] = msgspec.field(default_factory=list)


class _Metadata(Struct):
    name: str
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class _Item(Struct):
    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)


class _Pods(Struct):
    items: list[_Item] = msgspec.field(default_factory=list)
