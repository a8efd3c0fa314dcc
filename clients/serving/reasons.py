"""A trouble in one sentence, the same on every screen and line."""

from __future__ import annotations

from clients.serving.phase import Trouble
from clients.serving.plain import plain

__all__ = ["trouble_text"]

_TOLD = frozenset({"Unschedulable", "GangUnschedulable", "NotScheduled", "StuckTerminating", "NodeLost"})
"""Reasons of which the message says all: where room is short, the word in front would push it out."""


def trouble_text(trouble: Trouble) -> str:
    """Reason and message, ``OOMKilled: G-0 decode-1: …``; the message alone where it says the reason."""
    reason, message = plain(trouble.reason, 60), plain(trouble.message, 400)
    if message and (not reason or trouble.reason in _TOLD or reason.lower() in message.lower()):
        return message
    return f"{reason}: {message}" if message else reason
