"""metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io over HTTP, read-only.

What they serve is what the adapters know; an adapter that is absent is no group at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clients.embedded.adapters import WINDOW_SECONDS, Adapter, Adapters, MetricsError, State, milli_text
from clients.embedded.apiserver.aggregated import AggregatedPath, AggregatedResource
from clients.embedded.apiserver.errors import ApiError, not_found
from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.apiserver.selectors import parse_labels
from clients.embedded.demand import FIGURES
from clients.embedded.podbook import PodBook, PodFacts
from clients.embedded.store import Store

__all__ = ["MetricsApis"]

_VERSIONS = {
    Adapter.RESOURCE: ("v1beta1",),
    Adapter.CUSTOM: ("v1beta2", "v1beta1"),
    Adapter.EXTERNAL: ("v1beta1",),
}
_RESOURCE = Adapter.RESOURCE.value
_SYSTEM_CPU = 400
"""Thousandths of a core that a node's own services use."""
_SYSTEM_MEMORY = 6 * 2**30 * 1000


class MetricsApis:
    """The three groups."""

    def __init__(self, store: Store, book: PodBook, adapters: Adapters) -> None:
        self._store = store
        self._book = book
        self._adapters = adapters

    def versions(self) -> Mapping[str, tuple[str, ...]]:
        """The groups whose adapter is there."""
        return {
            adapter.value: versions
            for adapter, versions in _VERSIONS.items()
            if self._adapters.state(adapter) is not State.ABSENT
        }

    def resources(self, group: str, version: str) -> Sequence[AggregatedResource]:
        """Resources, or a resource for each metric; a silent adapter knows of no metric."""
        if group == _RESOURCE:
            verbs = ("get", "list")
            return (
                AggregatedResource("nodes", "NodeMetrics", False, verbs),
                AggregatedResource("pods", "PodMetrics", True, verbs),
            )
        if self._adapters.state(Adapter(group)) is State.SILENT:
            return ()
        if group == Adapter.CUSTOM:
            return tuple(
                AggregatedResource(f"{resource}/{name}", "MetricValueList")
                for resource in ("pods", "services")
                for name in FIGURES
            )
        return tuple(AggregatedResource(name, "ExternalMetricValueList") for name in FIGURES)

    def answer(self, path: AggregatedPath, query: Mapping[str, str]) -> Json:
        """Raises ApiError 400 for a selector, 404 for what is not known."""
        try:
            if path.group == _RESOURCE:
                return self._usage(path, query)
            if path.group == Adapter.CUSTOM:
                return self._custom(path, query)
            return self._external(path, query)
        except MetricsError as error:
            raise ApiError(404, "NotFound", str(error).partition(": ")[2]) from None

    # -- metrics.k8s.io ----------------------------------------------------------------------------------

    def _usage(self, path: AggregatedPath, query: Mapping[str, str]) -> Json:
        if path.steps[0] not in ("nodes", "pods") or len(path.steps) > 2:
            raise _unknown()
        one = path.steps[1] if len(path.steps) == 2 else None
        if path.steps[0] == "nodes":
            return self._nodes(path, query, one)
        wanted = parse_labels(query.get("labelSelector", ""))
        namespaces = [path.namespace] if path.namespace else self._namespaces()
        usages = [u for namespace in namespaces for u in self._adapters.usage(namespace, wanted)]
        items = [self._pod_metrics(u.pod, u.containers) for u in usages]
        if one is None:
            return self._list("PodMetricsList", items)
        for item in items:
            if item["metadata"]["name"] == one:
                return {"kind": "PodMetrics", "apiVersion": f"{_RESOURCE}/v1beta1", **item}
        raise not_found(_RESOURCE, "pods", f"{path.namespace}/{one}")

    def _namespaces(self) -> list[str]:
        return [record.name for record in self._store.records("namespaces")]

    def _stamp(self) -> Json:
        return {"timestamp": timestamp(self._adapters.sampled_at), "window": f"{WINDOW_SECONDS:g}s"}

    def _list(self, kind: str, items: list[Json]) -> Json:
        return {"kind": kind, "apiVersion": f"{_RESOURCE}/v1beta1", "metadata": {}, "items": items}

    def _pod_metrics(self, pod: PodFacts, containers: Mapping[str, tuple[int, int]]) -> Json:
        metadata: Json = {
            "name": pod.name,
            "namespace": pod.namespace,
            "creationTimestamp": timestamp(self._store.clock.now()),
        }
        if pod.labels:
            metadata["labels"] = dict(pod.labels)
        told = [{"name": name, "usage": _amounts(*used)} for name, used in containers.items()]
        return {"metadata": metadata, **self._stamp(), "containers": told}

    def _nodes(self, path: AggregatedPath, query: Mapping[str, str], one: str | None) -> Json:
        wanted = parse_labels(query.get("labelSelector", ""))
        silent = self._adapters.state(Adapter.RESOURCE) is State.SILENT
        used: dict[str, list[int]] = {
            record.name: [_SYSTEM_CPU, _SYSTEM_MEMORY]
            for record in self._store.records("nodes")
            if not silent
            and (one is None or record.name == one)
            and all(term.matches(record.labels) for term in wanted)
        }
        for pod in self._book.everywhere():
            usage = self._adapters.usage_of(pod) if pod.node in used else None
            if usage is not None:
                for cpu, memory in usage.containers.values():
                    used[pod.node][0] += cpu
                    used[pod.node][1] += memory
        now = timestamp(self._store.clock.now())
        items = [
            {
                "metadata": {"name": name, "creationTimestamp": now},
                **self._stamp(),
                "usage": _amounts(cpu, memory),
            }
            for name, (cpu, memory) in used.items()
        ]
        if one is None:
            return self._list("NodeMetricsList", items)
        if not items:
            raise not_found(_RESOURCE, "nodes", one)
        return {"kind": "NodeMetrics", "apiVersion": f"{_RESOURCE}/v1beta1", **items[0]}

    # -- custom and external -----------------------------------------------------------------------------

    def _custom(self, path: AggregatedPath, query: Mapping[str, str]) -> Json:
        if len(path.steps) != 3 or path.namespace is None:
            raise _unknown()
        resource, name, metric = path.steps
        if resource != "pods":
            values = {name: self._adapters.object_metric(path.namespace, resource, name, metric)}
        else:
            wanted = parse_labels(query.get("labelSelector", "")) if name == "*" else ()
            values = self._adapters.pods_metric(path.namespace, metric, wanted)
            if name != "*":
                values = {pod: value for pod, value in values.items() if pod == name}
                if not values:
                    what = f"the server could not find the metric {metric} for pods {name}"
                    raise ApiError(404, "NotFound", what)
        plural, _, group = resource.partition(".")
        definition = self._store.registry.get(resource)
        about: Json = {
            "kind": definition.kind if definition is not None else plural.removesuffix("s").capitalize(),
            "namespace": path.namespace,
            "apiVersion": f"{group}/v1" if group else "/v1",
        }
        items = []
        for owner, value in values.items():
            item: Json = {"describedObject": {**about, "name": owner}}
            if path.version == "v1beta1":
                item |= {"metricName": metric, "selector": None}
            else:
                item["metric"] = {"name": metric, "selector": None}
            item |= {"timestamp": self._stamp()["timestamp"], "value": milli_text(value)}
            items.append(item)
        api_version = f"{path.group}/{path.version}"
        return {"kind": "MetricValueList", "apiVersion": api_version, "metadata": {}, "items": items}

    def _external(self, path: AggregatedPath, query: Mapping[str, str]) -> Json:
        if len(path.steps) != 1 or path.namespace is None:
            raise _unknown()
        metric = path.steps[0]
        wanted = parse_labels(query.get("labelSelector", ""))
        items = [
            {
                "metricName": metric,
                "metricLabels": dict(series.labels),
                "timestamp": self._stamp()["timestamp"],
                "value": milli_text(series.value),
            }
            for series in self._adapters.external(path.namespace, metric, wanted)
        ]
        api_version = f"{path.group}/{path.version}"
        return {"kind": "ExternalMetricValueList", "apiVersion": api_version, "metadata": {}, "items": items}


def _unknown() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def _amounts(cpu: int, memory: int) -> Json:
    """Thousandths of cores and bytes as metrics-server writes them."""
    return {"cpu": f"{cpu * 1_000_000}n" if cpu else "0", "memory": f"{memory // 1024 // 1000}Ki"}
