"""The CEL rules of the custom resources we ship, as code.

A rule is found by its text, so a CRD that someone brings along with the same rules is held to them as
well; a rule that is not known here is not enforced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["UNCHANGED", "UNIQUE_NAMES", "broken_rule", "either", "kept_once_set", "not_both"]

UNCHANGED = "self == oldSelf"
UNIQUE_NAMES = "self.all(x, self.exists_one(y, y.name == x.name))"

_Rule = Callable[[Any, Any], bool]


def kept_once_set(field: str) -> str:
    """A field that cannot be removed any more."""
    return f"!has(oldSelf.{field}) || has(self.{field})"


def either(first: str, second: str) -> str:
    """At least one of two fields."""
    return f"has(self.{first}) || has(self.{second})"


def not_both(first: str, second: str) -> str:
    """At most one of two fields."""
    return f"!(has(self.{first}) && has(self.{second}))"


def _unique(value: Any, _old: Any) -> bool:
    names = [item.get("name") for item in value if isinstance(item, dict)]
    return len(set(names)) == len(names)


def _unchanged(value: Any, old: Any) -> bool:
    return old is None or bool(value == old)


def _kept(field: str) -> _Rule:
    return lambda value, old: not isinstance(old, dict) or field not in old or field in value


def _either(first: str, second: str) -> _Rule:
    return lambda value, _old: first in value or second in value


def _not_both(first: str, second: str) -> _Rule:
    return lambda value, _old: not (first in value and second in value)


def _differ(value: Any, _old: Any) -> bool:
    return bool(value.get("numeratorRole") != value.get("denominatorRole"))


def _ratio_needs_two(value: Any, _old: Any) -> bool:
    return "ratioConstraint" not in value or len(value.get("roles") or {}) >= 2


_RULES: dict[str, _Rule] = {
    UNCHANGED: _unchanged,
    UNIQUE_NAMES: _unique,
    kept_once_set("gangPolicy"): _kept("gangPolicy"),
    either("pod", "prometheus"): _either("pod", "prometheus"),
    not_both("pod", "prometheus"): _not_both("pod", "prometheus"),
    "self.numeratorRole != self.denominatorRole": _differ,
    "!has(self.ratioConstraint) || size(self.roles) >= 2": _ratio_needs_two,
}


def broken_rule(rule: str, value: Any, old: Any) -> bool:
    """Whether ``value`` breaks a rule; ``old`` is its former self, or None."""
    known = _RULES.get(rule)
    return known is not None and not known(value, old)
