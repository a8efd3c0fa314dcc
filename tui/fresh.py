"""What changed its phase a moment ago: it stays visible for two seconds, then it is forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, TroubleKind
from clients.serving.workload import Group, Workload
from widgets.records import FRESH

__all__ = ["Fresh"]

State = tuple[Phase, TroubleKind | None]


def _states(group: Group) -> Iterator[tuple[str, State]]:
    yield group.name, (group.phase, group.trouble.kind if group.trouble else None)
    for role in group.roles:
        for replica in role.replicas:
            trouble = replica.trouble.kind if replica.trouble else None
            yield f"{group.name}/{replica.id}", (replica.phase, trouble)


def _changed(before: Workload, after: Workload) -> list[str]:
    """Groups and role replicas (``group/role-id``) whose phase or trouble differs."""
    known = {group.name: group for group in before.groups}
    names: list[str] = []
    for group in after.groups:
        old = known.get(group.name)
        if old is group:
            continue
        states = dict(_states(old)) if old else {}
        names += [name for name, state in _states(group) if states.get(name) != state]
    return names


class Fresh:
    """When which part of which workload changed last (monotonic seconds); only of the last two seconds."""

    def __init__(self) -> None:
        self._seen: dict[WorkloadKey, Workload] = {}
        self._parts: dict[WorkloadKey, dict[str, float]] = {}
        self._oldest: dict[WorkloadKey, float] = {}
        """Of the parts of each workload: nothing of it fades before."""
        self._row: dict[WorkloadKey, float] = {}

    def take(self, workload: Workload, mono: float) -> None:
        """Takes in a new value. The first one of a workload is no change."""
        before = self._seen.get(workload.key)
        self._seen[workload.key] = workload
        if before is None or before is workload:
            return
        changed = _changed(before, workload)
        if changed:
            self._parts.setdefault(workload.key, {}).update(dict.fromkeys(changed, mono))
            self._oldest.setdefault(workload.key, mono)
        if changed or before.phase != workload.phase or before.desired != workload.desired:
            self._row[workload.key] = mono

    def forget(self, key: WorkloadKey) -> None:
        """The workload is gone."""
        self._seen.pop(key, None)
        self._parts.pop(key, None)
        self._oldest.pop(key, None)
        self._row.pop(key, None)

    def expire(self, mono: float) -> frozenset[WorkloadKey]:
        """Drops what is older than two seconds; the workloads for which that shows."""
        faded: set[WorkloadKey] = set()
        for key in [key for key, at in self._row.items() if mono - at >= FRESH]:
            del self._row[key]
            faded.add(key)
        for key in [key for key, at in self._oldest.items() if mono - at >= FRESH]:
            kept = {name: at for name, at in self._parts.pop(key).items() if mono - at < FRESH}
            del self._oldest[key]
            faded.add(key)
            if kept:
                self._parts[key] = kept
                self._oldest[key] = min(kept.values())
        return frozenset(faded)

    def row(self, key: WorkloadKey) -> float | None:
        """When the workload's row changed, if that is fresh."""
        return self._row.get(key)

    def parts(self, key: WorkloadKey) -> Mapping[str, float]:
        """Which groups and role replicas changed, and when; a copy."""
        return dict(self._parts.get(key, {}))
