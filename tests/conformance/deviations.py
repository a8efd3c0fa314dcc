"""Where the embedded server differs from a real one on purpose, with the reason.

Every key is used by a test through ``Api.conform``, which fails when a line has become stale.
"""

from __future__ import annotations

from msgspec import Struct


class Deviation(Struct, frozen=True):
    """What ours answers instead, and why that is left so."""

    embedded: object
    reason: str


DEVIATIONS: dict[str, Deviation] = {
    "exact-old-version": Deviation(
        410, "lists of the past are not kept; a client that meets 410 lists again without a version"
    ),
    "strict-built-in": Deviation(
        201, "built-in kinds have no full schema here: their unknown fields are kept, never refused"
    ),
    "protobuf-body": Deviation(
        415, "of protobuf only the kinds are read that kubectl makes by commands of their own, and reviews"
    ),
    "escalation": Deviation(
        201, "who may write roles is trusted here: of the embedded cluster's own users only the admin may"
    ),
    "empty-namespace": Deviation(
        404, "the namespace controller's part is done at once: an empty namespace is gone immediately"
    ),
}
