"""How long Exoscale says that things take, as long as nothing was learned here.

From the page on scaling in its documentation, "Deployment Timing".
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["LARGE", "VendorTime", "creating", "scaling"]

_LOW, _HIGH = 3, 5
"""Minutes for each new replica."""
LARGE = 100_000_000_000
"""Bytes of a model from which on it takes "longer", with no upper bound told."""


class VendorTime(Struct, frozen=True):
    """A range in seconds, and the words for it."""

    words: str
    low: float
    high: float | None
    """``None``: no upper bound is told."""


def scaling(before: int, after: int, model_bytes: int | None) -> VendorTime:
    """EX7: 3-5 minutes for each new replica, from zero or for large models longer, down at once."""
    if after <= before:
        return VendorTime("near-instant", 0.0, 0.0)
    return _starting(after - before, model_bytes, open_ended=before == 0)


def creating(replicas: int, model_bytes: int | None) -> VendorTime:
    """The first start of a new deployment."""
    return _starting(replicas, model_bytes, open_ended=False)


def _starting(added: int, model_bytes: int | None, *, open_ended: bool) -> VendorTime:
    low, high = _LOW * added, _HIGH * added
    each = f" ({_LOW}-{_HIGH} per replica; may overlap)" if added > 1 else ""
    if model_bytes is not None and model_bytes >= LARGE:
        size = f"{model_bytes / 1e9:.0f} GB"
        return VendorTime(
            f"{low} min or longer{each}: a model of {size} has no upper bound", low * 60.0, None
        )
    if open_ended:
        return VendorTime(f"{low}-{high} min or longer{each}", low * 60.0, None)
    return VendorTime(f"{low}-{high} min{each}", low * 60.0, high * 60.0)
