"""Behaviours 29 to 33: what a watch tells, from when, and how it ends."""

from __future__ import annotations

import time
from typing import Any

from tests.conformance.client import MERGE, Api, Json, config_map, serving

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def _told(events: list[Json]) -> list[tuple[str, str]]:
    return [(e["type"], e["object"]["metadata"]["name"]) for e in events]


def test_29_exactly_what_came_later(api: Api) -> None:
    api.make(api.servings(), serving("before"))
    version = api.version(api.servings())
    api.make(api.servings(), serving("a", 1))
    patched = api.patch(api.servings("a"), MERGE, {"spec": {"replicas": 2}}).json()
    api.delete(api.servings("a"))
    events = api.watch(api.servings(), count=3, resourceVersion=version)
    assert _told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert events[1]["object"] == patched
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(set(versions))
    assert events[0]["object"]["kind"] == "ModelServing"


def test_29_without_a_version_what_exists_comes_first(api: Api) -> None:
    for name in ("a", "b"):
        api.make(api.core("configmaps"), config_map(name, run="x"))
    starts: list[dict[str, Any]] = [{}, {"resourceVersion": "0"}]
    for params in starts:
        events = api.watch(api.core("configmaps"), count=2, labelSelector="run=x", **params)
        assert sorted(_told(events)) == [("ADDED", "a"), ("ADDED", "b")]
        assert events[0]["object"]["kind"] == "ConfigMap"


def test_29_forms_of_the_watch_option(api: Api) -> None:
    api.make(api.core("configmaps"), config_map("a", run="x"))
    for value in ("1", "true", "True"):
        params = {"watch": value, "labelSelector": "run=x", "timeoutSeconds": "1"}
        with api.http.stream("GET", api.core("configmaps"), params=params) as answer:
            first = next(answer.iter_lines())
        assert '"type":"ADDED"' in first


def test_30_the_timeout_ends_it_cleanly(api: Api) -> None:
    began = time.monotonic()
    events = api.watch(api.servings(), resourceVersion=api.version(api.servings()), timeoutSeconds=1)
    assert events == []
    assert time.monotonic() - began > 0.8


def test_31_too_old_a_version(api: Api) -> None:
    api.make(api.servings(), serving("a"))
    (event,) = api.watch(api.servings(), resourceVersion="1")
    assert event["type"] == "ERROR"
    status = event["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")


def test_32_selectors(api: Api) -> None:
    version = api.version(api.core("configmaps"))
    api.make(api.core("configmaps"), config_map("other", tier="y"))
    api.make(api.core("configmaps"), config_map("a", tier="x"))
    path = api.core("configmaps", "a")
    api.patch(path, MERGE, {"data": {"k": "1"}})
    left = api.patch(path, MERGE, {"metadata": {"labels": {"tier": "y"}}}).json()
    api.patch(path, MERGE, {"data": {"k": "2"}})
    api.patch(path, MERGE, {"metadata": {"labels": {"tier": "x"}}})
    events = api.watch(api.core("configmaps"), count=4, resourceVersion=version, labelSelector="tier=x")
    assert _told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "a")]
    assert events[2]["object"]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]


def test_32_one_object_by_name(api: Api) -> None:
    version = api.version(api.core("configmaps"))
    for name in ("a", "b"):
        api.make(api.core("configmaps"), config_map(name))
    events = api.watch(
        api.core("configmaps"), count=1, resourceVersion=version, fieldSelector="metadata.name=b"
    )
    assert _told(events) == [("ADDED", "b")]


def test_33_initial_events_end_with_a_bookmark(api: Api) -> None:
    api.make(api.servings(), serving("a"))
    api.make(api.core("configmaps"), config_map("a"))
    options: dict[str, Any] = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    ours = api.watch(api.servings(), until=lambda e: e["type"] == "BOOKMARK", **options)
    assert _told(ours[:-1]) == [("ADDED", "a")]
    bookmark = ours[-1]["object"]
    assert bookmark.keys() == {"kind", "apiVersion", "metadata"}
    assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(bookmark["metadata"]["resourceVersion"]) > 0
    core = api.watch(api.core("configmaps"), until=lambda e: e["type"] == "BOOKMARK", **options)
    assert core[-1]["object"]["kind"] == "ConfigMap"


def test_33_initial_events_without_bookmarks(api: Api) -> None:
    api.make(api.servings(), serving("a"))
    options: dict[str, Any] = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    assert _told(api.watch(api.servings(), timeoutSeconds=1, **options)) == [("ADDED", "a")]


def test_33_contradicting_options(api: Api) -> None:
    answer = api.get(api.servings(), watch="true", sendInitialEvents="true")
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")


def test_29_tables_can_be_watched(api: Api) -> None:
    version = api.version(api.servings())
    api.make(api.servings(), serving("a"))
    (event,) = api.watch(api.servings(), count=1, accept=TABLE, resourceVersion=version)
    assert (event["object"]["kind"], event["object"]["rows"][0]["cells"][0]) == ("Table", "a")
