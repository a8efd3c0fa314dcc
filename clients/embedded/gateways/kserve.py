"""KServe's protocols v1 and v2 as its Python server (v0.20) speaks them, for models that just predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import encode

__all__ = ["Answer", "page", "prediction"]

_PETAL_LENGTH = 2
_BOUNDS = (2.5, 4.9)
"""Petal lengths that tell the three kinds of iris apart, as the usual example has it."""


class Answer(Struct, frozen=True):
    """What is answered."""

    status: int
    body: bytes


def page(path: str, served: str) -> Answer:
    """What a GET finds."""
    known: dict[str, Any] = {
        "/": {"status": "alive"},
        "/v1/models": {"models": [served]},
        f"/v1/models/{served}": {"name": served, "ready": True},
        "/v2": {"name": "kserve", "version": "0.20.0", "extensions": ["model_repository_extension"]},
        "/v2/health/live": {"live": True},
        "/v2/health/ready": {"ready": True},
        f"/v2/models/{served}": {
            "name": served,
            "versions": [],
            "platform": "",
            "inputs": [],
            "outputs": [],
        },
        f"/v2/models/{served}/ready": {"name": served, "ready": True},
    }
    told = known.get(path)
    return _wrong(404, "Not Found") if told is None else _said(200, told)


def prediction(path: str, body: Any, served: str) -> Answer:
    """What a POST of ``body`` is answered; errors are answers too."""
    for prefix, suffix, answer in (("/v1/models/", ":predict", _v1), ("/v2/models/", "/infer", _v2)):
        if path.startswith(prefix) and path.endswith(suffix):
            name = path[len(prefix) : -len(suffix)]
            if name != served:
                return _wrong(404, f"Model with name {name} does not exist.")
            return answer(body, served)
    return _wrong(404, "Not Found")


def _v1(body: Any, _served: str) -> Answer:
    rows = body.get("instances") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        return _wrong(400, 'Expected "instances" to be a list')
    return _said(200, {"predictions": [_class_of(row) for row in rows]})


def _v2(body: Any, served: str) -> Answer:
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not all(_is_tensor(one) for one in inputs) or not inputs:
        return _wrong(400, 'Expected "inputs" to be a list of tensors')
    shape: Sequence[int] = inputs[0]["shape"]
    rows = _rows(inputs[0]["data"], shape)
    output = {"name": "output-0", "shape": [len(rows)], "datatype": "INT64"}
    output["data"] = [_class_of(row) for row in rows]
    return _said(
        200, {"model_name": served, "model_version": None, "id": body.get("id", ""), "outputs": [output]}
    )


def _is_tensor(told: Any) -> bool:
    return (
        isinstance(told, Mapping)
        and isinstance(told.get("data"), list)
        and isinstance(told.get("shape"), list)
        and all(isinstance(size, int) and size > 0 for size in told["shape"])
    )


def _rows(data: list[Any], shape: Sequence[int]) -> list[Any]:
    """The rows of a tensor, which may be flat or nested."""
    if not data or isinstance(data[0], list):
        return data
    width = max(1, len(data) // (shape[0] if shape else 1))
    return [data[at : at + width] for at in range(0, len(data), width)]


def _class_of(row: Any) -> int:
    if not isinstance(row, list) or len(row) <= _PETAL_LENGTH:
        return 0
    length = row[_PETAL_LENGTH]
    return sum(length > bound for bound in _BOUNDS) if isinstance(length, (int, float)) else 0


def _said(status: int, told: Any) -> Answer:
    return Answer(status, encode(told))


def _wrong(status: int, message: str) -> Answer:
    return _said(status, {"error": message})
