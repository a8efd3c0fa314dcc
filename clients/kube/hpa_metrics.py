"""Reads what an HPA decides on: the target's scale, its pods, and the metrics APIs, as its controller does.

The calls are those of fact sheet ``kserve-hpa-lws``, 2.7. What cannot be read is named: no number is put in
its place. What only *we* may not read is told apart from what fails for the controller too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from clients.kube.decode import timestamp
from clients.kube.durations import seconds
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.hpa_decision import Inputs
from clients.kube.hpa_object import HpaObject, MetricSpec
from clients.kube.hpa_replicas import HpaPod, MetricValues, Sample, Scale
from clients.kube.quantity import milli, parse
from clients.kube.resources import in_path
from clients.kube.scaler_fields import integer, listed, mapping, opened, text
from clients.kube.session import Params, Session
from clients.serving.decision_words import lasted

__all__ = ["HpaReader", "MetricsApi"]

_LIMIT = 10.0
"""Seconds that one call may take."""
_STALE = 120.0
"""Seconds after which a sample is old, unless its own window is longer."""
_WINDOW = 60.0
"""Of a sample that does not tell its own, as the controller takes it."""


class MetricsApi(StrEnum):
    """An API group that metrics come from; any of them may be absent."""

    RESOURCE = "metrics.k8s.io"
    CUSTOM = "custom.metrics.k8s.io"
    EXTERNAL = "external.metrics.k8s.io"

    @property
    def versions(self) -> tuple[str, ...]:
        """Understood, best first."""
        return ("v1beta2", "v1beta1") if self is MetricsApi.CUSTOM else ("v1beta1",)

    @property
    def server(self) -> str:
        """Who serves it."""
        return "metrics-server" if self is MetricsApi.RESOURCE else f"an adapter for {self.value}"


def api_of(metric: MetricSpec) -> MetricsApi:
    """Where a metric is read."""
    if metric.kind in ("Resource", "ContainerResource"):
        return MetricsApi.RESOURCE
    return MetricsApi.EXTERNAL if metric.kind == "External" else MetricsApi.CUSTOM


class _UnreadError(Exception):
    """Why something is not known."""

    def __init__(self, words: str, *, hidden: bool) -> None:
        super().__init__(words)
        self.words = words
        self.hidden = hidden


class HpaReader:
    """Reads for any number of HPAs of one cluster."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._plurals: dict[tuple[str, str], str] = {}

    async def read(self, hpa: HpaObject) -> Inputs:
        """Everything the decision needs, as it is now. Never raises for what a server answers or does not."""
        try:
            scale = await self._scale(hpa)
            if not scale.selector:
                raise _UnreadError("the target's scale has no selector: the HPA finds no pods", hidden=False)
            pods = await self._pods(hpa.namespace, scale.selector)
        except _UnreadError as problem:
            return Inputs(problem=problem.words, hidden=problem.hidden)
        values = await asyncio.gather(*(self._values(metric, hpa.namespace, scale) for metric in hpa.metrics))
        return Inputs(scale, pods, tuple(values))

    async def offered(self, api: MetricsApi) -> str | None:
        """The served version of a metrics API that we understand; ``None`` if it is absent.

        Raises KubeError where the server cannot say.
        """
        try:
            group = opened(await self._session.get(f"/apis/{api}", timeout=_LIMIT))
        except KubeError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            if error.kind is ErrorKind.FORBIDDEN:
                return api.versions[-1]
            raise
        served = {text(entry.get("version")) for entry in listed(group.get("versions"))}
        return next((version for version in api.versions if version in served), None)

    # -- the target

    async def _scale(self, hpa: HpaObject) -> Scale:
        target = hpa.target
        if target is None:
            raise _UnreadError("the HPA names no target", hidden=False)
        base = f"/apis/{hpa.target_api}" if "/" in hpa.target_api else f"/api/{hpa.target_api or 'v1'}"
        plural = await self._plural(base, target.kind)
        path = f"{base}/namespaces/{in_path(hpa.namespace)}/{plural}/{in_path(target.name)}/scale"
        scale = await self._get(path, f"the scale of {target}")
        spec, status = mapping(scale.get("spec")), mapping(scale.get("status"))
        return Scale(
            integer(spec.get("replicas")) or 0,
            integer(status.get("replicas")) or 0,
            text(status.get("selector")),
        )

    async def _plural(self, base: str, kind: str) -> str:
        """The resource whose objects are of this kind, as the server itself calls it."""
        known = self._plurals.get((base, kind))
        if known is not None:
            return known
        for entry in listed((await self._get(base, f"the API of {kind}")).get("resources")):
            name = text(entry.get("name"))
            if entry.get("kind") == kind and name and "/" not in name:
                return self._plurals.setdefault((base, kind), name)
        raise _UnreadError(f"the server knows no {kind}", hidden=False)

    async def _pods(self, namespace: str, selector: str) -> tuple[HpaPod, ...]:
        path = f"/api/v1/namespaces/{in_path(namespace)}/pods"
        listing = await self._get(path, "its pods", {"labelSelector": selector})
        return tuple(_pod(item) for item in listed(listing.get("items")))

    # -- metrics

    async def _values(self, metric: MetricSpec, namespace: str, scale: Scale) -> MetricValues:
        api = api_of(metric)
        try:
            version = await self._version(api)
            base = f"/apis/{api}/{version}/namespaces/{in_path(namespace)}"
            match api:
                case MetricsApi.RESOURCE:
                    return await self._resource(metric, base, scale)
                case MetricsApi.EXTERNAL:
                    return await self._external(metric, base)
                case _:
                    return await self._custom(metric, base, f"/apis/{api}/{version}", scale)
        except _UnreadError as problem:
            return MetricValues(error=problem.words, hidden=problem.hidden)

    async def _version(self, api: MetricsApi) -> str:
        try:
            version = await self.offered(api)
        except (KubeError, ValueError) as error:
            raise _UnreadError(f"{api}: {error}", hidden=True) from None
        if version is None:
            raise _UnreadError(f"the API {api} is absent: {api.server} is not installed", hidden=False)
        return version

    async def _resource(self, metric: MetricSpec, base: str, scale: Scale) -> MetricValues:
        listing = await self._get(
            f"{base}/pods", metric.name, {"labelSelector": scale.selector}, MetricsApi.RESOURCE
        )
        found: dict[str, Sample] = {}
        for item in _items(listing, MetricsApi.RESOURCE):
            used = _used(item, metric)
            name = text(mapping(item.get("metadata")).get("name"))
            if used is not None and name:
                window = seconds(item.get("window"))
                found[name] = Sample(
                    used, timestamp(text(item.get("timestamp"))), _WINDOW if window is None else window
                )
        return self._noted(found)

    async def _custom(self, metric: MetricSpec, base: str, root: str, scale: Scale) -> MetricValues:
        query = {} if metric.selector is None else {"metricLabelSelector": metric.selector}
        name = in_path(metric.name)
        if metric.kind == "Pods":
            query["labelSelector"] = scale.selector
            listing = await self._get(f"{base}/pods/*/{name}", metric.name, query, MetricsApi.CUSTOM)
            found = {}
            for item in _items(listing, MetricsApi.CUSTOM):
                value = parse(item.get("value"))
                pod = text(mapping(item.get("describedObject")).get("name"))
                if value is not None and pod:
                    window = integer(item.get("windowSeconds"))
                    at = timestamp(text(item.get("timestamp")))
                    found[pod] = Sample(milli(value), at, _WINDOW if window is None else float(window))
            return self._noted(found)
        described = in_path(metric.object_name)
        if metric.object_kind == "Namespace":
            path = f"{root}/namespaces/{described}/metrics/{name}"
        else:
            path = f"{base}/{await self._described(metric)}/{described}/{name}"
        listing = await self._get(path, metric.name, query, MetricsApi.CUSTOM)
        return MetricValues(total=_sum(_items(listing, MetricsApi.CUSTOM)[:1], metric.name))

    async def _described(self, metric: MetricSpec) -> str:
        api = metric.object_api or "v1"
        plural = await self._plural(f"/apis/{api}" if "/" in api else f"/api/{api}", metric.object_kind)
        group = api.partition("/")[0] if "/" in api else ""
        return f"{plural}.{group}" if group else plural

    async def _external(self, metric: MetricSpec, base: str) -> MetricValues:
        query = {} if metric.selector is None else {"labelSelector": metric.selector}
        listing = await self._get(f"{base}/{in_path(metric.name)}", metric.name, query, MetricsApi.EXTERNAL)
        return MetricValues(total=_sum(_items(listing, MetricsApi.EXTERNAL), metric.name))

    def _noted(self, found: Mapping[str, Sample]) -> MetricValues:
        """The samples, with a word if even the newest is old: the controller counts it all the same."""
        times = [(sample.at, sample.window) for sample in found.values() if sample.at is not None]
        notes: tuple[str, ...] = ()
        if times:
            newest, window = max(times)
            age = self._session.clock.now() - newest
            if age > max(_STALE, 3 * window):
                notes = (f"stale: the newest sample is {lasted(age)} old",)
        return MetricValues(pods=found, notes=notes)

    async def _get(
        self, path: str, what: str, query: Params | None = None, api: MetricsApi | None = None
    ) -> Mapping[str, Any]:
        try:
            return opened(await self._session.get(path, query, timeout=_LIMIT))
        except KubeError as error:
            raise _UnreadError(_refused(what, error, api), hidden=_hidden(error)) from None
        except ValueError:
            raise _UnreadError(f"{what}: the answer is no JSON", hidden=True) from None


