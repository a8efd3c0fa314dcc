"""Strings from outside, made safe to show: no byte of them acts on the terminal or on markup."""

from __future__ import annotations

import unicodedata

__all__ = ["plain"]

_FORMAT = {"Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(text: str, limit: int = 200) -> str:
    """The text with control and invisible characters made visible, at most ``limit`` characters long.

    Line feeds and tabs become a space. Other C0 controls become their Unicode picture (``␛``), DEL and C1
    controls, bidirectional and zero-width characters become ``�``; combining marks are kept only
    after a character that they can join, and no more than two of them. A longer text ends in ``…``.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for char in text[: limit + limit + 8]:
        code = ord(char)
        if 0x20 <= code < 0x7F:
            out.append(char)
            marks = 0
        elif char in "\n\r\t":
            out.append(" ")
            marks = 0
        elif code < 0x20:
            out.append(chr(0x2400 + code))
            marks = 0
        elif code < 0xA0 or unicodedata.category(char) in _FORMAT or 0xFE00 <= code <= 0xFE0F:
            out.append("\ufffd")
            marks = 0
        elif unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me"}:
            marks += 1
            if out and marks <= 2:
                out.append(char)
        else:
            out.append(char)
            marks = 0
    if len(text) > limit or len(out) > limit:
        return "".join(out[: max(0, limit - 1)]) + "…"
    return "".join(out)
