"""Container logs in the manner of vLLM, made up on demand: nothing is kept, and they repeat exactly."""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from clients.embedded.apiserver.objects import Json, at_path
from clients.embedded.apiserver.podlogs import LogQuery
from clients.embedded.models import load_seconds, model_of, model_size
from clients.embedded.pod_status import ContainerRun
from clients.embedded.quantity import gpus_of
from clients.embedded.simclock import SimClock
from clients.embedded.store import Store

__all__ = ["EngineLogs"]

_MOST = 2000
"""Lines of steady running that are made up at most: what a real node keeps is bounded too."""
_EVERY = 10.0
"""Seconds between two lines of statistics."""
_PER_PERIOD = 4
_POLL = 0.5
"""Real seconds between two looks while following."""


def _prefix(at: float, place: str) -> str:
    return f"INFO {datetime.fromtimestamp(at, UTC):%m-%d %H:%M:%S} [{place}]"


def _startup(model: str, began: float, loading: float) -> list[tuple[float, str]]:
    """What an engine says until it serves, spread over its loading time."""
    shards = max(1, min(30, int(model_size(model) / 5)))
    told = [
        (0.01, "api_server.py:1839", "vLLM API server version 0.11.0"),
        (0.02, "utils.py:233", f"non-default args: {{'model': '{model}', 'port': 8000}}"),
        (
            0.10,
            "parallel_state.py:1208",
            "rank 0 in world size 1 is assigned as DP rank 0, PP rank 0, TP rank 0",
        ),
        (0.14, "gpu_model_runner.py:2602", f"Starting to load model {model}..."),
    ]
    for shard in range(1, shards + 1):
        share = 100 * shard // shards
        line = f"Loading safetensors checkpoint shards: {share}% Completed | {shard}/{shards}"
        told.append((0.15 + 0.6 * shard / shards, "weight_utils.py:392", line))
    told += [
        (0.78, "gpu_model_runner.py:2653", f"Model loading took {model_size(model):.1f} GiB in total"),
        (0.88, "kv_cache_utils.py:1091", "GPU KV cache size: 1,284,192 tokens"),
        (0.96, "gpu_model_runner.py:3480", "Graph capturing finished in 4 secs, took 0.81 GiB"),
        (0.99, "api_server.py:1912", "Starting vLLM API server on http://0.0.0.0:8000"),
        (1.00, "launcher.py:42", "Route: /v1/chat/completions, Methods: POST"),
    ]
    return [(began + loading * s, f"{_prefix(began + loading * s, p)} {text}") for s, p, text in told]


def _steady(uid: str, index: int) -> tuple[float, str]:
    """Line ``index`` since the epoch of one pod: requests, and statistics at the end of each period."""
    period, place = divmod(index, _PER_PERIOD)
    at = (period + (place + 1) / _PER_PERIOD) * _EVERY
    dice = zlib.crc32(f"{uid}/{index}".encode())
    if place < _PER_PERIOD - 1:
        route = ("/v1/chat/completions", "/v1/chat/completions", "/v1/completions")[dice % 3]
        client = f"10.42.{dice % 16}.{dice // 16 % 250}:{40000 + dice % 20000}"
        return at, f'INFO:     {client} - "POST {route} HTTP/1.1" 200 OK'
    prompt, generated = 400 + dice % 4000, 150 + dice // 7 % 1800
    running, waiting = dice // 11 % 60, max(0, dice // 13 % 14 - 9)
    text = (
        f"Engine 000: Avg prompt throughput: {prompt / 1:.1f} tokens/s, Avg generation throughput: "
        f"{generated:.1f} tokens/s, Running: {running} reqs, Waiting: {waiting} reqs, GPU KV cache usage: "
        f"{dice // 17 % 900 / 10:.1f}%, Prefix cache hit rate: {dice // 19 % 800 / 10:.1f}%"
    )
    return at, f"{_prefix(at, 'loggers.py:118')} {text}"


class EngineLogs:
    """The source of ``pods/log``."""

    def __init__(self, store: Store, clock: SimClock) -> None:
        self._store = store
        self._clock = clock

    async def lines(self, query: LogQuery) -> AsyncIterator[tuple[float, str]]:
        """(UTC seconds, line) of what there is, oldest first; when following, of what comes."""
        pod = self._store.get("pods", query.namespace, query.pod)
        if pod is None:
            return
        uid = pod["metadata"]["uid"]
        now = self._clock.now()
        told = self._until(pod, query, now)
        if query.since is not None:
            told = [line for line in told if line[0] >= query.since]
        if query.tail is not None:
            told = told[len(told) - min(len(told), query.tail) :]
        for known in told:
            yield known
        while query.follow and not query.previous:
            await asyncio.sleep(_POLL)
            pod = self._store.get("pods", query.namespace, query.pod)
            if pod is None or pod["metadata"]["uid"] != uid:
                return
            before, now = now, self._clock.now()
            for at, line in self._until(pod, query, now):
                if at > before:
                    yield at, line
            if self._run_of(pod, query.container).state == "terminated":
                return

    @staticmethod
    def _run_of(pod: Json, container: str) -> ContainerRun:
        status = pod.get("status") or {}
        told = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
        found = next((c for c in told if c.get("name") == container), None)
        return ContainerRun.read({"name": container}, found)

    def _until(self, pod: Json, query: LogQuery, now: float) -> list[tuple[float, str]]:
        run = self._run_of(pod, query.container)
        ended: Json | None = None
        if query.previous:
            ended = at_path(run.last, ("terminated",))
            run = ContainerRun.read({"name": query.container}, {"state": {"terminated": ended or {}}})
        if run.state == "waiting" or not run.started_at:
            return []
        end = min(now, run.finished_at) if run.state == "terminated" else now
        init = any(c["name"] == query.container for c in pod["spec"].get("initContainers") or ())
        model = model_of(pod["spec"])
        if init:
            lines = self._download(model, run, end)
        else:
            loading = load_seconds(model, gpus_of(pod["spec"])) if model else 1.0
            lines = [line for line in _startup(model, run.started_at, loading) if line[0] <= end]
            lines += self._serving(pod["metadata"]["uid"], run.started_at + loading, end)
        if run.state == "terminated" and run.exit_code and run.message:
            lines += [(end, f"ERROR {datetime.fromtimestamp(end, UTC):%m-%d %H:%M:%S} [core.py:708] {text}")
                      for text in run.message.splitlines()]  # fmt: skip
        return lines

    @staticmethod
    def _download(model: str, run: ContainerRun, end: float) -> list[tuple[float, str]]:
        began = run.started_at
        told = [
            (began, f"INFO downloader: source {model}, output /models"),
            (began + 1, f"INFO downloader: {model_size(model):.1f} GB in cache, checking digests"),
        ]
        if run.state == "terminated":
            told.append((run.finished_at, "INFO downloader: model is ready"))
        return [line for line in told if line[0] <= end]

    @staticmethod
    def _serving(uid: str, began: float, end: float) -> list[tuple[float, str]]:
        per_second = _PER_PERIOD / _EVERY
        first = max(math.ceil(began * per_second), math.floor(end * per_second) - _MOST)
        lines = (_steady(uid, index) for index in range(first, math.floor(end * per_second) + 1))
        return [line for line in lines if began <= line[0] <= end]
