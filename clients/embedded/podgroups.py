"""Volcano's PodGroups as its scheduler keeps them: phase, conditions and who of the gang has a node."""

from __future__ import annotations

from collections.abc import Callable

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.engine import Engine
from clients.embedded.quantity import GPU, parse_quantity
from clients.embedded.store import Store

__all__ = ["Gang", "PodGroups"]

RESOURCE = "podgroups.scheduling.volcano.sh"

_Key = tuple[str, str]


class Gang:
    """One PodGroup."""

    __slots__ = ("bound", "min_gpus", "min_member", "phase")

    def __init__(self) -> None:
        self.min_member = 0
        self.min_gpus = 0
        self.phase = "Pending"
        self.bound: set[str] = set()
        """Uids of members that have a node and are not on their way out."""


class PodGroups:
    """All PodGroups."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._gangs: dict[_Key, Gang] = {}
        self._early: dict[_Key, set[str]] = {}
        self._transitions = 0
        self.changed: list[Callable[[], None]] = []
        """Told when a PodGroup appears or asks for something else."""
        for obj in store.list(RESOURCE):
            self._take("ADDED", obj)
        store.subscribe(RESOURCE, self._take)

    def get(self, key: _Key) -> Gang | None:
        """By (namespace, name)."""
        return self._gangs.get(key)

    def bound(self, key: _Key, uid: str, has_node: bool) -> None:
        """A member got a node, or is on its way out."""
        gang = self._gangs.get(key)
        members = gang.bound if gang is not None else self._early.setdefault(key, set())
        if has_node:
            members.add(uid)
        else:
            members.discard(uid)
            if gang is None and not members:
                del self._early[key]

    def set_phase(self, key: _Key, phase: str) -> None:
        """Pending, Inqueue or Running."""
        gang = self._gangs.get(key)
        if gang is None or gang.phase == phase:
            return
        gang.phase = phase

        def change(obj: Json) -> None:
            obj.setdefault("status", {})["phase"] = phase

        self._store.mutate(RESOURCE, *key, change, manager="vc-scheduler", subresource="status")

    def set_running(self, key: _Key) -> None:
        """Enough members have a node. An earlier Unschedulable condition stays, as Volcano leaves it."""
        gang = self._gangs.get(key)
        if gang is None or gang.phase == "Running":
            return
        gang.phase = "Running"
        running = len(gang.bound)
        condition = self._condition("Scheduled", "tasks in gang are ready to be scheduled", "")

        def change(obj: Json) -> None:
            status = obj.setdefault("status", {})
            status["phase"], status["running"] = "Running", running
            status["conditions"] = [
                *(c for c in status.get("conditions") or () if c["type"] != "Scheduled"),
                condition,
            ]

        self._store.mutate(RESOURCE, *key, change, manager="vc-scheduler", subresource="status")

    def set_unschedulable(self, key: _Key, message: str) -> None:
        """The gang as a whole waits; told once for as long as the message is the same."""
        condition = self._condition("Unschedulable", "NotEnoughResources", message)

        def change(obj: Json) -> None:
            status = obj.setdefault("status", {})
            conditions = status.setdefault("conditions", [])
            told = any(c["type"] == "Unschedulable" and c.get("message") == message for c in conditions)
            if not told:
                conditions[:] = [c for c in conditions if c["type"] != "Unschedulable"] + [condition]

        self._store.mutate(RESOURCE, *key, change, manager="vc-scheduler", subresource="status")

    def _condition(self, kind: str, reason: str, message: str) -> Json:
        self._transitions += 1
        made = {
            "type": kind,
            "status": "True",
            "lastTransitionTime": timestamp(self._engine.clock.now()),
            "transitionID": f"{self._transitions:08x}-0000-4000-8000-000000000000",
            "reason": reason,
        }
        if message:
            made["message"] = message
        return made

    def _take(self, change: str, obj: Json) -> None:
        meta = obj["metadata"]
        key = (meta["namespace"], meta["name"])
        if change == "DELETED":
            gone = self._gangs.pop(key, None)
            if gone is not None and gone.bound:
                self._early[key] = gone.bound
            return
        gang = self._gangs.get(key)
        fresh = gang is None
        if gang is None:
            gang = self._gangs[key] = Gang()
            gang.bound = self._early.pop(key, set())
        spec = obj.get("spec") or {}
        before = (gang.min_member, gang.min_gpus)
        gang.min_member = int(spec.get("minMember") or 0)
        gang.min_gpus = int(parse_quantity((spec.get("minResources") or {}).get(GPU, 0)))
        gang.phase = (obj.get("status") or {}).get("phase") or "Pending"
        if fresh or before != (gang.min_member, gang.min_gpus):
            for listener in self.changed:
                listener()
