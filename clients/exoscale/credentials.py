"""An Exoscale API key, by the names that Exoscale's own tools read."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.managed.secret import Secret

__all__ = ["KEY_NAME", "SECRET_NAME", "Credentials", "from_environ"]

KEY_NAME = "EXOSCALE_API_KEY"
SECRET_NAME = "EXOSCALE_API_SECRET"


class Credentials(Struct, frozen=True):
    """Both halves sign; neither is ever shown."""

    key: Secret
    secret: Secret


def from_environ(environ: Mapping[str, str]) -> Credentials | None:
    """The key in the environment; ``None`` unless both halves are there."""
    key, secret = environ.get(KEY_NAME, ""), environ.get(SECRET_NAME, "")
    return Credentials(Secret(key), Secret(secret)) if key and secret else None
