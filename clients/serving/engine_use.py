"""What the engines of a role replica or of a group do together, and whose pages tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from clients.serving.engine_figures import Bound, EngineFigures, EngineReading
from clients.serving.workload import RoleReplica, Workload

__all__ = ["EngineUse", "EngineUses", "Pod", "engine_pods", "engines_of"]

Pod = tuple[str, str]
"""Namespace and name."""


class EngineUse(Struct, frozen=True):
    """Some engines together."""

    engines: int
    """That answered; the figures are theirs."""
    silent: int
    """Pods whose newest question had no good answer."""
    figures: EngineFigures | None
    """Requests and rates added up, use of caches as its mean, durations as those of the slowest engine."""
    detail: str | None
    """Why one of the silent ones is."""


class EngineUses(Struct, frozen=True):
    """Of one workload."""

    groups: Mapping[str, EngineUse] = {}
    replicas: Mapping[tuple[str, str, str], EngineUse] = {}
    """By group, role and role replica."""


def engine_pods(workload: Workload) -> Iterator[Pod]:
    """Pods that may have an engine that listens: entry pods that run. Workers serve no page."""
    for group in workload.groups:
        for role in group.roles:
            for replica in role.replicas:
                yield from _pods(workload, replica)


def engines_of(workload: Workload, readings: Mapping[Pod, EngineReading]) -> EngineUses:
    """What was read of them; pods that serve no engine's page are in none."""
    groups: dict[str, EngineUse] = {}
    replicas: dict[tuple[str, str, str], EngineUse] = {}
    for group in workload.groups:
        of_group: list[EngineReading] = []
        for role in group.roles:
            for replica in role.replicas:
                found = [readings[pod] for pod in _pods(workload, replica) if pod in readings]
                of_group += found
                if (use := _use(found)) is not None:
                    replicas[(group.name, role.name, replica.id)] = use
        if (use := _use(of_group)) is not None:
            groups[group.name] = use
    return EngineUses(groups, replicas)


def _pods(workload: Workload, replica: RoleReplica) -> Iterator[Pod]:
    for pod in replica.pods:
        if not pod.index and pod.phase == "Running" and not pod.terminating:
            yield (workload.key.namespace or "", pod.name)


def _use(readings: Iterable[EngineReading]) -> EngineUse | None:
    told: list[EngineFigures] = []
    silent: list[str] = []
    for reading in readings:
        if reading.detail is not None:
            silent.append(reading.detail)
        elif reading.figures is not None:
            told.append(reading.figures)
    if not told and not silent:
        return None
    return EngineUse(len(told), len(silent), _together(told) if told else None, silent[0] if silent else None)


def _together(told: Sequence[EngineFigures]) -> EngineFigures:
    """One that is not known makes a sum unknown."""
    if len(told) == 1:
        return told[0]
    reasons: dict[str, float] = {}
    for one in told:
        for reason, count in one.waiting_by_reason:
            reasons[reason] = reasons.get(reason, 0.0) + count
    full = _sum([one.kv_percent for one in told])
    return EngineFigures(
        engine=", ".join(sorted({one.engine for one in told})),
        model=", ".join(sorted({one.model for one in told if one.model})) or None,
        taken_at=min(one.taken_at for one in told),
        waiting_by_reason=tuple(sorted(reasons.items())),
        running=_sum([one.running for one in told]),
        waiting=_sum([one.waiting for one in told]),
        kv_percent=None if full is None else full / len(told),
        tokens_per_second=_sum([one.tokens_per_second for one in told]),
        prompt_tokens_per_second=_sum([one.prompt_tokens_per_second for one in told]),
        preemptions_per_second=_sum([one.preemptions_per_second for one in told]),
        ttft_p50=_slowest([one.ttft_p50 for one in told]),
        ttft_p99=_slowest([one.ttft_p99 for one in told]),
        queue_p99=_slowest([one.queue_p99 for one in told]),
        names=tuple(dict.fromkeys(name for one in told for name in one.names)),
    )


def _sum(values: list[float | None]) -> float | None:
    return None if None in values else sum(value for value in values if value is not None)


def _slowest(bounds: list[Bound | None]) -> Bound | None:
    """Engines that had no request have no bound, and hold up nobody."""
    known = [bound for bound in bounds if bound is not None]
    return max(known, key=lambda bound: (bound.seconds, bound.above), default=None)
