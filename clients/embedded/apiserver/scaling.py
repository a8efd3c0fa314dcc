"""The scale subresource: ``autoscaling/v1`` Scale made from an object, and written back into it."""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.errors import Cause, bad_request, invalid
from clients.embedded.apiserver.fields import entry, field_set, in_order, without_fields
from clients.embedded.apiserver.objects import Json, at_path, put_path
from clients.embedded.apiserver.registry import Resource, Scale

__all__ = ["check_scale", "scale_managers", "scale_of", "write_scale"]


def scale_of(definition: Resource, obj: Json) -> Json:
    """The Scale of an object; a count of 0 is left out of its spec, as the real server does."""
    scale = _paths(definition)
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Json = {"replicas": at_path(obj, scale.status) or 0}
    if scale.selector is not None and (selector := _selector(at_path(obj, scale.selector))):
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": wanted} if (wanted := at_path(obj, scale.spec)) else {},
        "status": status,
    }


def _paths(definition: Resource) -> Scale:
    assert definition.scale is not None
    return definition.scale


def _selector(value: Any) -> str:
    """A LabelSelector as text; a custom resource already keeps text."""
    if not isinstance(value, dict):
        return value if isinstance(value, str) else ""
    terms = [f"{k}={v}" for k, v in sorted((value.get("matchLabels") or {}).items())]
    for term in value.get("matchExpressions") or ():
        operator, values = term.get("operator"), ",".join(term.get("values") or ())
        if operator in ("In", "NotIn"):
            terms.append(f"{term.get('key')} {operator.lower()} ({values})")
        else:
            terms.append(("!" if operator == "DoesNotExist" else "") + str(term.get("key")))
    return ",".join(terms)


def check_scale(scale: Json) -> None:
    """Raises ApiError 400 for a Scale that cannot be decoded."""
    if scale.get("kind") not in (None, "", "Scale"):
        raise bad_request(f"no kind is registered for the type {scale['kind']}")
    for name in ("metadata", "spec"):
        if not isinstance(scale.get(name) or {}, dict):
            raise bad_request(f"json: cannot unmarshal into Go struct field Scale.{name}")
    wanted = at_path(scale, ("spec", "replicas"))
    if wanted is not None and type(wanted) is not int:
        raise bad_request("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32")


def write_scale(definition: Resource, obj: Json, scale: Json) -> None:
    """Puts the wanted count, or 0, into the object. Raises ApiError 422 for less than nothing."""
    wanted = at_path(scale, ("spec", "replicas")) or 0
    # A custom resource is checked as a whole afterwards, and the refusal is then about its own field.
    if wanted < 0 and not definition.custom:
        why = f"Invalid value: {wanted}: must be greater than or equal to 0"
        cause = Cause("FieldValueInvalid", why, "spec.replicas")
        raise invalid("autoscaling", "Scale", obj["metadata"]["name"], [cause])
    put_path(obj, _paths(definition).spec, wanted)


def scale_managers(definition: Resource, obj: Json, wanted: int, *, manager: str, at: str) -> list[Json]:
    """managedFields after a write of the count through this door, with its peculiarities (1.37).

    A count of 0 is absent from a Scale, so nobody owns it then; and what nobody owned, nobody comes to own.
    """
    path = tuple(f"f:{step}" for step in _paths(definition).spec)
    entries: list[Json] = list(obj["metadata"].get("managedFields") or ())
    owned = any(path in field_set(told.get("fieldsV1") or {}) for told in entries)
    if not owned or (at_path(obj, _paths(definition).spec) or 0) == wanted:
        return entries
    left = without_fields(definition, entries, {path})
    if wanted:
        left.append(entry(definition, manager, "Update", "scale", {path}, at))
    return in_order(left)
