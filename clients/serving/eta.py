"""How long starts and stops take: learned per workload from what was seen, never guessed.

All times are cluster seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct, field

from clients.serving.keys import WorkloadKey
from clients.serving.operation import Operation, StageTimes
from clients.serving.phase import Phase
from clients.serving.plans import Eta, Step, StepKind
from clients.serving.workload import Group, RoleReplica, Workload

__all__ = ["DURATIONS_VERSION", "Durations", "DurationsError", "Way", "spell"]

DURATIONS_VERSION = 1
_KEPT = 20
_NOT_THERE = (Phase.QUEUED, Phase.ABSENT)

Way = Literal["start", "stop"]


class DurationsError(ValueError):
    """A state file that is not ours, or of a version that this program does not know."""


def spell(seconds: float | None) -> str:
    """``42s``, ``3m02s``, ``1h05m``, ``6d11h``; ``–`` for unknown."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


class _Sample(Struct, array_like=True):
    """Seconds of one sort of thing of one workload, oldest first."""

    key: WorkloadKey
    what: str
    """Shape of the workload for whole groups; name and size of the role for role replicas."""
    way: Way
    seconds: list[float]


class _State(Struct):
    version: int
    samples: list[_Sample] = field(default_factory=list)


class _Begun(Struct):
    """A start or stop that is being watched."""

    at: float
    spoiled: bool = False
    """Something was wrong on the way: how long it took says nothing of the next one."""


def _group_shape(workload: Workload, role_counts: Sequence[tuple[str, int]] = (), together: int = 1) -> str:
    """What makes one group of a workload take as long as another: its roles, their replicas and pods.

    Where nobody tells when each one is ready, ``together`` of them end at once and last as long as all do.
    """
    if not workload.capabilities.ready_known:
        return f"{together} at once"
    counts = dict(role_counts)
    return "group " + " ".join(
        f"{spec.name}:{counts.get(spec.name, spec.replicas)}x{1 + spec.workers}"
        for spec in workload.role_specs
    )


def _role_shape(workload: Workload, role: str) -> str:
    for spec in workload.role_specs:
        if spec.name == role:
            return f"role {role}:{1 + spec.workers}"
    return f"role {role}"


class Durations:
    """The last 20 start and stop times of each workload's groups and role replicas.

    A start lasts from the creation of the first pod until it runs, a stop from the beginning of the
    deletion until the last pod is gone. Those on which something was wrong are not learned from.
    """

    def __init__(self) -> None:
        self._samples: dict[tuple[WorkloadKey, str, Way], list[float]] = {}
        self._starting: dict[tuple[WorkloadKey, str], _Begun] = {}
        self._stopping: dict[tuple[WorkloadKey, str], _Begun] = {}
        self.version = 0
        """Grows with everything learned: tells whether the state file is due."""

    def see(self, before: Workload | None, after: Workload | None, now: float) -> None:
        """Takes in one step of a workload. Groups that are the same object before and after cost nothing."""
        if after is None or before is None or before.uid != after.uid:
            for value in (before, after):
                if value is not None:
                    self._forget(value.key)
            return
        if before.groups is after.groups:
            return
        old = {group.name: group for group in before.groups}
        moving = sum(group.phase in (Phase.CREATING, Phase.DELETING) for group in before.groups)
        what = _group_shape(after, together=moving)
        for group in after.groups:
            was = old.pop(group.name, None)
            if was is not group:
                self._step((after.key, group.name), what, was, group, now)
                self._roles(after, group.name, was, group, now)
        for name, group in old.items():
            self._step((after.key, name), what, group, None, now)
            self._roles(after, name, group, None, now)

    def _roles(
        self, workload: Workload, name: str, was: Group | None, group: Group | None, now: float
    ) -> None:
        old = (
            {replica.id: (role.name, replica) for role in was.roles for replica in role.replicas}
            if was
            else {}
        )
        for role in group.roles if group else ():
            for replica in role.replicas:
                before = old.pop(replica.id, (role.name, None))[1]
                if before is not replica:
                    place = (workload.key, f"{name}/{replica.id}")
                    self._step(place, _role_shape(workload, role.name), before, replica, now)
        for role_id, (role_name, replica) in old.items():
            self._step(
                (workload.key, f"{name}/{role_id}"), _role_shape(workload, role_name), replica, None, now
            )

    def _step(
        self,
        place: tuple[WorkloadKey, str],
        what: str,
        was: Group | RoleReplica | None,
        item: Group | RoleReplica | None,
        now: float,
    ) -> None:
        before = was.phase if was else Phase.ABSENT
        phase = item.phase if item else Phase.ABSENT
        since = now if item is None or item.since is None else min(now, item.since)
        if phase in _NOT_THERE:
            self._starting.pop(place, None)
            self._learn(place[0], what, "stop", self._stopping.pop(place, None), now)
            return
        if phase is Phase.DELETING:
            self._starting.pop(place, None)
            if before is not Phase.DELETING:
                self._stopping[place] = _Begun(since)
        else:
            self._stopping.pop(place, None)
            if before in (Phase.QUEUED, Phase.ABSENT, Phase.DELETING):
                self._starting[place] = _Begun(min(now, _created(item, now)))
            if phase is Phase.RUNNING:
                self._learn(place[0], what, "start", self._starting.pop(place, None), since)
        if item is not None and item.trouble is not None:
            for begun in (self._starting.get(place), self._stopping.get(place)):
                if begun:
                    begun.spoiled = True

    def _learn(self, key: WorkloadKey, what: str, way: Way, begun: _Begun | None, ended: float) -> None:
        if begun is None or begun.spoiled or ended < begun.at:
            return
        kept = self._samples.setdefault((key, what, way), [])
        kept.append(round(ended - begun.at, 3))
        del kept[:-_KEPT]
        self.version += 1

    def _forget(self, key: WorkloadKey) -> None:
        for watched in (self._starting, self._stopping):
            for place in [place for place in watched if place[0] == key]:
                del watched[place]

    def of_group(
        self, workload: Workload, way: Way, role_counts: Sequence[tuple[str, int]] = (), *, together: int = 1
    ) -> Eta | None:
        """How long one group takes; ``role_counts`` where it will have other counts than now.

        ``together``: how many come or go with it, which counts where no ready count is told.
        """
        return self._range(workload.key, _group_shape(workload, role_counts, together), way)

    def of_replica(self, workload: Workload, role: str, way: Way) -> Eta | None:
        """How long one replica of the role takes."""
        return self._range(workload.key, _role_shape(workload, role), way)

    def _range(self, key: WorkloadKey, what: str, way: Way) -> Eta | None:
        kept = sorted(self._samples.get((key, what, way), ()))
        if not kept:
            return None
        trim = len(kept) // 10
        return Eta(kept[trim], kept[-1 - trim], len(kept))

    def _one(
        self,
        workload: Workload,
        name: str,
        way: Way,
        role_counts: Sequence[tuple[str, int]],
        together: int,
    ) -> Eta | None:
        _, _, role_id = name.partition("/")
        if role_id:
            return self.of_replica(workload, role_id.rpartition("-")[0], way)
        return self.of_group(workload, way, role_counts, together=together)

    def eta(
        self,
        workload: Workload,
        steps: Sequence[Step],
        *,
        staged: bool,
        role_counts: Sequence[tuple[str, int]] = (),
    ) -> Eta | None:
        """How long all the steps take: one after the other if ``staged``, else side by side.

        ``role_counts`` are the roles' counts in groups that are made. ``None`` when any sort of step has
        no history. Staged role changes wait group by group: within one group they go side by side.
        """
        parts: list[tuple[str, Eta]] = []
        for step in steps:
            way: Way = "start" if step.kind is StepKind.CREATE else "stop"
            counts = role_counts if step.kind is StepKind.CREATE else ()
            one = self._one(workload, step.name, way, counts, len(steps))
            if one is None:
                return None
            parts.append((step.name.partition("/")[0], one))
        return _together(parts, staged)

    def remaining(
        self, workload: Workload, operation: Operation, now: float, *, staged: bool = False
    ) -> tuple[float, float] | None:
        """Seconds that the operation may still take, (low, high); ``None`` while nobody knows yet what it
        will be about. Without history what was predicted holds, if anything was: by its vendor.

        What has begun takes its usual time less what has passed; (0, 0) is "longer than usual".
        """
        if operation.total > len(operation.times):
            return None
        parts: list[tuple[str, Eta]] = []
        for item in operation.times:
            if _over(item):
                continue
            one = self._one(
                workload, item.name, "stop" if item.removing else "start", (), len(operation.times)
            )
            if one is None:
                return _promised(operation, now)
            spent = 0.0 if item.begun is None else max(0.0, now - item.begun)
            left = Eta(max(0.0, one.low - spent), max(0.0, one.high - spent), one.samples)
            parts.append((item.name.partition("/")[0], left))
        whole = _together(parts, staged)
        return (whole.low, whole.high) if whole else (0.0, 0.0)

    def samples(self, workload: Workload, operation: Operation) -> int:
        """From how many earlier times ``remaining`` is told: the fewest of any sort in the operation."""
        found = [
            self._one(workload, item.name, "stop" if item.removing else "start", (), len(operation.times))
            for item in operation.times
        ]
        return min((one.samples if one else 0 for one in found), default=0)

    def dump(self) -> bytes:
        """What was learned, as JSON for the state directory."""
        samples = [
            _Sample(key, what, way, list(kept)) for (key, what, way), kept in self._samples.items() if kept
        ]
        samples.sort(key=lambda sample: (sample.key.cluster, str(sample.key), sample.what, sample.way))
        return msgspec.json.encode(_State(DURATIONS_VERSION, samples))

    @classmethod
    def load(cls, data: bytes) -> Durations:
        """From ``dump``; raises ``DurationsError`` for anything else."""
        try:
            state = msgspec.json.decode(data, type=_State)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DurationsError(f"durations: {error}") from error
        if state.version != DURATIONS_VERSION:
            raise DurationsError(
                f"durations: version {state.version}, this program knows {DURATIONS_VERSION}"
            )
        made = cls()
        for sample in state.samples:
            kept = [seconds for seconds in sample.seconds if 0 <= seconds < float("inf")]
            if kept:
                made._samples[(sample.key, sample.what, sample.way)] = kept[-_KEPT:]
        return made


