"""Who owns and who drives what: links between objects, as the system modules emit them."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from clients.serving.keys import ObjectRef

__all__ = ["Link", "LinkKind"]


class LinkKind(StrEnum):
    """How one object bears on another."""

    OWNS = "owns"
    SCALES = "scales"
    BOUNDS = "bounds"


class Link(Struct, frozen=True):
    """``origin`` owns, scales or bounds ``target``."""

    origin: ObjectRef
    target: ObjectRef
    kind: LinkKind
