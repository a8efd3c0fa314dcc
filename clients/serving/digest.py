"""Events as a short account: a line for what matters, and role replicas counted in their group's line.

What is left out of it is marks, every step of every role replica, groups that waited and do no more, and what
another event of the same moment says better. All of it stays in the events themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import msgspec

from clients.serving.events import Event, EventKind
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase

__all__ = ["digest"]

_STILL = frozenset({Phase.RUNNING, Phase.ABSENT})
_Place = tuple[WorkloadKey | None, str | None]


def digest(events: Iterable[Event], limit: int | None = None) -> tuple[Event, ...]:
    """The account, newest first, of events newest first; at most ``limit`` lines.

    A group's newest line counts its role replicas: ``detail["replicas"]`` is (how many, of how many, what
    they are). Those whose group's line is not among the events get one of their own.
    """
    told = _Account()
    for index, event in enumerate(events):
        told.add(index, event)
        if limit is not None and len(told.lines) >= limit:
            break
    return tuple(islice(told.close(), limit))


class _Replicas:
    """Role replicas of one group that moved since its last line, each with where it is now."""

    def __init__(self) -> None:
        self.newest: dict[str, Event] = {}
        self.oldest = (0, 0.0)
        """Index of the oldest event, and when it was seen."""

    def add(self, index: int, event: Event) -> None:
        self.newest.setdefault(event.replica or "", event)
        self.oldest = (index, event.seen_at)

    def counted(self, *, leaving: bool) -> tuple[int, int, str]:
        wanted = Phase.ABSENT if leaving else Phase.RUNNING
        have = sum(event.after == wanted for event in self.newest.values())
        return have, len(self.newest), "gone" if leaving else "running"

    def without(self, seen_at: float) -> _Replicas | None:
        """Those that moved at another moment than the group itself."""
        if self.oldest[1] == seen_at:
            return None
        return self


class _Account:
    """Takes events from the newest to the oldest."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, Event]] = []
        self._moving: dict[_Place, _Replicas] = {}
        self._groups: set[_Place] = set()
        self._begun: set[tuple[WorkloadKey | None, float]] = set()
        self._hurt: set[tuple[object, ...]] = set()

    def add(self, index: int, event: Event) -> None:
        place = (event.key, event.group)
        match event.kind:
            case EventKind.MARK:
                return
            case EventKind.PHASE if event.replica is not None:
                self._moving.setdefault(place, _Replicas()).add(index, event)
                return
            case EventKind.PHASE if event.group is not None:
                waited = event.after == Phase.QUEUED and place in self._groups
                event = self._group(event, place)
                if waited:
                    return
            case EventKind.OPERATION if event.detail.get("state") == "begun":
                self._begun.add((event.key, event.seen_at))
            case EventKind.DESIRED if (event.key, event.seen_at) in self._begun:
                return
            case EventKind.TROUBLE:
                same = (*place, event.seen_at, event.before, event.after, event.reason)
                if event.replica is not None:
                    self._hurt.add(same)
                elif same in self._hurt:
                    return
            case _:
                pass
        self.lines.append((index, event))

    def _group(self, event: Event, place: _Place) -> Event:
        """The group's line, with its role replicas if it is the newest of the group and goes on."""
        moving = self._moving.pop(place, None)
        newest = place not in self._groups
        self._groups.add(place)
        if moving is None or not newest:
            return event
        if event.after in _STILL:
            rest = moving.without(event.seen_at)
            if rest is not None:
                self._alone(rest)
            return event
        counted = moving.counted(leaving=event.after == Phase.DELETING)
        return msgspec.structs.replace(event, detail={**event.detail, "replicas": counted})

    def _alone(self, moving: _Replicas) -> None:
        """Role replicas that moved although their group did not."""
        phases = {event.after for event in moving.newest.values()}
        leaving = phases <= {Phase.DELETING, Phase.ABSENT}
        index, _ = moving.oldest
        about = next(iter(moving.newest.values()))
        line = msgspec.structs.replace(
            about,
            role=None,
            replica=None,
            before=None,
            after=None,
            reason=None,
            detail={"replicas": moving.counted(leaving=leaving)},
        )
        self.lines.append((index, line))

    def close(self) -> list[Event]:
        for moving in self._moving.values():
            self._alone(moving)
        self._moving.clear()
        return [event for _, event in sorted(self.lines, key=lambda line: line[0])]
