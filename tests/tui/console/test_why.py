"""What ``w`` says: who decides, who wrote the number, what the last operation came to, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from clients.serving.operation import Count, Operation, Outcome, Prediction
from clients.serving.phase import Phase, Trouble, TroubleKind
from clients.serving.workload import Workload
from tests.support import fleets
from tests.support.console import console
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.door import Asked

QWEN = fleets.key("qwen-chat")


def chat(**fields: object) -> Workload:
    return msgspec.structs.replace(fleets.workload("qwen-chat", 4), **fields)


def ended(outcome: Outcome, detail: str | None = None) -> Operation:
    return msgspec.structs.replace(
        fleets.operation("qwen-chat", 2, 4, done=2, started=700.0),
        ended_at=882.0,
        outcome=outcome,
        detail=detail,
        happened=("qwen-chat-2", "qwen-chat-3"),
        prediction=Prediction(("qwen-chat-2", "qwen-chat-3"), 188.0, 192.0, 12),
    )


async def page(door: ScriptedDoor, sees: Sequence[str], *, not_seen: str | None = None) -> None:
    async with console(door) as seen:
        await seen.press("enter", "w")
        await seen.sees(*sees)
        assert not_seen is None or not_seen not in seen.text


@pytest.fixture
def door() -> ScriptedDoor:
    door = ScriptedDoor()
    door.fleet.put(chat(replicas_manager="servegrid"), sources=(live_source(),))
    return door


async def test_who_asked_is_told_by_the_audit_log_and_not_by_the_program_that_wrote_it(
    door: ScriptedDoor,
) -> None:
    door.written[QWEN] = Asked("night-shift", 820.0, Count(2), Count(4), last=True)
    await page(
        door,
        ["night-shift asked for 2>4 3m00s ago, from servegrid."],
        not_seen="servegrid wrote the number last",
    )


async def test_a_log_that_is_older_than_the_object_is_told_beside_the_fields_managers(
    door: ScriptedDoor,
) -> None:
    door.fleet.put(chat(replicas_manager="kubectl-scale", roles_manager="helm"))
    door.written[QWEN] = Asked("ops", 820.0, Count(2), Count(4), last=False)
    await page(
        door,
        [
            "kubectl-scale wrote the number last.",
            "helm wrote the roles last.",
            "By the audit log ops asked for 2>4 3m00s ago",
        ],
    )


async def test_the_last_operation_is_told_with_its_prediction(door: ScriptedDoor) -> None:
    door.fleet.ended[QWEN] = ended(Outcome.DONE)
    await page(
        door,
        [
            "The last scale operation",
            "2>4 by ops: done after 3m02s, 1m58s ago.",
            "predicted G-2, G-3, ~3m10s; happened G-2, G-3, 3m02s",
        ],
    )


async def test_an_operation_that_failed_says_how(door: ScriptedDoor) -> None:
    door.fleet.ended[QWEN] = ended(Outcome.REVERTED, "hpa asked for 2 groups")
    await page(door, ["2>4 by ops: reverted after 3m02s (hpa asked for 2 groups), 1m58s ago."])


async def test_trouble_of_the_workload_itself_stands_beside_that_of_its_groups(door: ScriptedDoor) -> None:
    oom = Trouble(TroubleKind.FAILED, "OOMKilled", "CUDA out of memory", 900.0)
    silent = Trouble(
        TroubleKind.BLOCKED,
        "ControllerSilent",
        "the controller has not taken up generation 7 for 30 s",
        955.0,
    )
    groups = [fleets.group("qwen-chat", 0, Phase.CREATING, trouble=oom), fleets.group("qwen-chat", 1)]
    door.fleet.put(fleets.workload("qwen-chat", groups, trouble=silent))
    await page(
        door,
        [
            "qwen-chat is blocked for 45s: ControllerSilent",
            "the controller has not taken up generation 7 for 30 s",
            "OOMKilled",
        ],
    )
