"""Raw JSON of one Kubernetes object in, its flat row out.

A field that is missing, null, unknown or of the wrong type counts as absent: the rest of the object is
still worth showing. Only an object without uid or name cannot be told from others: ``DecodeFailure``.
Two tiers: the typed decoder, and where that refuses, a slow field-by-field reading of the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Protocol, TypeVar

import msgspec
from msgspec import UNSET

from clients.kube import decode_shapes as shapes
from clients.kube.decode_gpus import gpus_in, gpus_of_pod
from clients.kube.decode_lenient import fit
from clients.kube.decode_placement import placement_of
from clients.kube.pod_labels import NO_LABELS
from clients.kube.rows import (
    ContainerRow,
    EndpointSliceRow,
    EventRow,
    ModelServingRow,
    NodeRow,
    OwnerRow,
    PodGroupRow,
    PodRow,
    RoleRow,
)

__all__ = [
    "DecodeFailure",
    "endpoint_slice",
    "event",
    "identity",
    "kept_labels",
    "model_serving",
    "node",
    "owner_of",
    "pod",
    "pod_group",
    "read",
    "replicas_of",
    "timestamp",
]

T = TypeVar("T")


class _Named(Protocol):
    uid: str | None
    name: str | None


KEPT_LABELS = ("app", "app.kubernetes.io/name")
KEPT_PREFIXES = (
    "modelserving.volcano.sh/",
    "workload.serving.volcano.sh/",
    "leaderworkerset.sigs.k8s.io/",
    "serving.kserve.io/",
)
"""Label prefixes of the serving systems."""
WORKLOAD_OWNERS = frozenset({"ModelServing", "ReplicaSet", "StatefulSet"})

_POD = msgspec.json.Decoder(shapes.PodShape)
_OWNERS = msgspec.json.Decoder(list[shapes.OwnerReference] | None)
_NODE = msgspec.json.Decoder(shapes.NodeShape)
_SERVING = msgspec.json.Decoder(shapes.ModelServingShape)
_POD_GROUP = msgspec.json.Decoder(shapes.PodGroupShape)
_EVENT = msgspec.json.Decoder(shapes.EventShape)
_SLICE = msgspec.json.Decoder(shapes.EndpointSliceShape)


class DecodeFailure(ValueError):  # noqa: N818
    """These bytes are no object that can be told from others; the message says why, without the bytes."""


def read(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T:
    """The object as far as it can be made out.

    Raises:
        DecodeFailure: not a JSON object.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        loose = fit(msgspec.json.decode(raw), decoder.type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeFailure(f"not a JSON object: {type(error).__name__}") from None
    if loose is None:
        raise DecodeFailure("not a JSON object")
    return loose


Metadata = TypeVar("Metadata", bound=_Named)


def identity(meta: Metadata | None) -> tuple[Metadata, str, str]:
    """(metadata, uid, name); raises DecodeFailure where one is missing."""
    if meta is None or not meta.uid or not meta.name:
        raise DecodeFailure("an object without metadata.uid or metadata.name")
    return meta, meta.uid, meta.name


@lru_cache(maxsize=8192)
def timestamp(text: str | None) -> float | None:
    """UTC seconds of an RFC 3339 time; ``None`` for what is none. Cached: pods share their seconds."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _label_key(key: str) -> str | None:
    """The one shared string of a label key that is kept, ``None`` for others."""
    return intern(key) if key in KEPT_LABELS or key.startswith(KEPT_PREFIXES) else None


_label_key_cached = lru_cache(maxsize=4096)(_label_key)


def kept_labels(labels: dict[str, str | None] | None) -> dict[str, str]:
    """Only those that are read of any object, with shared strings."""
    if not labels:
        return {}
    kept: dict[str, str] = {}
    for key, value in labels.items():
        name = _label_key_cached(key)
        if name is not None and value is not None:
            kept[name] = intern(value)
    return kept


@lru_cache(maxsize=4096)
def _owner_in(raw: bytes) -> OwnerRow | None:
    """The controlling owner in ``ownerReferences`` as they stand in the JSON."""
    try:
        return owner_of(_OWNERS.decode(raw))
    except msgspec.DecodeError:
        return owner_of(fit(msgspec.json.decode(raw), list[shapes.OwnerReference]))


@lru_cache(maxsize=4096)
def _owner_row(kind: str, name: str, uid: str, api_version: str) -> OwnerRow:
    group = api_version.rpartition("/")[0]
    return OwnerRow(kind=intern(kind), name=intern(name), uid=intern(uid), group=intern(group))


def owner_of(references: list[shapes.OwnerReference] | None) -> OwnerRow | None:
    """The controlling owner; without a ``controller`` flag anywhere, the first one (Kthena before v0.3)."""
    if not references:
        return None
    chosen = references[0]
    for reference in references:
        if reference.controller:
            chosen = reference
            break
    if not chosen.kind or not chosen.name or not chosen.uid:
        return None
    return _owner_row(chosen.kind, chosen.name, chosen.uid, chosen.api_version or "")


@lru_cache(maxsize=1024)
def _cost(text: str) -> int:
    """The deletion cost annotation; invalid counts as 0, as Kthena has it."""
    try:
        return int(text) if len(text) < 20 else 0
    except ValueError:
        return 0


def _containers(
    init: list[shapes.ContainerStatus] | None, main: list[shapes.ContainerStatus] | None
) -> tuple[ContainerRow, ...]:
    rows = [_container(status, True) for status in init] if init else []
    if main:
        for status in main:
            rows.append(_container(status, False))
    return tuple(rows)


def _container(status: shapes.ContainerStatus, init: bool) -> ContainerRow:
    row = ContainerRow(
        intern(status.name or ""),
        init,
        status.ready is True,
        status.started,
        max(0, status.restart_count or 0),
    )
    if status.image:
        row.image = intern(status.image)
    state = status.state
    if state is not None:
        if state.running is not None:
            row.state = "running"
            row.started_at = timestamp(state.running.started_at)
        elif state.terminated is not None:
            ended = state.terminated
            row.state, row.reason, row.message = "terminated", ended.reason, ended.message
            row.exit_code, row.started_at = ended.exit_code, timestamp(ended.started_at)
        elif state.waiting is not None:
            row.state, row.reason, row.message = "waiting", state.waiting.reason, state.waiting.message
    last = status.last_state
    if last is not None and last.terminated is not None:
        row.last_reason = last.terminated.reason
        row.last_message = last.terminated.message
        row.last_exit_code = last.terminated.exit_code
    return row


def pod(raw: bytes | msgspec.Raw) -> PodRow:
    """A core/v1 Pod. One of no known workload keeps only uid, namespace, node, phase and GPUs.

    Raises:
        DecodeFailure: no uid or name, or not JSON.
    """
    shape = read(_POD, raw)
    meta, uid, name = identity(shape.metadata)
    spec, status = shape.spec, shape.status
    node_name = None
    gpus = 0
    if spec is not None:
        if spec.node_name:
            node_name = intern(spec.node_name)
        gpus = gpus_of_pod(spec.containers, spec.init_containers)
    owner = _owner_in(bytes(meta.owner_references))
    labels = meta.labels or NO_LABELS
    phase = intern((status.phase if status is not None else None) or "Unknown")
    namespace = intern(meta.namespace or "")
    if (owner is None or owner.kind not in WORKLOAD_OWNERS) and not labels.of_workload:
        # Its name stays only where it holds GPUs: then a person may ask who does.
        return PodRow(uid, namespace, name if gpus else "", node_name, phase, False, gpus)
    row = PodRow(uid, namespace, name, node_name, phase, False, gpus, owner)
    row.labels = labels.shared()
    row.created = timestamp(meta.creation_timestamp)
    row.resource_version = meta.resource_version or ""
    if meta.deletion_timestamp is not None:
        row.deleted = timestamp(meta.deletion_timestamp) or 0.0
        grace = meta.deletion_grace_period_seconds
        row.grace = float(grace) if grace is not None else None
    if meta.finalizers:
        row.finalizers = tuple(meta.finalizers)
    if meta.annotations is not None and meta.annotations.deletion_cost is not None:
        row.deletion_cost = _cost(meta.annotations.deletion_cost)
    if status is not None:
        _pod_status(row, status)
    return row


def _pod_status(row: PodRow, status: shapes.PodStatus) -> None:
    row.started = timestamp(status.start_time)
    row.status_reason = status.reason
    row.status_message = status.message
    for condition in status.conditions or ():
        kind = condition.type
        if kind == "Ready":
            row.ready = condition.status == "True"
            row.ready_at = timestamp(condition.last_transition_time)
        elif kind == "PodScheduled":
            row.scheduled = condition.status == "True"
            row.scheduled_at = timestamp(condition.last_transition_time)
            if not row.scheduled:
                row.scheduled_reason = condition.reason
                row.scheduled_message = condition.message
        elif kind == "Initialized":
            row.initialized = condition.status == "True"
    row.containers = _containers(status.init_container_statuses, status.container_statuses)


def node(raw: bytes | msgspec.Raw) -> NodeRow:
    """A core/v1 Node.

    Raises:
        DecodeFailure: no uid or name, or not JSON.
    """
    shape = read(_NODE, raw)
    meta, uid, name = identity(shape.metadata)
    allocatable = shape.status.allocatable if shape.status else None
    conditions = (shape.status.conditions if shape.status else None) or ()
    taints = (shape.spec.taints if shape.spec else None) or ()
    labels = {intern(key): intern(value) for key, value in (meta.labels or {}).items() if value is not None}
    return NodeRow(
        uid=uid,
        name=intern(name),
        gpus=gpus_in(allocatable),
        ready=any(condition.type == "Ready" and condition.status == "True" for condition in conditions),
        unschedulable=bool(shape.spec and shape.spec.unschedulable),
        labels=labels,
        taints=tuple((taint.key or "", taint.value or "", taint.effect or "") for taint in taints),
        pods=_whole(allocatable.pods) if allocatable is not None else None,
    )


def _whole(value: str | int | None) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 12 else None
    return value


def _text(value: str | int | None) -> str | None:
    """An int-or-percentage, as text."""
    return None if value is None else str(value)


def model_serving(raw: bytes | msgspec.Raw) -> ModelServingRow:
    """A ModelServing of any release from v0.1 on; status fields that a release lacks are ``None``.

    Raises:
        DecodeFailure: no uid or name, or not JSON.
    """
    shape = read(_SERVING, raw)
    meta, uid, name = identity(shape.metadata)
    spec = shape.spec or shapes.ServingSpec()
    template = spec.template or shapes.ServingTemplate()
    gang = template.gang_policy
    rollout = spec.rollout_strategy or shapes.Rollout()
    rolling = rollout.rolling_update_configuration or shapes.RollingUpdate()
    replicas_manager, roles_manager = _managers(shape.metadata)
    row = ModelServingRow(
        uid=uid,
        namespace=intern(meta.namespace or ""),
        name=intern(name),
        resource_version=meta.resource_version or "",
        generation=meta.generation,
        api_version=intern(shape.api_version or ""),
        created=timestamp(meta.creation_timestamp),
        deleted=timestamp(meta.deletion_timestamp),
        replicas=replicas_of(spec.replicas),
        roles=tuple(_role(role, index) for index, role in enumerate(template.roles or ()) if role.name),
        scheduler=spec.scheduler_name or "volcano",
        recovery_policy=spec.recovery_policy or "RoleRecreate",
        rollout_type=rollout.type or "ServingGroupRollingUpdate",
        max_unavailable=_text(rolling.max_unavailable),
        partition=_text(rolling.partition),
        min_role_replicas=_minimums(gang.min_role_replicas if gang else None),
        gang=gang is not None,
        owner=owner_of(meta.owner_references),
        labels=kept_labels(meta.labels),
        replicas_manager=replicas_manager,
        roles_manager=roles_manager,
        replicas_present=isinstance(spec.replicas, int),
    )
    status = shape.status
    if status is not None:
        row.observed_generation = status.observed_generation
        row.status_replicas = status.replicas
        row.status_available = status.available_replicas
        row.status_updated = status.updated_replicas
        row.current_revision = status.current_revision or None
        row.update_revision = status.update_revision or None
        row.conditions = tuple(
            (item.type or "", item.status or "", item.reason or "", item.message or "")
            for item in status.conditions or ()
        )
    return row


def replicas_of(value: int | msgspec.UnsetType | None) -> int:
    """A replicas field: 1 where absent (the CRD's default), never below 0."""
    return max(0, value) if isinstance(value, int) else 1


def _minimums(minimums: dict[str, int | None] | None) -> tuple[tuple[str, int], ...]:
    return tuple((role, count) for role, count in (minimums or {}).items() if count is not None)


def _role(role: shapes.ServingRole, index: int) -> RoleRow:
    entry = (role.entry_template.spec if role.entry_template else None) or shapes.TemplateSpec()
    worker = (role.worker_template.spec if role.worker_template else None) or shapes.TemplateSpec()
    return RoleRow(
        name=intern(role.name or ""),
        index=index,
        replicas=replicas_of(role.replicas),
        workers=max(0, role.worker_replicas or 0),
        has_worker_template=role.worker_template is not None,
        max_unavailable=_text(role.max_unavailable),
        partition=_text(role.partition),
        gpus_entry=gpus_of_pod(entry.containers, entry.init_containers),
        gpus_worker=gpus_of_pod(worker.containers, worker.init_containers),
        placement=placement_of(entry),
        worker_placement=placement_of(worker),
        startup_probe=any(item.startup_probe is not None for item in entry.containers or ()),
        replicas_present=isinstance(role.replicas, int),
    )


def _managers(meta: shapes.OwnedMeta | None) -> tuple[str | None, str | None]:
    """Who last wrote ``spec.replicas`` and the list of roles, by field ownership; newest if several."""
    replicas: tuple[float, str] | None = None
    roles: tuple[float, str] | None = None
    for entry in (meta.managed_fields if meta else None) or ():
        fields = entry.fields.spec if entry.fields else None
        if fields is None or not entry.manager:
            continue
        claim = (timestamp(entry.time) or 0.0, entry.manager)
        if fields.replicas is not UNSET and (replicas is None or claim[0] >= replicas[0]):
            replicas = claim
        if (
            fields.template is not None
            and fields.template.roles is not UNSET
            and (roles is None or claim[0] >= roles[0])
        ):
            roles = claim
    return replicas[1] if replicas else None, roles[1] if roles else None


def pod_group(raw: bytes | msgspec.Raw) -> PodGroupRow:
    """A scheduling.volcano.sh/v1beta1 PodGroup.

    Raises:
        DecodeFailure: no uid or name, or not JSON.
    """
    shape = read(_POD_GROUP, raw)
    meta, uid, name = identity(shape.metadata)
    status = shape.status
    row = PodGroupRow(
        uid=uid,
        namespace=intern(meta.namespace or ""),
        name=intern(name),
        phase=intern((status.phase if status else None) or ""),
        min_member=shape.spec.min_member if shape.spec else None,
        owner=owner_of(meta.owner_references),
    )
    if meta.deletion_timestamp is not None:
        row.deleted = timestamp(meta.deletion_timestamp) or 0.0
    newest = -1.0
    for condition in (status.conditions if status else None) or ():
        if condition.type == "Unschedulable" and condition.status == "True":
            at = timestamp(condition.last_transition_time) or 0.0
            if at >= newest:
                newest, row.reason, row.message = at, condition.reason, condition.message
    return row


def event(raw: bytes | msgspec.Raw) -> EventRow:
    """An Event of core/v1 or events.k8s.io/v1.

    Raises:
        DecodeFailure: no uid or name, or not JSON.
    """
    shape = read(_EVENT, raw)
    meta, uid, _ = identity(shape.metadata)
    subject = shape.involved_object or shape.regarding or shapes.Reference()
    series = shape.series
    source = shape.source or shape.deprecated_source
    return EventRow(
        uid=uid,
        namespace=intern(meta.namespace or ""),
        kind=intern(subject.kind or ""),
        name=subject.name or "",
        object_uid=subject.uid,
        reason=intern(shape.reason or ""),
        message=shape.message or shape.note or "",
        type=intern(shape.type or "Normal"),
        at=_newest(
            shape.last_timestamp,
            shape.deprecated_last_timestamp,
            shape.event_time,
            series.last_observed_time if series else None,
            shape.first_timestamp,
            meta.creation_timestamp,
        ),
        count=(series.count if series else None) or shape.count or shape.deprecated_count or 1,
        source=(source.component if source else None)
        or shape.reporting_component
        or shape.reporting_controller
        or None,
    )


def _newest(*texts: str | None) -> float | None:
    times: Iterable[float | None] = (timestamp(text) for text in texts)
    return max((time for time in times if time is not None), default=None)


def endpoint_slice(raw: bytes | msgspec.Raw) -> EndpointSliceRow:
    """A discovery.k8s.io/v1 EndpointSlice; an absent ready condition counts as ready, as the API says.

    Raises:
        DecodeFailure: no uid or name, or not JSON.
    """
    shape = read(_SLICE, raw)
    meta, uid, name = identity(shape.metadata)
    endpoints = shape.endpoints or []
    references = (endpoint.target_ref for endpoint in endpoints)
    ports = [port.port for port in shape.ports or () if port.port is not None]
    return EndpointSliceRow(
        uid=uid,
        namespace=intern(meta.namespace or ""),
        name=name,
        service=(meta.labels or {}).get("kubernetes.io/service-name") or "",
        ready=sum(1 for item in endpoints if item.conditions is None or item.conditions.ready is not False),
        total=len(endpoints),
        pods=tuple(
            intern(item.name) for item in references if item is not None and item.kind == "Pod" and item.name
        ),
        port=ports[0] if ports else None,
    )
