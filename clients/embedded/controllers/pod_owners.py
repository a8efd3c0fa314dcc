"""What controllers of objects that own pods have in common: whom to look at again, and when."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.owned_pods import OwnedPod, OwnedPods
from clients.embedded.controllers.recorder import Recorder
from clients.embedded.controllers.workqueue import Key, WorkQueue
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["PodOwners"]


class PodOwners:
    """Acts on every object of one resource from ``start`` on. Subclasses do the pass."""

    def __init__(self, store: Store, engine: Engine, resource: str, kind: str, component: str) -> None:
        """``kind`` is that of the objects, as their pods name it; ``component`` that of its events."""
        self._store = store
        self._engine = engine
        self._resource = resource
        self._recorder = Recorder(store, engine, component)
        self._queue = WorkQueue(engine, self._sync)
        self._keys: dict[str, Key] = {}
        """By uid."""
        self._pods = OwnedPods(store, kind, self._pod_changed)
        store.subscribe(resource, self._changed)

    def start(self) -> None:
        """Looks at its objects from now on, and at those that nobody has looked at yet."""
        self._queue.open()
        for record in self._store.records(self._resource):
            if record.status in (None, b"{}"):
                self._queue.add(record.key)

    def look(self, namespace: str, name: str) -> None:
        """One pass now."""
        self._sync((namespace, name))

    def pods_of(self, uid: str) -> list[OwnedPod]:
        """The pods of the object with this uid."""
        return self._pods.of(uid)

    def _sync(self, key: Key) -> None:
        """One pass over an object, which may be gone. Raises ApiError where it is to be tried again."""
        raise NotImplementedError

    def _changed(self, change: str, obj: Json) -> None:
        meta = obj["metadata"]
        if change == "DELETED":
            self._keys.pop(meta["uid"], None)
            return
        known = meta["uid"] in self._keys
        key = self._keys[meta["uid"]] = (meta["namespace"], meta["name"])
        if self._is_news(obj, known=known):
            self._queue.add(key)

    def _is_news(self, obj: Json, *, known: bool) -> bool:
        """Whether a version of an object, ``known`` before or not, is to be looked at."""
        del known
        return bool((obj.get("status") or {}).get("observedGeneration") != obj["metadata"].get("generation"))

    def _pod_changed(self, _change: str, pod: OwnedPod) -> None:
        key = self._keys.get(pod.owner)
        if key is not None:
            self._queue.add(key)
