"""The console's load test: starts it, feeds it what the cluster does, and ends it with the console."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients.load.plan import LoadPlan
from clients.serving.autoscaling import Autoscaling
from clients.serving.decision_words import sentence
from clients.serving.gpu_use import Use
from clients.serving.keys import WorkloadKey, item_label
from clients.serving.plain import plain
from clients.serving.workload import Workload
from tui.door import DataError
from tui.loads.folder import RunFolder
from tui.loads.history import ClusterSecond
from tui.loads.test import LoadTest
from widgets.load_records import GroupLoad

if TYPE_CHECKING:
    from tui.session import Session

__all__ = ["Loads"]


class Loads:
    """One test at a time. Everything belongs to the loop of the screens."""

    def __init__(self, session: Session, runs: Path) -> None:
        self._session = session
        self._runs = runs
        self.test: LoadTest | None = None
        """The one that runs, else the last."""
        self.plans: dict[WorkloadKey, LoadPlan] = {}
        """What each workload was tested with last; without secrets, as every plan."""
        self._task: asyncio.Task[None] | None = None
        self._aside: set[asyncio.Task[None]] = set()
        self._signal: float | None = None
        self._looked = -1

    @property
    def running(self) -> LoadTest | None:
        """The test that sends requests now."""
        return self.test if self.test is not None and self.test.running else None

    @property
    def followed(self) -> bool:
        """Whether the cluster is looked at for the sake of a test."""
        return self.test is not None and self.test.followed

    def start(self, key: WorkloadKey, plan: LoadPlan, tried: str) -> LoadTest:
        """Starts a test; the one before is over. ``tried``: what the test request came to."""
        assert self.running is None
        session = self._session
        folder = RunFolder.make(self._runs, key, session.door.now())
        folder.begin(plan, session.live.context.name, key, session.live.context.user)
        self._close_folder()
        self.test = LoadTest(
            key,
            plan,
            tried=tried,
            folder=folder,
            monotonic=session.door.monotonic,
            tell=lambda what, why: session.door.note_load(key, what, why),
        )
        self.plans[key] = plan
        self._signal, self._looked = None, -1
        self._task = asyncio.create_task(self._run(self.test), name="load")
        return self.test

    async def _run(self, test: LoadTest) -> None:
        await test.run()
        total, name = test.history.total, plain(test.key.name, 60)
        if test.error is not None:
            self._session.tell(f"the load test of {name} failed: {test.error}")
            return
        failed = total.failed + total.dropped
        self._session.tell(f"the load on {name} is over: {total.ok} ok, {failed} failed; {test.kept}")

    async def abort(self) -> None:
        """Cuts the load off."""
        if self.running is not None:
            await self.running.abort()

    async def close(self) -> None:
        """Ends the load with the console."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
        tasks = [task for task in (self._task, *self._aside) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._close_folder()

    def _close_folder(self) -> None:
        if self.test is not None:
            self.test.folder.close()

    # What the cluster does

    def tick(self) -> None:
        """Every data tick: hands the test what is known now."""
        test = self.test
        if test is None or not test.followed:
            return
        workload = self._session.live.workload(test.key)
        second = int(test.seconds)
        told = None
        if second != self._looked and workload is not None:
            self._looked = second
            told = self._known(workload, second)
            if second % 2 == 0:
                self._beside(self._ask(test))
        stop = test.see(workload, told)
        if stop is not None:
            self._beside(test.stop(stop))

    def _known(self, workload: Workload, second: int) -> ClusterSecond:
        live = self._session.live
        use = live.gpus.use.workloads.get(workload.key)
        engines = [one.figures for one in live.engines(workload).groups.values() if one.figures is not None]
        return ClusterSecond(
            at=second,
            wanted=workload.desired,
            ready=workload.ready,
            busy=_busy(use),
            running=_sum([one.running for one in engines]),
            waiting=_sum([one.waiting for one in engines]),
            signal=self._signal,
        )

    async def _ask(self, test: LoadTest) -> None:
        """What the driver looks at and decides."""
        try:
            value = await self._session.door.autoscaling(test.key)
        except DataError:
            self._signal = None
            return
        self._take(test, value)

    def _take(self, test: LoadTest, value: Autoscaling | None) -> None:
        decision = value.decisions[0] if value is not None and value.decisions else None
        if decision is None:
            self._signal = None
            return
        winner = decision.metrics[decision.winner] if decision.winner is not None else None
        self._signal = None
        if winner is not None and winner.current is not None and winner.target:
            self._signal = 100 * winner.current / winner.target
        test.decided(decision, sentence(decision))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    def groups(self, workload: Workload | None) -> tuple[GroupLoad, ...]:
        """The workload's groups as they are under load."""
        live = self._session.live
        if workload is None:
            return ()
        engines = live.engines(workload).groups
        found: list[GroupLoad] = []
        for group in workload.groups:
            engine = engines.get(group.name)
            figures = engine.figures if engine is not None else None
            trouble = group.trouble
            found.append(
                GroupLoad(
                    label=item_label(group.name, workload.key.name),
                    state=plain(trouble.reason if trouble else str(group.phase), 40),
                    trouble=trouble is not None,
                    running=figures.running if figures else None,
                    waiting=figures.waiting if figures else None,
                    kv=figures.kv_percent if figures else None,
                    tokens=figures.tokens_per_second if figures else None,
                    busy=_busy(live.gpus.use.groups.get((workload.key, group.name))),
                )
            )
        return tuple(found)


def _busy(use: Use | None) -> float | None:
    return use.busy.percent if use is not None and use.busy is not None else None


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
