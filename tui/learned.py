"""What was learned of how long starts and stops take, kept per workload from one run to the next."""

from __future__ import annotations

from typing import Any

import msgspec

from clients.serving.eta import DURATIONS_VERSION, Durations
from tui.state import StateDir

__all__ = ["LearnedDurations"]

_FILE = "durations.json"


class _File(msgspec.Struct):
    version: int
    samples: list[tuple[Any, str, str, list[float]]]
    """Workload, what of it, start or stop, seconds: as ``Durations.dump`` writes them."""


_parse = msgspec.json.Decoder(_File).decode

Samples = dict[bytes, tuple[Any, str, str, list[float]]]


class LearnedDurations:
    """Loads at start, saves now and then; two consoles may do so at once, on one cluster or on several."""

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self._known: Samples = {}
        self.durations = Durations()

    def load(self) -> Durations:
        """From the state directory.

        Raises:
            StateError: it cannot be read; what is learned from now on still counts in this run.
        """
        data = self._state.read(_FILE, DURATIONS_VERSION, _whole)
        if data is not None:
            self.durations = Durations.load(data)
            self._known = _samples(self.durations.dump())
        return self.durations

    def save(self) -> None:
        """Writes what this run learned; of all else, what the file says now is kept.

        Raises:
            StateError: it cannot be written.
        """
        now = _samples(self.durations.dump())
        mine = {name: sample for name, sample in now.items() if self._known.get(name) != sample}
        if not mine:
            return

        def merge(file: _File | None) -> bytes:
            merged = {_name(sample): sample for sample in file.samples} if file else {}
            return msgspec.json.encode(_File(DURATIONS_VERSION, list({**merged, **mine}.values())))

        self._state.update(_FILE, DURATIONS_VERSION, _parse, merge)
        self._known = now


def _whole(data: bytes) -> bytes:
    Durations.load(data)
    return data


def _samples(dump: bytes) -> Samples:
    return {_name(sample): sample for sample in _parse(dump).samples}


def _name(sample: tuple[Any, str, str, list[float]]) -> bytes:
    return msgspec.json.encode(sample[:3], order="sorted")
