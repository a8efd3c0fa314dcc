"""Structural schemas of custom resources: defaults, unknown fields, types and limits.

Reads the subset of OpenAPI v3 that a CustomResourceDefinition may use; rules in CEL are in ``rules``.
Messages are worded as kube-apiserver 1.37 words them.
"""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from typing import Any

from clients.embedded.apiserver.errors import Cause, invalid
from clients.embedded.apiserver.objects import Json, at_path, encode
from clients.embedded.apiserver.registry import Resource
from clients.embedded.apiserver.rules import broken_rule

__all__ = ["check", "fill_defaults", "prune", "schema_fault", "validate"]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_GO_TYPES = {
    "string": "string",
    "boolean": "bool",
    "number": "float64",
    "object": "map[string]interface {}",
    "array": "[]interface {}",
}
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_TOP = frozenset(("apiVersion", "kind", "metadata"))
_BLOCKING = frozenset(
    f"FieldValue{reason}" for reason in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")
)
"""With one of these among the mistakes, no rule is looked at."""
_UNCHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "<nil>",
)


def _of(definition: Resource, version: str | None = None) -> Json:
    return definition.schemas.get(version or definition.version) or {}


_NUMBERS = (
    *("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"),
    *("minProperties", "maxProperties"),
)


def schema_fault(schema: Any, path: str) -> str | None:
    """The path of the first thing in a schema that cannot be worked with, or None."""
    if not isinstance(schema, dict) or schema.get("type") not in (None, *_TYPES):
        return path
    for name in _NUMBERS:
        if isinstance(schema.get(name, 0), bool) or not isinstance(schema.get(name, 0), int | float):
            return f"{path}.{name}"
    for name, kind in (("enum", list), ("required", list), ("properties", dict)):
        if not isinstance(schema.get(name, kind()), kind):
            return f"{path}.{name}"
    keys = schema.get("x-kubernetes-list-map-keys", [])
    if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys):
        return f"{path}.x-kubernetes-list-map-keys"
    rules = schema.get("x-kubernetes-validations", [])
    if not isinstance(rules, list) or not all(isinstance(r, dict) for r in rules):
        return f"{path}.x-kubernetes-validations"
    try:
        _pattern(schema.get("pattern", ""))
    except (TypeError, re.error):
        return f"{path}.pattern"
    below = list((schema.get("properties") or {}).items())
    below += [(n, schema[n]) for n in ("items", "additionalProperties") if isinstance(schema.get(n), dict)]
    for name, inner in below:
        if (found := schema_fault(inner, f"{path}.{name}")) is not None:
            return found
    return None


def check(definition: Resource, obj: Json, old: Json | None, version: str | None = None) -> None:
    """Raises ApiError 422 naming every broken rule."""
    schema = _of(definition, version)
    causes, broken = validate(schema, obj, old)
    if definition.scale is not None:
        for path in (definition.scale.spec, definition.scale.status):
            causes += _count_causes(at_path(obj, path), path)
    if any(cause.reason in _BLOCKING for cause in causes) and _has_rules(schema):
        broken = [_UNCHECKED]
    causes += broken
    if causes:
        raise invalid(definition.group, definition.kind, obj["metadata"].get("name", ""), causes)


def _count_causes(value: Any, path: tuple[str, ...]) -> list[Cause]:
    """A resource with a scale subresource keeps a count there, whatever its schema says."""
    field = "." + ".".join(path)
    if value is None:
        return []
    if isinstance(value, bool) or not isinstance(value, int):
        kind = _GO_TYPES[_name_of_type(value)]
        told = value if isinstance(value, str) else encode(value).decode()
        why = f"Invalid value: 0: {field} accessor error: {told} is of the type {kind}, expected int64"
        return [Cause("FieldValueInvalid", why, field)]
    if value < 0:
        return [
            Cause("FieldValueInvalid", f"Invalid value: {value}: should be a non-negative integer", field)
        ]
    return []


