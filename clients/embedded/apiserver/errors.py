"""Refusals as the API server words them: an exception that carries a ``metav1.Status``."""

from __future__ import annotations

from typing import Any, NamedTuple

from clients.embedded.apiserver.objects import Json

__all__ = [
    "ApiError",
    "Cause",
    "already_exists",
    "bad_request",
    "conflict",
    "expired",
    "forbidden",
    "invalid",
    "not_found",
    "plain_not_found",
    "status_body",
    "unauthorized",
    "unsupported_media_type",
]


class ApiError(Exception):
    """A request refused; ``status`` is the body that goes out.

    ``plain`` is a body that is not a Status at all: the server's ``404 page not found``.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Json | None = None,
        plain: bool = False,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.plain = plain
        self.retry_after = retry_after

    @property
    def status(self) -> Json:
        """The Status object."""
        return status_body(self.code, self.reason, self.message, self.details)


class Cause(NamedTuple):
    """One cause of an invalid object."""

    reason: str
    """FieldValueInvalid, FieldValueRequired, FieldValueTypeInvalid …"""
    message: str
    field: str
    """Its path, such as ``spec.template.roles[0].name``."""


def status_body(code: int, reason: str, message: str, details: Json | None = None) -> Json:
    """A failed Status; ``reason`` may be empty."""
    body: Json = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    if reason:
        body["reason"] = reason
    if details is not None:
        body["details"] = details
    body["code"] = code
    return body


def _details(group: str, kind: str, name: str | None, **more: Any) -> Json:
    details: Json = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    details.update(more)
    return details


def _qualified(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group else plural


def bad_request(message: str) -> ApiError:
    """400: the request itself makes no sense."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: the token is not known."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(
    user: str,
    verb: str,
    group: str,
    plural: str,
    subresource: str | None,
    namespace: str | None,
    name: str | None,
    why: str = "",
) -> ApiError:
    """403, worded as RBAC does it: who may not do what to which, and where; ``why`` if anything was odd."""
    what = f"{plural}/{subresource}" if subresource else plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    subject = f'{_qualified(group, plural)} "{name}"' if name else _qualified(group, plural)
    denied = f'User "{user}" cannot {verb} resource "{what}" in API group "{group}" {where}'
    message = f"{subject} is forbidden: {denied}" + (f": {why}" if why else "")
    return ApiError(403, "Forbidden", message, details=_details(group, plural, name))


def plain_not_found() -> ApiError:
    """404 for a path that leads nowhere: text, not a Status."""
    return ApiError(404, "NotFound", "404 page not found\n", plain=True)


def not_found(group: str, plural: str, name: str) -> ApiError:
    """404 for an object."""
    message = f'{_qualified(group, plural)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(group, plural, name))


def already_exists(group: str, plural: str, name: str) -> ApiError:
    """409 for a create."""
    message = f'{_qualified(group, plural)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str | None = None) -> ApiError:
    """409 for a write on an outdated version, or a failed precondition."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {_qualified(group, plural)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(group, plural, name))


def invalid(group: str, kind: str, name: str, causes: list[Cause]) -> ApiError:
    """422: the object breaks a rule; each cause names its field."""
    told = [f"{field}: {message}" if field else message for _, message, field in causes]
    text = told[0] if len(told) == 1 else "[" + ", ".join(told) + "]"
    message = f'{_qualified(group, kind)} "{name}" is invalid: {text}'
    listed = [{"reason": r, "message": m, "field": f} for r, m, f in causes]
    return ApiError(422, "Invalid", message, details=_details(group, kind, name, causes=listed))


def unsupported_media_type(message: str) -> ApiError:
    """415: a body or patch type that is not taken here."""
    return ApiError(415, "UnsupportedMediaType", message)


def expired(message: str) -> ApiError:
    """410: the version asked for is no longer kept."""
    return ApiError(410, "Expired", message)
