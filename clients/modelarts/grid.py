"""A deployment of a service as a row and a grid: a group for each instance.

In its key ``cluster`` is the region, ``namespace`` the service and ``name`` the deployment: on the command
line ``modelarts/REGION/service/deployment``, in the fleet ``service/deployment@region``. Services need not
differ in name: those that do not are told apart by their ids.

The counts of the deployment rule: ``running_count`` says how many instances run, whatever the list of
instances, read a moment later, says of each. CONCERNING, which ModelArts' console calls Alarm, is running
with a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from clients.modelarts.autoscaler import driver_of
from clients.modelarts.decode import Deployment, Flavor, Hpa, Instance, Service
from clients.modelarts.statuses import FAILURES, KNOWN, SCALABLE, SETTLED, InstanceStatus, Status, spoken
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, Trouble, TroubleKind
from clients.serving.plain import plain
from clients.serving.workload import Capabilities, Group, Workload

__all__ = ["KIND", "SYSTEM", "Row", "derive", "gpus_each", "keyed", "sole_flavor", "status_of"]

SYSTEM = "modelarts"
KIND = "ModelArts"
CAPABILITIES = Capabilities(to_zero=False, stop=True)
_STOPPED = frozenset((Status.STOPPING, Status.STOPPED))
_LEAVING = frozenset((Status.STOPPING, Status.DELETING))
_PHASES: Mapping[str, Phase] = {
    Status.INIT: Phase.CREATING,
    Status.DEPLOYING: Phase.CREATING,
    Status.FAILED: Phase.CREATING,
    Status.ERROR: Phase.CREATING,
    Status.STOPPING: Phase.DELETING,
    Status.INTERRUPTING: Phase.DELETING,
    Status.DELETING: Phase.DELETING,
    Status.STOPPED: Phase.ABSENT,
    Status.DELETED: Phase.ABSENT,
}
_USUAL = "REAL_TIME"
_MOST = 2000
"""Groups that are drawn; a higher number is only told."""


class Row(Struct, frozen=True):
    """All that is known of one deployment."""

    service: Service
    deployment: Deployment
    instances: tuple[Instance, ...] | None = None
    """Empty where they may not be read; ``None`` before they were."""
    hpa: Hpa | None = None
    why: str = ""
    """What ModelArts' events say of what is wrong with the service. From outside."""


def keyed(region: str, services: Collection[Service]) -> Iterator[tuple[WorkloadKey, Service, Deployment]]:
    """Every deployment that is not deleted, with its key."""
    names = Counter(service.name for service in services)
    for service in services:
        space = service.name if names[service.name] == 1 else f"{service.name}#{service.id[:8]}"
        for deployment in service.deployments:
            if deployment.status != Status.DELETED:
                yield WorkloadKey(region, SYSTEM, space, KIND, deployment.name), service, deployment


def status_of(row: Row) -> str:
    """The deployment's own status, else the service's, as told."""
    return row.deployment.status or row.service.status


def gpus_each(deployment: Deployment, flavors: Mapping[str, Flavor]) -> int | None:
    """GPUs or NPUs of one instance.

    ``None`` where its flavor is not listed, or it has several units, whose number is not documented.
    """
    unit = sole_flavor(deployment)
    found = flavors.get(unit) if unit is not None else None
    return None if found is None else found.gpus


def sole_flavor(deployment: Deployment) -> str | None:
    """The flavor of an instance that is one machine; ``None`` for anything else."""
    if len(deployment.units) != 1:
        return None
    unit = deployment.units[0]
    single = deployment.kind == "SINGLE" or (unit.count or 1) * (unit.group_count or 1) == 1
    return unit.flavor if single else None


def derive(key: WorkloadKey, row: Row, flavors: Mapping[str, Flavor]) -> Workload:
    """The row as everybody draws it."""
    deployment, status = row.deployment, status_of(row)
    gone = status in _STOPPED or status == Status.DELETING
    desired = 0 if gone else deployment.desired
    each = gpus_each(deployment, flavors)
    running = 0 if deployment.running is None and status == Status.STOPPED else deployment.running
    version = int((deployment.updated or row.service.updated or 1.0) * 1000)
    return Workload(
        key=key,
        uid=f"{row.service.id}/{deployment.id or deployment.name}",
        desired=desired,
        ready=running,
        phase=_phase(status, desired, running),
        groups=tuple(_groups(row, status, desired, running, each or 0)),
        trouble=_trouble(row, status),
        drivers=() if row.hpa is None else tuple(driver_of(key, row.hpa)),
        capabilities=CAPABILITIES,
        created=deployment.created or row.service.created,
        # ModelArts counts no generations: what it is still busy with is what it has not taken up.
        generation=version,
        observed_generation=version if status in SETTLED else version - 1,
        endpoint=row.service.url,
        gpus=(running or 0) * (each or 0),
        about=tuple(_about(row, status, _each(deployment, flavors))),
        stopped=status in _STOPPED,
        given_up=_given_up(row, status),
    )


