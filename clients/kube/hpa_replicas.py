"""How many replicas one metric of an HPA asks for (kube-controller-manager 1.36, replica_calculator.go).

Numbers are whole thousandths, or per cent for a utilization, and ratios are floats, exactly as the controller
counts: a ratio that lands on the edge of the tolerance must fall to the same side.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from msgspec import Struct

from clients.kube.hpa_object import MetricSpec, amount_in, unit_of
from clients.serving.decision import Aggregate, MetricDecision, PodSample, SampleState

__all__ = ["DEFAULT_FLAGS", "Flags", "HpaPod", "MetricValues", "Sample", "Scale", "propose"]

_MOST = 2**31 - 1


class Flags(Struct, frozen=True):
    """Flags of kube-controller-manager that no API tells; seconds."""

    sync: float = 15.0
    window: float = 300.0
    """Down."""
    tolerance: float = 0.1
    cpu_initialization: float = 300.0
    readiness_delay: float = 30.0

    @property
    def words(self) -> tuple[str, ...]:
        """Each by its name, for what is assumed."""
        return (
            f"--horizontal-pod-autoscaler-sync-period={self.sync:g}s",
            f"--horizontal-pod-autoscaler-downscale-stabilization={self.window:g}s",
            f"--horizontal-pod-autoscaler-tolerance={self.tolerance:g}",
            f"--horizontal-pod-autoscaler-cpu-initialization-period={self.cpu_initialization:g}s",
            f"--horizontal-pod-autoscaler-initial-readiness-delay={self.readiness_delay:g}s",
        )


DEFAULT_FLAGS = Flags()


class Scale(Struct, frozen=True):
    """The target's ``/scale``."""

    spec_replicas: int
    status_replicas: int
    selector: str = ""


class HpaPod(Struct, frozen=True):
    """A pod that the target's selector finds."""

    name: str
    phase: str
    deleting: bool = False
    ready: bool | None = None
    """The Ready condition; ``None`` without one."""
    ready_at: float | None = None
    """lastTransitionTime of that condition."""
    started: float | None = None
    """status.startTime."""
    requests: Mapping[str, Mapping[str, int]] = {}
    """Container → resource → thousandths. Restartable init containers count as containers."""


class Sample(Struct, frozen=True):
    """One pod's measurement, thousandths."""

    value: int
    at: float | None = None
    window: float = 60.0


class MetricValues(Struct, frozen=True):
    """What the metrics APIs answer for one metric."""

    pods: Mapping[str, Sample] = {}
    total: int | None = None
    """Of an Object or External metric, all series added up; thousandths."""
    error: str | None = None
    hidden: bool = False
    """The error is ours alone: the controller may well read it."""
    notes: tuple[str, ...] = ()


class _Group(Struct):
    ready: int
    states: dict[str, SampleState]

    def of(self, state: SampleState) -> list[str]:
        return [name for name, found in self.states.items() if found is state]


def propose(
    metric: MetricSpec,
    values: MetricValues,
    pods: Collection[HpaPod],
    scale: Scale,
    now: float,
    tolerance: tuple[float, float],
    flags: Flags = DEFAULT_FLAGS,
) -> MetricDecision:
    """The metric's proposal, or why it has none. ``tolerance`` is (down, up)."""
    maker = _Proposal(metric, values, pods, scale, now, tolerance, flags)
    try:
        return maker.decide()
    except _NoProposalError as failure:
        return maker.told(error=str(failure))


class _NoProposalError(Exception):
    """Why a metric proposes nothing."""


