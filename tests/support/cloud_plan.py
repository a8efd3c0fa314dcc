"""A plan for a deployment of a managed cloud, as bare as it can be."""

from __future__ import annotations

from clients.serving.changes import ReplicasChange
from clients.serving.guards import Confirmation
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Count, Prediction
from clients.serving.plans import ScalePlan, Write


def plan_of(wanted: int, *, before: int = 1, name: str = "demo") -> ScalePlan:
    """Another count; the same one writes nothing."""
    return ScalePlan(
        key=WorkloadKey("zone", "cloud", None, "Cloud", name),
        uid="d-1",
        change=ReplicasChange(wanted),
        before=Count(before),
        after=Count(wanted),
        steps=(),
        order_known=False,
        order_note="",
        pods_delta=0,
        gpu_delta=0,
        capacity=None,
        eta=None,
        guards=(),
        write=None if wanted == before else Write("POST", "/scale", "application/json", {"replicas": wanted}),
        equivalent="",
        confirmation=Confirmation.NONE,
        prediction=Prediction(None, None, None, 0),
    )
