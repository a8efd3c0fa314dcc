"""Kthena's AutoscalingPolicies, and the bindings of v0.1 to v0.4, as drivers: targets, roles, bounds.

Up to v0.4 the targets stand in an AutoscalingPolicyBinding and the policy holds only rules; from v1.0 on the
policy holds both (fact sheet ``kthena``, sections 1 and 7).
"""

from __future__ import annotations

import msgspec

from clients.kube.kthena_policy_object import BINDING, GROUP, KIND, PolicyObject, decode_object
from clients.kube.resources import ResourceSpec
from clients.kube.rows import ScalerRow
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["BINDING", "GROUP", "KIND", "WATCHES", "decode", "drivers", "links"]

WATCHES = (
    ResourceSpec("policy", GROUP, "autoscalingpolicies", KIND, ("v1alpha1",)),
    ResourceSpec("binding", GROUP, "autoscalingpolicybindings", BINDING, ("v1alpha1",)),
)

_INTERVAL = 15.0
"""``--autoscaling-sync-period-seconds``, the default."""


def decode(raw: bytes | msgspec.Raw) -> ScalerRow:
    """A row from a policy's or a binding's JSON; a policy of v0.1 to v0.4 has no targets."""
    policy = decode_object(raw)
    return ScalerRow(
        policy.uid,
        policy.namespace,
        policy.name,
        GROUP,
        policy.ref.kind,
        tuple(
            (one.target.group, one.target.kind, one.target.namespace or policy.namespace, one.target.name,
             one.role, one.minimum, one.maximum)
            for one in policy.targets
        ),
        signal=_signal(policy),
        note=policy.problem,
        interval=_INTERVAL,
        policy=policy.policy,
    )  # fmt: skip


def _signal(policy: PolicyObject) -> str | None:
    """The first metric and its target; its reading is nowhere in the API."""
    metrics = (*policy.metrics, *(metric for target in policy.targets for metric in target.metrics))
    for metric in metrics:
        return metric.name if metric.target is None else f"{metric.name} {metric.target:g}"
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
                note=row.note,
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
