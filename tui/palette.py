"""What the command line of the console offers: the table of keys, namespaces, contexts, workloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.dialogs.palette import Entry
from tui.keys import commands
from tui.screens.base import ConsoleScreen
from tui.screens.bindings import action_of
from tui.session import Session

__all__ = ["entries", "free_entry"]

_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Host(Protocol):
    """What it wants of the application."""

    session: Session

    def open_workload(self, key: WorkloadKey) -> None:
        """The workload's grid."""
        ...

    def make_in(self, zone: str) -> None:
        """The form of a new deployment in a zone of Exoscale."""
        ...

    def switch_to(self, context: str | None, namespaces: tuple[str, ...] | None) -> None:
        """Another context or other namespaces."""
        ...


def entries(host: Host, screen: ConsoleScreen) -> Iterator[Entry]:
    """Everything that can be said on a screen, most used first."""
    session = host.session
    for key in commands(screen.place, writes=session.read_only is None):
        shown = f"{key.shown}  " if key.keys else ""
        reason = screen.why_not(key.id)
        yield Entry(key.command or key.id, f"{shown}{key.help}", _runner(screen, key.id), reason=reason)
    context = session.door.context
    yield Entry("ns all", "all namespaces", lambda: host.switch_to(None, None), at_once=False)
    for namespace in context.known_namespaces:
        run = _switch(host, None, (namespace,))
        yield Entry(f"ns {plain(namespace)}", "only this namespace", run, at_once=False)
    for name in context.contexts:
        yield Entry(f"ctx {plain(name)}", "this context", _switch(host, name, None), at_once=False)
    for cloud in context.clouds:
        if cloud.name.startswith("exoscale/"):
            run = _make(host, cloud.cluster)
            yield Entry(f"new {plain(cloud.name)}", "a new deployment there", run, at_once=False)
    for workload in sorted(session.live.view.workloads):
        place = workload.cluster if workload.managed else workload.namespace or ""
        where = f"{plain(workload.kind)} in {plain(place)}"
        yield Entry(plain(workload.label), where, _open(host, workload), at_once=False)


def free_entry(host: Host, text: str) -> Entry | None:
    """``ns NAME`` or ``ns NAME,NAME``: also namespaces of which nothing was seen, as with few rights."""
    word, _, rest = text.partition(" ")
    names = tuple(name.strip() for name in rest.split(",") if name.strip())
    if word != "ns" or not names or names == ("all",):
        return None
    if not all(_NAMESPACE.fullmatch(name) for name in names):
        return None
    shown = ",".join(names)
    return Entry(f"ns {shown}", "only these namespaces", _switch(host, None, names), at_once=False)


def _runner(screen: ConsoleScreen, action: str) -> Callable[[], Any]:
    return lambda: screen.run_action(action_of(action))


def _open(host: Host, key: WorkloadKey) -> Callable[[], None]:
    return lambda: host.open_workload(key)


def _make(host: Host, zone: str) -> Callable[[], None]:
    return lambda: host.make_in(zone)


def _switch(host: Host, context: str | None, namespaces: tuple[str, ...] | None) -> Callable[[], None]:
    return lambda: host.switch_to(context, namespaces)
