"""Behaviours 1 to 3: versions, health, discovery, and what is not there."""

from __future__ import annotations

from typing import Any

from tests.conformance.client import GROUP, Api, eventually

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_01_version_groups_and_health(api: Api) -> None:
    version = api.get("/version").json()
    assert {"major", "minor", "gitVersion"} <= version.keys()
    assert version["gitVersion"].startswith("v1.")
    assert api.get("/version/").status_code == 200
    assert api.get("/api").json()["versions"] == ["v1"]
    for path in ("/healthz", "/readyz", "/livez"):
        answer = api.get(path)
        assert (answer.status_code, answer.text) == (200, "ok")
    assert "[+]ping ok" in api.get("/readyz", verbose="").text


def test_02_resources_with_subresources_and_verbs(api: Api) -> None:
    listed = api.get(GROUP).json()
    assert (listed["kind"], listed["groupVersion"]) == ("APIResourceList", GROUP.removeprefix("/apis/"))
    found = {r["name"]: r for r in listed["resources"]}
    main, scale = found["modelservings"], found["modelservings/scale"]
    assert (main["kind"], main["namespaced"], main["singularName"]) == ("ModelServing", True, "modelserving")
    wanted = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
    assert set(main["verbs"]) == wanted
    assert (scale["kind"], scale["group"], scale["version"]) == ("Scale", "autoscaling", "v1")
    assert set(scale["verbs"]) == set(found["modelservings/status"]["verbs"]) == {"get", "patch", "update"}


def test_02_groups(api: Api) -> None:
    listed = api.get("/apis").json()
    groups = {g["name"]: g for g in listed["groups"]}
    assert listed["kind"] == "APIGroupList"
    assert groups["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert api.get("/apis/apps").json()["kind"] == "APIGroup"


def test_02_aggregated_discovery(api: Api) -> None:
    def groups(path: str) -> dict[str, Any]:
        answer = api.get(path, accept=AGGREGATED)
        assert answer.json()["kind"] == "APIGroupDiscoveryList"
        assert "as=APIGroupDiscoveryList" in answer.headers["content-type"]
        return {g["metadata"].get("name", ""): g for g in answer.json()["items"]}

    ours = groups("/apis")["workload.serving.volcano.sh"]["versions"][0]
    found = {r["resource"]: r for r in ours["resources"]}["modelservings"]
    assert (found["scope"], found["responseKind"]["kind"]) == ("Namespaced", "ModelServing")
    subresources = {s["subresource"]: s["responseKind"]["kind"] for s in found["subresources"]}
    assert subresources == {"status": "ModelServing", "scale": "Scale"}
    core = groups("/api")[""]["versions"][0]
    assert "pods" in {r["resource"] for r in core["resources"]}


def test_03_unknown_paths_are_plain_404(api: Api) -> None:
    for path in ("/apis/no.such.group/v1/things", f"{GROUP}/nosuchthings", "/nowhere"):
        answer = api.get(path)
        assert (answer.status_code, answer.text.strip()) == (404, "404 page not found")
        assert answer.headers["content-type"].startswith("text/plain")


def test_03_unknown_core_resource_is_a_status(api: Api) -> None:
    answer = api.get("/api/v1/nosuchthings")
    assert (answer.status_code, answer.json()["kind"], answer.json()["reason"]) == (404, "Status", "NotFound")


def test_02_a_resource_comes_and_goes_with_its_definition(api: Api) -> None:
    group = f"x{api.namespace}.example.com"
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    api.make(
        crds,
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"widgets.{group}"},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
        },
    )
    path = f"/apis/{group}/v1/namespaces/{api.namespace}/widgets"
    eventually(lambda: api.get(path).status_code == 200)
    api.make(path, {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "color": "red"})
    assert api.get(f"{path}/w").json()["color"] == "red"
    assert api.delete(f"{crds}/widgets.{group}").status_code == 200
    eventually(lambda: api.get(path).status_code == 404)
