"""Kubernetes Events as client-go records them: repeats counted, similar folded, floods cut, old ones gone.

Rules of client-go's default correlator: the 10th distinct message of one reason within 10 minutes is folded
into one ``(combined from similar events)``; a source may send 25 events about one object, then one in 5
minutes. Events vanish an hour after their last occurrence.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.pacing import TokenBucket
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["EventExpiry", "Recorder", "reference"]

_DISTINCT = 10
_WINDOW = 600.0
_BURST = 25
_QPS = 1 / 300
_TTL = 3600.0
_CACHE = 4096


def reference(obj: Json, field_path: str | None = None) -> Json:
    """An ``involvedObject`` for ``obj``."""
    meta = obj["metadata"]
    made: Json = {
        "kind": obj["kind"],
        "apiVersion": obj["apiVersion"],
        "name": meta["name"],
        "uid": meta.get("uid", ""),
        "resourceVersion": meta.get("resourceVersion", ""),
    }
    if meta.get("namespace"):
        made["namespace"] = meta["namespace"]
    if field_path:
        made["fieldPath"] = field_path
    return made


class Recorder:
    """Sends one component's events."""

    def __init__(self, store: Store, engine: Engine, component: str) -> None:
        self._store = store
        self._engine = engine
        self._component = component
        self._mark = f"{zlib.crc32(component.encode()) % 256:02x}"
        self._similar: OrderedDict[tuple[str, ...], tuple[float, set[str]]] = OrderedDict()
        self._sent: OrderedDict[tuple[str, ...], tuple[str, str, float]] = OrderedDict()
        self._budgets: OrderedDict[str, TokenBucket] = OrderedDict()
        self._serial = 0

    def event(self, about: Json, reason: str, message: str, kind: str = "Normal", host: str = "") -> None:
        """Records that something happened to ``about`` (a reference), seen on ``host``."""
        now = self._engine.clock.now()
        uid = about.get("uid", "") + about["name"]
        family: tuple[str, ...] = (uid, kind, reason, about.get("fieldPath", ""))
        began, messages = self._similar.pop(family, (now, set()))
        if now - began > _WINDOW:
            messages = set()
        messages.add(message)
        key = (*family, message)
        if len(messages) >= _DISTINCT:
            messages.discard(next(iter(messages - {message}), message))
            message, key = "(combined from similar events): " + message, family
        self._similar[family] = (now, messages)
        budget = self._budgets.pop(uid, None) or TokenBucket(self._engine.clock, _QPS, _BURST)
        self._budgets[uid] = budget
        for cache in (self._similar, self._sent, self._budgets):
            while len(cache) > _CACHE:
                cache.popitem(last=False)
        if not budget.take():
            return
        self._send(key, about, reason, message, kind, host, now)

    def _send(
        self,
        key: tuple[str, ...],
        about: Json,
        reason: str,
        message: str,
        kind: str,
        host: str,
        now: float,
    ) -> None:
        earlier = self._sent.pop(key, None)
        if earlier is not None and now - earlier[2] < _TTL:
            namespace, name, _ = earlier

            def again(event: Json) -> None:
                event["count"] = event.get("count", 1) + 1
                event["lastTimestamp"] = timestamp(now)
                event["message"] = message

            if self._store.mutate("events", namespace, name, again, manager=self._component) is not None:
                self._sent[key] = (namespace, name, now)
                return
        self._serial += 1
        namespace = about.get("namespace") or "default"
        name = f"{about['name']}.{int(now * 1e6):x}{self._mark}{self._serial % 4096:03x}"
        source: Json = {"component": self._component}
        if host:
            source["host"] = host
        self._store.create(
            "events",
            {
                "kind": "Event",
                "apiVersion": "v1",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": about,
                "reason": reason,
                "message": message,
                "source": source,
                "firstTimestamp": timestamp(now),
                "lastTimestamp": timestamp(now),
                "count": 1,
                "type": kind,
                "eventTime": None,
                "reportingComponent": self._component,
                "reportingInstance": host,
            },
            manager=self._component,
        )
        self._sent[key] = (namespace, name, now)


class EventExpiry:
    """Removes every event an hour after it was last written, whoever wrote it."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._last: OrderedDict[tuple[str, str], float] = OrderedDict()
        store.subscribe("events", self._seen)
        engine.every(60.0, self._sweep)

    def _seen(self, change: str, event: Json) -> None:
        meta = event["metadata"]
        key = (meta["namespace"], meta["name"])
        self._last.pop(key, None)
        if change != "DELETED":
            self._last[key] = self._engine.clock.now()

    def _sweep(self) -> None:
        too_old = self._engine.clock.now() - _TTL
        while self._last:
            key, at = next(iter(self._last.items()))
            if at > too_old:
                return
            del self._last[key]
            self._store.delete("events", key[0], key[1], grace=0)
