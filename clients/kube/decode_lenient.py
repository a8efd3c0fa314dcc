"""Fits decoded JSON into a struct type, leaving out every field that has the wrong type.

The typed decoder refuses a whole object for one bad field. An operator wants to see the rest of that
object, so what it refuses is read again here: slowly, but never failing for what one field holds.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect as shapes

__all__ = ["fit"]

T = TypeVar("T")
_NOTHING = object()


def fit(value: Any, kind: type[T]) -> T | None:
    """The value as a ``kind``; wrong-typed parts take their defaults. ``None`` if nothing of it fits."""
    fitted = _fit(value, _shape(cast(Hashable, kind)))
    return None if fitted is _NOTHING else fitted


@cache
def _shape(kind: Hashable) -> shapes.Type:
    return shapes.type_info(kind)


def _fit(value: Any, shape: shapes.Type) -> Any:
    match shape:
        case shapes.StructType():
            return _fit_struct(value, shape)
        case shapes.UnionType():
            fits = (_fit(value, member) for member in shape.types)
            return next((fitted for fitted in fits if fitted is not _NOTHING), _NOTHING)
        case shapes.ListType():
            if not isinstance(value, list):
                return _NOTHING
            items = (_fit(item, shape.item_type) for item in value)
            return [item for item in items if item is not _NOTHING]
        case shapes.DictType():
            if not isinstance(value, dict):
                return _NOTHING
            pairs = ((key, _fit(item, shape.value_type)) for key, item in value.items())
            return {key: item for key, item in pairs if item is not _NOTHING}
        case shapes.StrType():
            return value if isinstance(value, str) else _NOTHING
        case shapes.BoolType():
            return value if isinstance(value, bool) else _NOTHING
        case shapes.IntType():
            return value if isinstance(value, int) and not isinstance(value, bool) else _NOTHING
        case shapes.NoneType():
            return None if value is None else _NOTHING
        case shapes.RawType():
            return msgspec.Raw(msgspec.json.encode(value))
        case _:
            return _NOTHING


def _fit_struct(value: Any, shape: shapes.StructType) -> Any:
    if not isinstance(value, dict):
        return _NOTHING
    known: dict[str, Any] = {}
    for field in shape.fields:
        if field.encode_name in value:
            fitted = _fit(value[field.encode_name], field.type)
            if fitted is not _NOTHING:
                known[field.name] = fitted
    return shape.cls(**known)
