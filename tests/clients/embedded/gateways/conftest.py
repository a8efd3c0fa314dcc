"""The scenario ``default`` as a process, asked from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.embedded_process import running
from tests.support.outside import Outside


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the command said; it runs at five times real time, so that new pods are there soon."""
    path: Path = tmp_path_factory.mktemp("gateways") / "kubeconfig"
    with running("--kubeconfig", str(path), "--speed", "5") as (_, ready):
        yield ready


@pytest.fixture
async def outside(embedded: dict[str, Any]) -> AsyncIterator[Outside]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as http:
        yield Outside(http, embedded)
