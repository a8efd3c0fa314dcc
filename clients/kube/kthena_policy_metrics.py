"""Reads what a Kthena policy decides on: the pages of its targets' entry pods, as its autoscaler does.

Rules by HEAD 3cc05728 (fact sheet ``kthena``, section 7). Its controller dials pods itself; from here they
are read through the API server's proxy, for which there must be a right. What cannot be read is named: no
number is put in its place. What only *we* may not read is told apart from what fails for the controller too.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from clients.gpu.door import TEXT_FORMAT, DoorError, Refusal, pod_page, refusal
from clients.gpu.exposition import LONGEST_PAGE, Exposition, Labels, PageError, read_page
from clients.kube.decode import timestamp
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.kthena_policy_decision import PolicyValue
from clients.kube.kthena_policy_object import PageSource, PolicyMetric, PolicyTarget
from clients.kube.kthena_quantiles import Buckets, PastPages, quantile
from clients.kube.pod_labels import ENTRY, ROLE, SERVING
from clients.kube.proxied import ClusterDoor
from clients.kube.resources import in_path
from clients.kube.scaler_fields import integer, listed, mapping, metadata, opened, text
from clients.kube.session import Session
from clients.serving.decision import PodSample, SampleState
from clients.serving.decision_words import lasted

__all__ = ["PolicyReader"]

_LIMIT = 10.0
"""Seconds that a list of pods may take."""
_AT_ONCE = 8


class _Pod(Struct, frozen=True):
    name: str
    ready: bool
    """Running, and its Ready condition says so."""
    broken: bool
    """Failed, or a container of it has restarted."""
    started: float | None


class _UnreadError(Exception):
    """Why a page, and with it its metrics, is not known."""

    def __init__(self, words: str, *, hidden: bool) -> None:
        super().__init__(words)
        self.words = words
        self.hidden = hidden


class PolicyReader:
    """Reads for any number of policies of one cluster."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._door = ClusterDoor(session)
        self._labels = Labels()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def read(self, target: PolicyTarget, past: PastPages) -> dict[str, PolicyValue]:
        """The value of each metric that its pods tell, by name. Never raises for what a server answers."""
        groups: dict[PageSource, list[PolicyMetric]] = {}
        for metric in target.metrics:
            if metric.pages is not None:
                groups.setdefault(_place(metric.pages), []).append(metric)
        past.begin(self._session.clock.now())
        found: dict[str, PolicyValue] = {}
        for place, metrics in groups.items():
            try:
                found |= await self._group(target, place, metrics, past)
            except _UnreadError as problem:
                unread = PolicyValue(error=problem.words, hidden=problem.hidden)
                found |= {metric.name: unread for metric in metrics}
        return found

    async def _group(
        self, target: PolicyTarget, place: PageSource, metrics: Sequence[PolicyMetric], past: PastPages
    ) -> dict[str, PolicyValue]:
        """The metrics of one page of each pod: all of it is read, or none of it counts."""
        pods = await self._pods(target, place)
        broken = next((pod.name for pod in pods if pod.broken), None)
        if not pods or broken is not None:
            words = "it has no entry pods"
            if broken is not None:
                words = f"pod {broken} failed or has restarted: nothing is read until it is replaced"
            raise _UnreadError(words, hidden=False)
        ready = [pod for pod in pods if pod.ready]
        namespace = target.target.namespace or ""
        names = frozenset(name for metric in metrics for name in _names(metric))
        pages = await asyncio.gather(*(self._page(namespace, pod, place, names) for pod in ready))
        found = {}
        for metric in metrics:
            values = [self._value(metric, pod, page, past) for pod, page in zip(ready, pages, strict=True)]
            told = [value for value in values if value is not None]
            found[metric.name] = PolicyValue(
                sum(told),
                len(told),
                len(pods) - len(ready),
                pods=(
                    *(_sample(pod, value) for pod, value in zip(ready, values, strict=True)),
                    *(PodSample(pod.name, SampleState.UNREADY) for pod in pods if not pod.ready),
                ),
            )
        return found

    # -- the pods

    async def _pods(self, target: PolicyTarget, place: PageSource) -> list[_Pod]:
        name, namespace = target.target.name, target.target.namespace or ""
        wanted = [f"{SERVING}={name}", f"{ENTRY}=true"]
        wanted += [f"{ROLE}={target.role}"] if target.role is not None else []
        wanted += [place.selector] if place.selector is not None else []
        path, query = f"/api/v1/namespaces/{in_path(namespace)}/pods", {"labelSelector": ",".join(wanted)}
        try:
            listing = opened(await self._session.get(path, query, timeout=_LIMIT))
        except KubeError as error:
            missing = error.kind is ErrorKind.FORBIDDEN
            words = f"right missing: list pods in namespace {namespace}" if missing else f"its pods: {error}"
            raise _UnreadError(words, hidden=True) from None
        except ValueError:
            raise _UnreadError("its pods: the answer is no JSON", hidden=True) from None
        return [_pod(item) for item in listed(listing.get("items"))]

    # -- the pages

    async def _page(self, namespace: str, pod: _Pod, place: PageSource, names: frozenset[str]) -> Exposition:
        async with self._slots:
            try:
                path = pod_page(namespace, pod.name, place.port, place.uri)
                reply = await self._door.fetch(path, None, headers=TEXT_FORMAT, limit=LONGEST_PAGE)
                refused = refusal(reply, "pods", namespace)
                if refused is not None:
                    raise _UnreadError(_refused(pod, place, refused), hidden=refused.ours)
                return read_page(reply.body, self._labels, wanted=names)
            except (DoorError, PageError) as error:
                raise _UnreadError(f"pod {pod.name}: {error}", hidden=True) from None

    def _value(self, metric: PolicyMetric, pod: _Pod, page: Exposition, past: PastPages) -> float | None:
        """What a pod's page says; ``None`` if it has no such metric."""
        name = _metric(metric)
        kind = page.types.get(name, "untyped")
        if kind == "histogram":
            return self._quantile(metric, pod, page, past)
        values = [row.values[name] for row in page.rows if name in row.values]
        if not values:
            return None
        if kind not in ("counter", "gauge"):
            words = f"{name} is {'of no type' if kind == 'untyped' else f'a {kind}'} on its page"
            raise _UnreadError(f"pod {pod.name}: {words}, which Kthena does not take", hidden=False)
        if not all(math.isfinite(value) for value in values):
            raise _UnreadError(f"pod {pod.name}: {name} is no number", hidden=True)
        return sum(values)

    def _quantile(self, metric: PolicyMetric, pod: _Pod, page: Exposition, past: PastPages) -> float | None:
        """Of the first series only: so it is upstream."""
        found = _buckets(page, _metric(metric))
        if found is None:
            return None
        now = self._session.clock.now()
        past.put(pod.name, pod.started, {metric.name: found})
        if (wait := past.wait(now)) > 0:
            words = f"its p95 of the last minute is known after a minute of looking: in {lasted(wait)}"
            raise _UnreadError(words, hidden=True)
        try:
            return quantile(found, past.before(pod.name, pod.started, metric.name, now))
        except ValueError as error:
            raise _UnreadError(f"pod {pod.name}: {_metric(metric)}: {error}", hidden=False) from None


