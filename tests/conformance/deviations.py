"""Where the embedded server differs from a real one on purpose, with the reason.

Every key is used by a test through ``Api.conform``, which fails when a line has become stale.
"""

from __future__ import annotations

from msgspec import Struct


class Deviation(Struct, frozen=True):
    """What ours answers instead, and why that is left so."""

    embedded: object
    reason: str


DEVIATIONS: dict[str, Deviation] = {}
