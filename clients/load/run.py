"""A load test, seen by who starts it: generator processes, their records joined, and the words they obey.

The console and ``servegrid load`` both run tests this way::

    async with LoadRun(plan) as run:
        async for record in run.records():   # Started, a Second every second, Finished
            …
        result = run.result

Leaving the block, however, ends the load. So does the death of this process, whatever kills it: the
generators read the end of their input.
"""

from __future__ import annotations

import asyncio
import os
import random
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec
from msgspec.structs import replace

from clients.load.joining import Joining
from clients.load.lines import (
    Control,
    Finished,
    Order,
    Ready,
    Record,
    Refused,
    Reply,
    Second,
    Share,
    Started,
    encode,
    read_record,
)
from clients.load.plan import LoadPlan
from clients.load.plan_check import PlanError, problems
from clients.load.result import Result
from clients.own_process import command, environment
from clients.serving.plain import plain

__all__ = ["LoadError", "LoadRun", "try_once"]

_LINE = 16 << 20
"""Most bytes of a record."""
_LOADING = 30.0
"""Seconds a generator may take until it is ready."""
_LEAVING = 2.0
"""Seconds a generator gets to end by itself once it is cut off."""
_TAIL = 4096


class LoadError(Exception):
    """A load test that could not be begun or did not come to its end: one plain line."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(message, 400))


class _Generator:
    """One process."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._complaints = b""
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls) -> Self:
        process = await asyncio.create_subprocess_exec(
            *command("clients.load"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=_LINE,
            env=environment(os.environ),
        )
        return cls(process)

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        while data := await self.process.stderr.read(_TAIL):
            self._complaints = (self._complaints + data)[-_TAIL:]

    async def next(self) -> Record:
        """Its next record.

        Raises:
            LoadError: it ended, or says that it cannot begin.
        """
        assert self.process.stdout is not None
        try:
            line = await self.process.stdout.readline()
            record = read_record(line) if line else None
        except (msgspec.DecodeError, ValueError) as error:
            raise LoadError(f"the load generator said what is no record: {error}") from None
        if record is None:
            await self._listening
            last = self._complaints.decode("utf-8", "replace").strip().splitlines()
            raise LoadError(f"the load generator ended: {last[-1] if last else 'it was killed'}")
        if isinstance(record, Refused):
            raise LoadError(record.message)
        return record

    async def tell(self, line: Order | Control) -> None:
        """Writes a line to it; one that is gone is told nothing."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            self.process.stdin.write(encode(line))
            await self.process.stdin.drain()

    async def end(self) -> None:
        """Cuts it off, and waits until it is gone."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), _LEAVING)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        self._listening.cancel()


class LoadRun:
    """One test. An asynchronous context manager, used once.

    Raises:
        PlanError: the plan cannot be run.
    """

    def __init__(self, plan: LoadPlan, *, log: str | None = None) -> None:
        found = problems(plan)
        if found:
            raise PlanError(*found)
        self.plan = (
            plan if plan.seed is not None else replace(plan, seed=random.SystemRandom().getrandbits(32))
        )
        self.started_at: float | None = None
        """UTC seconds; ``None`` before the first request is due."""
        self.result: Result | None = None
        """Set once ``Finished`` was handed out."""
        self._log = log
        self._generators: list[_Generator] = []

    async def __aenter__(self) -> Self:
        """Starts the generators; none sends before ``records`` is read.

        Raises:
            LoadError: one did not start.
        """
        try:
            for _ in range(self.plan.workers):
                self._generators.append(await _Generator.start())
            async with asyncio.timeout(_LOADING):
                for generator in self._generators:
                    if not isinstance(await generator.next(), Ready):
                        raise LoadError("the load generator does not say that it is ready")
        except TimeoutError:
            await self._end()
            raise LoadError("the load generator did not start in time") from None
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends whatever still runs."""
        await self._end()

    async def _end(self) -> None:
        await asyncio.gather(*(generator.end() for generator in self._generators))

    async def records(self) -> AsyncIterator[Started | Second | Finished]:
        """Begins, and yields everything that is told, joined over all generators; ends after ``Finished``.

        Raises:
            LoadError: a generator could not begin, or ended before its time.
        """
        count = len(self._generators)
        queue: asyncio.Queue[tuple[int, Record | LoadError]] = asyncio.Queue()
        for index, generator in enumerate(self._generators):
            await generator.tell(Order(plan=self.plan, share=Share(index, count), log=self._log))
        readers = [
            asyncio.create_task(_read(index, one, queue)) for index, one in enumerate(self._generators)
        ]
        try:
            joining = Joining(count)
            while not joining.complete:
                index, record = await queue.get()
                if isinstance(record, LoadError):
                    raise record
                if isinstance(record, Finished) and record.ended == "rule":
                    await self.stop(record.why)
                for joined in joining.take(index, record):
                    if isinstance(joined, Started):
                        self.started_at = joined.at
                    elif isinstance(joined, Finished):
                        self.result = Result.of(self.plan, self.started_at or joined.at, joined)
                    yield joined
        finally:
            for reader in readers:
                reader.cancel()

    async def set_rate(self, rate: float) -> None:
        """From now on so many requests a second, whatever the plan's shape; of an open loop only."""
        for generator in self._generators:
            await generator.tell(Control("rate", rate / len(self._generators)))

    async def stop(self, reason: str = "") -> None:
        """Begins no more requests and waits for those underway, at most ``drain_s``."""
        for generator in self._generators:
            await generator.tell(Control("stop", reason=plain(reason)))

    async def abort(self) -> None:
        """Cuts everything off; ``Finished`` still comes."""
        for generator in self._generators:
            await generator.tell(Control("abort"))


async def try_once(plan: LoadPlan) -> Reply:
    """Sends one request, the first of the plan, and tells what came back.

    Raises:
        PlanError: the plan cannot be run.
        LoadError: no request could be made of it, or the generator did not start.
    """
    async with LoadRun(replace(plan, workers=1)) as run:
        (generator,) = run._generators
        await generator.tell(Order(plan=run.plan, once=True))
        reply = await generator.next()
        if not isinstance(reply, Reply):
            raise LoadError("the load generator said what is no reply")
        return reply


async def _read(
    index: int, generator: _Generator, queue: asyncio.Queue[tuple[int, Record | LoadError]]
) -> None:
    try:
        while True:
            record = await generator.next()
            queue.put_nowait((index, record))
            if isinstance(record, Finished):
                return
    except LoadError as error:
        queue.put_nowait((index, error))
