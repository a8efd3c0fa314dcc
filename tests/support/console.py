"""What a console shows, as text, and its keys pressed one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual._compositor import LayoutUpdate
from textual.app import App

__all__ = ["screen_text", "until"]


def screen_text(app: App[int]) -> str:
    """The whole screen with what lies under a dialog, line by line."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(update, LayoutUpdate)
    return "\n".join("".join(segment.text for segment in strip) for strip in update.strips)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits for a condition; fails when it does not come in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)
