"""The metrics adapters: what metrics-server, a custom and an external metrics adapter know right now.

Controllers ask them inside the process, clients over HTTP (``apiserver.metrics_apis``): both get the same
figures. Any of the three may be silent (it answers, but has nothing) or absent (its API group is not served).
Values are whole thousandths, as the HPA controller counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from clients.embedded.apiserver.selectors import Requirement
from clients.embedded.demand import FIGURES, Demand, Service
from clients.embedded.podbook import PodBook, PodFacts

__all__ = [
    "WINDOW_SECONDS",
    "Adapter",
    "Adapters",
    "MetricsError",
    "PodUsage",
    "Series",
    "State",
    "milli_text",
    "series_labels",
]


class Adapter(StrEnum):
    """The API groups, one adapter each."""

    RESOURCE = "metrics.k8s.io"
    CUSTOM = "custom.metrics.k8s.io"
    EXTERNAL = "external.metrics.k8s.io"


class State(StrEnum):
    """How an adapter is."""

    SERVING = "serving"
    SILENT = "silent"
    ABSENT = "absent"


class MetricsError(Exception):
    """No figures; worded as the metrics client of kube-controller-manager words it."""


class PodUsage(Struct, frozen=True):
    """What a pod uses: (thousandths of a core, thousandths of a byte) by container."""

    pod: PodFacts
    containers: Mapping[str, tuple[int, int]]


class Series(Struct, frozen=True):
    """One external series."""

    labels: Mapping[str, str]
    value: int
    """Thousandths."""


External = Callable[[str, str, Sequence[Requirement]], list[Series]]
"""(namespace, metric, selector) → series; empty for what it doesn't know."""

WINDOW_SECONDS = 15.0
_ABSENT = {
    Adapter.RESOURCE: "the server could not find the requested resource (get pods.metrics.k8s.io)",
    Adapter.CUSTOM: "no custom metrics API (custom.metrics.k8s.io) registered",
    Adapter.EXTERNAL: "the server could not find the requested resource",
}


class Adapters:
    """All three."""

    def __init__(self, book: PodBook, demand: Demand) -> None:
        self._book = book
        self._demand = demand
        self._states = dict.fromkeys(Adapter, State.SERVING)
        self.external_sources: list[External] = [self._totals]
        """Who answers for external metrics; KEDA's metrics server adds itself."""

    def set(self, adapter: Adapter, state: State) -> None:
        """From now on: the switch for scenarios and faults."""
        self._states[adapter] = state

    def state(self, adapter: Adapter) -> State:
        """How an adapter is now."""
        return self._states[adapter]

    @property
    def sampled_at(self) -> float:
        """Simulated time of all figures, UTC seconds."""
        return self._demand.scraped_at

    def usage(self, namespace: str, wanted: Sequence[Requirement]) -> list[PodUsage]:
        """Use of cpu and memory, by pod name; pods without a sample are left out.

        Raises MetricsError where metrics-server is absent.
        """
        self._check(Adapter.RESOURCE, "resource metrics API")
        if self._states[Adapter.RESOURCE] is State.SILENT:
            return []
        return [u for pod in self._book.select(namespace, wanted) if (u := self.usage_of(pod)) is not None]

    def usage_of(self, pod: PodFacts) -> PodUsage | None:
        """What one pod uses; None without a sample."""
        found = self._demand.usage(pod)
        if not found:
            return None
        return PodUsage(
            pod,
            {
                name: (round(cores * 1000), int(memory) // 1024 * 1024 * 1000)
                for name, (cores, memory) in found.items()
            },
        )

    def pods_metric(self, namespace: str, metric: str, wanted: Sequence[Requirement]) -> dict[str, int]:
        """A custom metric by pod name. Raises MetricsError where there is none."""
        self._check(Adapter.CUSTOM, "custom metrics API")
        missing = f"the server could not find the metric {metric} for pods"
        if self._states[Adapter.CUSTOM] is State.SILENT or metric not in FIGURES:
            raise MetricsError(f"unable to fetch metrics from custom metrics API: {missing}")
        found = {}
        for pod in self._book.select(namespace, wanted):
            value = self._demand.figure(pod, metric)
            if value is not None:
                found[pod.name] = round(value * 1000)
        return found

    def object_metric(self, namespace: str, resource: str, name: str, metric: str) -> int:
        """A metric of an object that bears the name of a service under demand. Raises MetricsError."""
        self._check(Adapter.CUSTOM, "custom metrics API")
        service = self._demand.service(namespace, name)
        value = None if service is None else self._demand.total(service, metric)
        if value is None or self._states[Adapter.CUSTOM] is State.SILENT:
            missing = f"the server could not find the metric {metric} for {resource} {name}"
            raise MetricsError(f"unable to fetch metrics from custom metrics API: {missing}")
        return round(value * 1000)

    def external(self, namespace: str, metric: str, wanted: Sequence[Requirement]) -> list[Series]:
        """The series of an external metric; empty if nobody knows it. Raises MetricsError if absent."""
        self._check(Adapter.EXTERNAL, "external metrics API")
        if self._states[Adapter.EXTERNAL] is State.SILENT:
            return []
        return [s for source in self.external_sources for s in source(namespace, metric, wanted)]

    def _check(self, adapter: Adapter, api: str) -> None:
        if self._states[adapter] is State.ABSENT:
            raise MetricsError(f"unable to fetch metrics from {api}: {_ABSENT[adapter]}")

    def _totals(self, namespace: str, metric: str, wanted: Sequence[Requirement]) -> list[Series]:
        """A series for each service of the namespace, labelled with its name."""
        found = []
        for service in self._demand.services(namespace):
            labels = series_labels(service)
            value = self._demand.total(service, metric)
            if value is not None and all(term.matches(labels) for term in wanted):
                found.append(Series(labels, round(value * 1000)))
        return found


def series_labels(service: Service) -> dict[str, str]:
    """The labels by which a service's series is found."""
    return {"namespace": service.namespace, "service": service.name}


def milli_text(value: int) -> str:
    """Thousandths as a quantity."""
    return f"{value}m" if value % 1000 else str(value // 1000)
