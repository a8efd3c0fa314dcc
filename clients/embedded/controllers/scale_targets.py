"""Anything with a scale subresource, as the scale client of a controller finds, reads and sets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import Json, at_path, put_path
from clients.embedded.apiserver.registry import Resource
from clients.embedded.apiserver.scaling import scale_of
from clients.embedded.store import Store

__all__ = ["Scale", "ScaleTargets", "TargetError"]


class TargetError(Exception):
    """The target or its scale cannot be had; worded as the API's answer."""


class Scale(Struct, frozen=True):
    """A target's scale."""

    definition: Resource
    namespace: str
    name: str
    replicas: int
    """Wanted."""
    observed: int
    """``status.replicas``."""
    selector: str


class ScaleTargets:
    """Reads and sets scales."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._revision = -1

    def resolve(self, reference: Mapping[str, Any]) -> Resource:
        """What a ``scaleTargetRef`` points at, by group and kind. Raises TargetError."""
        api_version, kind = str(reference.get("apiVersion") or ""), str(reference.get("kind") or "")
        if api_version.count("/") > 1:
            raise TargetError(f"unexpected GroupVersion string: {api_version}")
        group = api_version.partition("/")[0] if "/" in api_version else ""
        if self._revision != self._store.registry.revision:
            self._revision = self._store.registry.revision
            self._kinds = {(r.group, r.kind): r for r in self._store.registry if r.view_of is None}
        found = self._kinds.get((group, kind))
        if found is None:
            raise TargetError(f'no matches for kind "{kind}" in group "{group}"')
        return found

    def read(self, namespace: str, reference: Mapping[str, Any]) -> Scale:
        """The scale of what a reference points at. Raises TargetError."""
        definition = self.resolve(reference)
        name = str(reference.get("name") or "")
        if definition.scale is None:
            raise TargetError("the server could not find the requested resource")
        obj = self._store.get(definition.key, namespace, name)
        if obj is None:
            resource = definition.plural if definition.custom else f"{definition.plural}/scale"
            qualified = f"{resource}.{definition.group}" if definition.group else resource
            raise TargetError(f'{qualified} "{name}" not found')
        told = scale_of(definition, obj)
        return Scale(
            definition,
            namespace,
            name,
            int(at_path(told, ("spec", "replicas")) or 0),
            int(told["status"].get("replicas") or 0),
            str(told["status"].get("selector") or ""),
        )

    def write(self, scale: Scale, replicas: int, *, manager: str) -> None:
        """Sets the wanted count. Raises TargetError if the target is gone."""
        path = scale.definition.scale
        assert path is not None

        def change(obj: Json) -> None:
            put_path(obj, path.spec, replicas)

        done = self._store.mutate(
            scale.definition.key,
            scale.namespace,
            scale.name,
            change,
            manager=manager,
            subresource="scale",
        )
        if done is None:
            raise TargetError(f'{scale.definition.plural}.{scale.definition.group} "{scale.name}" not found')
