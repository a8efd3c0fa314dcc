"""A controller's work queue: keys to look at again, each once however often it is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.controllers.pacing import Backoff
from clients.embedded.engine import Engine, Event

__all__ = ["Key", "WorkQueue"]

_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, str]
"""(namespace, name)"""

_REACTION = 0.05
"""Seconds from a change to the pass that it causes."""


class WorkQueue:
    """Calls ``sync`` for keys that are due; what a pass could not write is tried again, ever later."""

    def __init__(self, engine: Engine, sync: Callable[[Key], None], reaction: float = _REACTION) -> None:
        self._engine = engine
        self._sync = sync
        self._reaction = reaction
        self._due: dict[Key, Event] = {}
        self._backoff = Backoff()
        self._open = False

    def __len__(self) -> int:
        """Keys that wait."""
        return len(self._due)

    @property
    def is_open(self) -> bool:
        """Whether it takes keys."""
        return self._open

    def open(self) -> None:
        """Takes keys from now on; those offered earlier were about what is there already."""
        self._open = True

    def add(self, key: Key, after: float | None = None) -> None:
        """Looks at ``key`` after so many simulated seconds, or earlier if that was asked for already."""
        if not self._open:
            return
        due = self._engine.clock.now() + (self._reaction if after is None else after)
        known = self._due.get(key)
        if known is not None:
            if known.due <= due:
                return
            known.cancel()
        self._due[key] = self._engine.at(due, lambda: self._run(key))

    def _run(self, key: Key) -> None:
        self._due.pop(key, None)
        try:
            self._sync(key)
        except ApiError as error:
            _log.info("%s/%s: %s", *key, error)
            self.add(key, self._backoff.next(key))
        else:
            self._backoff.forget(key)
