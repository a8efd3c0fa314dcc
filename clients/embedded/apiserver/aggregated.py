"""API groups that another server answers behind the API server's address, as an APIService registers them.

They come and go while the API server runs, are read-only here, and stand in discovery like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from clients.embedded.apiserver.access import Attributes
from clients.embedded.apiserver.objects import Json

__all__ = [
    "Aggregated",
    "AggregatedPath",
    "AggregatedResource",
    "NothingBehind",
    "add_groups",
    "discover",
    "split_path",
]


class AggregatedResource(Struct, frozen=True):
    """One entry of a group's discovery; the name may hold a slash."""

    name: str
    kind: str
    namespaced: bool = True
    verbs: tuple[str, ...] = ("get",)


class AggregatedPath(Struct, frozen=True):
    """A path below one group and version."""

    group: str
    version: str
    namespace: str | None
    steps: tuple[str, ...]
    """What follows the namespace."""

    @property
    def attributes(self) -> Attributes:
        """What the right to read it is called."""
        resource, name, sub, *_ = (*self.steps, None, None, None)
        return Attributes(
            "list" if name is None else "get", self.group, resource or "", sub, self.namespace, name
        )


class Aggregated(Protocol):
    """The server behind."""

    def versions(self) -> Mapping[str, tuple[str, ...]]:
        """Versions by group, preferred first, of the groups that are served now."""

    def resources(self, group: str, version: str) -> Sequence[AggregatedResource]:
        """What a group and version serves."""

    def answer(self, path: AggregatedPath, query: Mapping[str, str]) -> Json:
        """The body of a GET. Raises ApiError."""


class NothingBehind:
    """No such server."""

    def versions(self) -> Mapping[str, tuple[str, ...]]:
        """None."""
        return {}

    def resources(self, group: str, version: str) -> Sequence[AggregatedResource]:
        """None."""
        return ()

    def answer(self, path: AggregatedPath, query: Mapping[str, str]) -> Json:
        """Never asked: it has no group."""
        raise LookupError(path.group)


def split_path(api: Aggregated, path: str) -> AggregatedPath | None:
    """A path that the server behind has to answer; None if it is another's."""
    steps = tuple(step for step in path.split("/") if step)
    if len(steps) < 4 or steps[0] != "apis" or steps[2] not in api.versions().get(steps[1], ()):
        return None
    rest = steps[3:]
    namespace = None
    if rest[0] == "namespaces" and len(rest) >= 3:
        namespace, rest = rest[1], rest[2:]
    return AggregatedPath(steps[1], steps[2], namespace, rest)


def _group(name: str, versions: Sequence[str]) -> Json:
    told = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": told, "preferredVersion": told[0]}


def discover(api: Aggregated, steps: Sequence[str]) -> Json | None:
    """``/apis/{group}`` or ``/apis/{group}/{version}``; None if it is not served behind."""
    versions = api.versions().get(steps[1], ()) if len(steps) in (2, 3) and steps[0] == "apis" else ()
    if not versions:
        return None
    if len(steps) == 2:
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(steps[1], versions)}
    if steps[2] not in versions:
        return None
    resources = [
        {
            "name": r.name,
            "singularName": "",
            "namespaced": r.namespaced,
            "kind": r.kind,
            "verbs": list(r.verbs),
        }
        for r in api.resources(steps[1], steps[2])
    ]
    place = {"groupVersion": f"{steps[1]}/{steps[2]}", "resources": resources}
    return {"kind": "APIResourceList", "apiVersion": "v1", **place}


def add_groups(api: Aggregated, document: Json) -> Json:
    """``/apis`` in either shape, with the groups that are served behind."""
    for group, versions in api.versions().items():
        if document["kind"] == "APIGroupList":
            document["groups"].append(_group(group, versions))
            continue
        told = [
            {"version": v, "resources": _aggregated(api, group, v), "freshness": "Current"} for v in versions
        ]
        document["items"].append({"metadata": {"name": group, "creationTimestamp": None}, "versions": told})
    return document


def _aggregated(api: Aggregated, group: str, version: str) -> list[Json]:
    found: dict[str, Json] = {}
    for resource in api.resources(group, version):
        name, _, sub = resource.name.partition("/")
        kind = {"group": group, "version": version, "kind": resource.kind}
        entry = found.setdefault(
            name,
            {
                "resource": name,
                "responseKind": kind,
                "scope": "Namespaced" if resource.namespaced else "Cluster",
                "singularResource": "",
                "verbs": [] if sub else list(resource.verbs),
            },
        )
        if sub:
            told = {"subresource": sub, "responseKind": kind, "verbs": list(resource.verbs)}
            entry.setdefault("subresources", []).append(told)
    return list(found.values())
