"""Who is asking, and what for: tokens, impersonation and what rights are asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from clients.embedded.apiserver.errors import bad_request, unauthorized

__all__ = ["ADMIN", "Account", "Attributes", "Identity", "Require"]

_AUTHENTICATED = "system:authenticated"


class Attributes(Struct, frozen=True):
    """What is asked for."""

    verb: str
    group: str
    resource: str
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None


class Account(Struct, frozen=True):
    """A user and the groups it is in."""

    user: str
    groups: tuple[str, ...] = (_AUTHENTICATED,)


ADMIN = Account("admin", ("system:masters", _AUTHENTICATED))

Require = Callable[[Account, Attributes], None]
"""Raises ApiError 403 unless the account may."""


class Identity(Struct, frozen=True):
    """The accounts of a cluster. A token that is sent is checked; none at all is ``anonymous``."""

    tokens: dict[str, Account] = {}
    anonymous: Account = ADMIN

    def identify(self, headers: Mapping[str, str], require: Require) -> Account:
        """The account behind a request. Raises ApiError 401 for an unknown token, 403 for impersonation."""
        told = headers.get("Authorization")
        account = self.anonymous
        if told is not None:
            scheme, _, token = told.partition(" ")
            found = self.tokens.get(token.strip()) if scheme.lower() == "bearer" else None
            if found is None:
                raise unauthorized()
            account = found
        return self._impersonated(account, headers, require)

    @staticmethod
    def _impersonated(account: Account, headers: Mapping[str, str], require: Require) -> Account:
        user = headers.get("Impersonate-User")
        groups = headers.getall("Impersonate-Group", []) if hasattr(headers, "getall") else []
        if not user:
            if groups:
                raise bad_request(f"requested groups {groups} without impersonating a user name")
            return account
        require(account, Attributes("impersonate", "", "users", name=user))
        for group in groups:
            require(account, Attributes("impersonate", "", "groups", name=group))
        return Account(user, (*groups, _AUTHENTICATED))