def fill_defaults(definition: Resource, obj: Json, version: str | None = None) -> None:
    """Drops nulls where the schema doesn't allow them and writes its defaults into ``obj``."""
    schema = _of(definition, version)
    for name, inner in (schema.get("properties") or {}).items():
        if name not in _TOP:
            _default_field(obj, name, inner)


def _default_field(holder: Json, name: str, schema: Json) -> None:
    if name in holder and holder[name] is None and not schema.get("nullable"):
        del holder[name]
    if "default" in schema and name not in holder:
        holder[name] = copy.deepcopy(schema["default"])
    if name in holder:
        holder[name] = _default_value(holder[name], schema)


def _default_value(value: Any, schema: Json) -> Any:
    if isinstance(value, dict):
        made = dict(value)
        properties = schema.get("properties") or {}
        for name, inner in properties.items():
            _default_field(made, name, inner)
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            for name in made.keys() - properties.keys():
                made[name] = _default_value(made[name], more)
        return made
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_default_value(item, schema["items"]) for item in value]
    return value


def prune(definition: Resource, obj: Json, version: str | None = None) -> list[str]:
    """Removes fields that the schema doesn't know; returns their paths."""
    unknown: list[str] = []
    schema = _of(definition, version)
    if schema:
        _prune(obj, schema, "", unknown, top=True)
    return unknown


def _prune(value: Any, schema: Json, path: str, unknown: list[str], *, top: bool = False) -> None:
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for index, item in enumerate(value):
                _prune(item, items, f"{path}[{index}]", unknown)
        return
    if not isinstance(value, dict):
        return
    properties = schema.get("properties") or {}
    more = schema.get("additionalProperties")
    for name in list(value):
        where = f"{path}.{name}" if path else name
        if top and name in _TOP:
            continue
        if name in properties:
            _prune(value[name], properties[name], where, unknown)
        elif isinstance(more, dict):
            _prune(value[name], more, where, unknown)
        elif not more and not schema.get(_PRESERVE):
            unknown.append(where)
            del value[name]


def validate(schema: Json, obj: Json, old: Json | None) -> tuple[list[Cause], list[Cause]]:
    """What is wrong with ``obj``, and which rules it breaks.

    ``old`` is the object it replaces, for rules about changes.
    """
    causes: list[Cause] = []
    broken: list[Cause] = []
    for name in schema.get("required") or ():
        if name not in obj:
            causes.append(Cause("FieldValueRequired", "Required value", name))
    for name, inner in (schema.get("properties") or {}).items():
        if name not in _TOP and name in obj:
            _check(obj[name], inner, name, causes, broken, (old or {}).get(name))
    return causes, broken


