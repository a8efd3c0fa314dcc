"""Main screens in fixed situations, kept as text under ``tests/tui/console/scenes``.

``python -m tests.support.console_scenes`` draws them anew; what changed is then seen in the diff.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from clients.serving.backend import GpuTotals
from clients.serving.events import Event, EventKind
from clients.serving.guards import Guard, Level
from clients.serving.operation import Prediction
from clients.serving.phase import Mark, Phase, Stage, Trouble, TroubleKind
from tests.support import fleets
from tests.support.console import Driven, console
from tests.support.drivings import autoscaling
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.dialogs.base import Dialog
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.scale import ScaleDialog
from tui.door import EtaView
from widgets.records import Check

__all__ = ["FOLDER", "SCENES", "draw", "fleet_of_five"]

FOLDER = Path(__file__).parent.parent / "tui" / "console" / "scenes"


def fleet_of_five() -> ScriptedDoor:
    """One growing, one failing, one driven, one at zero, one quiet."""
    door = ScriptedDoor()
    oom = Trouble(TroubleKind.FAILED, "CrashLoopBackOff", "4 restarts: CUDA out of memory", 800.0)
    operation = msgspec.structs.replace(
        fleets.operation("qwen-chat", 3, 5, started=900.0),
        mine=True,
        reason="evening",
        prediction=Prediction(("qwen-chat-3", "qwen-chat-4"), 90.0, 100.0, 20),
    )
    growing = [
        *(fleets.group("qwen-chat", at, mark=Mark.DONE) for at in range(3)),
        fleets.group("qwen-chat", 3, Phase.CREATING, mark=Mark.ACTIVE, progress=63, stage=Stage.WEIGHTS),
        fleets.group("qwen-chat", 4, Phase.QUEUED, mark=Mark.PENDING),
    ]
    failing = [fleets.group("deepseek-r1", 0, Phase.CREATING, trouble=oom), fleets.group("deepseek-r1", 1)]
    event = Event(950.0, 950.0, "c0ffee", EventKind.PHASE, fleets.key("qwen-chat"), "qwen-chat-3")
    door.fleet.put(
        msgspec.structs.replace(
            fleets.workload("qwen-chat", growing, operation=operation),
            endpoint="http://qwen-chat.llm.svc:8000",
            in_rotation=(6, 6),
        ),
        fleets.workload("deepseek-r1", failing, trouble=oom),
        fleets.workload("glm-4", 4, drivers=[fleets.hpa()]),
        fleets.workload("kimi-k2", 0),
        fleets.workload("llama-70b", 2),
        sources=(live_source(), live_source("pods"), live_source("hpa")),
        totals=GpuTotals(128, 104, 24),
        events=(
            msgspec.structs.replace(event, before="queued", after="creating", reason="scale"),
            msgspec.structs.replace(
                event, kind=EventKind.OPERATION, group=None, before="3", after="5", actor="ops"
            ),
        ),
    )
    door.etas[fleets.key("qwen-chat")] = EtaView(95.0, 105.0, 20)
    driven = fleets.key("glm-4")
    door.driven[driven] = msgspec.structs.replace(autoscaling(), key=driven)
    door.guards = (
        Guard("right", Level.PASS, "allowed"),
        Guard("driver", Level.WARN, "HPA scaler would take it back within 15 s", ("raise its maximum to 9",)),
    )
    return door


async def _planned(seen: Driven) -> None:
    dialog = seen.app.screen
    assert isinstance(dialog, ScaleDialog)
    async with asyncio.timeout(60):
        while not (dialog.plan and dialog._word.check is Check.HEARD):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    for _ in range(3):
        await seen.draw()


async def _first_choice(seen: Driven) -> None:
    """The first line of the list that is open, taken."""
    async with asyncio.timeout(60):
        while not isinstance(seen.app.screen, ChoiceDialog):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await seen.look()
    before = seen.app.screen
    await seen.press("enter")
    async with asyncio.timeout(60):
        while seen.app.screen is before or not isinstance(seen.app.screen, Dialog):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    for _ in range(3):
        await seen.draw()


async def _bounds(seen: Driven) -> None:
    await _first_choice(seen)
    await seen.press("3", "tab", "3")
    await _planned(seen)


SCENES: dict[str, tuple[tuple[str, ...], Callable[[Driven], Awaitable[None]] | None]] = {
    "fleet": ((), None),
    "fleet-filtered": (("slash", *"kimi", "enter"), None),
    "workload": (("G", "enter"), None),
    "scale-out": (("G", "plus"), _planned),
    "lasting": (("j", "p"), None),
    "bounds": (("j", "p"), _bounds),
    "form": (("j", "j", "E"), _first_choice),
    "why": (("w",), None),
    "autoscaling": (("j", "a"), None),
    "help": (("question_mark",), None),
    "menu": (("m",), None),
}
"""Name, keys from the fleet, and what to wait for."""

SIZES = ((120, 36), (80, 24))


async def draw(name: str, size: tuple[int, int]) -> str:
    """The scene as text."""
    keys, wait = SCENES[name]
    async with console(fleet_of_five(), size) as seen:
        await seen.press(*keys)
        for _ in range(3):
            await seen.draw()
        if wait is not None:
            await wait(seen)
        return "\n".join(line.rstrip() for line in seen.text.splitlines()) + "\n"


async def _draw_all() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in SCENES:
        for size in SIZES:
            file = FOLDER / f"{name}-{size[0]}x{size[1]}.txt"
            file.write_text(await draw(name, size), encoding="utf-8")
            sys.stdout.write(f"{file.name}\n")


if __name__ == "__main__":
    asyncio.run(_draw_all())
