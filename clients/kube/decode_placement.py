"""Where the pods of a template may go: the part of its spec that says so, and what is made of it."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from clients.serving.placement import Expression, Placement, Term

__all__ = ["PlacedSpec", "placement_of"]

_ANYWHERE = Placement()
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class _Toleration(Struct, gc=False):
    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None


class _Requirement(Struct, gc=False):
    key: str | None = None
    operator: str | None = None
    values: list[str] | None = None


class _Term(Struct, rename="camel", gc=False):
    match_expressions: list[_Requirement] | None = None
    match_fields: list[_Requirement] | None = None


class _NodeSelector(Struct, rename="camel", gc=False):
    node_selector_terms: list[_Term] | None = None


class _NodeAffinity(Struct, gc=False):
    required: _NodeSelector | None = field(default=None, name=_REQUIRED)


class _PodAffinity(Struct, gc=False):
    required: list[Raw] | None = field(default=None, name=_REQUIRED)


class _Affinity(Struct, rename="camel", gc=False):
    node_affinity: _NodeAffinity | None = None
    pod_affinity: _PodAffinity | None = None
    pod_anti_affinity: _PodAffinity | None = None


class _Spread(Struct, rename="camel", gc=False):
    when_unsatisfiable: str | None = None


class PlacedSpec(Struct, rename="camel"):
    """``spec`` of a pod template, as far as it says which nodes its pods may use."""

    node_selector: dict[str, str | None] | None = None
    tolerations: list[_Toleration] | None = None
    affinity: _Affinity | None = None
    topology_spread_constraints: list[_Spread] | None = None


def placement_of(spec: PlacedSpec) -> Placement:
    """What the scheduler is told; preferences are left out."""
    if not (spec.node_selector or spec.tolerations or spec.affinity or spec.topology_spread_constraints):
        return _ANYWHERE
    affinity = spec.affinity or _Affinity()
    nodes = affinity.node_affinity.required if affinity.node_affinity else None
    return Placement(
        selector=tuple((key, value or "") for key, value in (spec.node_selector or {}).items()),
        tolerations=tuple(
            (item.key or "", item.operator or "Equal", item.value or "", item.effect or "")
            for item in spec.tolerations or ()
        ),
        affinity=None if nodes is None else tuple(map(_term, nodes.node_selector_terms or ())),
        unlooked=tuple(
            words
            for words, there in (
                ("pod affinity", _required(affinity.pod_affinity)),
                ("pod anti-affinity", _required(affinity.pod_anti_affinity)),
                ("topology spread", _spread(spec)),
            )
            if there
        ),
    )


def _term(term: _Term) -> Term:
    return Term(_expressions(term.match_expressions), _expressions(term.match_fields))


def _expressions(found: list[_Requirement] | None) -> tuple[Expression, ...]:
    return tuple(
        Expression(item.key or "", item.operator or "", tuple(item.values or ())) for item in found or ()
    )


def _required(affinity: _PodAffinity | None) -> bool:
    return affinity is not None and bool(affinity.required)


def _spread(spec: PlacedSpec) -> bool:
    return any(item.when_unsatisfiable == "DoNotSchedule" for item in spec.topology_spread_constraints or ())
