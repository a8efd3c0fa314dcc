"""Label and field selectors, as list and watch take them."""

from __future__ import annotations

import re

from msgspec import Struct

from clients.embedded.apiserver.errors import bad_request
from clients.embedded.apiserver.records import Record
from clients.embedded.apiserver.registry import Resource

__all__ = ["Requirement", "Selection", "parse_labels", "select"]

_KEY = r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?"
_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_SET = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^()]*)\)$")
_EQUAL = re.compile(rf"^({_KEY})\s*(==|=|!=|>|<)\s*([^\s=!<>()]*)$")
_PRESENT = re.compile(rf"^(!?)\s*({_KEY})$")


class Requirement(Struct, frozen=True):
    """One term: ``in`` and ``notin`` with values, ``exists`` and ``absent`` without, ``gt`` and ``lt``."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether these labels satisfy it."""
        value = labels.get(self.key)
        if self.operator == "in":
            return value in self.values
        if self.operator == "notin":
            return value not in self.values
        if self.operator == "exists":
            return value is not None
        if self.operator == "absent":
            return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        (bound,) = self.values
        if value is None or not value.lstrip("-").isdigit():
            return False
        return int(value) > int(bound) if self.operator == "gt" else int(value) < int(bound)


class Selection(Struct, frozen=True):
    """What a list or a watch is about."""

    namespace: str | None = None
    name: str | None = None
    labels: tuple[Requirement, ...] = ()
    fields: tuple[tuple[int, bool, str], ...] = ()
    """(place in Record.fields, equal or not, value); places -1 and -2 are name and namespace."""

    @property
    def selective(self) -> bool:
        """Whether a selector was given (the namespace is not one)."""
        return bool(self.labels or self.fields)

    @property
    def everything(self) -> bool:
        """Whether no object is left out."""
        return not (self.labels or self.fields or self.namespace or self.name)

    def matches(self, record: Record) -> bool:
        """Whether an object is meant."""
        if self.namespace and record.namespace != self.namespace:
            return False
        if self.name is not None and record.name != self.name:
            return False
        for place, equal, value in self.fields:
            if place >= 0:
                actual = record.fields[place]
            else:
                actual = record.name if place == -1 else record.namespace
            if (actual == value) != equal:
                return False
        return all(requirement.matches(record.labels) for requirement in self.labels)


def _split(text: str) -> list[str]:
    """At commas outside parentheses."""
    terms, depth, start = [], 0, 0
    for index, char in enumerate(text):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "," and depth == 0:
            terms.append(text[start:index])
            start = index + 1
    terms.append(text[start:])
    return terms


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Raises ApiError 400 for a selector that cannot be read."""
    if not text.strip():
        return ()
    return tuple(_requirement(term.strip(), text) for term in _split(text))


def _requirement(term: str, whole: str) -> Requirement:
    if found := _SET.match(term):
        values = frozenset(v.strip() for v in found[4].split(","))
        if all(_VALUE.match(v) for v in values):
            return Requirement(found[1], found[3], values)
    elif found := _EQUAL.match(term):
        key, operator, value = found[1], found[3], found[4]
        if operator in "<>":
            if value.lstrip("-").isdigit():
                return Requirement(key, "gt" if operator == ">" else "lt", frozenset((value,)))
        elif _VALUE.match(value):
            return Requirement(key, "notin" if operator == "!=" else "in", frozenset((value,)))
    elif found := _PRESENT.match(term):
        return Requirement(found[2], "absent" if found[1] else "exists")
    raise bad_request(f"unable to parse requirement: found {term!r} in selector {whole!r}")


def _fields(definition: Resource, text: str) -> tuple[tuple[int, bool, str], ...]:
    names = list(definition.fields)
    found: list[tuple[int, bool, str]] = []
    for raw in text.split(","):
        term = raw.strip()
        if not term:
            continue
        key, operator, value = term.partition("!=")
        if not operator:
            key, operator, value = term.partition("=")
            value = value.removeprefix("=")
        if not operator:
            raise bad_request(f"invalid selector: {text!r}; can't understand {term!r}")
        if key == "metadata.name":
            place = -1
        elif key == "metadata.namespace" and definition.namespaced:
            place = -2
        elif key in names:
            place = names.index(key)
        else:
            raise bad_request(f"field label not supported: {key}")
        found.append((place, operator != "!=", value))
    return tuple(found)


def select(
    definition: Resource, namespace: str | None, labels: str, fields: str, name: str | None = None
) -> Selection:
    """Raises ApiError 400 for a selector that cannot be read or a field that cannot be selected by."""
    return Selection(namespace, name, parse_labels(labels), _fields(definition, fields))
