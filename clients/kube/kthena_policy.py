"""Kthena's AutoscalingPolicies, and the bindings of v0.1 to v0.4, as drivers: targets, roles, bounds.

Up to v0.4 the targets stand in an AutoscalingPolicyBinding and the policy holds only rules; from v1.0 on the
policy holds both (fact sheet ``kthena``, sections 1 and 7).
"""

from __future__ import annotations

import msgspec

from clients.kube.kthena_policy_object import BINDING, GROUP, KIND, PolicyObject, PolicyTarget
from clients.kube.kthena_policy_object import decode_object as decode
from clients.kube.resources import ResourceSpec
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


def _signal(policy: PolicyObject) -> str | None:
    """The first metric and its target; its reading is nowhere in the API."""
    metrics = (*policy.metrics, *(metric for target in policy.targets for metric in target.metrics))
    for metric in metrics:
        return metric.name if metric.target is None else f"{metric.name} {metric.target:g}"
    return None


def drivers(policy: PolicyObject) -> tuple[tuple[ObjectRef, Driver], ...]:
    """(target, driver) for each target and role; a policy of v0.1 to v0.4 has no targets."""
    signal = _signal(policy)
    return tuple(
        (
            _target(policy, one),
            Driver(
                kind="policy",
                ref=policy.ref,
                role=one.role,
                minimum=one.minimum,
                maximum=one.maximum,
                signal=signal,
                interval=_INTERVAL,
                note=policy.problem,
            ),
        )
        for one in policy.targets
    )


def links(policy: PolicyObject) -> tuple[Link, ...]:
    """What it scales; a binding also names the policy whose rules bind it."""
    found = {Link(policy.ref, _target(policy, one), LinkKind.SCALES): None for one in policy.targets}
    if policy.policy is not None:
        rules = ObjectRef(GROUP, KIND, policy.namespace, policy.policy)
        found[Link(rules, policy.ref, LinkKind.BOUNDS)] = None
    return tuple(found)


def _target(policy: PolicyObject, one: PolicyTarget) -> ObjectRef:
    return msgspec.structs.replace(one.target, namespace=one.target.namespace or policy.namespace)