def _hidden(error: KubeError) -> bool:
    """Whether the controller may well read what we could not."""
    return error.kind is not ErrorKind.NOT_FOUND and error.status != 503


def _refused(what: str, error: KubeError, api: MetricsApi | None) -> str:
    if error.kind is ErrorKind.FORBIDDEN:
        return f"no right to read {what}" + (f" from {api}" if api else "")
    if error.kind is ErrorKind.NOT_FOUND:
        return f"{api} has no metric {what}" if api else f"{what} is not there"
    if error.status == 503 and api is not None:
        return f"the API {api} answers nothing: {api.server} is down"
    return f"{what}: {error}"


def _items(listing: Mapping[str, Any], api: MetricsApi) -> list[Mapping[str, Any]]:
    items = listed(listing.get("items"))
    if not items:
        raise _UnreadError(f"the API {api} answers with nothing", hidden=False)
    return items


def _sum(items: list[Mapping[str, Any]], name: str) -> int:
    values = [parse(item.get("value")) for item in items]
    if any(value is None for value in values):
        raise _UnreadError(f"{name}: a value that is no quantity", hidden=True)
    return sum(milli(value) for value in values if value is not None)


def _used(item: Mapping[str, Any], metric: MetricSpec) -> int | None:
    """What a pod, or its container, uses; a container without a sample leaves the pod without one."""
    containers = listed(item.get("containers"))
    if metric.container is not None:
        containers = [entry for entry in containers if entry.get("name") == metric.container]
    used = [parse(mapping(entry.get("usage")).get(metric.name)) for entry in containers]
    if not used or any(value is None for value in used):
        return None
    return sum(milli(value) for value in used if value is not None)


def _pod(item: Mapping[str, Any]) -> HpaPod:
    meta, status = mapping(item.get("metadata")), mapping(item.get("status"))
    ready = next((entry for entry in listed(status.get("conditions")) if entry.get("type") == "Ready"), None)
    spec = mapping(item.get("spec"))
    sidecars = [
        entry for entry in listed(spec.get("initContainers")) if entry.get("restartPolicy") == "Always"
    ]
    return HpaPod(
        name=text(meta.get("name")),
        phase=text(status.get("phase"), "Unknown"),
        deleting=meta.get("deletionTimestamp") is not None,
        ready=None if ready is None else ready.get("status") == "True",
        ready_at=None if ready is None else timestamp(text(ready.get("lastTransitionTime"))),
        started=timestamp(text(status.get("startTime"))),
        requests={
            text(entry.get("name")): _requests(entry)
            for entry in (*listed(spec.get("containers")), *sidecars)
        },
    )


def _requests(container: Mapping[str, Any]) -> dict[str, int]:
    given = mapping(mapping(container.get("resources")).get("requests"))
    parsed = {name: parse(value) for name, value in given.items()}
    return {name: milli(value) for name, value in parsed.items() if value is not None}
