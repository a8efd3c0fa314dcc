"""The metrics of an HPA turned into proposals: fetched, sorted by pod, failures in the controller's words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from clients.embedded.adapters import WINDOW_SECONDS, Adapters, MetricsError, milli_text
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.selectors import Requirement, parse_labels
from clients.embedded.controllers.hpa_algorithm import (
    Grouped,
    PodSample,
    Proposal,
    ProposalError,
    Tolerance,
    by_average,
    by_total,
    by_utilization,
    by_value,
    group_pods,
)
from clients.embedded.controllers.scale_targets import Scale
from clients.embedded.podbook import PodBook, PodFacts
from clients.embedded.quantity import parse_quantity

__all__ = ["MetricFailedError", "Proposed", "Proposer", "requirements_of"]

_NO_PODS = "no pods returned by selector while calculating replica count"


class MetricFailedError(Exception):
    """One metric gives nothing."""

    def __init__(self, reason: str, message: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason
        """Of its event, and of the condition if no metric works."""
        self.message = message
        """Of its event."""
        self.error = error
        """As FailedComputeMetricsReplicas quotes it."""


class Proposed(Struct, frozen=True):
    """What one metric asks for, and how status and events speak of it."""

    replicas: int
    description: str
    status: Json


def requirements_of(selector: Mapping[str, Any] | None) -> tuple[Requirement, ...]:
    """A LabelSelector's terms."""
    found = [
        Requirement(str(key), "in", frozenset((str(value),)))
        for key, value in ((selector or {}).get("matchLabels") or {}).items()
    ]
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    for term in (selector or {}).get("matchExpressions") or ():
        operator = operators.get(str(term.get("operator")), "in")
        found.append(Requirement(str(term.get("key")), operator, frozenset(term.get("values") or ())))
    return tuple(found)


