"""A steady stream of numbered pod changes, so that a reader can prove that it lost none.

Every change carries the next number of one sequence, in the pod's annotation ``servegrid.dev/sequence`` and
in its ``status.message`` (``sequence 17``). Pods take turns; every tenth change turns a pod's readiness over.
"""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.cluster import Cluster

__all__ = ["SEQUENCE", "Changes"]

SEQUENCE = "servegrid.dev/sequence"

_PERIOD = 0.02
_FLIP = 10


class Changes:
    """The stream over all pods that there are when it begins."""

    def __init__(self, cluster: Cluster, rate: float) -> None:
        """``rate`` changes a simulated second."""
        self._cluster = cluster
        self._rate = rate
        self._owed = 0.0
        self._sequence = 0
        self._keys = [record.key for record in cluster.store.records("pods")]
        self._unready: set[tuple[str, str]] = set()
        if rate > 0 and self._keys:
            cluster.engine.every(_PERIOD, self._tick)

    def _tick(self) -> None:
        self._owed += self._rate * _PERIOD
        while self._owed >= 1:
            self._owed -= 1
            self._one()

    def _one(self) -> None:
        number = self._sequence + 1
        turn, place = divmod(number, len(self._keys))
        key = self._keys[place]
        flips = (turn + place) % _FLIP == 0
        ready = key in self._unready
        now = timestamp(self._cluster.clock.now())

        def change(pod: Json) -> None:
            pod["metadata"].setdefault("annotations", {})[SEQUENCE] = str(number)
            status = pod["status"]
            status["message"] = f"sequence {number}"
            if not flips:
                return
            for container in status["containerStatuses"]:
                container["ready"] = ready
            for condition in status["conditions"]:
                if condition["type"] in ("Ready", "ContainersReady"):
                    condition["status"] = "True" if ready else "False"
                    condition["lastTransitionTime"] = now

        if self._cluster.store.mutate("pods", *key, change, manager="kubelet") is None:
            self._keys.remove(key)
            return
        self._sequence = number
        if flips:
            (self._unready.discard if ready else self._unready.add)(key)
