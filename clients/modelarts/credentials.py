"""A Huawei Cloud access key, by the names that Huawei's own tools read (``huaweicloudsdkcore`` 3.1.219)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.managed.secret import Secret

__all__ = ["ACCESS_NAME", "PROJECT_NAME", "SECRET_NAME", "TOKEN_NAME", "AccessKey", "from_environ"]

ACCESS_NAME = "HUAWEICLOUD_SDK_AK"
SECRET_NAME = "HUAWEICLOUD_SDK_SK"
TOKEN_NAME = "HUAWEICLOUD_SDK_SECURITY_TOKEN"
PROJECT_NAME = "HUAWEICLOUD_SDK_PROJECT_ID"
"""Not secret: the project whose services are meant, one for each region."""


class AccessKey(Struct, frozen=True):
    """An access key, long-lived or temporary; no part of it is ever shown."""

    access: Secret
    secret: Secret
    security_token: Secret | None = None
    """Beside a temporary key."""


def from_environ(environ: Mapping[str, str]) -> AccessKey | None:
    """The key in the environment; ``None`` unless both halves are there."""
    access, secret = environ.get(ACCESS_NAME, ""), environ.get(SECRET_NAME, "")
    token = environ.get(TOKEN_NAME, "")
    if not access or not secret:
        return None
    return AccessKey(Secret(access), Secret(secret), Secret(token) if token else None)
