"""Kthena's AutoscalingPolicies, and the bindings of v0.1 to v0.4, as drivers: targets, roles, bounds.

Up to v0.4 the targets stand in an AutoscalingPolicyBinding and the policy holds only rules; from v1.0 on the
policy holds both (fact sheet ``kthena``, sections 1 and 7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from clients.kube.resources import ResourceSpec
from clients.kube.rows import ScalerRow
from clients.kube.scaler_fields import group_of, integer, listed, mapping, metadata, number, opened, text
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["BINDING", "GROUP", "KIND", "WATCHES", "decode", "drivers", "links"]

GROUP = "workload.serving.volcano.sh"
KIND = "AutoscalingPolicy"
BINDING = "AutoscalingPolicyBinding"
WATCHES = (
    ResourceSpec("policy", GROUP, "autoscalingpolicies", KIND, ("v1alpha1",)),
    ResourceSpec("binding", GROUP, "autoscalingpolicybindings", BINDING, ("v1alpha1",)),
)

_INTERVAL = 15.0
"""``--autoscaling-sync-period-seconds``, the default."""

_Target = tuple[str, str, str, str, str | None, int | None, int | None]


def decode(raw: bytes | msgspec.Raw) -> ScalerRow:
    """A row from a policy's or a binding's JSON; a policy of v0.1 to v0.4 has no targets."""
    obj = opened(raw)
    uid, namespace, name = metadata(obj)
    spec = mapping(obj.get("spec"))
    policy = text(mapping(spec.get("policyRef")).get("name")) or None
    binding = text(obj.get("kind")) == BINDING or policy is not None
    return ScalerRow(
        uid,
        namespace,
        name,
        GROUP,
        BINDING if binding else KIND,
        tuple(_targets(spec, namespace)),
        signal=_signal(spec),
        interval=_INTERVAL,
        policy=policy,
    )


def _targets(spec: Mapping[str, Any], namespace: str) -> Iterator[_Target]:
    for field in ("homogeneousTarget", "scalingConfiguration"):
        one = mapping(spec.get(field))
        if one:
            yield from _whole(one, namespace)
    for field in ("heterogeneousTarget", "optimizerConfiguration"):
        for part in listed(mapping(spec.get(field)).get("params")):
            yield from _whole(part, namespace)
    split = mapping(spec.get("disaggregatedTarget"))
    ref = mapping(split.get("targetRef"))
    for role, bounds in mapping(split.get("roles")).items():
        yield from _bounded(ref, namespace, role, mapping(bounds))


def _whole(part: Mapping[str, Any], namespace: str) -> Iterator[_Target]:
    """All groups of one target; or, in v0.2 to v0.4, the roles that ``subTargets`` names."""
    target = mapping(part.get("target"))
    ref = mapping(target.get("targetRef"))
    sub = target.get("subTargets")
    entries = listed(sub) or ([mapping(sub)] if mapping(sub) else [])
    roles: list[str | None] = [
        text(entry.get("name")) for entry in entries if text(entry.get("kind"), "Role") == "Role"
    ]
    for role in roles or [None]:
        yield from _bounded(ref, namespace, role, part)


def _bounded(
    ref: Mapping[str, Any], namespace: str, role: str | None, bounds: Mapping[str, Any]
) -> Iterator[_Target]:
    name = text(ref.get("name"))
    if name:
        yield (
            group_of(ref.get("apiVersion"), GROUP),
            text(ref.get("kind"), "ModelServing"),
            text(ref.get("namespace"), namespace),
            name,
            role or None,
            integer(bounds.get("minReplicas")),
            integer(bounds.get("maxReplicas")),
        )


def _signal(spec: Mapping[str, Any]) -> str | None:
    """The first metric and its target; its reading is nowhere in the API."""
    metrics = listed(spec.get("metrics"))
    for bounds in mapping(mapping(spec.get("disaggregatedTarget")).get("roles")).values():
        metrics += listed(mapping(bounds).get("metrics"))
    for metric in metrics:
        name, wanted = text(metric.get("name")), number(metric.get("targetValue"))
        if name:
            return name if wanted is None else f"{name} {wanted:g}"
    return None


def drivers(row: ScalerRow) -> tuple[tuple[ObjectRef, Driver], ...]:
    """(target, driver) for each target and role."""
    me = ObjectRef(row.group, row.kind, row.namespace, row.name)
    return tuple(
        (
            ObjectRef(group, kind, namespace, name),
            Driver(
                kind="policy",
                ref=me,
                role=role,
                minimum=minimum,
                maximum=maximum,
                signal=row.signal,
                interval=row.interval,
            ),
        )
        for group, kind, namespace, name, role, minimum, maximum in row.targets
    )


def links(row: ScalerRow) -> tuple[Link, ...]:
    """What it scales; a binding also names the policy whose rules bind it."""
    me = ObjectRef(row.group, row.kind, row.namespace, row.name)
    found = {
        Link(me, ObjectRef(group, kind, namespace, name), LinkKind.SCALES): None
        for group, kind, namespace, name, *_ in row.targets
    }
    if row.policy is not None:
        found[Link(ObjectRef(GROUP, KIND, row.namespace, row.policy), me, LinkKind.BOUNDS)] = None
    return tuple(found)
