"""What Kthena's informers hold of pods, services and PodGroups, indexed by group and role replica."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from sys import intern

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_labels import (
    API_VERSION,
    DELETION_COST,
    GROUP,
    NAME,
    REVISION,
    ROLE,
    ROLE_ID,
    TEMPLATE_HASH,
)
from clients.embedded.store import Store

__all__ = ["Child", "Informer", "owner_uid"]


def owner_uid(obj: Json) -> str | None:
    """Uid of the ModelServing that owns the object, if one does."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("kind") == "ModelServing" and owner.get("apiVersion") == API_VERSION:
            return str(owner.get("uid"))
    return None


class Child:
    """One object that a ModelServing owns; the pod fields stay at their defaults for other kinds."""

    __slots__ = (
        "cost",
        "deleting",
        "failed",
        "group",
        "name",
        "namespace",
        "owner",
        "ready",
        "restarted",
        "revision",
        "role",
        "role_id",
        "serving",
        "template_hash",
        "uid",
    )

    def __init__(self, obj: Json, owner: str) -> None:
        meta = obj["metadata"]
        labels = meta.get("labels") or {}
        self.namespace: str = intern(meta["namespace"])
        self.name: str = meta["name"]
        self.uid: str = meta["uid"]
        self.owner = intern(owner)
        self.serving: str = intern(labels.get(NAME, ""))
        self.group: str = intern(labels.get(GROUP, ""))
        self.role: str = intern(labels.get(ROLE, ""))
        self.role_id: str = intern(labels.get(ROLE_ID, ""))
        self.revision: str = intern(labels.get(REVISION, ""))
        self.template_hash: str = intern(labels.get(TEMPLATE_HASH, ""))
        self.ready = self.failed = self.restarted = self.deleting = False
        self.cost = 0

    def read_pod(self, pod: Json) -> None:
        """Takes in a pod's status."""
        meta, status = pod["metadata"], pod.get("status") or {}
        phase = status.get("phase")
        conditions = status.get("conditions") or ()
        self.deleting = "deletionTimestamp" in meta
        self.failed = phase == "Failed"
        self.ready = phase == "Running" and any(
            c.get("type") == "Ready" and c.get("status") == "True" for c in conditions
        )
        self.restarted = phase in ("Running", "Pending") and any(
            c.get("restartCount")
            for c in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
        )
        try:
            self.cost = int((meta.get("annotations") or {}).get(DELETION_COST, 0))
        except ValueError:
            self.cost = 0


class Informer:
    """Objects of one kind that ModelServings own. Listeners are told after the index has changed."""

    def __init__(self, store: Store, resource: str, *, pods: bool = False) -> None:
        self._pods = pods
        self._all: dict[tuple[str, str], Child] = {}
        self._by_group: dict[tuple[str, str], dict[str, Child]] = {}
        self._by_replica: dict[tuple[str, str, str, str], dict[str, Child]] = {}
        self.listeners: list[Callable[[str, Child], None]] = []
        for obj in store.list(resource):
            self._take("ADDED", obj)
        store.subscribe(resource, self._take)

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._all.values()))

    def get(self, namespace: str, name: str) -> Child | None:
        """By name."""
        return self._all.get((namespace, name))

    def of_group(self, namespace: str, group: str) -> list[Child]:
        """All with the group's label."""
        return list(self._by_group.get((namespace, group), {}).values())

    def of_replica(self, namespace: str, group: str, role: str, replica: str) -> list[Child]:
        """All with the labels of the role replica."""
        return list(self._by_replica.get((namespace, group, role, replica), {}).values())

    def _take(self, change: str, obj: Json) -> None:
        owner = owner_uid(obj)
        meta = obj["metadata"]
        key = (meta["namespace"], meta["name"])
        if owner is None:
            if (orphan := self._all.pop(key, None)) is not None:
                self._unindex(orphan)
            return
        if change == "DELETED":
            child = self._all.pop(key, None)
            if child is None:
                return
            self._unindex(child)
        else:
            child = self._all.get(key)
            if child is None or child.uid != meta["uid"] or self._relabelled(child, meta):
                if child is not None:
                    self._unindex(child)
                child = self._all[key] = Child(obj, owner)
                self._index(child)
        if self._pods:
            child.read_pod(obj)
        for listener in self.listeners:
            listener(change, child)

    @staticmethod
    def _relabelled(child: Child, meta: Json) -> bool:
        labels: dict[str, str] = meta.get("labels") or {}
        return (
            labels.get(GROUP, "") != child.group
            or labels.get(ROLE_ID, "") != child.role_id
            or labels.get(NAME, "") != child.serving
        )

    def _index(self, child: Child) -> None:
        self._by_group.setdefault((child.namespace, child.group), {})[child.name] = child
        if child.role_id:
            place = (child.namespace, child.group, child.role, child.role_id)
            self._by_replica.setdefault(place, {})[child.name] = child

    def _unindex(self, child: Child) -> None:
        group = self._by_group.get((child.namespace, child.group))
        if group is not None:
            group.pop(child.name, None)
            if not group:
                del self._by_group[(child.namespace, child.group)]
        place = (child.namespace, child.group, child.role, child.role_id)
        replica = self._by_replica.get(place)
        if replica is not None:
            replica.pop(child.name, None)
            if not replica:
                del self._by_replica[place]
