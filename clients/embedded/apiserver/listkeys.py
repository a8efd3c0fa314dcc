"""How lists merge: by a key, as a set, or as one whole (atomic).

Built-in kinds follow the patch merge keys of the Kubernetes API types; a custom resource follows the
``x-kubernetes-list-type`` of its schema, and a list without one is atomic.
"""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.apiserver.registry import Resource

__all__ = ["item_step", "list_keys", "strategic_key"]

_KEYS = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_KEY_DEFAULTS = {"protocol": "TCP"}
_SETS = frozenset(("finalizers",))
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def strategic_key(names: tuple[str, ...]) -> str | None:
    """The merge key of a built-in kind's list; "" for a set of plain values; None if it is replaced.

    ``names`` are field names from the list outwards.
    """
    name = names[0]
    if name in _SETS:
        return ""
    if name == "ports":
        if len(names) > 1 and names[1] in _CONTAINERS:
            return "containerPort"
        return "port" if names[1:] == ("spec",) else None
    return _KEYS.get(name)


def list_keys(definition: Resource, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """The keys of a list for field ownership; () for a set; None if atomic."""
    if not definition.custom or names[-1] == "metadata":
        key = strategic_key(names)
        if key is None:
            return None
        if names[0] == "ports":
            return (key, "protocol")
        return (key,) if key else ()
    node: Any = definition.schemas.get(definition.version) or {}
    for name in reversed(names):
        while isinstance(node, dict) and node.get("type") == "array":
            node = node.get("items") or {}
        node = _child(node, name)
    kind = node.get("x-kubernetes-list-type")
    if kind == "map":
        return tuple(node.get("x-kubernetes-list-map-keys") or ())
    return () if kind == "set" else None


def _child(node: Any, name: str) -> Json:
    if not isinstance(node, dict):
        return {}
    found = (node.get("properties") or {}).get(name) or node.get("additionalProperties")
    return found if isinstance(found, dict) else {}


def item_step(keys: tuple[str, ...], item: Any) -> str:
    """An item's place in a keyed list (``k:{…}``) or a set (``v:…``)."""
    if keys and isinstance(item, dict):
        return "k:" + encode({key: item.get(key, _KEY_DEFAULTS.get(key)) for key in sorted(keys)}).decode()
    return "v:" + encode(item).decode()