def _selector_text(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as Go prints it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{k}: {v}," for k, v in sorted((selector.get("matchLabels") or {}).items()))
    terms = "".join(
        "LabelSelectorRequirement{"
        f"Key:{t.get('key')},Operator:{t.get('operator')},Values:[{' '.join(t.get('values') or ())}],}},"
        for t in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
    )


class _Reading(Struct, frozen=True):
    """One metric of one HPA at one time."""

    namespace: str
    scale: Scale
    wanted: tuple[Requirement, ...]
    tolerance: Tolerance
    now: float


class Proposer:
    """Makes proposals."""

    def __init__(self, book: PodBook, adapters: Adapters) -> None:
        self._book = book
        self._adapters = adapters

    def propose(self, metric: Json, scale: Scale, tolerance: Tolerance, now: float) -> Proposed:
        """What one entry of ``spec.metrics`` asks for. Raises MetricFailedError."""
        kind = str(metric.get("type", ""))
        source = metric.get(kind[:1].lower() + kind[1:]) or {}
        reading = _Reading(scale.namespace, scale, parse_labels(scale.selector), tolerance, now)
        if kind == "Resource":
            return self._resource(reading, source, "")
        if kind == "ContainerResource":
            return self._resource(reading, source, str(source.get("container")))
        if kind == "Pods":
            return self._pods(reading, source)
        if kind == "Object":
            return self._object(reading, source)
        if kind == "External":
            return self._external(reading, source)
        told = f'unknown metric source type "{kind}"'
        raise MetricFailedError("InvalidMetricSourceType", told, told)

    # -- resources ---------------------------------------------------------------------------------------

    def _resource(self, reading: _Reading, source: Json, container: str) -> Proposed:
        name, target = str(source.get("name")), source["target"]
        average = target.get("averageValue")
        kind = "ContainerResource" if container else "Resource"
        try:
            pods, samples, requests = self._resource_samples(reading, name, container, average is None)
            grouped = self._grouped(reading, pods, samples, cpu=name == "cpu")
            if average is not None:
                proposal = by_average(reading.scale.replicas, grouped, _milli(average), reading.tolerance)
            else:
                wanted = int(target["averageUtilization"])
                proposal = by_utilization(
                    reading.scale.replicas, grouped, requests, wanted, reading.tolerance
                )
        except (MetricsError, ProposalError) as error:
            what = "usage" if average is not None else "utilization"
            told = f"failed to get {name} {what}: {error}"
            error_kind = "container metric" if container else "resource metric"
            raise MetricFailedError(
                f"FailedGet{kind}Metric", told, f"failed to get {name} {error_kind} value: {told}"
            ) from None
        current: Json = {"averageValue": milli_text(proposal.average or 0)}
        if proposal.utilization is not None:
            current["averageUtilization"] = proposal.utilization
        block: Json = {"name": name, "current": current}
        words = f"{name} resource"
        if container:
            block["container"] = container
            words = f"{name} container resource"
        if average is None:
            words += " utilization (percentage of request)"
        return Proposed(proposal.replicas, words, {"type": kind, kind[:1].lower() + kind[1:]: block})

    def _resource_samples(
        self, reading: _Reading, name: str, container: str, with_requests: bool
    ) -> tuple[list[PodFacts], dict[str, int], dict[str, int]]:
        try:
            usages = self._adapters.usage(reading.namespace, reading.wanted)
        except MetricsError as error:
            raise MetricsError(f"unable to get metrics for resource {name}: {error}") from None
        if not usages:
            raise MetricsError(
                f"unable to get metrics for resource {name}: no metrics returned from resource metrics API"
            )
        place = {"cpu": 0, "memory": 1}.get(name)
        samples = {}
        for usage in usages:
            values = [pair for key, pair in usage.containers.items() if not container or key == container]
            if place is not None and values:
                samples[usage.pod.name] = sum(pair[place] for pair in values)
            elif container:
                raise MetricsError(
                    f"unable to get metrics for resource {name}: container {container} not present in "
                    f"metrics for pod {reading.namespace}/{usage.pod.name}"
                )
        pods = self._pods_of(reading)
        requests = {pod.name: _asked(pod, name, container) for pod in pods} if with_requests else {}
        return pods, samples, requests

    # -- pods, objects, external -------------------------------------------------------------------------

    def _pods(self, reading: _Reading, source: Json) -> Proposed:
        metric = source["metric"]
        name = str(metric["name"])
        try:
            try:
                samples = self._adapters.pods_metric(reading.namespace, name, reading.wanted)
            except MetricsError as error:
                raise MetricsError(f"unable to get metric {name}: {error}") from None
            if not samples:
                raise MetricsError(
                    f"unable to get metric {name}: no metrics returned from custom metrics API"
                )
            grouped = self._grouped(reading, self._pods_of(reading), samples, cpu=False)
            target = _milli(source["target"]["averageValue"])
            proposal = by_average(reading.scale.replicas, grouped, target, reading.tolerance)
        except (MetricsError, ProposalError) as error:
            raise MetricFailedError(
                "FailedGetPodsMetric", str(error), f"failed to get pods metric value: {error}"
            ) from None
        block = {"metric": metric, "current": {"averageValue": milli_text(proposal.average or 0)}}
        return Proposed(proposal.replicas, f"pods metric {name}", {"type": "Pods", "pods": block})

    def _object(self, reading: _Reading, source: Json) -> Proposed:
        metric, about, target = source["metric"], source["describedObject"], source["target"]
        name, kind = str(metric["name"]), str(about.get("kind"))
        words = f"{kind} metric {name}"
        try:
            try:
                value = self._adapters.object_metric(
                    reading.namespace, f"{kind.lower()}s", str(about.get("name")), name
                )
            except MetricsError as error:
                # The controller's own format string mixes up name and error.
                place = f"{kind} on {reading.namespace} {about.get('name')}"
                raise MetricsError(f"unable to get metric {name}: {place}/{error}") from None
            # Type alone decides here, other than for the rest: the controller asks for it explicitly.
            if target.get("type") == "Value" and target.get("value") is not None:
                proposal = self._by_value(reading, value, _milli(target["value"]))
            elif target.get("type") == "AverageValue" and target.get("averageValue") is not None:
                proposal = by_total(
                    reading.scale.observed, value, _milli(target["averageValue"]), reading.tolerance
                )
                words = f"external metric {name}({_selector_text(metric.get('selector'))})"
            else:
                raise MetricsError(
                    "invalid object metric source: neither a value target nor an average value target was set"
                )
        except (MetricsError, ProposalError) as error:
            raise MetricFailedError(
                "FailedGetObjectMetric", str(error), f"failed to get object metric value: {error}"
            ) from None
        block = {"metric": metric, "describedObject": about, "current": _current(proposal)}
        return Proposed(proposal.replicas, words, {"type": "Object", "object": block})

    def _external(self, reading: _Reading, source: Json) -> Proposed:
        metric, target = source["metric"], source["target"]
        name, selector = str(metric["name"]), metric.get("selector")
        text = _selector_text(selector)
        average = target.get("averageValue")
        try:
            where = f"unable to get external metric {reading.namespace}/{name}/{text}"
            try:
                series = self._adapters.external(reading.namespace, name, requirements_of(selector))
            except MetricsError as error:
                raise MetricsError(f"{where}: {error}") from None
            if not series:
                raise MetricsError(f"{where}: no metrics returned from external metrics API")
            total = sum(one.value for one in series)
            if average is not None:
                proposal = by_total(reading.scale.observed, total, _milli(average), reading.tolerance)
            else:
                proposal = self._by_value(reading, total, _milli(target["value"]))
        except (MetricsError, ProposalError) as error:
            what = f"{name} external metric" if average is not None else f"external metric {name}"
            raise MetricFailedError(
                "FailedGetExternalMetric",
                str(error),
                f"failed to get {name} external metric value: failed to get {what}: {error}",
            ) from None
        block = {"metric": metric, "current": _current(proposal)}
        return Proposed(
            proposal.replicas, f"external metric {name}({text})", {"type": "External", "external": block}
        )

    def _by_value(self, reading: _Reading, value: int, target: int) -> Proposal:
        pods = self._book.select(reading.namespace, reading.wanted)
        if reading.scale.replicas and not pods:
            raise ProposalError(f"unable to calculate ready pods: {_NO_PODS}")
        ready = sum(1 for pod in pods if pod.phase == "Running" and pod.ready)
        return by_value(reading.scale.replicas, value, target, ready, reading.tolerance)

    # -- shared ------------------------------------------------------------------------------------------

    def _pods_of(self, reading: _Reading) -> list[PodFacts]:
        pods = self._book.select(reading.namespace, reading.wanted)
        if not pods:
            raise ProposalError(_NO_PODS)
        return pods

    def _grouped(
        self, reading: _Reading, pods: Sequence[PodFacts], samples: Mapping[str, int], *, cpu: bool
    ) -> Grouped:
        told = [
            PodSample(
                pod.name,
                pod.phase,
                deleting=pod.deleting,
                ready=pod.ready,
                ready_since=pod.ready_since,
                started=pod.started,
                value=samples.get(pod.name),
            )
            for pod in pods
        ]
        sampled_at = self._adapters.sampled_at
        return group_pods(told, reading.now, cpu=cpu, sampled_at=sampled_at, window=WINDOW_SECONDS)


def _asked(pod: PodFacts, resource: str, container: str) -> int:
    """What a pod, or one of its containers, asks for. Raises ProposalError where it does not."""
    total = 0
    for one in pod.containers:
        if container and one.name != container:
            continue
        request = one.request(resource)
        if request is None:
            raise ProposalError(f"missing request for {resource} in container {one.name} of Pod {pod.name}")
        total += request
    return total


def _milli(quantity: Any) -> int:
    return max(1, math.ceil(parse_quantity(quantity) * 1000))


def _current(proposal: Proposal) -> Json:
    if proposal.value is not None:
        return {"value": milli_text(proposal.value)}
    return {"averageValue": milli_text(proposal.average or 0)}
