"""What one load test and the cluster under it did, second by second, and the charts of it.

Seconds count from the first request, on this machine's clock: what the cluster does stands where it was
seen. Percentiles of a longer slice come from the sum of its seconds' histograms, never from their mean.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from clients.load.figures import Figures
from clients.load.histogram import Counts, merge, percentiles
from clients.load.lines import Second
from clients.load.plan import LoadPlan
from widgets.load_chart import step_for
from widgets.load_records import LoadColumn, LoadMark, LoadView

__all__ = ["ClusterSecond", "History"]

_SHORTEST = 60.0
"""Seconds that the axis shows at least."""


class ClusterSecond(Struct, frozen=True):
    """What was known of the workload in one second; ``None`` is not known."""

    at: int
    """Seconds since the load began."""
    wanted: int | None = None
    ready: int | None = None
    busy: float | None = None
    """Of its GPUs, per cent."""
    running: float | None = None
    """Requests in its engines."""
    waiting: float | None = None
    signal: float | None = None
    """What its driver looks at, in per cent of the target."""


class History:
    """Grows by a second at a time; everything is kept until the console ends."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.seconds: list[Second] = []
        self.total = Figures()
        """All seconds, those of the warm-up too."""
        self.cluster: dict[int, ClusterSecond] = {}
        self.marks: list[LoadMark] = []
        self.signal_name = ""
        self.ended_at: float | None = None
        """Seconds after which no more requests were begun."""
        self._columns: dict[tuple[float, int], LoadColumn] = {}

    @property
    def slo(self) -> float | None:
        """The limit on the whole answer, or on the first token, in ms."""
        slo = self.plan.slo
        return None if slo is None else (slo.e2e_ms if slo.e2e_ms is not None else slo.ttft_ms)

    @property
    def by_first_token(self) -> bool:
        """The latency drawn is that of the first token: its limit is the only one."""
        slo = self.plan.slo
        return slo is not None and slo.e2e_ms is None and slo.ttft_ms is not None

    @property
    def reach(self) -> float:
        """Seconds that are known."""
        return max(len(self.seconds), max(self.cluster, default=-1) + 1)

    def add(self, second: Second) -> None:
        """A second of the generator."""
        self.seconds.append(second)
        self.total.add(second.figures)
        if second.phase == "draining" and self.ended_at is None:
            self.ended_at = float(second.number - 1)

    def end(self) -> None:
        """The last second is in."""
        if self.ended_at is None:
            self.ended_at = float(len(self.seconds))

    def see(self, told: ClusterSecond) -> None:
        """A second of the cluster; the last word on it holds."""
        self.cluster[told.at] = told

    def mark(self, mark: LoadMark) -> None:
        """Something that happened."""
        self.marks.append(mark)

    def view(self, room: int) -> LoadView:
        """The charts in ``room`` columns. The axis holds the whole plan from the start, and grows beyond."""
        planned = self.plan.begins_for or 0.0
        step = step_for(max(_SHORTEST, planned * 1.2, self.reach), room)
        count = int(-(-self.reach // step))
        return LoadView(
            columns=tuple(self._column(step, index) for index in range(count)),
            step=step,
            newest=self.newest,
            marks=tuple(self.marks),
            slo=self.slo,
            signal_name=self.signal_name,
            end=self.ended_at if self.ended_at is not None else self.plan.begins_for,
        )

    def latency_counts(self, seconds: Sequence[Second]) -> Counts:
        """The histogram of the latency that is drawn, over some seconds."""
        counts: Counts = {}
        for second in seconds:
            figures = second.figures
            merge(counts, figures.ttft if self.by_first_token else figures.from_schedule)
        return counts

    @property
    def newest(self) -> LoadColumn:
        """The last second that is known; once the load is over none comes back any more."""
        last = self.cluster[max(self.cluster)] if self.cluster else None
        column = _load(self.seconds[-1:], self.latency_counts(self.seconds[-1:]))
        if self.ended_at is not None and last is not None and last.at > len(self.seconds):
            column = replace(column, ok=0.0, failed=0.0, in_flight=0.0)
        return column if last is None else _with_cluster(column, [last])

    def _column(self, step: float, index: int) -> LoadColumn:
        whole = (index + 1) * step <= self.reach - 2
        kept = self._columns.get((step, index)) if whole else None
        if kept is not None:
            return kept
        begin, end = int(index * step), int((index + 1) * step)
        seconds = self.seconds[begin:end]
        cluster = [self.cluster[at] for at in range(begin, end) if at in self.cluster]
        column = _with_cluster(_load(seconds, self.latency_counts(seconds)), cluster)
        if whole:
            self._columns[(step, index)] = column
        return column


def _load(seconds: Sequence[Second], latency: Counts) -> LoadColumn:
    if not seconds:
        return LoadColumn()
    count = len(seconds)
    p50, p95, p99 = (None if us is None else us / 1000 for us in percentiles(latency, (50, 95, 99)))
    return LoadColumn(
        ok=sum(one.figures.ok for one in seconds) / count,
        failed=sum(one.figures.failed + one.figures.dropped for one in seconds) / count,
        p50=p50,
        p95=p95,
        p99=p99,
        in_flight=max(one.in_flight + one.waiting for one in seconds),
    )


def _with_cluster(column: LoadColumn, cluster: Sequence[ClusterSecond]) -> LoadColumn:
    if not cluster:
        return column
    last = cluster[-1]
    return replace(
        column,
        waiting=_highest([one.waiting for one in cluster]),
        busy=_mean([one.busy for one in cluster]),
        wanted=last.wanted,
        ready=last.ready,
        signal=_highest([one.signal for one in cluster]),
    )


def _highest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
