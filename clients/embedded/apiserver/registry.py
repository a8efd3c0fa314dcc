"""Which resources are served: their names, versions, subresources and table columns.

Built-in kinds are fixed; custom ones come and go with their CustomResourceDefinition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import Json, at_path, encode

__all__ = ["ALL_VERBS", "Column", "Registry", "Resource", "Scale", "resource_from_crd"]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Scale(Struct, frozen=True):
    """Where the scale subresource finds its numbers."""

    spec: tuple[str, ...] = ("spec", "replicas")
    status: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] | None = None
    """Path of a selector: a string (custom resources) or a LabelSelector (built-in kinds)."""


class Column(Struct, frozen=True):
    """One printer column."""

    name: str
    type: str
    """string, integer, date …"""
    value: Callable[[Json, float], Any] | tuple[str, ...]
    """A path, or a function of the object and the time (UTC seconds)."""
    wide: bool = False
    description: str = ""


class Resource(Struct, frozen=True, kw_only=True):
    """One served resource."""

    group: str
    versions: tuple[str, ...]
    """Preferred first."""
    plural: str
    kind: str
    singular: str = ""
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    status: bool = False
    scale: Scale | None = None
    custom: bool = False
    """Defined by a CRD: no strategic merge, list items carry kind and apiVersion, schema decides."""
    schemas: dict[str, Json] = {}
    """Structural schema by version."""
    columns: tuple[Column, ...] = ()
    fields: dict[str, tuple[str, ...]] = {}
    """Field selectors beyond metadata.name and metadata.namespace."""
    generation: bool = False
    tracked: bool = False
    """Field owners are also worked out for writes from inside the process."""
    view_of: str | None = None
    """Key of the resource whose objects this one shows in another shape."""

    @property
    def key(self) -> str:
        """``plural`` or ``plural.group``: how the store names it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def version(self) -> str:
        """The preferred version."""
        return self.versions[0]

    def api_version(self, version: str | None = None) -> str:
        """``v1`` or ``group/version``."""
        chosen = version or self.versions[0]
        return f"{self.group}/{chosen}" if self.group else chosen

    @property
    def list_kind(self) -> str:
        """The kind of a list of these."""
        return self.kind + "List"

    @property
    def singular_name(self) -> str:
        """Singular in lower case."""
        return self.singular or self.kind.lower()


class Registry:
    """The resources served right now."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_key: dict[str, Resource] = {}
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self.revision = 0
        """Grows with every change, so that discovery documents can be kept."""
        for resource in resources:
            self.add(resource)

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_key.values()))

    def add(self, resource: Resource) -> None:
        """Serves a resource, replacing one of the same key."""
        self.remove(resource.key)
        self._by_key[resource.key] = resource
        for version in resource.versions:
            self._by_path[(resource.group, version, resource.plural)] = resource
        self.revision += 1

    def remove(self, key: str) -> None:
        """Serves it no longer."""
        gone = self._by_key.pop(key, None)
        if gone is None:
            return
        for version in gone.versions:
            self._by_path.pop((gone.group, version, gone.plural), None)
        self.revision += 1

    def get(self, key: str) -> Resource | None:
        """By the store's key."""
        return self._by_key.get(key)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """By the steps of a URL."""
        return self._by_path.get((group, version, plural))

    def groups(self) -> dict[str, list[str]]:
        """Versions by group, preferred first, in the order in which groups were added."""
        found: dict[str, list[str]] = {}
        for resource in self._by_key.values():
            versions = found.setdefault(resource.group, [])
            versions.extend(v for v in resource.versions if v not in versions)
        return found

    def of_version(self, group: str, version: str) -> list[Resource]:
        """What one group and version serves."""
        return [r for (g, v, _), r in self._by_path.items() if g == group and v == version]


def _dotted(path: str) -> tuple[str, ...]:
    """``.spec.replicas`` as steps."""
    return tuple(step for step in path.split(".") if step)


def resource_from_crd(crd: Json) -> Resource | None:
    """The resource that a CustomResourceDefinition describes; None if it serves no version.

    Storage keeps one shape for all versions (conversion strategy None).
    """
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    served = [v for v in spec.get("versions") or [] if v.get("served")]
    if not served or not names.get("plural") or not names.get("kind"):
        return None
    served.sort(key=lambda v: not v.get("storage"))
    first = served[0]
    sub = first.get("subresources") or {}
    scale = None
    if "scale" in sub:
        told = sub["scale"] or {}
        selector = told.get("labelSelectorPath")
        scale = Scale(
            spec=_dotted(told.get("specReplicasPath", ".spec.replicas")),
            status=_dotted(told.get("statusReplicasPath", ".status.replicas")),
            selector=_dotted(selector) if selector else None,
        )
    columns = tuple(
        Column(
            name=c["name"],
            type=c.get("type", "string"),
            value=_column_value(c.get("jsonPath", "")),
            wide=bool(c.get("priority", 0)),
            description=c.get("description", ""),
        )
        for c in first.get("additionalPrinterColumns") or []
    )
    return Resource(
        group=spec["group"],
        versions=tuple(v["name"] for v in served),
        plural=names["plural"],
        singular=names.get("singular", ""),
        kind=names["kind"],
        namespaced=spec.get("scope") != "Cluster",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        status="status" in sub,
        scale=scale,
        custom=True,
        schemas={v["name"]: at_path(v, ("schema", "openAPIV3Schema")) or {} for v in served},
        columns=columns,
        generation=True,
        tracked=True,
    )


def _column_value(path: str) -> Callable[[Json, float], Any] | tuple[str, ...]:
    """A printer column's jsonPath: plain steps, or one filter: ``conditions[?(@.type=="Ready")].status``.

    The filter compares JSON: ``@.latestRevision==true`` finds a boolean.
    """
    head, bracket, rest = path.partition("[?(@.")
    if not bracket:
        return _dotted(path.replace("['", ".").replace("']", ""))
    condition, _, tail = rest.partition(")]")
    field, _, wanted = condition.partition("==")
    steps, after, match = _dotted(head), _dotted(tail), wanted.strip().strip("'\"")

    def pick(obj: Json, _now: float) -> Any:
        for item in at_path(obj, steps) or []:
            if isinstance(item, dict) and encode(item.get(field.strip())).decode().strip('"') == match:
                return at_path(item, after)
        return None

    return pick
