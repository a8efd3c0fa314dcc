"""The pods of one kind of owner, as its controller's informer holds them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from sys import intern
from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_labels import DELETION_COST
from clients.embedded.store import Store

__all__ = ["OwnedPod", "OwnedPods", "controller_of", "owner_reference"]

_COST_LIMIT = 2**31 - 1


def controller_of(obj: Json) -> Json | None:
    """The owner reference of the object's controller, if it has one."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            found: Json = owner
            return found
    return None


def owner_reference(owner: Json) -> Json:
    """A reference to a stored object as the controller of what it owns."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


class OwnedPod:
    """One pod."""

    __slots__ = ("cost", "created", "deleting", "labels", "name", "namespace", "node", "owner", "phase",
                 "ready", "ready_since", "restarts", "uid")  # fmt: skip

    def __init__(self, pod: Json, owner: str) -> None:
        meta = pod["metadata"]
        self.namespace = intern(meta["namespace"])
        self.name: str = meta["name"]
        self.uid: str = meta["uid"]
        self.owner = owner
        """Uid of its controller."""
        self.created = _seconds(meta.get("creationTimestamp"))
        self.read(pod)

    def read(self, pod: Json) -> None:
        """Takes in a newer version."""
        meta, status = pod["metadata"], pod.get("status") or {}
        self.labels: dict[str, str] = {intern(k): intern(v) for k, v in (meta.get("labels") or {}).items()}
        self.node = intern(pod["spec"].get("nodeName") or "")
        self.phase = intern(status.get("phase") or "Pending")
        self.deleting = "deletionTimestamp" in meta
        ready: Json = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), {})
        self.ready = self.phase == "Running" and ready.get("status") == "True"
        self.ready_since = _seconds(ready.get("lastTransitionTime")) if self.ready else 0.0
        self.restarts = max(
            (int(c.get("restartCount") or 0) for c in status.get("containerStatuses") or ()), default=0
        )
        self.cost = _cost((meta.get("annotations") or {}).get(DELETION_COST))

    @property
    def active(self) -> bool:
        """Neither ended nor on its way out."""
        return not self.deleting and self.phase not in ("Succeeded", "Failed")

    def available(self, now: float, min_ready: float) -> bool:
        """Ready for at least ``min_ready`` seconds."""
        return self.ready and (min_ready <= 0 or now - self.ready_since >= min_ready)


def _seconds(text: Any) -> float:
    if not isinstance(text, str):
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _cost(text: Any) -> int:
    """A pod's deletion cost: an int32; what is none counts as 0."""
    try:
        value = int(text)
    except (TypeError, ValueError):
        return 0
    return value if abs(value) <= _COST_LIMIT else 0


class OwnedPods:
    """All pods whose controller is of one kind. Listeners are told after the index has changed."""

    def __init__(self, store: Store, kind: str, told: Callable[[str, OwnedPod], None]) -> None:
        self._kind = kind
        self._told = told
        self._by_owner: dict[str, dict[str, OwnedPod]] = {}
        for pod in store.list("pods"):
            self._take("ADDED", pod)
        store.subscribe("pods", self._take)

    def of(self, owner: str) -> list[OwnedPod]:
        """Those that the object with this uid controls."""
        return list(self._by_owner.get(owner, {}).values())

    def _take(self, change: str, pod: Json) -> None:
        reference = controller_of(pod)
        if reference is None or reference.get("kind") != self._kind:
            return
        owner, meta = reference["uid"], pod["metadata"]
        held = self._by_owner.setdefault(owner, {})
        known = held.get(meta["name"])
        if change == "DELETED":
            held.pop(meta["name"], None)
            if not held:
                del self._by_owner[owner]
            if known is not None:
                self._told(change, known)
            return
        if known is None or known.uid != meta["uid"]:
            known = held[meta["name"]] = OwnedPod(pod, intern(owner))
        else:
            known.read(pod)
        self._told(change, known)
