"""Garbage collection: what an owner leaves behind, what waits for its dependents, emptying namespaces.

The real cluster does this in a controller a moment later; here it is done at once, after the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.embedded.apiserver.history import Change
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.records import Record

if TYPE_CHECKING:
    from clients.embedded.store import Store

__all__ = ["Collector"]

_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"
_MANAGER = "kube-controller-manager"
_CONTENT = "kubernetes"

_Place = tuple[str, tuple[str, str]]


def _newly_held(before: Record, after: Record) -> bool:
    """It is deleted now, or deleted once more in another way."""
    if not before.deleting:
        return True
    added = set(_held(after)) - set(_held(before))
    return bool(added & {_FOREGROUND, _ORPHAN})


def _held(record: Record) -> list[str]:
    return record.metadata().get("finalizers") or []


class Collector:
    """Keeps an index of owners and acts on deletions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uids: dict[str, _Place] = {}
        self._owned: dict[str, dict[_Place, None]] = {}
        self._emptying: set[str] = set()

    def owned(self, uid: str) -> list[_Place]:
        """Where the objects are that name ``uid`` as an owner."""
        return list(self._owned.get(uid, ()))

    def knows(self, uid: str) -> bool:
        """Whether an object of this uid exists."""
        return uid in self._uids

    def finalizers_for(self, record: Record, metadata: Json, propagation: str | None) -> list[str]:
        """The finalizers that a deletion with this propagation policy leaves."""
        finalizers = list(metadata.get("finalizers") or ())
        wanted = {"Foreground": _FOREGROUND, "Orphan": _ORPHAN}.get(propagation or "")
        if wanted and wanted not in finalizers:
            finalizers.append(wanted)
        if self._is_namespace(record) and _CONTENT not in finalizers:
            finalizers.append(_CONTENT)
        return finalizers

    def _is_namespace(self, record: Record) -> bool:
        place = self._uids.get(record.uid)
        return place is not None and place[0] == "namespaces"

    def index(self, change: Change) -> None:
        """Takes a commit into the index; before anybody is told."""
        record, place = change.record, (change.resource, change.record.key)
        previous = change.previous.owners if change.previous is not None else ()
        if change.type == "DELETED":
            self._uids.pop(record.uid, None)
            self._unlink(previous, place)
            return
        if change.type == "ADDED":
            self._uids[record.uid] = place
        if record.owners != previous:
            self._unlink(previous, place)
            for owner in record.owners:
                self._owned.setdefault(owner, {})[place] = None

    def _unlink(self, owners: tuple[str, ...], place: _Place) -> None:
        for owner in owners:
            places = self._owned.get(owner)
            if places is not None:
                places.pop(place, None)
                if not places:
                    del self._owned[owner]

    def after(self, change: Change) -> None:
        """Acts on a commit."""
        record = change.record
        if change.type == "DELETED":
            self._collect(record.uid)
            self._settle_owners(record)
            if record.namespace in self._emptying:
                self._finish(record.namespace)
            elif change.resource == "namespaces":
                self._emptying.discard(record.name)
        elif record.deleting and (change.previous is None or _newly_held(change.previous, record)):
            self._begin(change)
        elif change.type == "ADDED" and record.owners:
            self._drop_orphan(change)

    def _collect(self, uid: str) -> None:
        """The owner is gone: so are the dependents that have no other."""
        for resource, (namespace, name) in self.owned(uid):
            record = self._store.record(resource, namespace, name)
            if record is not None and not any(owner in self._uids for owner in record.owners):
                self._store.delete(resource, namespace, name)

    def _settle_owners(self, record: Record) -> None:
        """A dependent is gone: an owner that waits for the last one may go."""
        for owner in record.owners:
            if owner in self._owned or owner not in self._uids:
                continue
            resource, (namespace, name) = self._uids[owner]
            held = self._store.record(resource, namespace, name)
            if held is not None and held.deleting:
                self._release(resource, namespace, name, _FOREGROUND)

    def _begin(self, change: Change) -> None:
        record = change.record
        finalizers = record.metadata().get("finalizers") or ()
        if change.resource == "namespaces" and _CONTENT in finalizers:
            self._emptying.add(record.name)
            for resource, found in self._content(record.name):
                self._store.delete(resource, found.namespace, found.name)
            self._finish(record.name)
        if _FOREGROUND in finalizers:
            for resource, (namespace, name) in self.owned(record.uid):
                self._store.delete(resource, namespace, name, propagation="Foreground")
            if not self._owned.get(record.uid):
                self._release(change.resource, record.namespace, record.name, _FOREGROUND)
        elif _ORPHAN in finalizers:
            for resource, (namespace, name) in self.owned(record.uid):
                self._disown(resource, namespace, name, record.uid)
            self._release(change.resource, record.namespace, record.name, _ORPHAN)

    def _disown(self, resource: str, namespace: str, name: str, uid: str) -> None:
        def drop(obj: Json) -> None:
            kept = [o for o in obj["metadata"]["ownerReferences"] if o.get("uid") != uid]
            obj["metadata"]["ownerReferences"] = kept
            if not kept:
                del obj["metadata"]["ownerReferences"]

        self._store.mutate(resource, namespace, name, drop, manager=_MANAGER)

    def _release(self, resource: str, namespace: str, name: str, finalizer: str) -> None:
        def drop(obj: Json) -> None:
            kept = [f for f in obj["metadata"].get("finalizers") or () if f != finalizer]
            obj["metadata"]["finalizers"] = kept
            if not kept:
                del obj["metadata"]["finalizers"]

        self._store.mutate(resource, namespace, name, drop, manager=_MANAGER)

    def _drop_orphan(self, change: Change) -> None:
        """An object made for an owner that is already gone; an owner of a kind not served proves nothing."""
        for owner in change.record.metadata().get("ownerReferences") or ():
            group, _, version = str(owner.get("apiVersion", "")).rpartition("/")
            served = any(r.kind == owner.get("kind") for r in self._store.registry.of_version(group, version))
            if not served or owner.get("uid") in self._uids:
                return
        self._store.delete(change.resource, change.record.namespace, change.record.name)

    def _content(self, namespace: str) -> list[tuple[str, Record]]:
        found: list[tuple[str, Record]] = []
        for resource in self._store.registry:
            if resource.namespaced and resource.view_of is None:
                found += [(resource.key, r) for r in self._store.records(resource.key, namespace)]
        return found

    def _finish(self, namespace: str) -> None:
        if not self._content(namespace):
            self._emptying.discard(namespace)
            self._release("namespaces", "", namespace, _CONTENT)
