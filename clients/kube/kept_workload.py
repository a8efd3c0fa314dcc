"""A workload as a whole: its object, those below it and its groups in one value; each system in its way."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

from clients.kube import kserve, lws, workloads
from clients.kube.controller_rows import (
    ControllerRow,
    InferenceServiceRow,
    KeeperRow,
    LeaderWorkerSetRow,
)
from clients.kube.group_sums import phase_and_cause, worst_of
from clients.kube.members import Seen
from clients.kube.membership import Asked
from clients.kube.pod_reasons import worst
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.phase import Cause, Phase, Trouble
from clients.serving.workload import Capabilities, Driver, Workload

__all__ = ["Kept", "asked_of", "deployments", "kept", "ref_of", "workload_of"]


def ref_of(row: KeeperRow) -> ObjectRef:
    """The object itself."""
    return ObjectRef(row.group, row.kind, row.namespace, row.name)


def deployments(rows: Iterable[KeeperRow]) -> list[ControllerRow]:
    """Those that are Deployments."""
    return [row for row in rows if isinstance(row, ControllerRow) and row.kind == "Deployment"]


def asked_of(row: KeeperRow, below: Collection[KeeperRow]) -> Asked:
    """What its spec wants, and that of the objects below it."""
    if isinstance(row, LeaderWorkerSetRow):
        return lws.asked(row)
    if isinstance(row, InferenceServiceRow):
        return kserve.asked(row, deployments(below))
    assert isinstance(row, ControllerRow)
    return workloads.asked(row)


class Kept(Struct, frozen=True):
    """What of a workload follows from its objects and drivers alone, whatever its pods do."""

    row: KeeperRow
    below: tuple[KeeperRow, ...]
    asked: Asked
    blank: Workload
    """The value, but for all that pods tell and that time changes."""

    @property
    def answers(self) -> bool:
        """Whether its status tells which generation of the spec it is of.

        A service's tells that of its Deployment (KServe 0.20), so that only one without a word is told of. A
        status that somebody wrote without the field tells nothing.
        """
        row = self.row
        if isinstance(row, InferenceServiceRow):
            return row.observed_generation is None and not row.conditions and not self.below
        written = bool(row.conditions)
        if isinstance(row, ControllerRow | LeaderWorkerSetRow):
            written = written or row.status_replicas is not None
        return row.observed_generation is not None or not written


def kept(cluster: str, row: KeeperRow, below: tuple[KeeperRow, ...], drivers: tuple[Driver, ...]) -> Kept:
    """That of an object, with all objects below it."""
    asked = asked_of(row, below)
    service = row if isinstance(row, InferenceServiceRow) else None
    counted = service is None or kserve.counted(service, deployments(below))
    blank = Workload(
        _key(cluster, row),
        row.uid,
        asked.desired if counted else None,
        None,
        Phase.ABSENT if service is None or counted else kserve.told_phase(service),
        (),
        asked.roles,
        drivers=drivers,
        capabilities=_capabilities(row),
        owner=ObjectRef(row.owner.group, row.owner.kind, row.namespace, row.owner.name)
        if row.owner is not None
        else None,
        created=row.created,
        generation=row.generation,
        observed_generation=row.observed_generation,
        replicas_manager=_manager(row, below),
        endpoint=service.url if service is not None else None,
        labels=tuple(sorted(row.labels.items())),
        about=_about(row),
        stopped=service is not None and service.stopped,
    )
    return Kept(row, below, asked, blank)


def workload_of(
    kept: Kept,
    seen: Seen,
    exposed: tuple[str | None, tuple[int, int] | None],
    silent: tuple[float | None, Trouble | None],
    before: Workload | None,
    now: float,
) -> Workload:
    """The value. ``exposed``: the Service in front of it, as URL and endpoints; ``now`` is cluster time.

    ``silent``: since when its controller has not taken up the spec, and what there is to say of that.
    """
    blank, asked = kept.blank, kept.asked
    counted = blank.desired is not None
    phase, cause = blank.phase, None
    if counted:
        phase, cause = phase_and_cause(seen.groups, asked.desired, ending=asked.ending)
        if phase is Phase.RUNNING and not seen.settled:
            # Its controller has not acted yet, or can not: groups are missing, or too many.
            served = any(group.served for group in seen.groups)
            phase, cause = Phase.SCALING if served else Phase.CREATING, Cause.SCALE
    inside, rotation = exposed
    return replace(
        blank,
        ready=seen.ready if counted else None,
        phase=phase,
        cause=cause,
        groups=seen.groups,
        behind_since=silent[0],
        trouble=silent[1] or worst((worst_of(seen.groups), *_troubles(kept, before, now))),
        endpoint=blank.endpoint or inside,
        in_rotation=rotation,
        gpus=seen.gpus,
        warnings=(f"{seen.lingering} failed or ended pods linger",) if seen.lingering else (),
    )


def _key(cluster: str, row: KeeperRow) -> WorkloadKey:
    if isinstance(row, LeaderWorkerSetRow):
        return lws.key(cluster, row)
    if isinstance(row, InferenceServiceRow):
        return kserve.key(cluster, row)
    assert isinstance(row, ControllerRow)
    return workloads.key(cluster, row)


def _capabilities(row: KeeperRow) -> Capabilities:
    if isinstance(row, LeaderWorkerSetRow):
        return lws.CAPABILITIES
    if isinstance(row, InferenceServiceRow):
        return kserve.capabilities(row)
    return workloads.CAPABILITIES[row.kind]


def _about(row: KeeperRow) -> tuple[tuple[str, str], ...]:
    if isinstance(row, InferenceServiceRow):
        return kserve.about(row)
    return workloads.about(row) if isinstance(row, ControllerRow) else ()


def _troubles(kept: Kept, before: Workload | None, now: float) -> list[Trouble | None]:
    row, last = kept.row, before.trouble if before is not None else None
    found = [
        workloads.trouble(item, last, now) for item in (row, *kept.below) if isinstance(item, ControllerRow)
    ]
    if isinstance(row, InferenceServiceRow):
        found.append(kserve.trouble(row, last, now))
    return found


def _manager(row: KeeperRow, below: Collection[KeeperRow]) -> str | None:
    """Who last wrote the count that is followed."""
    if isinstance(row, ControllerRow | LeaderWorkerSetRow):
        return row.replicas_manager
    return next((item.replicas_manager for item in deployments(below)), None)
