"""From the key ``t`` to the screen of a load test: target, form, one request, the load."""

from __future__ import annotations

from typing import Any

from textual.app import App

from clients.serving.keys import WorkloadKey
from tui.dialogs.load import LoadDialog, LoadWish
from tui.door import DataError
from tui.loads.running import Loads
from tui.screens.load import LoadScreen
from tui.session import Session

__all__ = ["open_form", "open_screen", "open_test"]


async def open_test(app: App[Any], session: Session, key: WorkloadKey) -> None:
    """The form for a workload; while a test runs, that test instead."""
    loads = loads_of(session)
    if loads.running is not None:
        open_screen(app, session)
        return
    await open_form(app, session, loads, key)


def loads_of(session: Session) -> Loads:
    """The session's load tests; made when they are first asked for."""
    if session.loads is None:
        session.loads = Loads(session, session.door.runs)
    return session.loads


def open_screen(app: App[Any], session: Session) -> None:
    """The test that runs, or the last one."""
    loads = session.loads
    if loads is None or loads.test is None:
        session.tell("no load test was made yet: t on a workload")
        return
    top = app.screen
    if not isinstance(top, LoadScreen) or top.test is not loads.test:
        app.push_screen(LoadScreen(session, loads, loads.test))


async def open_form(app: App[Any], session: Session, loads: Loads, key: WorkloadKey) -> None:
    """Finds out where to send, and asks the rest."""
    try:
        target = await session.door.load_target(key)
    except DataError as error:
        session.tell(str(error))
        return

    def answered(wish: LoadWish | None) -> None:
        if wish is None or loads.running is not None:
            return
        loads.start(key, wish.plan, wish.tried)
        open_screen(app, session)

    rules = session.door.load_rules
    app.push_screen(LoadDialog(session, key, target, rules, loads.plans.get(key)), answered)
