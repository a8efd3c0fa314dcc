"""The writes of a load test's Job in the audit log: each before it is sent, with what became of it after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from clients.kube.errors import KubeError
from clients.kube.load_job import LoadJob
from clients.kube.session import Session
from clients.serving.backend import Result, Ticket
from clients.serving.changes import ObjectChange, Verb
from clients.serving.guards import Confirmation
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.operation import Count, Outcome
from clients.serving.plans import ScalePlan, Write, uid_of_new
from tui.audit import AuditLog, Author

__all__ = ["JobAudit"]

_NOTHING = Count(None)
"""A Job is no workload: no count tells how far it is."""


class JobAudit:
    """What is sent for one Job."""

    def __init__(
        self, audit: AuditLog, author: Author, session: Session, job: LoadJob, confirmed: Confirmation
    ) -> None:
        """``confirmed``: how its manifest was agreed to."""
        self._audit = audit
        self._author = author
        self._session = session
        self._ref = ObjectRef("batch", "Job", job.namespace, job.name)
        self._confirmed = confirmed

    @asynccontextmanager
    async def recorded(self, write: Write) -> AsyncIterator[None]:
        """Around the sending of one write.

        Raises:
            AuditUnavailable: no place takes its line, so it is not to be sent.
        """
        now = self._session.clock.now
        plan = self._plan(write)
        intent = await self._audit.intend(plan, self._author, now())
        ticket = Ticket(plan.key, Result.ACCEPTED, now())
        try:
            yield
        except KubeError as error:
            result = Result.UNKNOWN if error.status is None and error.sent else Result.REFUSED
            ticket = Ticket(plan.key, result, now(), error.message, status=error.status)
            raise
        except asyncio.CancelledError:
            ticket = Ticket(plan.key, Result.UNKNOWN, now(), "the program ended before an answer came")
            raise
        finally:
            await self._audit.answered(intent, ticket)
            if ticket.result is Result.ACCEPTED:
                await self._audit.ended(intent.id, now(), Outcome.DONE)
            elif ticket.result is Result.UNKNOWN:
                said = "nobody looks again: it ends at its deadline at the latest"
                await self._audit.ended(intent.id, now(), Outcome.TIMED_OUT, detail=said)

    def _plan(self, write: Write) -> ScalePlan:
        ref = self._ref
        key = WorkloadKey(self._session.cluster, "kubernetes", ref.namespace, ref.kind, ref.name)
        made = write.method == "POST"
        body = msgspec.json.encode(write.body).decode() if made else ""
        how = "create -f -" if made else f"delete job {ref.name}"
        return ScalePlan(
            key=key,
            uid=uid_of_new(key),
            change=ObjectChange(Verb.CREATE if made else Verb.DELETE, ref, body),
            before=_NOTHING,
            after=_NOTHING,
            steps=(),
            order_known=True,
            order_note="",
            pods_delta=0,
            gpu_delta=0,
            capacity=None,
            eta=None,
            guards=(),
            write=write,
            equivalent=f"kubectl -n {ref.namespace} {how}",
            confirmation=self._confirmed if made else Confirmation.OK,
        )
