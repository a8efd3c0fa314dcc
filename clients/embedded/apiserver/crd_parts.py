"""The parts of which the custom resource definitions are made: short words for structural schemas."""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.objects import Json

__all__ = [
    "AGE",
    "ANYTHING",
    "CONDITION",
    "FLAG",
    "INT32",
    "INT64",
    "INT_OR_TEXT",
    "QUANTITY",
    "TEXT",
    "TIME",
    "choice",
    "count",
    "definition",
    "list_of",
    "map_of",
    "object_of",
    "validations",
]

TEXT: Json = {"type": "string"}
INT32: Json = {"type": "integer", "format": "int32"}
INT64: Json = {"type": "integer", "format": "int64"}
FLAG: Json = {"type": "boolean"}
TIME: Json = {"type": "string", "format": "date-time"}
INT_OR_TEXT: Json = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
ANYTHING: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_CONDITION_REASON = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
_CONDITION_TYPE = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
QUANTITY = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$"


def object_of(properties: Json, *required: str, **more: Any) -> Json:
    """A map of known fields."""
    schema: Json = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema | more


def list_of(items: Json, **more: Any) -> Json:
    """A list of one kind of item."""
    return {"type": "array", "items": items} | more


def map_of(values: Json, **more: Any) -> Json:
    """A map of any keys to one kind of value."""
    return {"type": "object", "additionalProperties": values} | more


def choice(*values: str, default: str | None = None) -> Json:
    """One of these words."""
    schema: Json = {"type": "string", "enum": list(values)}
    return schema if default is None else schema | {"default": default}


def count(minimum: int, maximum: int | None = None, default: int | None = None) -> Json:
    """A whole number within limits."""
    schema: Json = INT32 | {"minimum": minimum}
    if maximum is not None:
        schema["maximum"] = maximum
    return schema if default is None else schema | {"default": default}


def validations(*rules: tuple[str, str]) -> Json:
    """CEL rules with their messages, as a field of a schema."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


CONDITION = object_of(
    {
        "type": TEXT | {"maxLength": 316, "pattern": _CONDITION_TYPE},
        "status": choice("True", "False", "Unknown"),
        "reason": TEXT | {"minLength": 1, "maxLength": 1024, "pattern": _CONDITION_REASON},
        "message": TEXT | {"maxLength": 32768},
        "lastTransitionTime": TIME,
        "observedGeneration": INT64 | {"minimum": 0},
    },
    "lastTransitionTime",
    "message",
    "reason",
    "status",
    "type",
)


def definition(
    group: str,
    version: str,
    plural: str,
    kind: str,
    spec: Json,
    status: Json,
    columns: list[dict[str, str]],
    scale: dict[str, str] | None = None,
    *,
    names: Json | None = None,
    scope: str = "Namespaced",
    has_status: bool = True,
) -> Json:
    """A CustomResourceDefinition of one version; without ``has_status`` its status is part of the object."""
    subresources: Json = {"status": {}} if has_status else {}
    if scale is not None:
        subresources["scale"] = scale
    top = {"apiVersion": TEXT, "kind": TEXT, "metadata": {"type": "object"}, "spec": spec, "status": status}
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {
                "kind": kind,
                "listKind": kind + "List",
                "plural": plural,
                "singular": kind.lower(),
                **(names or {}),
            },
            "scope": scope,
            "conversion": {"strategy": "None"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": top}},
                    "subresources": subresources,
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }
