"""The admission hook, as a webhook's refusal reaches a client; and the cluster's own time."""

from __future__ import annotations

from typing import Any

import aiohttp

from clients.embedded.store import Store
from tests.clients.embedded.api.conftest import Serve
from tests.support.embedded_objects import MS, MS_PATH, serving

Json = dict[str, Any]
MERGE = {"Content-Type": "application/merge-patch+json"}


def _webhook(seen: list[tuple[str, str | None]]) -> Any:
    def check(
        operation: str, old: Json | None, new: Json | None, subresource: str | None
    ) -> list[str] | None:
        seen.append((operation, subresource))
        if subresource == "scale" or new is None:
            return None
        if new["spec"]["replicas"] == 9:
            return ["spec.replicas: Invalid value: 9: replicas are too many"]
        return None

    return check


async def test_denied_writes_name_the_webhook(store: Store, http: aiohttp.ClientSession) -> None:
    seen: list[tuple[str, str | None]] = []
    store.admission[MS] = _webhook(seen)
    async with http.post(MS_PATH, json=serving()) as answer:
        assert answer.status == 201
    for dry_run in ({}, {"dryRun": "All"}):
        async with http.patch(
            f"{MS_PATH}/qwen", data='{"spec":{"replicas":9}}', headers=MERGE, params=dry_run
        ) as answer:
            told = await answer.json()
        assert answer.status == 400
        assert told["message"].startswith('admission webhook "')
        assert "denied the request: validation failed:\n  - spec.replicas: " in told["message"]
    async with http.patch(f"{MS_PATH}/qwen/scale", data='{"spec":{"replicas":7}}', headers=MERGE) as answer:
        assert answer.status == 200
    assert seen == [("CREATE", None), ("UPDATE", None), ("UPDATE", None), ("UPDATE", "scale")]
    stored = store.get(MS, "default", "qwen")
    assert stored is not None
    assert stored["spec"]["replicas"] == 7


class _Frozen:
    """A clock that stands still, at a date of the past."""

    def now(self) -> float:
        return 1_600_000_000.25

    def monotonic(self) -> float:
        return 0.0


async def test_time_is_the_clusters(served: Serve) -> None:
    frozen = Store(_Frozen())
    made = frozen.create(MS, serving(), manager="test")
    assert made["metadata"]["creationTimestamp"] == "2020-09-13T12:26:40Z"
    http = await served(clock=_Frozen(), clock_rate=lambda: 0.0)
    async with http.get("/version") as answer:
        assert (await answer.json())["clockRate"] == 0.0
        assert answer.headers["Date"] == "Sun, 13 Sep 2020 12:26:40 GMT"
    async with http.get("/api/v1/pods", params={"watch": "1", "timeoutSeconds": "1"}) as answer:
        assert answer.headers["Date"] == "Sun, 13 Sep 2020 12:26:40 GMT"