def _created(item: Group | RoleReplica | None, now: float) -> float:
    replicas = (
        [replica for role in item.roles for replica in role.replicas] if isinstance(item, Group) else [item]
    )
    times = [
        pod.created
        for replica in replicas
        if replica is not None
        for pod in replica.pods
        if pod.created is not None and not pod.terminating
    ]
    return min(times, default=now)


def _promised(operation: Operation, now: float) -> tuple[float, float] | None:
    """By what its vendor says: a prediction that was learned from nothing."""
    prediction = operation.prediction
    if prediction is None or prediction.samples or prediction.eta_low is None or prediction.eta_high is None:
        return None
    spent = max(0.0, now - operation.started_at)
    return (max(0.0, prediction.eta_low - spent), max(0.0, prediction.eta_high - spent))


def _over(item: StageTimes) -> bool:
    return (item.gone if item.removing else item.ready) is not None


def _together(parts: Sequence[tuple[str, Eta]], staged: bool) -> Eta | None:
    """Side by side the slowest counts; staged, the slowest of each group one after the other."""
    if not parts:
        return None
    slowest: dict[str, Eta] = {}
    for group, part in parts:
        lane = group if staged else ""
        known = slowest.get(lane, part)
        slowest[lane] = Eta(
            max(known.low, part.low), max(known.high, part.high), min(known.samples, part.samples)
        )
    return Eta(
        sum(part.low for part in slowest.values()),
        sum(part.high for part in slowest.values()),
        min(part.samples for part in slowest.values()),
    )
