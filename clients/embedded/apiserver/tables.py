"""Tables: what ``kubectl get`` prints, worked out by the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clients.clock import Clock
from clients.embedded.apiserver.columns import BUILT_IN_COLUMNS, UNNAMED
from clients.embedded.apiserver.objects import Json, at_path, decode
from clients.embedded.apiserver.records import Record
from clients.embedded.apiserver.registry import Column
from clients.embedded.apiserver.times import age
from clients.embedded.apiserver.views import View

__all__ = ["Tables"]

_AGE = Column("Age", "string", ("metadata", "creationTimestamp"))


class Tables:
    """Makes tables in the cluster's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def table(
        self,
        view: View,
        records: Sequence[Record],
        version: str,
        query: Mapping[str, str],
        metadata: Json | None,
    ) -> Json:
        """A ``meta.k8s.io`` Table of these records; ``includeObject`` says what each row carries along."""
        columns = self._columns(view)
        named = view.resource.key not in UNNAMED
        include = query.get("includeObject", "Metadata")
        now = self._clock.now()
        rows = []
        for record in records:
            obj = view.obj(record)
            cells = [_cell(c, obj, now) for c in columns]
            row: Json = {"cells": [record.name, *cells] if named else cells}
            if include == "Metadata":
                row["object"] = decode(view.partial(record))
            elif include == "Object":
                row["object"] = obj
            rows.append(row)
        if metadata is None:
            metadata = {"resourceVersion": str(records[0].rv)} if records else {}
        return {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{version or 'v1'}",
            "metadata": metadata,
            "columnDefinitions": [*([_NAME] if named else []), *(_definition(c) for c in columns)],
            "rows": rows,
        }

    def _columns(self, view: View) -> tuple[Column, ...]:
        if view.resource.custom:
            return view.resource.columns or (_AGE,)
        return BUILT_IN_COLUMNS.get(view.resource.key, (_AGE,))


_NAME: Json = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "Name must be unique within a namespace.",
    "priority": 0,
}


def _definition(column: Column) -> Json:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": column.description,
        "priority": int(column.wide),
    }


def _cell(column: Column, obj: Json, now: float) -> Any:
    if callable(column.value):
        return column.value(obj, now)
    value = at_path(obj, column.value)
    if column.type == "date" or column.value == ("metadata", "creationTimestamp"):
        return age(value, now)
    if value is None or isinstance(value, dict | list):
        return None if value is None else str(value)
    return value
