"""Whether a value is what an OpenAPI 3.0 document says it is; as much of it as Exoscale's document uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


class Document:
    """Exoscale's own, from the package of its SDK."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = json.loads(files("exoscale").joinpath("openapi.json").read_text("utf-8"))
        self.operations = {
            operation["operationId"]: operation
            for path in self.root["paths"].values()
            for operation in path.values()
            if isinstance(operation, dict) and "operationId" in operation
        }

    def answer(self, operation: str, value: Any) -> list[str]:
        """What is wrong with the answer of 200."""
        content = self.operations[operation]["responses"]["200"]["content"]
        return list(self._wrong(content["application/json"]["schema"], value, "$"))

    def request(self, operation: str, value: Any) -> list[str]:
        """What is wrong with a request's body."""
        content = self.operations[operation]["requestBody"]["content"]
        return list(self._wrong(content["application/json"]["schema"], value, "$"))

    def _wrong(self, schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
        while "$ref" in schema:
            schema = self.root["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if value is None and schema.get("nullable"):
            return
        kind = schema.get("type")
        if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
            yield f"{place}: {value!r} is no {kind}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{place}: {value!r} is none of {schema['enum']}"
        if schema.get("minimum") is not None and value < schema["minimum"]:
            yield f"{place}: {value!r} is too low"
        if isinstance(value, str):
            yield from self._text(schema, value, place)
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._wrong(schema.get("items", {}), item, f"{place}[{number}]")
        if isinstance(value, dict):
            known = schema.get("properties", {})
            yield from (
                f"{place}.{name}: missing" for name in schema.get("required", ()) if name not in value
            )
            for name, item in value.items():
                if known and name not in known:
                    yield f"{place}.{name}: unknown"
                yield from self._wrong(known.get(name, {}), item, f"{place}.{name}")

    def _text(self, schema: dict[str, Any], value: str, place: str) -> Iterator[str]:
        if len(value) < schema.get("minLength", 0):
            yield f"{place}: too short"
        try:
            if schema.get("format") == "uuid":
                UUID(value)
            if schema.get("format") == "date-time":
                datetime.fromisoformat(value)
        except ValueError:
            yield f"{place}: {value!r} is no {schema['format']}"
