"""Server-sent events, cut out of whatever pieces the network brings them in."""

from __future__ import annotations

__all__ = ["EventSplitter", "OversizedEventError"]

_LONGEST = 1 << 20
"""Bytes of one event; more is no model's answer."""


class OversizedEventError(Exception):
    """An event that does not end."""


class EventSplitter:
    """Feeds on bytes, yields the data of each event. Lines end in LF or CRLF, comments are passed over."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that are complete now.

        Raises:
            OversizedEventError: an event is longer than any real one.
        """
        data = self._tail + data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        *blocks, self._tail = data.split(b"\n\n")
        if len(self._tail) > _LONGEST:
            raise OversizedEventError
        return [found for block in blocks if (found := _data(block)) is not None]

    def rest(self) -> bytes | None:
        """The data of an event whose end is missing as the stream ends; ``None`` if there is none."""
        return _data(self._tail.strip(b"\r\n"))


def _data(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
