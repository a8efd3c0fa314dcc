"""One serving workload as an ordered grid: groups, their roles, the replicas of each role, their pods.

Every value here is immutable; a new one is built when something changed. Times are cluster time, UTC
seconds; ``None`` means not known, and is drawn as ``–``, never as 0.
"""

from __future__ import annotations

from msgspec import Struct, field

from clients.serving.changes import Direction
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.operation import Operation
from clients.serving.phase import Cause, ControllerState, Mark, Phase, Stage, Trouble
from clients.serving.placement import Placement

__all__ = [
    "Capabilities",
    "Driver",
    "Group",
    "PodView",
    "Role",
    "RoleReplica",
    "RoleSpec",
    "Workload",
]


class PodView(Struct, frozen=True, gc=False):
    """One pod of a role replica."""

    name: str
    uid: str
    index: int | None
    """0 is the entry pod, 1… are workers; ``None`` where the name does not tell."""
    node: str | None
    phase: str
    """Kubernetes' own: Pending, Running, Succeeded, Failed, Unknown."""
    ready: bool
    terminating: bool
    stage: Stage
    gpus: int
    restarts: int
    created: float | None
    trouble: Trouble | None = None


class RoleReplica(Struct, frozen=True, gc=False):
    """One ordinal of a role inside a group: an entry pod and its workers."""

    id: str
    """As the system names it: ``decode-0``."""
    ordinal: int | None
    phase: Phase
    controller_state: ControllerState | None
    pods: tuple[PodView, ...]
    need: int
    """Pods it should have: 1 + workers."""
    trouble: Trouble | None = None
    cause: Cause | None = None
    stage: Stage | None = None
    """The slowest pod's stage; ``None`` where nothing exists yet."""
    progress: int | None = None
    """0–100: stages passed by its pods out of all stages of all pods it needs. Counted, not guessed."""
    since: float | None = None
    """When it entered this phase."""
    served: bool = False
    """It has been running at some time since servegrid began to look, or was already when it did."""
    deletion_cost: int = 0
    """Sum over its pods; the cheapest of equals is removed first."""
    created_seq: int | None = None
    """Arrival order of its first pod; tells which of two role replicas was begun first."""
    deleting_seq: int | None = None
    """Arrival order of its first termination."""


class RoleSpec(Struct, frozen=True):
    """What the workload asks of one role, in each group."""

    name: str
    replicas: int
    workers: int
    """Worker pods beside the entry pod, per role replica."""
    gpus_entry: int = 0
    gpus_worker: int = 0
    minimum: int | None = None
    """Gang minimum (``minRoleReplicas``), where there is one."""
    gang: bool = False
    """The pods of a group are placed at once or not at all: all of them, or those of each role's minimum."""
    placement: Placement = Placement()
    """Which nodes its entry pods may use."""
    worker_placement: Placement = Placement()

    @property
    def pods(self) -> int:
        """Pods per group."""
        return self.replicas * (1 + self.workers)

    @property
    def gpus_replica(self) -> int:
        """GPUs of one role replica."""
        return self.gpus_entry + self.workers * self.gpus_worker

    @property
    def gpus(self) -> int:
        """GPUs per group."""
        return self.replicas * self.gpus_replica


class Role(Struct, frozen=True, gc=False):
    """A named part of one group, as it is."""

    name: str
    desired: int
    ready: int
    replicas: tuple[RoleReplica, ...]
    """By ordinal; includes those being deleted and those queued."""


class Group(Struct, frozen=True, gc=False):
    """One ordered replica of a workload (a ServingGroup)."""

    name: str
    ordinal: int | None
    phase: Phase
    controller_state: ControllerState | None
    roles: tuple[Role, ...]
    """In spec order; roles no longer in the spec come last."""
    trouble: Trouble | None = None
    cause: Cause | None = None
    mark: Mark | None = None
    progress: int | None = None
    since: float | None = None
    served: bool = False
    revision: str | None = None
    outdated: bool = False
    gpus: int = 0
    """GPUs requested by its pods that are not gone."""
    deletion_cost: int = 0
    created_seq: int | None = None
    """Arrival order of its first pod; tells which of two groups was begun first."""
    deleting_seq: int | None = None
    """Arrival order of its first termination; tells which of two groups was ended first."""


class Driver(Struct, frozen=True):
    """Whatever changes the desired count: HPA, KEDA, CronHPA, a Kthena AutoscalingPolicy, an owner object."""

    kind: str
    """``HPA``, ``KEDA``, ``policy``, ``owner``, …: short enough for a table cell."""
    ref: ObjectRef
    role: str | None = None
    """The role it scales, where it scales roles and not groups."""
    minimum: int | None = None
    maximum: int | None = None
    signal: str | None = None
    """What it looks at, short: ``cpu 72>60``. From outside: draw it plain."""
    interval: float | None = None
    """Within how many cluster seconds it acts again; 0 means at once."""
    reverts: bool = True
    """True if it would overwrite a count set by hand."""
    note: str | None = None
    via: ObjectRef | None = None
    """The object through which it acts: the HPA that KEDA keeps."""
    frozen: tuple[Direction, ...] = ()
    """Ways that it was told not to go."""
    suspended: bool = False
    """It was told not to act at all."""


class Capabilities(Struct, frozen=True):
    """What can be done to a workload, and known about it."""

    exact: bool = True
    bounds: bool = False
    to_zero: bool = True
    roles: bool = False
    ordered: bool = False
    ready_known: bool = True
    stop: bool = False


class Workload(Struct, frozen=True):
    """One row of the fleet, and one grid."""

    key: WorkloadKey
    uid: str
    desired: int | None
    ready: int | None
    phase: Phase
    groups: tuple[Group, ...]
    """By ordinal; unordered ones by name."""
    role_specs: tuple[RoleSpec, ...] = ()
    trouble: Trouble | None = None
    """Its own, else the worst of its groups', with the group's and role replica's name in the message."""
    cause: Cause | None = None
    drivers: tuple[Driver, ...] = ()
    """The first one wins, should several fight."""
    operation: Operation | None = None
    capabilities: Capabilities = Capabilities()
    owner: ObjectRef | None = None
    """An object that owns and may rewrite this one."""
    created: float | None = None
    generation: int | None = None
    observed_generation: int | None = None
    behind_since: float | None = None
    """Since when its controller has not told that it took up the newest generation; ``None``: it has."""
    replicas_manager: str | None = None
    """The field manager that last wrote the desired count."""
    roles_manager: str | None = None
    """The field manager that last wrote the roles, and with them their counts."""
    version: str | None = None
    """The system's version or order rule, as found: ``head``, ``v1.0``, ``documented``, …"""
    endpoint: str | None = None
    """URL, where one is known."""
    in_rotation: tuple[int, int] | None = None
    """Endpoints ready, endpoints in all."""
    gpus: int = 0
    """GPUs held now."""
    warnings: tuple[str, ...] = ()
    """What looks wrong with the object itself: overwritten labels, lingering pods of a namesake."""
    labels: tuple[tuple[str, str], ...] = field(default=())
    about: tuple[tuple[str, str], ...] = ()
    """Short facts that only its system has, by name: how it is run, which class of autoscaler."""
    stopped: bool = False
    """Somebody stopped it, and it keeps no pods until it is resumed."""
    given_up: str | None = None
    """Why its system has given up what was asked of it; it will not go on by itself. From outside."""

    @property
    def state(self) -> str:
        """Its phase in a word; ``stopped`` for one that is stopped and has nothing left."""
        return "stopped" if self.stopped and self.phase is Phase.ABSENT else str(self.phase)