def _phase(status: str, desired: int | None, running: int | None) -> Phase:
    known = _PHASES.get(status)
    if known is not None and not (status in FAILURES and running):
        return known
    if desired is not None and running is not None and running != desired:
        return Phase.CREATING if running == 0 else Phase.SCALING
    return Phase.RUNNING if status in SCALABLE | FAILURES else Phase.UPDATING


def _groups(row: Row, status: str, desired: int | None, running: int | None, gpus: int) -> Iterator[Group]:
    """Instances by name; where none may be read, one for each that is counted, by number."""
    if row.instances is None:
        return
    live = sorted(
        (one for one in row.instances if one.status != InstanceStatus.DELETED),
        key=lambda one: (one.status not in (InstanceStatus.RUNNING, InstanceStatus.CONCERNING), one.name),
    )
    wanted = min(desired or 0, _MOST)
    if running is None:
        running = sum(one.status == InstanceStatus.RUNNING for one in live)
    if status in SCALABLE:  # What is still listed beyond its counts has left.
        live = live[: max(running, wanted)]
    for number, one in enumerate(live[:_MOST]):
        yield _group(one, number < running, number < wanted, status, gpus)
    if live:
        yield from _waiting(range(len(live), wanted), status)
        return
    for number in range(min(running, _MOST)):
        phase = Phase.DELETING if status in _LEAVING else Phase.RUNNING
        yield Group(_numbered(number), None, phase, None, (), gpus=gpus)
    yield from _waiting(range(running, wanted), status)


def _group(one: Instance, runs: bool, wanted: bool, status: str, gpus: int) -> Group:
    phase = Phase.RUNNING if runs else Phase.CREATING
    if status in _LEAVING or not (runs or wanted):
        phase = Phase.DELETING
    progress = None
    if one.pods and one.running is not None and not runs:
        progress = min(100, 100 * one.running // one.pods)
    return Group(
        one.name,
        None,
        phase,
        None,
        (),
        trouble=None if phase is Phase.DELETING else _instance_trouble(one),
        progress=progress,
        since=one.updated,
        served=runs,
        gpus=gpus,
    )


def _waiting(numbers: Sequence[int], status: str) -> Iterator[Group]:
    """Those that are wanted and listed nowhere; where it failed nothing more is coming."""
    for number in () if status in FAILURES else numbers:
        yield Group(_numbered(number), None, Phase.QUEUED, None, ())


def _numbered(number: int) -> str:
    return f"instance-{number + 1}"


def _instance_trouble(one: Instance) -> Trouble | None:
    match one.status:
        case InstanceStatus.FAILED:
            return Trouble(TroubleKind.FAILED, "FAILED", f"{plain(one.name, 100)} failed")
        case InstanceStatus.CONCERNING:
            return Trouble(TroubleKind.DEGRADED, "Alarm", f"{plain(one.name, 100)} is in Alarm")
        case InstanceStatus.UNKNOWN:
            return Trouble(
                TroubleKind.BLOCKED, "UNKNOWN", f"ModelArts does not know of {plain(one.name, 100)}"
            )
    return None


def _trouble(row: Row, status: str) -> Trouble | None:
    told = row.service.failure or row.why
    if row.service.frozen:
        scenes = ", ".join(frozen.scene for frozen in row.service.frozen)
        return Trouble(
            TroubleKind.BLOCKED,
            f"frozen: {scenes}",
            "the service is frozen: nothing can be changed until it is released",
        )
    if status in FAILURES:
        return Trouble(TroubleKind.FAILED, status, told or "ModelArts gives no reason")
    if status == Status.CONCERNING:
        return Trouble(TroubleKind.DEGRADED, "Alarm", told or "ModelArts gives no reason")
    if status not in KNOWN:
        words = f'its status reads "{status}"' if status else "it tells no status"
        return Trouble(
            TroubleKind.BLOCKED, status or "no status", f"{words}, which is not known here: it counts as busy"
        )
    return None


def _given_up(row: Row, status: str) -> str | None:
    if status not in FAILURES:
        return None
    return f"{status}: {row.service.failure or row.why or 'ModelArts gives no reason'}"


def _each(deployment: Deployment, flavors: Mapping[str, Flavor]) -> str:
    """``8 H800``; the number alone where the model is not told."""
    found = flavors.get(sole_flavor(deployment) or "")
    if found is None or found.gpus is None:
        return ""
    return " ".join(part for part in (str(found.gpus), found.model if found.gpus else None) if part)


def _about(row: Row, status: str, each: str) -> Iterator[tuple[str, str]]:
    """Facts in the order in which people ask for them. Texts are from outside."""
    deployment = row.deployment
    facts = (
        ("status", spoken(status)),
        ("service status", spoken(row.service.status) if row.service.status != status else ""),
        ("type", row.service.kind if row.service.kind != _USUAL else ""),
        ("pool", f"dedicated {deployment.pool}" if deployment.pool else "public"),
        ("flavor", ", ".join(unit.flavor for unit in deployment.units if unit.flavor)),
        ("GPUs each", each),
        ("version", deployment.version),
        ("weight", "" if deployment.weight is None else str(deployment.weight)),
    )
    for name, value in facts:
        if value:
            yield name, plain(value)
