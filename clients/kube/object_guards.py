"""What stands against an autoscaler that a form makes or edits: that it would fight, or never act at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from clients.kube.cronhpa import controller_runs
from clients.kube.errors import KubeError
from clients.kube.hpa_metrics import HpaReader, MetricsApi
from clients.kube.resources import in_path
from clients.kube.scaler_fields import listed, mapping, opened, text
from clients.kube.session import Session
from clients.serving.changes import ObjectChange, Verb
from clients.serving.guards import Guard, Level
from clients.serving.plain import plain
from clients.serving.workload import Workload

__all__ = ["object_guards"]

_APIS = {
    "Resource": MetricsApi.RESOURCE,
    "ContainerResource": MetricsApi.RESOURCE,
    "Pods": MetricsApi.CUSTOM,
    "Object": MetricsApi.CUSTOM,
    "External": MetricsApi.EXTERNAL,
}
_HPA, _CRON = "HorizontalPodAutoscaler", "CronHorizontalPodAutoscaler"
_SET_ANEW = ("InferenceService", "ScaledObject", "LLMInferenceService")
"""Owners that write their HPA again, and make it again when it is deleted."""


async def object_guards(
    session: Session, workload: Workload, change: ObjectChange, before: Mapping[str, Any] | None
) -> list[Guard]:
    """``before`` is the object as it is, where there is one. What can not be asked is left to the server."""
    found: list[Guard] = []
    if before is not None and (keeper := _keeper(before)) is not None:
        reason = f"{keeper} keeps it and writes it again: change {keeper} instead"
        found.append(Guard("owner", Level.BLOCK, reason))
    if change.verb is Verb.DELETE:
        return found
    body = msgspec.json.decode(change.body)
    if change.ref.kind == _HPA:
        metrics = (
            listed(mapping(body.get("spec")).get("metrics")) if change.verb is Verb.CREATE else _metrics(body)
        )
        found += [guard async for guard in _of_metrics(session, workload, metrics)]
        if change.verb is Verb.CREATE:
            found += [guard async for guard in _rivals(session, workload, change, body)]
    elif change.ref.kind == _CRON and not await _controller_runs(session):
        reason = "no CronHPA controller runs in kube-system: these jobs would never fire"
        found.append(Guard("controller", Level.WARN, reason, ("install it first",)))
    return found


def _keeper(before: Mapping[str, Any]) -> str | None:
    for owner in listed(mapping(before.get("metadata")).get("ownerReferences")):
        if owner.get("kind") in _SET_ANEW:
            return f"{text(owner.get('kind'))}/{plain(text(owner.get('name')), 80)}"
    return None


def _metrics(patch: Any) -> list[Mapping[str, Any]]:
    """The metrics that a patch puts in place; none where it leaves them alone."""
    for step in patch:
        if step.get("path") == "/spec/metrics" and step.get("op") in ("add", "replace"):
            return list(listed(step.get("value")))
    return []


async def _of_metrics(session: Session, workload: Workload, metrics: Any) -> AsyncIterator[Guard]:
    """A metrics API that nobody serves; cpu on an engine whose work is done on GPUs."""
    reader = HpaReader(session)
    for api in dict.fromkeys(
        _APIS[kind] for metric in metrics if (kind := text(metric.get("type"))) in _APIS
    ):
        try:
            served = await reader.offered(api)
        except KubeError:
            continue
        if served is None:
            reason = f"{api} is not served here: the HPA would find no metric and never act"
            yield Guard("metrics", Level.WARN, reason, (f"install {api.server} first",))
    cpu = any(text(mapping(metric.get("resource")).get("name")) == "cpu" for metric in metrics)
    if cpu and (workload.gpus or any(spec.gpus for spec in workload.role_specs)):
        reason = "cpu says little of an engine that works on GPUs: waiting requests follow its load better"
        yield Guard("metric", Level.WARN, reason, ("scale on vllm:num_requests_waiting instead",))


async def _rivals(
    session: Session, workload: Workload, change: ObjectChange, body: Mapping[str, Any]
) -> AsyncIterator[Guard]:
    """A second HPA on the same target stops both (AmbiguousSelector); any other driver fights with it."""
    target = mapping(mapping(body.get("spec")).get("scaleTargetRef"))
    same = (text(target.get("kind")), text(target.get("name")))
    path = f"/apis/autoscaling/v2/namespaces/{in_path(change.ref.namespace or '')}/horizontalpodautoscalers"
    try:
        there = listed(opened(await session.get(path)).get("items"))
    except KubeError:
        there = []
    for hpa in there:
        ref = mapping(mapping(hpa.get("spec")).get("scaleTargetRef"))
        if (text(ref.get("kind")), text(ref.get("name"))) == same:
            name = plain(text(mapping(hpa.get("metadata")).get("name")), 80)
            reason = f"HPA {name} scales the same target: with two of them neither acts (AmbiguousSelector)"
            yield Guard("rival", Level.BLOCK, reason, (f"edit {name} instead",))
            return
    for driver in workload.drivers:
        if driver.ref.kind not in (_HPA, _CRON):
            reason = (
                f"{plain(driver.kind)} {plain(driver.ref.name)} drives it too: they undo each other's counts"
            )
            yield Guard("rival", Level.WARN, reason, (f"edit {plain(driver.ref.name)} instead",))


async def _controller_runs(session: Session) -> bool:
    """What cannot be seen is taken to run."""
    try:
        return await controller_runs(session)
    except KubeError:
        return True