class _Proposal:
    def __init__(
        self,
        metric: MetricSpec,
        values: MetricValues,
        pods: Collection[HpaPod],
        scale: Scale,
        now: float,
        tolerance: tuple[float, float],
        flags: Flags,
    ) -> None:
        self._metric, self._values, self._pods, self._scale = metric, values, pods, scale
        self._now, self._tolerance, self._flags = now, tolerance, flags
        self._states: dict[str, SampleState] = {}
        self._counted: dict[str, int] = {}
        self._requests: dict[str, int] = {}

    def told(
        self,
        proposal: int | None = None,
        current: int | None = None,
        ratio: float | None = None,
        *,
        tolerated: bool = False,
        error: str | None = None,
    ) -> MetricDecision:
        metric = self._metric
        described = f"{metric.object_kind}/{metric.object_name}" if metric.kind == "Object" else None
        return MetricDecision(
            kind=metric.kind,
            name=metric.name,
            aggregate=metric.aggregate,
            unit=unit_of(metric.kind, metric.name, metric.aggregate),
            target=amount_in(metric.aggregate, metric.target),
            current=amount_in(metric.aggregate, current),
            ratio=ratio if ratio is None or math.isfinite(ratio) else None,
            proposal=None if proposal is None else min(proposal, _MOST),
            tolerated=tolerated,
            selector=metric.selector,
            container=metric.container,
            object=described,
            error=error,
            pods=self._samples(),
            notes=self._values.notes,
        )

    def _samples(self) -> tuple[PodSample, ...]:
        def amount(pod: str, value: int | None) -> float | None:
            if value is None or self._metric.aggregate is not Aggregate.UTILIZATION:
                return amount_in(self._metric.aggregate, value)
            asked = self._requests.get(pod)
            return 100 * value / asked if asked else None

        return tuple(
            PodSample(
                pod=name,
                state=state,
                value=amount(name, sample.value if sample else None),
                at=sample.at if sample else None,
                counted_as=amount(name, self._counted.get(name)),
            )
            for name, state in sorted(self._states.items())
            for sample in (self._values.pods.get(name),)
        )

    def decide(self) -> MetricDecision:
        metric = self._metric
        if metric.aggregate is None or metric.target is None:
            raise _NoProposalError(
                f"a {metric.kind or 'metric without type'} metric without a target it understands"
            )
        if metric.target <= 0:
            raise _NoProposalError("its target is not above 0")
        if self._values.error is not None:
            raise _NoProposalError(self._values.error)
        if metric.kind in ("Object", "External"):
            return self._one_number(metric.target)
        return self._per_pod(metric.target)

    # -- Object and External

    def _one_number(self, target: int) -> MetricDecision:
        total = self._values.total
        if total is None:
            raise _NoProposalError("no number for it")
        if self._metric.aggregate is Aggregate.AVERAGE:
            return self._shared(total, target)
        ratio = total / target
        if self._scale.spec_replicas == 0:
            return self.told(_ceil(ratio), total, ratio)
        if self._within(ratio):
            return self.told(self._scale.spec_replicas, total, ratio, tolerated=True)
        if not self._pods:
            raise _NoProposalError("its selector finds no pods")
        ready = sum(1 for pod in self._pods if pod.phase == "Running" and pod.ready)
        return self.told(_ceil(ratio * ready), total, ratio)

    def _shared(self, total: int, target: int) -> MetricDecision:
        """A total, divided by the replicas that the target says it has."""
        replicas = self._scale.status_replicas
        ratio = total / (target * replicas) if replicas else math.inf
        average = math.ceil(total / replicas) if replicas else None
        if self._within(ratio):
            return self.told(replicas, average, ratio, tolerated=True)
        return self.told(_ceil(total / target), average, ratio)

    # -- Resource, ContainerResource and Pods

    def _per_pod(self, target: int) -> MetricDecision:
        if not self._pods:
            raise _NoProposalError("its selector finds no pods")
        group = self._grouped()
        self._states = group.states
        unready, missing = group.of(SampleState.UNREADY), group.of(SampleState.MISSING)
        left_out = {*unready, *group.of(SampleState.IGNORED)}
        used = {name: sample.value for name, sample in self._values.pods.items() if name not in left_out}
        by_request = self._metric.aggregate is Aggregate.UTILIZATION
        if by_request:
            self._requests = self._requested()
        if not used:
            raise _NoProposalError("no samples of its pods, which may not be ready")
        current, ratio = self._usage(used, target)
        now = self._scale.spec_replicas
        damps = bool(unready) and ratio > 1
        if not damps and not missing:
            if self._within(ratio):
                return self.told(now, current, ratio, tolerated=True)
            return self.told(_ceil(ratio * group.ready), current, ratio)
        if ratio < 1:
            for name in missing:
                self._counted[name] = (
                    self._requests.get(name, 0) * max(100, target) // 100 if by_request else target
                )
        elif ratio > 1:
            self._counted.update(dict.fromkeys(missing, 0))
        if damps:
            self._counted.update(dict.fromkeys(unready, 0))
        used.update(self._counted)
        _, again = self._usage(used, target)
        if self._within(again):
            return self.told(now, current, ratio, tolerated=True)
        proposal = _ceil(again * len(used))
        crosses = (ratio < 1 < again) or (again < 1 < ratio)
        against = (again < 1 and proposal > now) or (again > 1 and proposal < now)
        return self.told(now if crosses or against else proposal, current, ratio)

    def _usage(self, used: Mapping[str, int], target: int) -> tuple[int, float]:
        """(current value, its ratio to the target)"""
        if self._metric.aggregate is not Aggregate.UTILIZATION:
            average = _quotient(sum(used.values()), len(used))
            return average, average / target
        known = [name for name in used if name in self._requests]
        asked = sum(self._requests[name] for name in known)
        if not asked:
            raise _NoProposalError("no samples of pods that are known")
        percent = _quotient(sum(used[name] for name in known) * 100, asked)
        return percent, percent / target

    def _requested(self) -> dict[str, int]:
        """What each pod requests; a container without a request stops the whole metric."""
        metric, found = self._metric, {}
        for pod in self._pods:
            total = 0
            for container, requests in pod.requests.items():
                if metric.container not in (None, container):
                    continue
                if metric.name not in requests:
                    raise _NoProposalError(
                        f"missing request for {metric.name} in container {container} of Pod {pod.name}"
                    )
                total += requests[metric.name]
            found[pod.name] = total
        return found

    def _grouped(self) -> _Group:
        cpu = self._metric.name == "cpu" and self._metric.kind != "Pods"
        group = _Group(0, {})
        for pod in self._pods:
            state = self._state(pod, cpu)
            group.states[pod.name] = state
            group.ready += state is SampleState.READY
        return group

    def _state(self, pod: HpaPod, cpu: bool) -> SampleState:
        if pod.deleting or pod.phase == "Failed":
            return SampleState.IGNORED
        if pod.phase == "Pending":
            return SampleState.UNREADY
        sample = self._values.pods.get(pod.name)
        if sample is None:
            return SampleState.MISSING
        return SampleState.UNREADY if cpu and self._starting(pod, sample) else SampleState.READY

    def _starting(self, pod: HpaPod, sample: Sample) -> bool:
        """Whether cpu use may still be that of starting."""
        if pod.ready is None or pod.started is None:
            return True
        turned = 0.0 if pod.ready_at is None else pod.ready_at
        if pod.started + self._flags.cpu_initialization > self._now:
            measured = self._now if sample.at is None else sample.at
            return not pod.ready or measured < turned + sample.window
        return not pod.ready and pod.started + self._flags.readiness_delay > turned

    def _within(self, ratio: float) -> bool:
        down, up = self._tolerance
        return 1.0 - down <= ratio <= 1.0 + up


def _ceil(value: float) -> int:
    if math.isnan(value):
        return 0
    return _MOST if value >= _MOST else math.ceil(value)


def _quotient(value: int, by: int) -> int:
    """Whole division as Go does it: towards zero."""
    return abs(value) // by * (1 if value >= 0 else -1)
