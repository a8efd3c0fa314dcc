"""Who owns whom among the objects that keep pods and the pods themselves, by uid, whatever comes first."""

from __future__ import annotations

from collections.abc import Iterator

from clients.kube.controller_rows import ControllerRow, KeeperRow
from clients.kube.driver_index import Place
from clients.kube.rows import PodRow

__all__ = ["WORKLOADS", "Ownership", "above"]

WORKLOADS = ("Deployment", "StatefulSet", "LeaderWorkerSet", "InferenceService")
"""Kinds that can be workloads of their own; a ReplicaSet only stands between."""


def above(row: KeeperRow | PodRow) -> str | Place | None:
    """What it belongs to: its owner by uid, or the service that it runs for where others lie between."""
    if isinstance(row, ControllerRow) and row.service is not None:
        return ("InferenceService", row.namespace, row.service)
    return row.owner.uid if row.owner is not None else None


class Ownership:
    """All objects and pods of one cluster. They may name owners that are not known yet, or not any more."""

    def __init__(self) -> None:
        self.objects: dict[str, KeeperRow] = {}
        self.pods: dict[str, PodRow] = {}
        self._at: dict[Place, str] = {}
        self._children: dict[str | Place, set[str]] = {}
        self._below: dict[str, tuple[KeeperRow, ...]] = {}
        """What was found below an object; forgotten when anything on the way changes."""
        self._buried: set[str | Place] = set()
        """Owners that are gone while something they own is not yet: that is as good as gone."""

    def put(self, row: KeeperRow) -> None:
        """A new or changed object."""
        place = (row.kind, row.namespace, row.name)
        old = self.objects.get(row.uid)
        if old is not None and above(old) != above(row):
            self._changes_below(row.uid)
        self._link(old, row)
        self.objects[row.uid] = row
        self._at[place] = row.uid
        self._buried.discard(place)
        self._changes_below(row.uid)

    def drop(self, uid: str) -> KeeperRow | None:
        """An object that is gone; the row that was known of it."""
        row = self.objects.get(uid)
        if row is None:
            return None
        self._changes_below(uid)
        del self.objects[uid]
        place = (row.kind, row.namespace, row.name)
        if self._at.get(place) == uid:
            del self._at[place]
        self._unlink(above(row), uid)
        self._bury(uid, place)
        return row

    def put_pod(self, row: PodRow) -> None:
        """A new or changed pod."""
        keeps = row.uid in self._children
        if keeps:
            self._changes_below(row.uid)
        self._link(self.pods.get(row.uid), row)
        self.pods[row.uid] = row
        if keeps:
            self._changes_below(row.uid)

    def drop_pod(self, uid: str) -> PodRow | None:
        """A pod that is gone; the row that was known of it."""
        if uid in self._children:
            self._changes_below(uid)
        row = self.pods.pop(uid, None)
        if row is not None:
            self._unlink(above(row), uid)
            self._bury(uid)
        return row

    def _link(self, old: KeeperRow | PodRow | None, new: KeeperRow | PodRow) -> None:
        owner = above(new)
        if old is not None and above(old) != owner:
            self._unlink(above(old), new.uid)
        if owner is not None:
            self._children.setdefault(owner, set()).add(new.uid)

    def _unlink(self, owner: str | Place | None, child: str) -> None:
        kept = self._children.get(owner) if owner is not None else None
        if owner is not None and kept is not None:
            kept.discard(child)
            if not kept:
                del self._children[owner]
                self._buried.discard(owner)

    def _bury(self, *names: str | Place) -> None:
        self._buried.update(name for name in names if name in self._children)

    def _changes_below(self, uid: str) -> None:
        """Below this object, and so below all above it, something is another."""
        for here in self.path(uid):
            self._below.pop(here, None)

    # -- upwards

    def at(self, place: Place) -> str | None:
        """The uid of the object that stands there."""
        return self._at.get(place)

    def path(self, uid: str) -> Iterator[str]:
        """The object itself and all above it that are known, upwards; circles end."""
        seen: set[str] = set()
        while uid not in seen:
            seen.add(uid)
            row = self.objects.get(uid) or self.pods.get(uid)
            if row is None:
                return
            yield uid
            owner = above(row)
            if owner is None:
                return
            uid = self._at.get(owner, "") if isinstance(owner, tuple) else owner

    def top(self, uid: str) -> KeeperRow | None:
        """The topmost workload at or above it; ``None`` too where the owner of that is gone: it follows.

        What a pod owns is never one: it is a part of the group that the pod leads (LeaderWorkerSet v0.10
        gives each leader pod a StatefulSet of workers), also where nothing above that pod is known.
        """
        top: KeeperRow | None = None
        last: KeeperRow | PodRow | None = None
        for here in self.path(uid):
            row = self.objects.get(here)
            last = row or self.pods[here]
            if row is not None and row.kind in WORKLOADS and not (row.owner and row.owner.kind == "Pod"):
                top = row
        return None if last is None or above(last) in self._buried else top

    def cut_off(self, uid: str) -> bool:
        """Whether something at or above it names an owner that is not known."""
        *_, last = self.path(uid)
        return above(self.objects.get(last) or self.pods[last]) is not None

    # -- downwards

    def just_below(self, uid: str) -> set[str]:
        """What belongs to it directly."""
        row = self.objects.get(uid)
        named = self._children.get((row.kind, row.namespace, row.name), set()) if row is not None else set()
        return self._children.get(uid, set()) | named

    def below(self, uid: str) -> tuple[KeeperRow, ...]:
        """Every object below one, nearest first; the same tuple until one of them changes."""
        kept = self._below.get(uid)
        if kept is None:
            kept = self._below[uid] = self._found_below(uid)
        return kept

    def _found_below(self, uid: str) -> tuple[KeeperRow, ...]:
        found: dict[str, KeeperRow] = {}
        at = [uid]
        while at:
            below = self.just_below(at.pop(0))
            for child in sorted(child for child in below if child in self.objects or child in self._children):
                row = self.objects.get(child)
                if child not in found and (row is not None or child in self.pods):
                    at.append(child)
                    if row is not None:
                        found[child] = row
        return tuple(found.values())
