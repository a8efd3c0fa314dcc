"""Behaviours 4 to 13: lists, pages, versions, selectors and the shapes of answers."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.conformance.client import GROUP, Api, causes, config_map, pod, serving

PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer.json()["items"]]


def test_04_empty_list(api: Api) -> None:
    for path, kind, version in (
        (api.core("pods"), "PodList", "v1"),
        (api.servings(), "ModelServingList", GROUP.removeprefix("/apis/")),
    ):
        listed = api.get(path).json()
        assert (listed["kind"], listed["apiVersion"], listed["items"]) == (kind, version, [])
        assert listed["metadata"]["resourceVersion"].isdigit()


def test_05_list_items_and_single_objects(api: Api) -> None:
    api.make(api.core("configmaps"), config_map("a"))
    api.make(api.servings(), serving("a"))
    (item,) = [i for i in api.get(api.core("configmaps")).json()["items"] if i["metadata"]["name"] == "a"]
    assert "kind" not in item
    assert "apiVersion" not in item
    assert api.get(api.core("configmaps", "a")).json()["kind"] == "ConfigMap"
    (item,) = api.get(api.servings()).json()["items"]
    assert (item["kind"], item["apiVersion"]) == ("ModelServing", GROUP.removeprefix("/apis/"))
    assert api.get(api.servings("a")).json()["kind"] == "ModelServing"


def test_06_items_are_ordered(api: Api) -> None:
    other = f"{api.namespace}-2"
    api.make("/api/v1/namespaces", {"metadata": {"name": other}})
    for name in ("b", "a-1", "a"):
        api.make(api.servings(), serving(name, 1, run=api.namespace))
    api.make(f"{GROUP}/namespaces/{other}/modelservings", serving("0", 1, run=api.namespace))
    assert names(api.get(api.servings())) == ["a", "a-1", "b"]
    listed = api.get(f"{GROUP}/modelservings", labelSelector=f"run={api.namespace}").json()["items"]
    places = [f"{i['metadata']['namespace']}/{i['metadata']['name']}" for i in listed]
    assert places == [f"{other}/0", *(f"{api.namespace}/{name}" for name in ("a", "a-1", "b"))]


def test_07_pages_are_one_snapshot(api: Api) -> None:
    for index in range(7):
        api.make(api.servings(), serving(f"s-{index}", 1, part="yes"))
    first = api.get(api.servings(), limit=3).json()
    assert first["metadata"]["remainingItemCount"] == 4
    api.delete(api.servings("s-5"))
    api.make(api.servings(), serving("s-3a", 1))
    seen, page = [i["metadata"]["name"] for i in first["items"]], first
    while page["metadata"].get("continue"):
        page = api.get(api.servings(), limit=3, **{"continue": page["metadata"]["continue"]}).json()
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        seen += [i["metadata"]["name"] for i in page["items"]]
    assert seen == [f"s-{index}" for index in range(7)]
    assert "remainingItemCount" not in page["metadata"]


def test_07_no_remaining_count_with_a_selector(api: Api) -> None:
    for index in range(3):
        api.make(api.servings(), serving(f"s-{index}", 1, part="yes"))
    page = api.get(api.servings(), limit=1, labelSelector="part=yes").json()
    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]


def test_08_bad_continue_tokens(api: Api) -> None:
    for index in range(2):
        api.make(api.servings(), serving(f"s-{index}", 1))
    answer = api.get(api.servings(), limit=1, **{"continue": "garbage"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def test_08_expired_continue_tokens(embedded: Api) -> None:
    """A real server compacts its history after minutes: only ours can be asked for a forgotten version."""
    api = embedded
    for index in range(2):
        api.make(api.servings(), serving(f"s-{index}", 1))
    token = api.get(api.servings(), limit=1).json()["metadata"]["continue"]
    told = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    told["rv"] = 1
    old = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
    answer = api.get(api.servings(), limit=1, **{"continue": old})
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")


def test_09_version_zero_ignores_the_limit(api: Api) -> None:
    for index in range(3):
        api.make(api.servings(), serving(f"s-{index}", 1))
    version = api.version(api.servings())
    # A cache may lag behind; asking for a version not older than ours waits for it.
    api.get(api.servings(), resourceVersion=version, resourceVersionMatch="NotOlderThan")
    listed = api.get(api.servings(), resourceVersion="0", limit=1).json()
    assert len(listed["items"]) == 3
    assert not listed["metadata"].get("continue")


def test_09_versions_that_are_no_number(api: Api) -> None:
    assert api.get(api.servings(), resourceVersion="abc").status_code == 400
    assert api.get(api.servings(), resourceVersion="abc", watch="true").status_code == 500


def test_10_list_at_a_future_version(api: Api) -> None:
    future = str(int(api.version(api.servings())) + 1_000_000)
    began = time.monotonic()
    answer = api.get(api.servings(), resourceVersion=future)
    assert time.monotonic() - began > 1, "it waits for the version to come"
    status = answer.json()
    assert (answer.status_code, status["reason"]) == (504, "Timeout")
    assert [c["reason"] for c in status["details"]["causes"]] == ["ResourceVersionTooLarge"]
    assert status["details"]["retryAfterSeconds"] == 1
    assert answer.headers["retry-after"] == "1"


def test_10_watch_at_a_future_version_is_silent(api: Api) -> None:
    future = str(int(api.version(api.servings())) + 1_000_000)
    api.make(api.servings(), serving("a", 1))
    assert api.watch(api.servings(), resourceVersion=future, timeoutSeconds=1) == []


def test_11_match_without_version(api: Api) -> None:
    answer = api.get(api.servings(), resourceVersionMatch="NotOlderThan")
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (
            {"resourceVersion": "0", "resourceVersionMatch": "Exact"},
            ("FieldValueForbidden", "resourceVersionMatch"),
        ),
        (
            {"resourceVersion": "1", "resourceVersionMatch": "Some"},
            ("FieldValueNotSupported", "resourceVersionMatch"),
        ),
        ({"sendInitialEvents": "true"}, ("FieldValueForbidden", "sendInitialEvents")),
        ({"watch": "true", "continue": "x"}, ("FieldValueForbidden", "resourceVersionMatch")),
    ],
)
def test_11_options_that_contradict(api: Api, options: dict[str, str], cause: tuple[str, str]) -> None:
    answer = api.get(api.servings(), **options)
    assert answer.status_code == 422
    assert cause in causes(answer)


def test_11_an_exact_version_of_the_past(api: Api) -> None:
    version = api.version(api.servings())
    api.make(api.servings(), serving("a", 1))
    answer = api.get(api.servings(), resourceVersion=version, resourceVersionMatch="Exact")
    api.conform("exact-old-version", answer.status_code, 200)


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("tier=a", ["one", "two"]),
        ("tier==a", ["one", "two"]),
        ("tier!=a", ["four", "three"]),
        ("tier in (a,b)", ["one", "three", "two"]),
        ("tier notin (a)", ["four", "three"]),
        ("gpu", ["two"]),
        ("!gpu", ["four", "one", "three"]),
        ("tier=a,!gpu", ["one"]),
        ("tier in (a, b),gpu=yes", ["two"]),
    ],
)
def test_12_label_selectors(api: Api, selector: str, chosen: list[str]) -> None:
    api.make(api.core("configmaps"), config_map("one", tier="a", run="x"))
    api.make(api.core("configmaps"), config_map("two", tier="a", gpu="yes", run="x"))
    api.make(api.core("configmaps"), config_map("three", tier="b", run="x"))
    api.make(api.core("configmaps"), config_map("four", run="x"))
    assert names(api.get(api.core("configmaps"), labelSelector=f"run=x,{selector}")) == chosen


@pytest.mark.parametrize("selector", ["tier in", "=a", "tier=a b", "tier in (a", "a=b=c"])
def test_12_malformed_label_selectors(api: Api, selector: str) -> None:
    answer = api.get(api.core("configmaps"), labelSelector=selector)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def test_12_field_selectors(api: Api) -> None:
    for name in ("a", "b"):
        api.make(api.core("pods"), pod(name))
    assert names(api.get(api.core("pods"), fieldSelector="metadata.name=a")) == ["a"]
    assert names(api.get(api.core("pods"), fieldSelector="metadata.name!=a")) == ["b"]
    assert names(api.get(api.core("pods"), fieldSelector="status.phase=Running")) == []
    assert names(api.get(api.core("pods"), fieldSelector="spec.nodeName=,status.phase=Pending")) == ["a", "b"]
    for path in (api.core("pods"), api.servings()):
        assert api.get(path, fieldSelector="spec.nosuch=1").status_code == 400


def test_13_metadata_only_list(api: Api) -> None:
    api.make(api.servings(), serving("a", 1, x="y"))
    listed = api.get(api.servings(), accept=PARTIAL_LIST).json()
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    (item,) = listed["items"]
    assert item["metadata"]["labels"] == {"x": "y"}
    assert not item.keys() & {"spec", "status"}


def test_13_metadata_only_get_and_watch(api: Api) -> None:
    version = api.version(api.servings())
    api.make(api.servings(), serving("a", 1))
    one = api.get(api.servings("a"), accept=PARTIAL).json()
    assert (one["kind"], "spec" in one) == ("PartialObjectMetadata", False)
    (event,) = api.watch(api.servings(), count=1, accept=PARTIAL, resourceVersion=version)
    assert event["type"] == "ADDED"
    assert (event["object"]["kind"], "spec" in event["object"]) == ("PartialObjectMetadata", False)
    assert event["object"]["metadata"]["name"] == "a"


def test_13_tables(api: Api) -> None:
    api.make(api.servings(), serving("a", 1))
    table = api.get(api.servings(), accept=TABLE).json()
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    columns = [c["name"] for c in table["columnDefinitions"]]
    assert columns == ["Name", "Replicas", "Available", "Updated", "Age"]
    (row,) = table["rows"]
    assert row["cells"][0] == "a"
    assert row["object"]["kind"] == "PartialObjectMetadata"
    pods = api.get(api.core("pods"), accept=TABLE).json()
    shown = [c["name"] for c in pods["columnDefinitions"] if c["priority"] == 0]
    assert shown == ["Name", "Ready", "Status", "Restarts", "Age"]


@pytest.mark.parametrize(
    ("path", "plain", "wide"),
    [
        (
            "/api/v1/events",
            ["Last Seen", "Type", "Reason", "Object", "Message"],
            ["Subobject", "Source", "First Seen", "Count", "Name"],
        ),
        (
            "/api/v1/nodes",
            ["Name", "Status", "Roles", "Age", "Version"],
            ["Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"],
        ),
        ("/api/v1/pods", ["Name", "Ready"], ["IP", "Node", "Nominated Node", "Readiness Gates"]),
        ("/api/v1/services", ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"], ["Selector"]),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", ["Name", "Created At"], []),
        (
            "/apis/rbac.authorization.k8s.io/v1/rolebindings",
            ["Name", "Role", "Age"],
            ["Users", "Groups", "ServiceAccounts"],
        ),
    ],
)
def test_13_columns(api: Api, path: str, plain: list[str], wide: list[str]) -> None:
    columns = api.get(path, accept=TABLE).json()["columnDefinitions"]
    shown = [c["name"] for c in columns if c["priority"] == 0]
    assert shown[: len(plain)] == plain
    assert [c["name"] for c in columns if c["priority"]] == wide


def test_13_when_a_role_was_made_is_a_date(api: Api) -> None:
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin"
    made = api.get(path).json()["metadata"]["creationTimestamp"]
    assert api.get(path, accept=TABLE).json()["rows"][0]["cells"] == ["cluster-admin", made]
