"""Where the bounds of a workload stand: in its own object, in its autoscaler, or in a policy of Kthena."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from clients.kube import kserve
from clients.kube.json_patch import MISSING, at, pointer
from clients.kube.plan_parts import ChangeError
from clients.kube.resources import ResourceSpec
from clients.serving.changes import Bounds
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver, Workload

__all__ = ["SPECS", "BoundsPlace", "bounded_driver", "bounds_at", "place_of"]

SPECS: Mapping[str, ResourceSpec] = {
    spec.kind: spec
    for spec in (
        ResourceSpec("hpa", "autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ("v2",)),
        ResourceSpec("keda", "keda.sh", "scaledobjects", "ScaledObject", ("v1alpha1",)),
        ResourceSpec(
            "policy", "workload.serving.volcano.sh", "autoscalingpolicies", "AutoscalingPolicy", ("v1alpha1",)
        ),
        ResourceSpec(
            "binding",
            "workload.serving.volcano.sh",
            "autoscalingpolicybindings",
            "AutoscalingPolicyBinding",
            ("v1alpha1",),
        ),
        ResourceSpec(
            "cronhpa",
            "autoscaling.alibabacloud.com",
            "cronhorizontalpodautoscalers",
            "CronHorizontalPodAutoscaler",
            ("v1beta1",),
        ),
        kserve.INFERENCE_SERVICES,
    )
}
"""Objects in which autoscaling is set, by kind."""


class BoundsPlace(Struct, frozen=True):
    """The object that is written, and the pointers of its bounds."""

    ref: ObjectRef
    minimum: str
    maximum: str
    acts: str
    """Who carries it out, and when."""
    default_minimum: int = 1
    """What holds where the object does not say."""


def bounded_driver(workload: Workload, role: str | None) -> Driver | None:
    """The autoscaler whose bounds count; of several the one that wins."""
    for driver in workload.drivers:
        known = driver.ref.kind in SPECS and driver.ref.kind != "CronHorizontalPodAutoscaler"
        if known and (role is None or driver.role in (None, role)):
            return driver
    return None


def place_of(workload: Workload, scaler_class: str | None, role: str | None, raw: Any) -> BoundsPlace | None:
    """Where the bounds stand. ``scaler_class`` is an InferenceService's; ``raw`` the policy, where it is one.

    ``None``: nothing with bounds drives it.
    """
    key = workload.key
    if scaler_class in ("hpa", "keda", "none"):
        part = role or "predictor"
        acts = {
            "hpa": "KServe writes them into the HPA at once, which acts within 15 s",
            "keda": "KServe writes them into the ScaledObject at once, and KEDA's HPA acts within 15 s",
            "none": "KServe sets the Deployment to the minimum at once",
        }[scaler_class]
        return BoundsPlace(
            ObjectRef("serving.kserve.io", key.kind, key.namespace, key.name),
            pointer("spec", part, "minReplicas"),
            pointer("spec", part, "maxReplicas"),
            acts,
        )
    driver = bounded_driver(workload, role)
    if driver is None:
        return None
    kind = driver.ref.kind
    if kind == "HorizontalPodAutoscaler":
        acts = "the HPA acts within 15 s"
        return BoundsPlace(driver.ref, "/spec/minReplicas", "/spec/maxReplicas", acts)
    if kind == "ScaledObject":
        acts = "KEDA writes them into its HPA at once, which acts within 15 s"
        return BoundsPlace(driver.ref, "/spec/minReplicaCount", "/spec/maxReplicaCount", acts, 0)
    base = _in_policy(raw, key.name, driver.role)
    if base is None:
        raise ChangeError(f"{driver.ref} holds no bounds for {key.name}")
    acts = "Kthena's autoscaler acts within 15 s"
    return BoundsPlace(driver.ref, f"{base}/minReplicas", f"{base}/maxReplicas", acts, 0)


def _in_policy(raw: Any, name: str, role: str | None) -> str | None:
    """The pointer of the target's entry: homogeneous, heterogeneous or by roles; v0.1 to v0.4 or later."""
    spec = at(raw, "/spec")
    for field in ("homogeneousTarget", "scalingConfiguration"):
        if at(spec, pointer(field)) is not MISSING:
            return pointer("spec", field)
    for field in ("heterogeneousTarget", "optimizerConfiguration"):
        parts = at(spec, pointer(field, "params"))
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            if at(part, "/target/targetRef/name") == name:
                return pointer("spec", field, "params", index)
    if role is not None and at(spec, pointer("disaggregatedTarget", "roles", role)) is not MISSING:
        return pointer("spec", "disaggregatedTarget", "roles", role)
    return None


def bounds_at(raw: Any, place: BoundsPlace) -> Bounds:
    """The bounds as the object has them; its default minimum where it says none."""
    low, high = at(raw, place.minimum), at(raw, place.maximum)
    return Bounds(
        low if isinstance(low, int) else place.default_minimum,
        high if isinstance(high, int) and high > 0 else None,
    )
