"""What bodies and options of writes must agree with: the URL, the object as it is, and each other."""

from __future__ import annotations

from clients.embedded.apiserver.errors import ApiError, Cause, bad_request, invalid
from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.apiserver.registry import Resource
from clients.embedded.apiserver.requests import Target

__all__ = [
    "check_name",
    "check_type",
    "checked_options",
    "propagation",
    "refuse_new_finalizers",
    "undecodable_patch",
]

_POLICIES = '"Foreground", "Background", "Orphan", "nil"'


def check_type(target: Target, obj: Json) -> None:
    """Raises ApiError 400 or 422 unless the body is of the kind and version of its URL."""
    kind, api_version, definition = obj.get("kind"), obj.get("apiVersion"), target.resource
    if definition.custom and not kind:
        raise bad_request("Object 'Kind' is missing")
    if definition.custom and kind != definition.kind and api_version == target.api_version:
        why = f"Invalid value: {encode(kind).decode()}: must be {definition.kind}"
        name = (obj.get("metadata") or {}).get("name") if isinstance(obj.get("metadata"), dict) else ""
        raise invalid(definition.group, str(kind), name or "", [Cause("FieldValueInvalid", why, "kind")])
    if not definition.custom and kind not in (None, "", definition.kind):
        raise bad_request(
            f'{kind} in version "{target.version}" cannot be handled as a {definition.kind}: '
            "converting to the requested kind is not supported"
        )
    if api_version != target.api_version and (definition.custom or api_version):
        raise bad_request(
            f"the API version in the data ({api_version or ''}) does not match the expected API version "
            f"({target.api_version})"
        )


def check_name(target: Target, metadata: Json) -> None:
    """Raises ApiError 400 if the body names another object than the URL."""
    name = metadata.get("name", target.name)
    if name != target.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )


def undecodable_patch(error: ApiError) -> ApiError:
    """A patch whose result cannot be decoded is refused as an invalid patch, not as a bad request."""
    return invalid("", "", "", [Cause("FieldValueInvalid", f"Invalid value: {error.message}", "patch")])


def refuse_new_finalizers(definition: Resource, old: Json, new: Json) -> None:
    """Raises ApiError 422 if an object that is being deleted gets finalizers."""
    had = old["metadata"].get("finalizers") or ()
    added = [f for f in new["metadata"].get("finalizers") or () if f not in had]
    if added:
        why = f"Forbidden: no new finalizers can be added if the object is being deleted, found {added}"
        cause = Cause("FieldValueForbidden", why, "metadata.finalizers")
        raise invalid(definition.group, definition.kind, old["metadata"]["name"], [cause])


def checked_options(told: Json) -> Json:
    """The preconditions of DeleteOptions. Raises ApiError 400 and 422 for options that make no sense."""
    policy, grace = told.get("propagationPolicy"), told.get("gracePeriodSeconds")
    wanted = told.get("preconditions") or {}
    if not isinstance(wanted, dict) or (grace is not None and type(grace) is not int):
        raise bad_request("json: cannot unmarshal into Go struct field DeleteOptions")
    if policy not in (None, "Foreground", "Background", "Orphan"):
        why = f"Unsupported value: {encode(policy).decode()}: supported values: {_POLICIES}"
        cause = Cause("FieldValueNotSupported", why, "propagationPolicy")
        raise invalid("meta.k8s.io", "DeleteOptions", "", [cause])
    return wanted


def propagation(told: Json) -> str | None:
    """What DeleteOptions say about dependents."""
    policy = told.get("propagationPolicy")
    if policy is None and told.get("orphanDependents") is True:
        return "Orphan"
    return policy if isinstance(policy, str) else None
