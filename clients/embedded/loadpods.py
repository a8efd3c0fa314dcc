"""Pods that make load: each is a generator's process on this machine, whose output is the pod's log.

Load is real, whatever the cluster's clock says. A process ends with its pod, and all with the cluster,
however that ends: they read the end of their input.
"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import suppress

from clients.clock import SystemClock
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.podlogs import LogQuery, LogSource
from clients.embedded.controllers.job import COMPLETION_INDEX
from clients.embedded.kubelet import Kubelets
from clients.embedded.store import Store
from clients.load.pod_order import INDEX, ORDER, START_AT
from clients.own_process import command, environment

__all__ = ["LoadPods"]

_LINE = 16 << 20
"""Most bytes of a line."""
_LEAVING = 2.0
"""Seconds a process gets to end by itself."""
_KEPT = 256
"""Pods whose logs are kept after their end."""


class _Run:
    """One pod's process."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []
        self.over = False
        self.process: Process | None = None
        self.task: asyncio.Task[None] | None = None
        self.told = asyncio.Condition()


class LoadPods:
    """Runs them from ``start`` to ``close``; a log of any other pod comes from ``others``."""

    def __init__(self, store: Store, kubelets: Kubelets, others: LogSource) -> None:
        self._store = store
        self._kubelets = kubelets
        self._others = others
        self._clock = SystemClock()
        self._runs: dict[str, _Run] = {}
        """By the pod's uid."""

    def start(self) -> None:
        """Begins to look at pods; needs a running event loop."""
        self._leave = self._store.subscribe("pods", self._changed)

    async def close(self) -> None:
        """Ends every process."""
        self._leave()
        tasks = [run.task for run in self._runs.values() if run.task is not None and not run.over]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def lines(self, query: LogQuery) -> AsyncIterator[tuple[float, str]]:
        """(UTC seconds, line), as every log source gives them."""
        pod = self._store.get("pods", query.namespace, query.pod)
        run = None if pod is None else self._runs.get(pod["metadata"]["uid"])
        if run is None:
            async for line in self._others(query):
                yield line
            return
        at = 0 if query.tail is None else max(0, len(run.lines) - query.tail)
        while True:
            while at < len(run.lines):
                at += 1
                yield run.lines[at - 1]
            if run.over or not query.follow:
                return
            async with run.told:
                if at == len(run.lines) and not run.over:
                    await run.told.wait()

    def _changed(self, change: str, pod: Json) -> None:
        meta, run = pod["metadata"], self._runs.get(pod["metadata"]["uid"])
        if change == "DELETED" or "deletionTimestamp" in meta:
            if run is not None and run.process is not None and run.process.returncode is None:
                run.process.terminate()
        elif run is None and (pod.get("status") or {}).get("phase") == "Running" and _makes_load(pod):
            for uid in [uid for uid, old in self._runs.items() if old.over][:-_KEPT]:
                del self._runs[uid]
            run = self._runs[meta["uid"]] = _Run()
            run.task = asyncio.get_running_loop().create_task(self._live(run, pod))

    async def _live(self, run: _Run, pod: Json) -> None:
        meta = pod["metadata"]
        told = {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"] if "value" in one}
        environ = {name: told[name] for name in (ORDER, START_AT) if name in told}
        environ[INDEX] = meta["labels"][COMPLETION_INDEX]
        run.process = process = await asyncio.create_subprocess_exec(
            *command("clients.load", ["--job", "--held"]),
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            limit=_LINE,
            env=environment({**os.environ, **environ}),
        )
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                run.lines.append((self._clock.now(), line.decode("utf-8", "replace").rstrip("\n")))
                async with run.told:
                    run.told.notify_all()
            code = await process.wait()
        finally:
            await _end(process)
            run.over = True
            async with run.told:
                run.told.notify_all()
        self._kubelets.ended(meta["namespace"], meta["name"], code)


def _makes_load(pod: Json) -> bool:
    containers = pod["spec"].get("containers") or ()
    names = {one.get("name") for container in containers for one in container.get("env") or ()}
    return (
        len(containers) == 1 and ORDER in names and COMPLETION_INDEX in (pod["metadata"].get("labels") or {})
    )


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _LEAVING)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
