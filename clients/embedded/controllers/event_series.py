"""Events of the events.k8s.io/v1 recorder: repeats become a series that keeps the first note."""

from __future__ import annotations

from collections import OrderedDict

from clients.embedded.apiserver.objects import Json, micro_time
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["SeriesRecorder"]

_WINDOW = 360.0
"""Seconds after which a repeat begins a new event."""
_CACHE = 1024

_Key = tuple[str, str, str, str]


class SeriesRecorder:
    """Sends one controller's events, as client-go's ``tools/events`` does: the note is no part of the key."""

    def __init__(self, store: Store, engine: Engine, controller: str) -> None:
        self._store = store
        self._engine = engine
        self._controller = controller
        self._sent: OrderedDict[_Key, tuple[str, str, float]] = OrderedDict()
        self._serial = 0

    def event(self, about: Json, reason: str, action: str, note: str, kind: str = "Normal") -> None:
        """Records that ``action`` was taken about a reference."""
        now = self._engine.clock.now()
        key = (about.get("uid", ""), kind, reason, action)
        earlier = self._sent.pop(key, None)
        if earlier is not None and now - earlier[2] < _WINDOW and self._again(earlier, now):
            self._sent[key] = (earlier[0], earlier[1], now)
            return
        self._serial += 1
        namespace = about.get("namespace") or "default"
        name = f"{about['name']}.{int(now * 1e6):x}{self._serial % 4096:03x}"
        self._store.create(
            "events",
            {
                "kind": "Event",
                "apiVersion": "v1",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": about,
                "reason": reason,
                "action": action,
                "message": note,
                "type": kind,
                "source": {},
                "firstTimestamp": None,
                "lastTimestamp": None,
                "eventTime": micro_time(now),
                "reportingComponent": self._controller,
                "reportingInstance": f"{self._controller}-controller-manager",
            },
            manager=self._controller,
        )
        self._sent[key] = (namespace, name, now)
        while len(self._sent) > _CACHE:
            self._sent.popitem(last=False)

    def _again(self, earlier: tuple[str, str, float], now: float) -> bool:
        def change(event: Json) -> None:
            count = (event.get("series") or {}).get("count", 1)
            event["series"] = {"count": count + 1, "lastObservedTime": micro_time(now)}

        namespace, name, _ = earlier
        done = self._store.mutate("events", namespace, name, change, manager=self._controller)
        return done is not None
