"""The data thread: reading, deriving and writing on a loop of their own, for the door of the screens.

The Textual loop asks through here and never waits for anything but an answer: a first list of 20,000 pods, a
slow import or a dead server cost it nothing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from clients.clock import Clock
from clients.kube.config import ClusterConfig, ContextInfo, contexts
from clients.kube.errors import KubeError
from clients.serving.backend import BackendError
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.sources import SourceState, SourceStatus
from tui.crash import words
from tui.door import DataError
from tui.fleet import Fleet
from tui.start import Start

if TYPE_CHECKING:
    from tui.line import KubeLine, Line
    from tui.lines import Lines

__all__ = ["NO_CONTEXT", "DataThread"]

T = TypeVar("T")

NO_CONTEXT = "no cluster"
"""Where the context's name stands while there is none."""
_NOT_YET = "not connected yet; try again in a moment"
_SAVE_EVERY = 30.0
"""Seconds between two writings of what was learned."""
_STEP = 0.5
_TURN = 0.02
_AGAIN = 2.0
_END_SECONDS = 5.0
"""How long the end waits for a write that is under way."""


def _calm_collector() -> None:
    """Full collections of 100,000 rows stop both threads for 0.1 s and find nothing: rows hold no cycles.

    Young objects are still collected, a full round comes only after millions of new ones.
    """
    gc.freeze()
    gc.enable()  # From here on: nothing was collected before the first frame.
    gc.set_threshold(50_000, 20, 100)


class DataThread:
    """One context after the other, and all clouds beside them, until it is stopped."""

    def __init__(
        self, start: Start, config: ClusterConfig | None, clock: Clock, namespaces: tuple[str, ...] | None
    ) -> None:
        """``config``: without one there are only the clouds that the settings name."""
        self.fleet = Fleet(clock)
        self.config = config
        self.namespaces = namespaces
        self.lines: Lines | None = None
        self.infos: tuple[ContextInfo, ...] = ()
        """The contexts that can be chosen."""
        self._start = start
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ending = False
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._main, name="servegrid-data", daemon=True)

    # -- life

    def start(self) -> None:
        """Starts the thread; the client libraries are imported there."""
        self._thread.start()

    async def stop(self) -> None:
        """Ends the thread once a write that is under way has its line in the audit log."""
        self._ending = True
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # It has ended by itself.
                self._loop.call_soon_threadsafe(self._leave)
            await asyncio.to_thread(self._thread.join, _END_SECONDS)

    def _leave(self) -> None:
        if self._serving is not None:
            self._serving.cancel()

    def _main(self) -> None:
        _calm_collector()
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        from tui.lines import Lines  # The client libraries: half a second that the first frame does not wait.

        try:
            lines = self.lines = await Lines.open(self._start, self.fleet, self._clock)
        except BackendError as error:
            self._failure = error.message
            denied = SourceStatus("", "settings", SourceState.DENIED, True, None, error.message)
            self.fleet.sources("settings", (denied,))
            return
        tasks = [asyncio.ensure_future(self._always(lines, partial(self._attend, lines)))]
        for line in lines.clouds.values():
            reading = partial(line.backend.run, self.fleet)
            tasks.append(asyncio.ensure_future(self._always(lines, reading, line.backend.cluster)))
        try:
            while not self._ending:
                self._serving = asyncio.ensure_future(self._serve(lines))
                await asyncio.wait((self._serving,))
                if self._serving.cancelled():
                    self.fleet.forget(lines.clouds.keys())
                elif (broken := self._serving.exception()) is not None:
                    self._say_broken(broken, lines, self._context_cluster(lines))
                    await asyncio.sleep(_AGAIN)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await lines.close()

    async def _always(
        self, lines: Lines, work: Callable[[], Awaitable[None]], cluster: str | None = None
    ) -> None:
        """Does it again and again: what one of them breaks is said, and hinders none of the others."""
        while True:
            try:
                await work()
            except Exception as error:
                self._say_broken(error, lines, cluster)
            await asyncio.sleep(_AGAIN)

    def _say_broken(self, error: BaseException, lines: Lines, cluster: str | None) -> None:
        """A fault of this program must not look like a cluster in which nothing happens. ``None``: all."""
        detail = plain(f"reading broke off ({words(error)}); it begins again")
        for one in [line.backend.cluster for line in lines.all] if cluster is None else [cluster]:
            self.fleet.cut_off(one, detail)

    def _context_cluster(self, lines: Lines) -> str:
        """The one that was read until now; its line is closed already."""
        told = [status.cluster for status in self.fleet.view().sources]
        return next((cluster for cluster in told if cluster not in lines.clouds), "")

    async def _serve(self, lines: Lines) -> None:
        """One context, until it is left."""
        if not self.infos:
            # It could be read a moment ago; without it there is no choice to offer.
            with suppress(KubeError):
                self.infos = contexts(self._start.connect, environ=self._start.environ)
        config = self.config
        if config is None:
            await asyncio.Event().wait()  # None was found; one may be chosen.
            return
        try:
            line = await lines.open_kube(config, self.namespaces)
        except KubeError as error:
            self._failure = error.message
            await asyncio.Event().wait()  # Nothing to read; another context may be chosen.
            return
        self._failure = None
        reading = asyncio.ensure_future(line.backend.run(self.fleet))
        try:
            await asyncio.wait((reading,))
            reading.result()
        finally:
            reading.cancel()
            await asyncio.wait((reading,))
            await lines.close_kube()

    async def _attend(self, lines: Lines) -> None:
        """While they are read: lets time pass, takes up what was left, saves what was learned."""
        saved = self._clock.monotonic()
        while True:
            await asyncio.sleep(_STEP)
            self.fleet.tick()
            lines.look()
            await lines.take_up()
            if self._clock.monotonic() - saved >= _SAVE_EVERY:
                saved = self._clock.monotonic()
                lines.save()

    async def change_to(self, config: ClusterConfig | None, namespaces: tuple[str, ...] | None) -> None:
        """Leaves the context; returns once the new one's connection is prepared, or cannot be."""
        self.config, self.namespaces = config, namespaces
        if self._loop is None:
            return
        before = None if self.lines is None else self.lines.kube
        self._loop.call_soon_threadsafe(self._leave)
        while config is not None and self._failure is None:
            line = None if self.lines is None else self.lines.kube
            if line is not None and line is not before and line.config is config:
                return
            await asyncio.sleep(_TURN)

    # -- the way over

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Its loop, once it runs."""
        return self._loop

    async def ask(self, question: Callable[[Lines], Coroutine[Any, Any, T]]) -> T:
        """Runs a question on the data thread; raises ``DataError`` with one plain line."""
        lines, loop = self.lines, self._loop
        if lines is None or loop is None:
            raise DataError(self._failure or _NOT_YET)
        future = asyncio.run_coroutine_threadsafe(question(lines), loop)
        try:
            return await asyncio.wrap_future(future)
        except (BackendError, DataError) as error:
            raise DataError(str(error)) from None
        except concurrent.futures.CancelledError:
            raise DataError("the connection was ended") from None
        except Exception as error:
            from tui.scaling import NotSent

            if isinstance(error, NotSent):
                raise DataError(f"nothing was sent: {error}") from None
            # A fault of this program is said where somebody waits for the answer.
            raise DataError(plain(f"a fault of this program ({type(error).__name__}: {error})")) from error

    async def ask_of(self, key: WorkloadKey, question: Callable[[Line], Coroutine[Any, Any, T]]) -> T:
        """Asks the backend whose the workload is."""

        async def asked(lines: Lines) -> T:
            line = lines.of(key)
            if line is None:
                raise self._without_context()
            return await question(line)

        return await self.ask(asked)

    async def ask_context(self, question: Callable[[KubeLine], Coroutine[Any, Any, T]]) -> T:
        """Asks the cluster of the context."""

        async def asked(lines: Lines) -> T:
            if lines.kube is None:
                raise self._without_context()
            return await question(lines.kube)

        return await self.ask(asked)

    def _without_context(self) -> DataError:
        return DataError(self._failure or (NO_CONTEXT if self.config is None else _NOT_YET))
