"""The HorizontalPodAutoscaler controller, for targets with a scale subresource, on a simulated load.

As kube-controller-manager does it: every 15 s, a tolerance of 10 %, the highest recommendation of the last 5
minutes when scaling down, at most doubling (or 4 more) in one step up.
"""

from __future__ import annotations

import math
import zlib
from collections import deque

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.controllers.recorder import Recorder, reference
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["Autoscaler", "hpa_object"]

_HPAS = "horizontalpodautoscalers.autoscaling"
_PERIOD = 15.0
_TOLERANCE = 0.1
_DOWN_WINDOW = 300.0
_MANAGER = "kube-controller-manager"
_METRIC = "vllm:num_requests_running"


def hpa_object(namespace: str, target: str, least: int, most: int, wanted: int) -> Json:
    """Scales a ModelServing on requests running per group."""
    return {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": {"name": target, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "workload.serving.volcano.sh/v1alpha1",
                "kind": "ModelServing",
                "name": target,
            },
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": _METRIC},
                        "target": {"type": "AverageValue", "averageValue": str(wanted)},
                    },
                }
            ],
        },
    }


class Autoscaler:
    """Acts on every HPA whose target is a ModelServing."""

    def __init__(self, store: Store, engine: Engine, seed: int) -> None:
        self._store = store
        self._engine = engine
        self._seed = seed
        self._recorder = Recorder(store, engine, "horizontal-pod-autoscaler")
        self._advice: dict[str, deque[tuple[float, int]]] = {}

    def start(self) -> None:
        """Looks at its objects from now on."""
        self._engine.every(_PERIOD, self._round)

    def load(self, namespace: str, target: str, least: int, most: int, wanted: float) -> float:
        """Requests in flight now: two waves, from what ``least`` groups can take to what ``most`` can."""
        now = self._engine.clock.now()
        phase = zlib.crc32(f"{self._seed}/{namespace}/{target}".encode()) % 3600
        long = 0.5 + 0.5 * math.sin((now + phase) / 2700 * math.tau)
        short = 0.08 * math.sin((now + 2 * phase) / 170 * math.tau)
        groups = least + (most - least) * min(1.0, max(0.0, 1.3 * long - 0.15 + short))
        return groups * wanted * 0.95

    def _round(self) -> None:
        alive = set()
        for hpa in self._store.list(_HPAS):
            alive.add(hpa["metadata"]["uid"])
            self._look(hpa)
        for uid in set(self._advice) - alive:
            del self._advice[uid]

    def _look(self, hpa: Json) -> None:
        meta, spec = hpa["metadata"], hpa["spec"]
        ref = spec.get("scaleTargetRef") or {}
        if ref.get("kind") != "ModelServing":
            return
        now = self._engine.clock.now()
        target = self._store.get(RESOURCE, meta["namespace"], ref.get("name", ""))
        if target is None:
            self._write_missing(meta, ref, now)
            return
        current = int(target["spec"].get("replicas", 1))
        ready = int((target.get("status") or {}).get("availableReplicas") or 0)
        least, most = int(spec.get("minReplicas") or 1), int(spec["maxReplicas"])
        wanted = self._target_value(spec)
        load = self.load(meta["namespace"], ref["name"], least, most, wanted)
        average = load / max(1, ready)
        ratio = average / wanted
        advised = current if abs(ratio - 1) <= _TOLERANCE else math.ceil(max(1, ready) * ratio)
        stable = self._stabilised(meta["uid"], now, current, advised)
        desired = max(least, min(most, min(stable, max(2 * current, current + 4))))
        if current == 0:
            desired = 0
        limited = "TooManyReplicas" if stable > most else "TooFewReplicas" if stable < least else ""
        scaled_now = desired != current and self._scale(meta["namespace"], ref["name"], desired)
        if scaled_now:
            above = "above" if desired > current else "below"
            message = f"New size: {desired}; reason: pods metric {_METRIC} {above} target"
            self._recorder.event(reference(hpa), "SuccessfulRescale", message)
        self._write(meta, now, current, desired, average, limited, scaled_now, disabled=current == 0)

    @staticmethod
    def _target_value(spec: Json) -> float:
        for metric in spec.get("metrics") or ():
            value = (metric.get("pods") or {}).get("target", {}).get("averageValue")
            if value is not None:
                try:
                    return max(1.0, float(value))
                except ValueError:
                    continue
        return 60.0

    def _stabilised(self, uid: str, now: float, current: int, advised: int) -> int:
        """Down only as far as the highest advice of the last five minutes; up at once."""
        kept = self._advice.setdefault(uid, deque([(now, current)]))
        kept.append((now, advised))
        while kept and kept[0][0] < now - _DOWN_WINDOW:
            kept.popleft()
        return advised if advised >= current else min(current, max(advice for _, advice in kept))

    def _scale(self, namespace: str, name: str, replicas: int) -> bool:
        def change(obj: Json) -> None:
            obj["spec"]["replicas"] = replicas

        done = self._store.mutate(RESOURCE, namespace, name, change, manager=_MANAGER, subresource="scale")
        return done is not None

    def _write(
        self,
        meta: Json,
        now: float,
        current: int,
        desired: int,
        average: float,
        limited: str,
        scaled_now: bool,
        *,
        disabled: bool,
    ) -> None:
        within = "the desired count is within the acceptable range"
        beyond = {
            "": (False, "DesiredWithinRange", within),
            "TooManyReplicas": (
                True,
                "TooManyReplicas",
                "the desired replica count is more than the maximum replica count",
            ),
            "TooFewReplicas": (
                True,
                "TooFewReplicas",
                "the desired replica count is less than the minimum replica count",
            ),
        }[limited]
        ready = ("ReadyForNewScale", "recommended size matches current size")
        done = ("SucceededRescale", f"the HPA controller was able to update the target scale to {desired}")
        found = f"the HPA was able to successfully calculate a replica count from pods metric {_METRIC}"
        off = "scaling is disabled since the replica count of the target is zero"
        active = ("ScalingDisabled", off) if disabled else ("ValidMetricFound", found)

        def change(obj: Json) -> None:
            status = obj.setdefault("status", {})
            status["observedGeneration"] = obj["metadata"].get("generation", 1)
            status["currentReplicas"], status["desiredReplicas"] = current, desired
            if scaled_now:
                status["lastScaleTime"] = timestamp(now)
            status["currentMetrics"] = [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": _METRIC},
                        "current": {"averageValue": f"{int(average * 1000)}m"},
                    },
                }
            ]
            _set(status, "AbleToScale", True, *(done if scaled_now else ready), now)
            _set(status, "ScalingActive", not disabled, *active, now)
            _set(status, "ScalingLimited", *beyond, now)

        self._store.mutate(
            _HPAS, meta["namespace"], meta["name"], change, manager=_MANAGER, subresource="status"
        )

    def _write_missing(self, meta: Json, ref: Json, now: float) -> None:
        message = (
            "the HPA controller was unable to get the target's current scale: "
            f'modelservings.workload.serving.volcano.sh "{ref.get("name", "")}" not found'
        )

        def change(obj: Json) -> None:
            status = obj.setdefault("status", {})
            _set(status, "AbleToScale", False, "FailedGetScale", message, now)

        self._store.mutate(
            _HPAS, meta["namespace"], meta["name"], change, manager=_MANAGER, subresource="status"
        )


def _set(status: Json, kind: str, true: bool, reason: str, message: str, now: float) -> None:
    conditions: list[Json] = status.setdefault("conditions", [])
    value = "True" if true else "False"
    known = next((c for c in conditions if c["type"] == kind), None)
    since = known["lastTransitionTime"] if known and known["status"] == value else timestamp(now)
    made = {"type": kind, "status": value, "lastTransitionTime": since, "reason": reason, "message": message}
    if known is None:
        conditions.append(made)
    else:
        known.update(made)
