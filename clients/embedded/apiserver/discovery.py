"""Discovery: which groups, versions and resources are served, plain and aggregated."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.registry import Registry, Resource

__all__ = ["AGGREGATED_TYPE", "aggregated", "api_versions", "group", "group_list", "resource_list"]

AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"

_SUBVERBS = ("get", "patch", "update")


def api_versions(address: str) -> Json:
    """``/api``"""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _group(name: str, versions: list[str]) -> Json:
    told = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": told, "preferredVersion": told[0]}


def group_list(registry: Registry) -> Json:
    """``/apis``"""
    groups = [_group(name, versions) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Json | None:
    """``/apis/{group}``; None if it is not served."""
    versions = registry.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions and name else None


def _subresources(resource: Resource) -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    """(name, group, version, kind, verbs)"""
    found: list[tuple[str, str, str, str, tuple[str, ...]]] = []
    if resource.key == "pods":
        found.append(("log", "", "", "Pod", ("get",)))
    if resource.key in ("pods", "services", "nodes"):
        verbs = ("create", "delete", "get", "patch", "update")
        found.append(("proxy", "", "", resource.kind + "ProxyOptions", verbs))
    if resource.scale is not None:
        found.append(("scale", "autoscaling", "v1", "Scale", _SUBVERBS))
    if resource.status:
        found.append(("status", "", "", resource.kind, _SUBVERBS))
    return found


def resource_list(registry: Registry, group_name: str, version: str) -> Json | None:
    """``/api/v1`` or ``/apis/{group}/{version}``; None if it is not served."""
    found = registry.of_version(group_name, version)
    if not found:
        return None
    resources: list[Json] = []
    for resource in found:
        entry: Json = {
            "name": resource.plural,
            "singularName": resource.singular_name,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        resources.append(entry)
        for name, sub_group, sub_version, kind, verbs in _subresources(resource):
            sub: Json = {
                "name": f"{resource.plural}/{name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind,
                "verbs": list(verbs),
            }
            if sub_group:
                sub |= {"group": sub_group, "version": sub_version}
            resources.append(sub)
    group_version = f"{group_name}/{version}" if group_name else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def aggregated(registry: Registry, *, core: bool, version: str) -> Json:
    """``/api`` (core) or ``/apis``, with every resource of every group in one document."""
    items: list[Json] = []
    for name, versions in registry.groups().items():
        if bool(name) == core:
            continue
        items.append(
            {
                "metadata": {"name": name, "creationTimestamp": None}
                if name
                else {"creationTimestamp": None},
                "versions": [
                    {
                        "version": v,
                        "resources": [_aggregated(r, v) for r in registry.of_version(name, v)],
                        "freshness": "Current",
                    }
                    for v in versions
                ],
            }
        )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated(resource: Resource, version: str) -> Json:
    entry: Json = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    subresources = [
        {
            "subresource": name,
            "responseKind": {
                "group": sub_group or resource.group,
                "version": sub_version or version,
                "kind": kind,
            },
            "verbs": list(verbs),
        }
        for name, sub_group, sub_version, kind, verbs in _subresources(resource)
    ]
    if subresources:
        entry["subresources"] = subresources
    return entry