def _has_rules(schema: Json) -> bool:
    below = [
        *(schema.get("properties") or {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    return bool(schema.get("x-kubernetes-validations")) or any(
        _has_rules(inner) for inner in below if isinstance(inner, dict)
    )


def _typed(value: Any, schema: Json) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, int | str) and not isinstance(value, bool)
    wanted = schema.get("type")
    if wanted is None:
        return True
    if isinstance(value, bool):
        return bool(wanted == "boolean")
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[wanted])


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return '"object"'
    if isinstance(value, list):
        return '"array"'
    return encode(value).decode()


def _name_of_type(value: Any) -> str:
    if value is None:
        return "null"
    for name in ("boolean", "object", "array", "string", "integer", "number"):
        if isinstance(value, _TYPES[name]):
            return name
    return "unknown"


def _check(value: Any, schema: Json, path: str, causes: list[Cause], broken: list[Cause], old: Any) -> None:
    if value is None and schema.get("nullable"):
        return
    if not _typed(value, schema):
        wanted = schema.get("type", "integer or string")
        actual = _name_of_type(value)
        message = f'Invalid value: "{actual}": {path} in body must be of type {wanted}: "{actual}"'
        causes.append(Cause("FieldValueTypeInvalid", message, path))
        return
    if isinstance(value, str):
        _check_text(value, schema, path, causes)
    elif isinstance(value, bool):
        pass
    elif isinstance(value, int | float):
        _check_number(value, schema, path, causes)
    elif isinstance(value, list):
        _check_list(value, schema, path, causes, broken, old)
    elif isinstance(value, dict):
        _check_map(value, schema, path, causes, broken, old)
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(_shown(choice) for choice in schema["enum"])
        message = f"Unsupported value: {_shown(value)}: supported values: {supported}"
        causes.append(Cause("FieldValueNotSupported", message, path))
    for rule in schema.get("x-kubernetes-validations") or ():
        if broken_rule(rule.get("rule", ""), value, old):
            message = rule.get("message") or f"failed rule: {rule.get('rule', '')}"
            # Only a plain value is repeated.
            shown = "" if isinstance(value, dict | list) else f"{_shown(value)}: "
            broken.append(Cause("FieldValueInvalid", f"Invalid value: {shown}{message}", path))


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _check_text(value: str, schema: Json, path: str, causes: list[Cause]) -> None:
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        message = f"Too long: may not be more than {schema['maxLength']} bytes"
        causes.append(Cause("FieldValueTooLong", message, path))
    if len(value) < schema.get("minLength", 0):
        least = schema["minLength"]
        message = f"Invalid value: {_shown(value)}: {path} in body should be at least {least} chars long"
        causes.append(Cause("FieldValueInvalid", message, path))
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        message = f"Invalid value: {_shown(value)}: {path} in body should match '{schema['pattern']}'"
        causes.append(Cause("FieldValueInvalid", message, path))


def _check_number(value: float, schema: Json, path: str, causes: list[Cause]) -> None:
    low, high = _RANGES.get(schema.get("format", ""), (None, None))
    low, high = schema.get("minimum", low), schema.get("maximum", high)
    if low is not None and value < low:
        message = f"Invalid value: {_shown(value)}: {path} in body should be greater than or equal to {low}"
        causes.append(Cause("FieldValueInvalid", message, path))
    if high is not None and value > high:
        message = f"Invalid value: {_shown(value)}: {path} in body should be less than or equal to {high}"
        causes.append(Cause("FieldValueInvalid", message, path))


def _check_list(
    value: list[Any], schema: Json, path: str, causes: list[Cause], broken: list[Cause], old: Any
) -> None:
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        message = f"Too many: {len(value)}: must have at most {schema['maxItems']} items"
        causes.append(Cause("FieldValueTooMany", message, path))
    if len(value) < schema.get("minItems", 0):
        message = (
            f"Invalid value: {len(value)}: {path} in body should have at least {schema['minItems']} items"
        )
        causes.append(Cause("FieldValueInvalid", message, path))
    items = schema.get("items")
    if not isinstance(items, dict):
        return
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    for index, item in enumerate(value):
        _check(item, items, f"{path}[{index}]", causes, broken, _matching(old, item, keys))


def _matching(old: Any, item: Any, keys: Any) -> Any:
    """The item's former self: rules about changes hold only in lists that are maps."""
    if not keys or not isinstance(old, list) or not isinstance(item, dict):
        return None
    for other in old:
        if isinstance(other, dict) and all(other.get(k) == item.get(k) for k in keys):
            return other
    return None


def _check_map(
    value: Json, schema: Json, path: str, causes: list[Cause], broken: list[Cause], old: Any
) -> None:
    for name in schema.get("required") or ():
        if name not in value:
            causes.append(Cause("FieldValueRequired", "Required value", f"{path}.{name}"))
    if "maxProperties" in schema and len(value) > schema["maxProperties"]:
        message = f"Too many: {len(value)}: must have at most {schema['maxProperties']} items"
        causes.append(Cause("FieldValueTooMany", message, path))
    if len(value) < schema.get("minProperties", 0):
        message = (
            f"Invalid value: {len(value)}: {path} in body should have at least "
            f"{schema['minProperties']} properties"
        )
        causes.append(Cause("FieldValueInvalid", message, path))
    properties = schema.get("properties") or {}
    more = schema.get("additionalProperties")
    former = old if isinstance(old, dict) else {}
    for name, inner in value.items():
        below = properties.get(name, more)
        if isinstance(below, dict):
            _check(inner, below, f"{path}.{name}", causes, broken, former.get(name))
