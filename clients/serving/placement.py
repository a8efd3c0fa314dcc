"""Which nodes the pods of a role may use, as their template asks for it."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Expression", "Placement", "Term", "Toleration"]

Toleration = tuple[str, str, str, str]
"""(key, operator, value, effect)"""


class Expression(Struct, frozen=True, gc=False):
    """One requirement of a node selector term."""

    key: str
    operator: str
    """``In NotIn Exists DoesNotExist Gt Lt``; anything else is met by no node."""
    values: tuple[str, ...] = ()


class Term(Struct, frozen=True, gc=False):
    """A node meets it if it meets all of it; nothing meets one that asks for nothing."""

    labels: tuple[Expression, ...] = ()
    """``matchExpressions``"""
    fields: tuple[Expression, ...] = ()
    """``matchFields``: of the node's name alone."""


class Placement(Struct, frozen=True, gc=False):
    """What of a pod template says where its pods may go."""

    selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    affinity: tuple[Term, ...] | None = None
    """Required node affinity: one of these terms is to be met. ``None``: there is none."""
    unlooked: tuple[str, ...] = ()
    """What else it requires that is not weighed, in words: ``pod anti-affinity``, ``topology spread``."""
