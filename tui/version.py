"""The version of servegrid, readable without the cost of package metadata (70 ms)."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
