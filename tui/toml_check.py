"""Checks a TOML table against a msgspec type and says, for each problem, which key of which line it is.

msgspec alone stops at the first problem and names neither the line nor the key of an inner dictionary.
"""

from __future__ import annotations

import re
import types
from typing import Any, Union, get_args, get_origin

import msgspec

__all__ = ["Problem", "check", "lines_of_keys", "nearest_line"]

_HEADER = re.compile(r"\s*\[\[?(?P<name>[^\[\]]*(?:\"[^\"]*\"|'[^']*')?[^\[\]]*)\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*(?P<name>(?:[A-Za-z0-9_\-. ]|\"[^\"]*\"|'[^']*')+?)\s*=")
_AT = re.compile(r" - at `\$[^`]*`$")

Path = tuple[str, ...]


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong; ``line`` counts from 1 and is ``None`` where it is not known."""

    message: str
    line: int | None = None


def lines_of_keys(text: str) -> dict[Path, int]:
    """The line of every table header and key; text inside multi-line strings may look like further keys."""
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.fullmatch(line)
        if header is not None:
            table = _path(header["name"]) or table
            lines.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            lines.setdefault(table + _path(key["name"]), number)
    return lines


def _path(dotted: str) -> Path:
    """``contexts."prod-*"`` as ``("contexts", "prod-*")``, read by TOML's own rules."""
    import tomllib  # Here and below: not needed for the first frame where there is no file.

    try:
        value: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(value, dict):
        ((name, value),) = value.items()
        path.append(name)
    return tuple(path)


def nearest_line(lines: dict[Path, int], path: Path) -> int | None:
    """The key's own line, or that of the table or inline table it stands in."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None


def check(value: Any, kind: Any, lines: dict[Path, int], path: Path = ()) -> tuple[Problem, ...]:
    """Every problem of ``value`` as a ``kind``: a Struct, a dict with text keys, or what msgspec converts."""
    kind = _without_none(kind)

    def wrong(where: Path, message: str) -> Problem:
        return Problem(f"{_dotted(where)}: {message}" if where else message, nearest_line(lines, where))

    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(value, dict):
            return (wrong(path, "expected a table"),)
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        problems: list[Problem] = []
        for name, inner in value.items():
            if name in fields:
                problems += check(inner, fields[name].type, lines, (*path, name))
            else:
                problems.append(wrong((*path, name), "unknown key" + _suggestion(name, list(fields))))
        problems += [
            wrong(path, f"`{name}` is missing")
            for name, field in fields.items()
            if field.required and name not in value
        ]
        return tuple(problems)
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            return (wrong(path, "expected a table"),)
        inner_kind = get_args(kind)[1]
        return tuple(
            problem
            for name, inner in value.items()
            for problem in check(inner, inner_kind, lines, (*path, name))
        )
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return (wrong(path, _readable(str(error), kind)),)
    return ()


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        rest = [arg for arg in get_args(kind) if arg is not type(None)]
        if len(rest) == 1:
            return rest[0]
    return kind


def _readable(message: str, kind: Any) -> str:
    choices = [arg for arg in get_args(kind) if isinstance(arg, str)]
    if choices:
        listed = " or ".join(f'"{choice}"' for choice in choices)
        return f"expected {listed}"
    message = _AT.sub("", message)
    return message[:1].lower() + message[1:]


def _suggestion(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; known here: {', '.join(known)}"


def _dotted(path: Path) -> str:
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_\-]+", part) else f'"{part}"' for part in path)
