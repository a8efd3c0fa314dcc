from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.load_target import LoadTarget, load_target


@pytest.fixture
async def target() -> AsyncIterator[LoadTarget]:
    async with load_target() as target:
        yield target
