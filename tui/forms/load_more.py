"""The row of a load test's form for all that has no row of its own: fields of the plan as ``name=value``.

A field within a table has a dot: ``tls.verify=false burst.size=5``. A value with spaces stands in quotes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from clients.load.plan import LoadPlan
from clients.load.plan_check import plan_of_fields

__all__ = ["more_words", "with_more"]

_OWN_ROWS: Mapping[str, str] = {
    "url": "URL",
    "host": "Host header",
    "protocol": "protocol",
    "model": "model",
    "loop": "load",
    "rate": "users or rate",
    "concurrency": "users or rate",
    "ramp.to": "ramp to",
    "duration_s": "seconds",
    "max_tokens": "max tokens",
    "body": "body",
    "body_file": "body",
    "slo.ttft_ms": "SLO: first token",
    "slo.e2e_ms": "SLO: answer",
    "secret_headers.Authorization": "Authorization",
    "secret_headers.Authorization.env": "Authorization",
    "secret_headers.Authorization.file": "Authorization",
    "stop.errors_percent": "stop at errors",
}
"""Fields that are asked for by other rows, and those rows' labels."""


def more_words(plan: LoadPlan, rows: LoadPlan) -> str:
    """What of a plan the other rows, which come to the plan ``rows``, do not say."""
    said = dict(_flat(msgspec.to_builtins(rows)))
    return " ".join(
        f"{name}={shlex.quote(_text(value))}"
        for name, value in _flat(msgspec.to_builtins(plan))
        if name not in _OWN_ROWS and said.get(name) != value
    )


def with_more(plan: LoadPlan, words: str) -> LoadPlan:
    """The plan of the other rows with the fields that are named here.

    Raises:
        PlanError: a field is not known, or of another type.
        ValueError: a word is no ``name=value``, or its field has a row of its own.
    """
    fields: dict[str, Any] = msgspec.to_builtins(plan)
    try:
        pairs = shlex.split(words)
    except ValueError:
        raise ValueError("more: a quote is not closed") from None
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise ValueError(f"more: name=value is needed, not '{pair}'")
        if name in _OWN_ROWS:
            raise ValueError(f"more: {name} has a row of its own: {_OWN_ROWS[name]}")
        _put(fields, name, value)
    return plan_of_fields(fields)


def _put(fields: dict[str, Any], name: str, value: str) -> None:
    table, dot, field = name.partition(".")
    if not dot:
        fields[name] = value
        return
    inner = fields.setdefault(table, {})
    if not isinstance(inner, dict):
        raise ValueError(f"more: {table} is no table")
    if table == "secret_headers":
        header, _, field = field.rpartition(".")
        inner = inner.setdefault(header, {})
    inner[field] = value


def _flat(fields: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
