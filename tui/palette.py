"""The command palette: ``:`` finds any command of the table of keys, workload, namespace or context."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from msgspec import Struct
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.keys import commands
from tui.screens.base import ConsoleScreen
from tui.screens.bindings import action_of
from tui.session import Session

__all__ = ["ConsoleCommands", "Entry", "Palette", "entries"]

_MOST = 200
"""Hits that are handed to the palette for one query."""


class Host(Protocol):
    """What the palette wants of the application."""

    session: Session

    def open_workload(self, key: WorkloadKey) -> None:
        """The workload's grid."""
        ...

    def switch_to(self, context: str | None, namespaces: tuple[str, ...] | None) -> None:
        """Another context or other namespaces."""
        ...


class Entry(Struct, frozen=True):
    """One line of the palette."""

    text: str
    """What is typed to find it."""
    help: str
    run: Callable[[], Any]
    at_once: bool = True
    """Also shown before anything is typed."""


def entries(host: Host, screen: Screen[Any]) -> Iterator[Entry]:
    """Everything that the palette knows on a screen, most used first."""
    session = host.session
    if isinstance(screen, ConsoleScreen):
        for key in commands(screen.place, writes=session.read_only is None):
            reason = screen.why_not(key.id)
            shown = f"{key.shown}  " if key.keys else ""
            text = f"{shown}{key.help}" if reason is None else f"not now: {reason}"
            yield Entry(key.command or key.id, text, _runner(screen, key.id))
    context = session.door.context
    yield Entry("ns all", "All namespaces.", lambda: host.switch_to(None, None), at_once=False)
    for namespace in context.known_namespaces:
        yield Entry(
            f"ns {plain(namespace)}", "Only this namespace.", _switch(host, None, namespace), at_once=False
        )
    for name in context.contexts:
        yield Entry(
            f"ctx {plain(name)}", "This context of the kubeconfig.", _switch(host, name, None), at_once=False
        )
    for workload in session.live.view.workloads.values():
        where = plain(workload.key.namespace or "")
        yield Entry(
            plain(workload.key.name), f"{workload.key.kind} in {where}", _open(host, workload.key), False
        )


def _runner(screen: ConsoleScreen, action: str) -> Callable[[], Any]:
    async def run() -> None:
        await screen.run_action(action_of(action))

    return run


def _open(host: Host, key: WorkloadKey) -> Callable[[], None]:
    return lambda: host.open_workload(key)


def _switch(host: Host, context: str | None, namespace: str | None) -> Callable[[], None]:
    return lambda: host.switch_to(context, (namespace,) if namespace else None)


class ConsoleCommands(Provider):
    """Feeds Textual's palette."""

    def _entries(self) -> Iterator[Entry]:
        host: Any = self.app
        return entries(host, self.screen)

    async def discover(self) -> Hits:
        """The commands of the screen, before anything is typed."""
        for entry in self._entries():
            if entry.at_once:
                yield DiscoveryHit(Content(entry.text), entry.run, entry.text, entry.help)

    async def search(self, query: str) -> Hits:
        """What fits; a whole word or a beginning comes before letters here and there."""
        matcher = self.matcher(query)
        wanted = query.strip().lower()
        found: list[tuple[float, Entry]] = []
        for entry in self._entries():
            text = entry.text.lower()
            if text == wanted:
                score = 100.0
            elif text.startswith(wanted):
                score = 50.0
            else:
                score = matcher.match(entry.text)
            if score > 0:
                found.append((score, entry))
        found.sort(key=lambda item: -item[0])
        for score, entry in found[:_MOST]:
            yield Hit(score, Content(entry.text), entry.run, entry.text, entry.help)


class Palette(CommandPalette):
    """Textual's, without its magnifying glass: that sign is not one cell wide everywhere."""

    DEFAULT_CSS = """
    Palette #--input { border: ascii $primary; }
    Palette #--results { border: ascii $primary; max-height: 70%; }
    Palette SearchIcon { margin: 0 0 0 1; text-style: bold; }
    """

    def on_mount(self) -> None:
        """A colon, as it is typed."""
        self.query_one("SearchIcon", Static).update(":")
