"""What an XID means, in words: NVIDIA's catalogue of XID errors (driver 550 to 580), shortened."""

from __future__ import annotations

__all__ = ["xid_words"]

_WORDS = {
    8: "the GPU stopped processing",
    13: "a fault in the program's kernel",
    31: "the program used memory that it does not have",
    32: "a corrupted command stream",
    38: "driver firmware error",
    43: "the program's work was stopped",
    45: "work was cleared away, for another error or at the program's end",
    48: "an ECC error that could not be corrected",
    56: "display engine error",
    61: "internal microcontroller breakpoint",
    62: "internal microcontroller halt",
    63: "a row of memory was, or will be, replaced",
    64: "a row of memory could not be replaced",
    68: "video processor fault",
    69: "graphics engine class error",
    74: "NVLink error",
    79: "the GPU has fallen off the bus",
    92: "many corrected ECC errors",
    94: "an ECC error, contained to one program",
    95: "an ECC error that was not contained: the GPU must be reset",
    109: "a program's context switch timed out",
    119: "the GPU's system processor does not answer",
    120: "the GPU's system processor failed",
    121: "chip to chip link error",
    122: "SPI or flash error",
    140: "an ECC error that nothing recovered from",
    143: "the GPU could not start",
    **dict.fromkeys(range(144, 151), "NVLink error"),
    154: "the driver says what must be done to recover it",
}


def xid_words(xid: int) -> str:
    """``XID 79: the GPU has fallen off the bus``; the number alone where it is not known."""
    words = _WORDS.get(xid)
    return f"XID {xid}: {words}" if words else f"XID {xid}"
