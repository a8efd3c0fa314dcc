"""Changing an object: rights asked, the server's dry run, one guarded write, its answer in words."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from clients.kube.access import Access
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.json_patch import changed
from clients.kube.scale_guards import Rights
from clients.kube.session import Session
from clients.serving.backend import Result, Ticket
from clients.serving.changes import ReplicasChange
from clients.serving.guards import CHANGED, DRY_RUN, Guard, Level
from clients.serving.operation import Count
from clients.serving.plans import ScalePlan, Write

__all__ = ["Writes"]

_REFUSED_TEST = (409, 422)
"""A failed ``test`` of a JSON Patch is 422 Invalid, a stale version 409 Conflict (Kubernetes 1.36)."""
_MANAGER = "servegrid"


class Writes:
    """The writing half of one cluster."""

    def __init__(self, session: Session, access: Access) -> None:
        self._session = session
        self._access = access

    async def rights(self, group: str, resource: str, namespace: str, name: str) -> Rights:
        """Whether this user may write the object, and whether its ``/scale``; cached by ``Access``."""
        patch = await self._access.can("patch", group, resource, namespace, name=name)
        if patch.allowed is not False:
            return Rights(patch=patch.allowed)
        scale = await self._access.can("patch", group, resource, namespace, subresource="scale", name=name)
        return Rights(patch=False, scale=scale.allowed)

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The plan with the server's word in place of the pending guard; the webhook speaks here.

        Raises KubeError only where the server could not be asked at all.
        """
        if plan.write is None:
            return plan
        try:
            await self._send(plan.write, dry_run=True)
        except KubeError as error:
            if error.status is None:
                raise
            if error.kind is ErrorKind.FORBIDDEN:
                right = Guard("right", Level.BLOCK, error.message)
                kept = tuple(one for one in plan.guards if one.id not in ("right", DRY_RUN))
                return replace(plan, guards=(right, *kept))
            faster = await self._changed(plan) if error.status in _REFUSED_TEST else None
            if faster is not None:
                guard = Guard(CHANGED, Level.BLOCK, faster, ("look at it and plan again",))
            else:
                guard = Guard(DRY_RUN, Level.BLOCK, f"the server refuses: {error.message}")
        else:
            guard = Guard(DRY_RUN, Level.PASS, "the server's dry run accepts it")
        kept = tuple(one for one in plan.guards if one.id != DRY_RUN)
        return replace(plan, guards=(*kept, guard))

    async def apply(self, plan: ScalePlan, sent_at: float) -> Ticket:
        """Sends the write once. A broken connection after sending is ``unknown``, never sent again."""
        assert plan.write is not None, "a plan that changes nothing is not sent"
        try:
            body = await self._send(plan.write, dry_run=False)
        except KubeError as error:
            return await self._failed(plan, error, sent_at)
        return Ticket(
            plan.key,
            Result.ACCEPTED,
            sent_at,
            "accepted; followed until it is so",
            generation=_generation(body) if _own_count(plan) else None,
            status=200,
        )

    async def _failed(self, plan: ScalePlan, error: KubeError, sent_at: float) -> Ticket:
        result, message = Result.REFUSED, error.message
        if error.status is None:
            if error.sent:
                result = Result.UNKNOWN
                message = f"{message}; it may or may not have been applied: look before anything else"
        elif error.status in _REFUSED_TEST:
            faster = await self._changed(plan)
            if faster is not None:
                result, message = Result.CONFLICT, f"{faster}; nothing was applied"
        return Ticket(plan.key, result, sent_at, message, status=error.status)

    async def _send(self, write: Write, *, dry_run: bool) -> bytes:
        params: dict[str, str | int | bool] = {"fieldManager": _MANAGER}
        if dry_run:
            params["dryRun"] = "All"
        reply = await self._session.send(
            write.method, write.path, params=params, body=write.body, content_type=write.content_type
        )
        return reply.body

    async def _changed(self, plan: ScalePlan) -> str | None:
        """What is no longer as the plan found it, in words; ``None`` if all is, or it can not be read."""
        write = plan.write
        if write is None or not isinstance(write.body, list):
            return None
        try:
            found = msgspec.json.decode(await self._session.get(write.path.removesuffix("/scale")))
        except KubeError as error:
            return "changed meanwhile: it is gone" if error.kind is ErrorKind.NOT_FOUND else None
        except msgspec.MsgspecError:
            return None
        if not isinstance(found, dict):
            return None
        counts = _counts(found) if plan.bounds_before is None else None
        if counts is not None and counts != plan.before:
            return f"changed meanwhile to {_words(counts)} (was {_words(plan.before)})"
        told = changed(found, write.body)
        return f"changed meanwhile: {', '.join(told)}" if told else None


def _own_count(plan: ScalePlan) -> bool:
    """The count is a field of the workload's own object, so that this generation of it is this change."""
    return plan.target is None and plan.bounds_after is None and isinstance(plan.change, ReplicasChange)


def _counts(obj: dict[str, Any]) -> Count | None:
    """The counts of a ModelServing; ``None`` of anything else."""
    try:
        spec = obj["spec"]
        roles = tuple((role["name"], role.get("replicas", 1)) for role in spec["template"]["roles"])
        return Count(spec.get("replicas", 1), roles)
    except (KeyError, TypeError, AttributeError):
        return None


def _words(count: Count) -> str:
    roles = " ".join(f"{name} {replicas}" for name, replicas in count.roles)
    return f"{count.groups} groups" + (f", {roles}" if roles else "")


def _generation(body: bytes) -> int | None:
    """Of the object after the write; a Scale has none."""
    try:
        found: Any = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return None
    metadata = found.get("metadata") if isinstance(found, dict) else None
    generation = metadata.get("generation") if isinstance(metadata, dict) else None
    return generation if isinstance(generation, int) else None
