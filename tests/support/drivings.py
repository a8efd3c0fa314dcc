"""What drives a workload, made up: every part of the page has something to draw."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from clients.serving.autoscaling import Autoscaling, Bears, Part
from clients.serving.decision import (
    Aggregate,
    Decision,
    MetricDecision,
    Outcome,
    PodSample,
    SampleState,
    Stabilised,
    Unit,
)
from clients.serving.events import Event, EventKind
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.schedule import Firing, Schedule, ScheduledJob

__all__ = ["HPA", "MORNING", "autoscaling", "cpu", "decision", "schedule"]

SERVICE = ObjectRef("serving.kserve.io", "InferenceService", "llm", "qwen")
DEPLOYMENT = ObjectRef("apps", "Deployment", "llm", "qwen-predictor")
HPA = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "qwen-hpa")
CRON = ObjectRef("autoscaling.alibabacloud.com", "CronHorizontalPodAutoscaler", "llm", "qwen-office")
KEY = WorkloadKey("c0ffee", "kserve", "llm", "InferenceService", "qwen")
MORNING = 1_700_000_000.0
"""2023-11-14 22:13:20 UTC, 06:13:20 in Shanghai."""


def cpu(pods: int = 3, state: SampleState = SampleState.READY) -> MetricDecision:
    """A metric well below its target; the last pod is in ``state``."""
    samples = [
        PodSample(f"qwen-predictor-6c9f-{at:05}", SampleState.READY, 7.0 + at / 10, MORNING)
        for at in range(pods)
    ]
    if state is not SampleState.READY:
        samples[-1] = PodSample(samples[-1].pod, state, counted_as=10.0)
    return MetricDecision(
        "Resource", "cpu", Aggregate.UTILIZATION, Unit.PERCENT, 10.0, 7.0, 0.7, 2, pods=tuple(samples)
    )


def decision(**how: Any) -> Decision:
    """Eight replicas that an earlier recommendation holds."""
    made = Decision(
        subject=HPA,
        at=MORNING,
        outcome=Outcome.HOLDS,
        target=DEPLOYMENT,
        current=8,
        minimum=1,
        maximum=10,
        metrics=(cpu(),),
        best=2,
        winner=0,
        stabilised=Stabilised(8, True, 300.0, 170.0, by=8, age=130.0),
        desired=8,
        goes_to=2,
        until=MORNING + 170,
        interval=15.0,
        assumptions=("--horizontal-pod-autoscaler-sync-period=15s",),
    )
    return replace(made, **how)


def schedule(**how: Any) -> Schedule:
    """Up in the morning, down at night."""
    jobs = (
        ScheduledJob("morning", "0 30 8 * * 1-5", 8, next_at=MORNING + 8200, state="Succeed"),
        ScheduledJob("night", "0 0 22 * * *", 1, next_at=MORNING + 56800, state="Submitted"),
    )
    firings = (Firing(MORNING + 8200, "morning", 8), Firing(MORNING + 56800, "night", 1))
    return replace(Schedule(CRON, HPA, "Asia/Shanghai", zone_known=True, jobs=jobs, firings=firings), **how)


def autoscaling(**how: Any) -> Autoscaling:
    """A service whose Deployment an HPA scales, whose bounds a schedule moves."""
    moved = Event(
        at=MORNING - 130,
        seen_at=MORNING - 130,
        cluster="c0ffee",
        kind=EventKind.DESIRED,
        key=KEY,
        before="2",
        after="8",
        actor="HPA/qwen-hpa",
        reason="cpu resource utilization (percentage of request) above target",
        detail={"metric": "cpu", "value": 38.0},
    )
    made = Autoscaling(
        key=KEY,
        at=MORNING,
        chain=(
            (
                Part(SERVICE, Bears.IS),
                Part(DEPLOYMENT, Bears.BELONGS),
                Part(HPA, Bears.SCALES),
                Part(CRON, Bears.BOUNDS),
            ),
        ),
        decisions=(decision(),),
        schedules=(schedule(),),
        rescales=(moved,),
        conditions=("AbleToScale: an earlier, higher recommendation holds it up",),
        free_groups=18,
    )
    return replace(made, **how)
