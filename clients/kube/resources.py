"""Which resources are read, and how a source names itself."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote

from msgspec import Struct

__all__ = ["ResourceSpec", "Scope", "in_path"]


def in_path(name: str) -> str:
    """A name from outside as one segment of a URL's path: it can neither end the path nor leave its place."""
    return quote(name, safe="", errors="replace")


class Scope(StrEnum):
    """Where a resource lives."""

    CLUSTER = "cluster"
    NAMESPACED = "namespaced"


class ResourceSpec(Struct, frozen=True):
    """One resource to list and watch; equal specs are read once, whoever asks."""

    source: str
    """Short name on the status line: ``ms``, ``pods``, ``nodes``, ``hpa``."""
    group: str
    """API group; empty for the core group."""
    plural: str
    kind: str
    versions: tuple[str, ...]
    """Versions understood, best first; discovery picks the first one served."""
    scope: Scope = Scope.NAMESPACED
    label_selector: str | None = None
    field_selector: str | None = None
    required: bool = False
    """Without it there is no truth about the system: ``get`` waits for it and exits 5 if it does not sync."""