def _place(source: PageSource) -> PageSource:
    """The page alone: metrics of one page are read together."""
    return PageSource(source.port, source.uri, source.selector)


def _metric(metric: PolicyMetric) -> str:
    return metric.pages.metric if metric.pages is not None else metric.name


def _names(metric: PolicyMetric) -> tuple[str, str, str]:
    name = _metric(metric)
    return name, f"{name}_bucket", f"{name}_count"


def _sample(pod: _Pod, value: float | None) -> PodSample:
    return PodSample(pod.name, SampleState.MISSING if value is None else SampleState.READY, value)


def _refused(pod: _Pod, place: PageSource, refused: Refusal) -> str:
    if refused.right:
        return refused.detail
    return f"pod {pod.name} :{place.port}{place.uri}: {refused.detail}"


def _pod(item: Mapping[str, Any]) -> _Pod:
    status = mapping(item.get("status"))
    conditions = listed(status.get("conditions"))
    ready = any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)
    containers = [*listed(status.get("initContainerStatuses")), *listed(status.get("containerStatuses"))]
    return _Pod(
        name=metadata(item)[2],
        ready=ready and status.get("phase") == "Running",
        broken=status.get("phase") == "Failed"
        or any((integer(entry.get("restartCount")) or 0) > 0 for entry in containers),
        started=timestamp(text(status.get("startTime"))),
    )


def _buckets(page: Exposition, name: str) -> Buckets | None:
    """The histogram of the first labels that are told of it."""
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, int]]] = {}
    totals: dict[tuple[tuple[str, str], ...], int] = {}
    for row in page.rows:
        labels = tuple(sorted((key, value) for key, value in row.labels.items() if key != "le"))
        if (count := row.values.get(f"{name}_bucket")) is not None and math.isfinite(count):
            try:
                bound = float(row.labels.get("le", ""))
            except ValueError:
                return None
            series.setdefault(labels, []).append((bound, int(count)))
        if (count := row.values.get(f"{name}_count")) is not None and math.isfinite(count):
            totals[labels] = int(count)
    if not series:
        return None
    labels, counts = next(iter(series.items()))
    counts.sort()
    return Buckets(tuple(counts), totals.get(labels, counts[-1][1]))
