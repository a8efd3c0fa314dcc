"""HPAs, pods and samples as the tests of the autoscaling decision make them, and a controller's rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from clients.kube.hpa_decision import decide, remember
from clients.kube.hpa_history import History
from clients.kube.hpa_object import HpaObject, decode_object
from clients.kube.hpa_replicas import HpaPod, MetricValues, Sample, Scale
from clients.serving.decision import Decision, Outcome

SYNC = 15.1
START = 1_000_000.0
LONG_AGO = START - 3600


def pods_metric(wanted: str = "60", name: str = "queue") -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": wanted}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}


def cpu_metric(percent: int = 80) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def external_metric(value: str = "1", name: str = "waiting") -> dict[str, Any]:
    """Asks for as many replicas as its total holds, so that a test sets the best proposal."""
    target = {"type": "AverageValue", "averageValue": value}
    return {"type": "External", "external": {"metric": {"name": name}, "target": target}}


def hpa_json(*metrics: dict[str, Any], least: int = 1, most: int = 16, **spec: Any) -> dict[str, Any]:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "metadata": {"uid": "u1", "namespace": "llm", "name": "scaler"},
        "spec": {
            "scaleTargetRef": ref,
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": list(metrics) or [pods_metric()],
            **spec,
        },
    }


def hpa(*metrics: dict[str, Any], status: Any = None, **how: Any) -> HpaObject:
    return decode_object(msgspec.json.encode({**hpa_json(*metrics, **how), "status": status}))


def pod(number: int, phase: str = "Running", **how: Any) -> HpaPod:
    """A pod that has been ready for an hour and requests one core."""
    given: dict[str, Any] = {
        "ready": phase == "Running",
        "ready_at": LONG_AGO + 60,
        "started": LONG_AGO,
        "requests": {"main": {"cpu": 1000}},
        **how,
    }
    return HpaPod(f"pod-{number}", phase, **given)


def samples(*values: float, at: float = START, error: str | None = None) -> MetricValues:
    """A sample for each of the first pods, in whole units."""
    found = {f"pod-{number}": Sample(round(value * 1000), at) for number, value in enumerate(values)}
    return MetricValues(pods=found, error=error)


def total(value: float) -> MetricValues:
    return MetricValues(total=round(value * 1000))


class Rounds:
    """A controller's rounds over one HPA whose external metric asks for what the test says."""

    def __init__(self, current: int, *, complete: bool = True, **how: Any) -> None:
        self.hpa = hpa(external_metric(), **how)
        self.now = START
        self.current = current
        self.history = History(START, complete=complete)

    def look(self, best: float) -> Decision:
        scale = Scale(self.current, self.current)
        return decide(self.hpa, scale, [pod(0)], [total(best)], self.history, self.now)

    def turn(self, best: float) -> Decision:
        """One round: decides, remembers, acts, waits for the next."""
        made = self.look(best)
        remember(self.history, self.hpa, made)
        if made.outcome is Outcome.SCALES:
            assert made.desired is not None
            self.current = made.desired
        self.now += SYNC
        return made

    def counts(self, bests: Sequence[float]) -> list[int]:
        """The count after each round."""
        found = []
        for best in bests:
            self.turn(best)
            found.append(self.current)
        return found
