"""One load test from its start to what comes of it: the generator's records, what the cluster does, marks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from enum import StrEnum

from clients.load.lines import Finished, Second, Started
from clients.load.plan import LoadPlan
from clients.load.plan_check import PlanError
from clients.load.progress import done
from clients.load.result import Result
from clients.load.run import LoadError, LoadRun
from clients.serving.decision import Decision
from clients.serving.keys import WorkloadKey, item_label
from clients.serving.phase import Phase, TroubleKind
from clients.serving.plain import plain
from clients.serving.workload import Workload
from tui.loads.folder import RunFolder
from tui.loads.history import ClusterSecond, History
from widgets.load_records import LoadMark, LoadProgress

__all__ = ["LoadTest", "State"]

_AFTERWARDS = 1800.0
"""Seconds after the load for which the cluster is still followed: until it has scaled in again."""


class State(StrEnum):
    """How far a test is."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    """Nothing new is begun; what is under way is waited for, or was just cut off."""
    OVER = "over"
    FAILED = "failed"
    """It never began, or its generator died."""


class LoadTest:
    """Made on the loop that runs ``run``; that returns when the load is over, ``tick`` goes on afterwards."""

    def __init__(
        self,
        key: WorkloadKey,
        plan: LoadPlan,
        *,
        tried: str,
        folder: RunFolder,
        monotonic: Callable[[], float],
        tell: Callable[[str, str | None], None],
    ) -> None:
        """``tell`` puts a moment of it into the time line: begun or ended, and why."""
        self.key = key
        self.plan = plan
        self.tried = tried
        """What the one request before it came to."""
        self.folder = folder
        self.history = History(plan)
        self.state = State.STARTING
        self.result: Result | None = None
        self.error: str | None = None
        """Why it failed, in a plain line."""
        self.decision = ""
        """What the driver decides now, in a sentence."""
        self._monotonic = monotonic
        self._tell = tell
        self._run: LoadRun | None = None
        self._begun: float | None = None
        """Monotonic seconds of the first request."""
        self._before: Workload | None = None
        self._failed_before: frozenset[str] = frozenset()
        self._second = -1

    # Life

    async def run(self) -> None:
        """Until the last answer, the abort, or the generator's end."""
        try:
            async with LoadRun(self.plan, log=self.folder.requests) as run:
                self._run = run
                if self.state is State.STOPPING:
                    raise LoadError("aborted before it began")
                async for record in run.records():
                    self._take(record)
                self.result = run.result
        except (LoadError, PlanError, OSError) as error:
            self.error = plain(str(error), 400)
        except asyncio.CancelledError:
            self.error = "the console ended"
            raise
        finally:
            self._run = None
            self._end()

    async def abort(self) -> None:
        """Cuts everything off."""
        self.state = State.STOPPING
        if self._run is not None:
            await self._run.abort()

    async def stop(self, reason: str) -> None:
        """Begins nothing more, and waits for what is under way."""
        if self.state is State.RUNNING:
            self.state = State.STOPPING
            if self._run is not None:
                await self._run.stop(reason)

    @property
    def kept(self) -> str:
        """Where it is kept, or why it is not, in words."""
        return self.folder.failure or plain(f"kept in {self.folder.path}", 400)

    @property
    def running(self) -> bool:
        """Whether any request may still be under way."""
        return self.state in (State.STARTING, State.RUNNING, State.STOPPING)

    @property
    def followed(self) -> bool:
        """Whether the cluster is still looked at for its sake."""
        return self._begun is not None and (self.running or self.seconds < self._last + _AFTERWARDS)

    @property
    def seconds(self) -> float:
        """Since the first request."""
        return 0.0 if self._begun is None else self._monotonic() - self._begun

    @property
    def _last(self) -> float:
        return float(len(self.history.seconds))

    def _take(self, record: Started | Second | Finished) -> None:
        self.folder.record(record)
        match record:
            case Started():
                self.plan = self.history.plan = record.plan
                self._begun = self._monotonic()
                self.state = State.RUNNING
                self._happened(LoadMark(0.0, "|", "load"), "begun", None)
            case Second():
                self.history.add(record)
                if record.phase == "draining":
                    self.state = State.STOPPING
            case Finished():
                self.history.end()

    def _end(self) -> None:
        self.state = State.FAILED if self.result is None else State.OVER
        self.folder.finish(self.result)
        reason = self.error
        if self.result is not None and self.result.ended != "duration":
            reason = self.result.why or self.result.ended
        if self._begun is not None:
            at = self.history.ended_at if self.history.ended_at is not None else self._last
            self._happened(LoadMark(at, "|", "end"), "ended", reason)

    def _happened(self, mark: LoadMark, what: str, reason: str | None) -> None:
        self.history.mark(mark)
        self.folder.mark(mark)
        self._tell(what, reason)

    # The cluster meanwhile

    def see(self, workload: Workload | None, told: ClusterSecond | None) -> str | None:
        """Takes in the workload's newest value, and once a second what else is known.

        Returns why the load is to be stopped, if it is: a group has failed since it began.
        """
        if not self.followed or workload is None:
            return None
        if self._before is None:
            self._failed_before = frozenset(_failed(workload))
        else:
            for mark in _changes(self._before, workload, self.seconds):
                self.history.mark(mark)
                self.folder.mark(mark)
        self._before = workload
        if told is not None and int(self.seconds) != self._second:
            self._second = int(self.seconds)
            self.history.see(told)
            self.folder.cluster(told)
        failed = next((name for name in _failed(workload) if name not in self._failed_before), None)
        if failed is None or self.state is not State.RUNNING:
            return None
        return f"{item_label(failed, workload.key.name)} failed"

    def decided(self, decision: Decision, words: str) -> None:
        """Takes in what the driver decides."""
        self.decision = words
        metric = decision.metrics[decision.winner] if decision.winner is not None else None
        if metric is not None and (name := plain(metric.name, 60)) != self.history.signal_name:
            self.history.signal_name = name
            self.folder.signal(name)

    @property
    def progress(self) -> LoadProgress:
        """The line above the charts."""
        seconds = self.history.seconds
        newest = seconds[-1] if seconds else None
        elapsed = self.seconds if self.running else float(len(seconds))
        words = str(self.state) if self.state is not State.RUNNING or newest is None else newest.phase
        total = self.history.total
        return LoadProgress(
            state=words,
            running=self.running,
            done=done(self.plan, elapsed, total.scheduled),
            elapsed=elapsed,
            planned=self.plan.begins_for,
            ok=total.ok,
            failed=total.failed + total.dropped,
            in_flight=newest.in_flight + newest.waiting if newest is not None and self.running else 0,
        )


def _failed(workload: Workload) -> Iterator[str]:
    for group in workload.groups:
        if group.trouble is not None and group.trouble.kind is TroubleKind.FAILED:
            yield group.name


def _changes(before: Workload, after: Workload, at: float) -> Iterator[LoadMark]:
    """What is worth a mark between two values of a workload."""
    if before.desired != after.desired and before.desired is not None and after.desired is not None:
        by = after.operation.by if after.operation is not None and after.operation.by else ""
        who = plain(by, 60) if by and by != "unknown" else ""
        sign = "^" if after.desired > before.desired else "v"
        yield LoadMark(at, sign, f"{before.desired}>{after.desired} {who}".strip(), guide=True)
    was = {group.name: group for group in before.groups}
    for group in after.groups:
        old = was.get(group.name)
        label = item_label(group.name, after.key.name)
        if group.phase is Phase.RUNNING and (old is None or old.phase is not Phase.RUNNING):
            yield LoadMark(at, "+", label)
        failed = group.trouble is not None and group.trouble.kind is TroubleKind.FAILED
        if failed and (old is None or old.trouble is None):
            yield LoadMark(at, "!", label)
