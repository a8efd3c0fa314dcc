"""The screens and dialogs that open over the fleet, each read from disk when it is first asked for.

The first frame needs none of them; imported with it, they would cost it a tenth of its time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from textual.app import App

from clients.serving.backend import Ticket
from clients.serving.keys import WorkloadKey
from clients.serving.workload import Workload
from tui.keys import Place
from tui.needs import Need
from tui.session import Session

if TYPE_CHECKING:
    from tui.dialogs.opening import Changing
    from tui.screens.autoscaling import AutoscalingScreen
    from tui.screens.events import EventsScreen
    from tui.screens.gpus import GpusScreen
    from tui.screens.logs import LogsScreen
    from tui.screens.runs import RunsScreen
    from tui.screens.sources import SourcesScreen
    from tui.screens.text import TextScreen
    from tui.screens.workload import WorkloadScreen

__all__ = [
    "autoscaling",
    "changing",
    "events",
    "gpus",
    "helping",
    "logs",
    "runs",
    "sources",
    "text",
    "workload",
]


def workload(session: Session, key: WorkloadKey, need: Need | None = None) -> WorkloadScreen:
    """A workload's grid, with the cursor on what needs a person."""
    from tui.screens.workload import WorkloadScreen

    return WorkloadScreen(session, key, need)


def autoscaling(session: Session, key: WorkloadKey) -> AutoscalingScreen:
    """What drives a workload, and why."""
    from tui.screens.autoscaling import AutoscalingScreen

    return AutoscalingScreen(session, key)


def events(session: Session, key: WorkloadKey | None) -> EventsScreen:
    """The time line of one workload, or of all."""
    from tui.screens.events import EventsScreen

    return EventsScreen(session, key)


def gpus(session: Session) -> GpusScreen:
    """GPUs and nodes."""
    from tui.screens.gpus import GpusScreen

    return GpusScreen(session)


def logs(session: Session, key: WorkloadKey, namespace: str, pod: str) -> LogsScreen:
    """The logs of one pod."""
    from tui.screens.logs import LogsScreen

    return LogsScreen(session, key, namespace, pod)


def runs(session: Session) -> RunsScreen:
    """Load tests that were kept."""
    from tui.screens.runs import RunsScreen

    return RunsScreen(session, session.door.runs)


def sources(session: Session) -> SourcesScreen:
    """Where the data comes from."""
    from tui.screens.sources import SourcesScreen

    return SourcesScreen(session)


def text(
    session: Session,
    title: str,
    read: Callable[[], Awaitable[str]],
    *,
    live: bool = False,
    wrap: bool = False,
) -> TextScreen:
    """A page of text; its arguments are told there."""
    from tui.screens.text import TextScreen

    return TextScreen(session, title, read, live=live, wrap=wrap)


def helping(session: Session, place: Place, columns: int) -> TextScreen:
    """The table of keys, those of ``place`` first."""
    from tui.screens.help import help_text

    words = help_text(place, columns, read_only=session.read_only)

    async def read() -> str:
        return words

    return text(session, "help", read, wrap=True)


def changing(
    app: App[Any],
    session: Session,
    on: Workload,
    role: str | None,
    done: Callable[[Ticket | None], None],
) -> Changing:
    """The dialogs that change a workload; their arguments are told there."""
    from tui.dialogs.opening import Changing

    return Changing(app, session, on, role, done)
