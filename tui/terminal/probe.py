"""Asks the terminal, before Textual takes it, how wide it draws our characters and what its background is.

Characters are written, concealed, at the left edge of the present line, one set after the other, and the
terminal is asked where its cursor is (CSI 6 n). A terminal that says nothing costs the deadline and nothing
else. Bytes that were typed meanwhile are handed back, so that no key is lost.
"""

from __future__ import annotations

import os
import re
import select
import termios
from collections.abc import Mapping
from typing import NamedTuple

from clients.clock import Clock, SystemClock
from widgets.cells import width
from widgets.glyphs import SETS, Glyphs, GlyphSet

__all__ = ["DEADLINE", "Probe", "choose_glyphs", "probe"]

DEADLINE = 0.5
"""Seconds that the terminal is waited for: several times the way over a slow line."""

_POSITION = re.compile(rb"\x1b\[(\d+);(\d+)R")
_BACKGROUND = re.compile(rb"\x1b\]11;rgb:([0-9a-fA-F]+)/([0-9a-fA-F]+)/([0-9a-fA-F]+)(?:\x07|\x1b\\)")
_SILENT_ON_OSC = ("linux", "vt100", "vt102", "vt220", "screen")
"""Values of ``TERM`` of terminals that may print an OSC instead of answering it."""


class Probe(NamedTuple):
    """What the terminal answered."""

    narrow: bool | None
    """Whether the narrow set is drawn one cell a character; ``None``: no answer."""
    emoji: bool | None
    """Whether emoji are drawn two cells a character."""
    dark: bool | None
    """Whether the background is dark."""
    typed: bytes
    """What was typed while it was asked."""


def choose_glyphs(probed: Probe) -> GlyphSet:
    """``narrow`` unless the terminal draws it in other widths; a silent terminal is taken to draw it well."""
    return GlyphSet.ASCII if probed.narrow is False else GlyphSet.NARROW


def probe(
    stdin: int,
    stdout: int,
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    deadline: float = DEADLINE,
) -> Probe:
    """Asks; takes at most ``deadline`` seconds and leaves the line blank and the terminal as it was."""
    environ = os.environ if environ is None else environ
    clock = SystemClock() if clock is None else clock
    narrow, emoji = _sample(SETS[GlyphSet.NARROW]), _sample(SETS[GlyphSet.EMOJI])
    try:
        before = termios.tcgetattr(stdin)
    except termios.error:
        return Probe(None, None, None, b"")
    try:
        raw = list(before)
        raw[0] &= ~(termios.ICRNL | termios.INLCR)
        raw[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(stdin, termios.TCSANOW, raw)
        ask = b"" if environ.get("TERM", "").split("-")[0] in _SILENT_ON_OSC else b"\x1b]11;?\x1b\\"
        for sample in (narrow, emoji):
            ask += b"\r\x1b[8m" + sample.encode() + b"\x1b[m\x1b[6n"
        ask += b"\r\x1b[2K"
        if not _written(stdout, ask, clock, deadline):
            return Probe(None, None, None, b"")
        answer = _answers(stdin, clock, deadline, count=2)
    finally:
        termios.tcsetattr(stdin, termios.TCSANOW, before)
    positions = [int(column) - 1 for _, column in _POSITION.findall(answer)]
    typed = _BACKGROUND.sub(b"", _POSITION.sub(b"", answer))
    drawn_narrow = positions[0] == width(narrow) if positions else None
    drawn_emoji = positions[1] == width(emoji) if len(positions) > 1 else None
    return Probe(drawn_narrow, drawn_emoji, _dark(answer), typed)


def _sample(glyphs: Glyphs) -> str:
    """Every sign of a set that is not ASCII, once."""
    signs: list[str] = []
    for field in glyphs.__struct_fields__:
        value = getattr(glyphs, field)
        if isinstance(value, dict):
            signs.extend(value.values())
        elif isinstance(value, str):
            signs.append(value)
    return "".join(dict.fromkeys(char for char in "".join(signs) if not char.isascii()))


def _written(stdout: int, data: bytes, clock: Clock, deadline: float) -> bool:
    """Whether the terminal takes anything now; one that does not read is not asked."""
    end = clock.monotonic() + deadline
    while data:
        _, ready, _ = select.select([], [stdout], [], max(0.0, end - clock.monotonic()))
        if not ready:
            return False
        data = data[os.write(stdout, data) :]
    return True


def _answers(stdin: int, clock: Clock, deadline: float, count: int) -> bytes:
    """Bytes until ``count`` positions have come; then only what is there already."""
    end = clock.monotonic() + deadline
    answer = b""
    while True:
        done = len(_POSITION.findall(answer)) >= count
        left = 0.0 if done else max(0.0, end - clock.monotonic())
        ready, _, _ = select.select([stdin], [], [], left)
        if not ready:
            return answer
        data = os.read(stdin, 4096)
        if not data:
            return answer
        answer += data


def _dark(answer: bytes) -> bool | None:
    """By the luminance of the answered colour; its parts have one to four hexadecimal digits."""
    found = _BACKGROUND.search(answer)
    if found is None:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in found.groups())
    luminance: float = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return luminance < 0.5
