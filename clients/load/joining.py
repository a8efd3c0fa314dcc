"""The records of several generators that share one schedule, as those of one: sums, exact."""

from __future__ import annotations

from collections.abc import Sequence

from clients.load.figures import Figures
from clients.load.lines import Ending, Finished, Record, Second, Started

__all__ = ["Joining", "join_ends", "join_seconds"]

_PHASES = ("warm-up", "load", "draining")
_ENDINGS: tuple[Ending, ...] = ("aborted", "rule", "stopped", "requests", "duration")
"""The one that says most first: a rule of one generator stops the others."""


class Joining:
    """The records of ``count`` generators, taken as they come, given as those of one."""

    def __init__(self, count: int) -> None:
        self._seconds: list[list[Second]] = [[] for _ in range(count)]
        self._ends: dict[int, Finished] = {}
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether all have ended."""
        return len(self._ends) == len(self._seconds)

    def take(self, index: int, record: Record) -> list[Started | Second | Finished]:
        """A record of one of them; what is whole with it: the end of all comes last."""
        told: list[Started | Second | Finished] = []
        match record:
            case Started() if not self._begun:
                self._begun = True
                told.append(record)
            case Second():
                self._seconds[index].append(record)
            case Finished():
                self._ends[index] = record
        while (joined := self._whole_second()) is not None:
            told.append(joined)
        if self.complete:
            told.append(join_ends([self._ends[index] for index in range(len(self._seconds))]))
        return told

    def _whole_second(self) -> Second | None:
        """The next second that nobody who still runs owes a part of."""
        if any(not told and index not in self._ends for index, told in enumerate(self._seconds)):
            return None
        number = min((told[0].number for told in self._seconds if told), default=None)
        parts = [told.pop(0) for told in self._seconds if told and told[0].number == number]
        return join_seconds(parts) if parts else None


def join_seconds(parts: Sequence[Second]) -> Second:
    """One second of all."""
    if len(parts) == 1:
        return parts[0]
    ages = [part.oldest_s for part in parts if part.oldest_s is not None]
    rates = [part.rate for part in parts if part.rate is not None]
    return Second(
        at=max(part.at for part in parts),
        number=parts[0].number,
        phase=min((part.phase for part in parts), key=_PHASES.index),
        figures=_sum([part.figures for part in parts]),
        in_flight=sum(part.in_flight for part in parts),
        waiting=sum(part.waiting for part in parts),
        oldest_s=max(ages, default=None),
        cpu_percent=max(part.cpu_percent for part in parts),
        rate=sum(rates) if rates else None,
    )


def join_ends(parts: Sequence[Finished]) -> Finished:
    """The end of all."""
    if len(parts) == 1:
        return parts[0]
    first = min(parts, key=lambda part: _ENDINGS.index(part.ended))
    ages = [part.oldest_unfinished_s for part in parts if part.oldest_unfinished_s is not None]
    return Finished(
        at=max(part.at for part in parts),
        ended=first.ended,
        why=first.why,
        figures=_sum([part.figures for part in parts]),
        measured_s=max(part.measured_s for part in parts),
        warmup_requests=sum(part.warmup_requests for part in parts),
        unfinished=sum(part.unfinished for part in parts),
        oldest_unfinished_s=max(ages, default=None),
        first_sent_at=_earliest([part.first_sent_at for part in parts]),
        first_ok_at=_earliest([part.first_ok_at for part in parts]),
        failed_before_ok=sum(part.failed_before_ok for part in parts),
        cpu_mean_percent=max(part.cpu_mean_percent for part in parts),
        cpu_max_percent=max(part.cpu_max_percent for part in parts),
        event_loop=parts[0].event_loop,
        samples={kind: text for part in parts for kind, text in part.samples.items()},
    )


def _sum(parts: Sequence[Figures]) -> Figures:
    whole = Figures()
    for part in parts:
        whole.add(part)
    return whole


def _earliest(times: Sequence[float | None]) -> float | None:
    return min((time for time in times if time is not None), default=None)
