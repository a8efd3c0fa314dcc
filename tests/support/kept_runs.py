"""Load tests of a second each, made against a real server on loopback and kept as the console keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from clients.load.plan import LoadPlan, Slo
from clients.load.run import LoadRun
from clients.serving.keys import WorkloadKey
from tui.loads.folder import RunFolder
from tui.loads.history import ClusterSecond
from widgets.load_records import LoadMark

__all__ = ["KEY", "SIGNAL", "answering", "kept"]

SIGNAL = "vllm:num_requests_waiting"
KEY = WorkloadKey("uid", "kthena", "llm", "ModelServing", "qwen-chat")


@asynccontextmanager
async def answering() -> AsyncIterator[str]:
    """The URL of a server that says ok to everything."""

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def kept(runs: Path, url: str, *, at: float, key: WorkloadKey = KEY, said: str = "HPA 2>3") -> Path:
    """A run of one second against a real server, written down as the console does."""
    plan = LoadPlan(url=url, rate=40.0, duration_s=1.0, seed=7, slo=Slo(e2e_ms=500))
    folder = RunFolder.make(runs, key, at)
    folder.begin(plan, "prod", key, None)
    async with LoadRun(plan, log=folder.requests) as run:
        async for record in run.records():
            folder.record(record)
    folder.signal(SIGNAL)
    folder.cluster(ClusterSecond(0, wanted=2, ready=2, busy=61.5, signal=140.0))
    folder.cluster(ClusterSecond(1, wanted=3, ready=2))
    folder.mark(LoadMark(0.5, "^", said, guide=True))
    folder.finish(run.result)
    folder.close()
    assert folder.failure is None
    return folder.path
