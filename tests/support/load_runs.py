"""Load tests run to their end, through the same door as the console's; and their processes."""

from __future__ import annotations

import json
import os
import select
from contextlib import suppress
from pathlib import Path
from typing import Any

from clients.load.lines import Finished, Second, Started
from clients.load.plan_check import read_plan
from clients.load.result import Result
from clients.load.run import LoadRun

__all__ = ["children", "gone", "run_load"]


async def run_load(**fields: Any) -> Result:
    """The result of a plan with these fields."""
    async with LoadRun(read_plan(json.dumps(fields))) as run:
        records = [record async for record in run.records()]
    assert isinstance(records[0], Started)
    assert isinstance(records[-1], Finished)
    seconds = [record.number for record in records if isinstance(record, Second)]
    assert seconds == list(range(1, len(seconds) + 1))
    assert run.result is not None
    return run.result


def children(pid: int) -> list[int]:
    """The generators that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    found = [int(word) for word in text.split()]
    return [child for child in found if b"clients.load" in Path(f"/proc/{child}/cmdline").read_bytes()]


def gone(pid: int) -> None:
    """Waits until a process, of whomever, is gone."""
    with suppress(ProcessLookupError):
        ended = os.pidfd_open(pid)
        assert select.select([ended], [], [], 60)[0], f"{pid} is still there"
        os.close(ended)
