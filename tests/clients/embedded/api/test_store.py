"""The store from inside the process: what controllers rely on."""

from __future__ import annotations

from typing import Any

import pytest

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.store import Store
from tests.support.embedded_objects import MS, pod, serving

Heard = list[tuple[str, str]]


def _hear(store: Store, resource: str) -> Heard:
    heard: Heard = []
    store.subscribe(resource, lambda kind, obj: heard.append((kind, obj["metadata"]["name"])))
    return heard


def test_create_fills_in_and_get_gives_a_copy(store: Store) -> None:
    made = store.create(MS, serving(), manager="test")
    metadata = made["metadata"]
    assert (metadata["generation"], made["spec"]["schedulerName"]) == (1, "volcano")
    assert metadata["creationTimestamp"].endswith("Z")
    assert metadata["managedFields"][0]["manager"] == "test"
    found = store.get(MS, "default", "qwen")
    assert found == made
    assert found is not None
    found["spec"]["replicas"] = 99
    again = store.get(MS, "default", "qwen")
    assert again is not None
    assert again["spec"]["replicas"] == 2
    with pytest.raises(ApiError) as refused:
        store.create(MS, serving(), manager="test")
    assert refused.value.code == 409


def test_validation_is_asked_for(store: Store) -> None:
    body = serving()
    body["spec"]["template"]["roles"] = []
    with pytest.raises(ApiError) as refused:
        store.create(MS, body, manager="test", validate=True)
    assert refused.value.code == 422
    assert store.list(MS) == []


def test_mutate_counts_generations_and_ignores_nothing(store: Store) -> None:
    heard = _hear(store, MS)
    made = store.create(MS, serving(), manager="test")

    def status(obj: dict[str, Any]) -> None:
        obj["status"] = {"replicas": 2}

    def scale(obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = 3

    after = store.mutate(MS, "default", "qwen", status, manager="test", subresource="status")
    assert after is not None
    assert after["metadata"]["generation"] == 1
    version = store.version
    assert store.mutate(MS, "default", "qwen", status, manager="test", subresource="status") is not None
    assert store.version == version
    after = store.mutate(MS, "default", "qwen", scale, manager="test")
    assert after is not None
    assert after["metadata"]["generation"] == 2
    assert int(after["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert heard == [("ADDED", "qwen"), ("MODIFIED", "qwen"), ("MODIFIED", "qwen")]
    assert store.mutate(MS, "default", "nobody", scale, manager="test") is None


def test_listeners_hear_commits_in_order_even_when_they_write(store: Store) -> None:
    heard: Heard = []

    def react(kind: str, obj: dict[str, Any]) -> None:
        if kind == "ADDED" and obj["metadata"]["name"] == "first":
            store.create("pods", pod("second"), manager="test")

    store.subscribe("pods", react)
    store.subscribe("pods", lambda kind, obj: heard.append((kind, obj["metadata"]["name"])))
    store.create("pods", pod("first"), manager="test")
    assert heard == [("ADDED", "first"), ("ADDED", "second")]


def test_a_listener_that_fails_stops_nobody(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_kind: str, _obj: dict[str, Any]) -> None:
        raise RuntimeError("no")

    store.subscribe("pods", fail)
    heard = _hear(store, "pods")
    store.create("pods", pod("a"), manager="test")
    assert heard == [("ADDED", "a")]
    assert "a listener of pods failed" in caplog.text


def test_unsubscribing(store: Store) -> None:
    heard: Heard = []
    stop = store.subscribe("pods", lambda kind, _obj: heard.append((kind, "")))
    stop()
    store.create("pods", pod("a"), manager="test")
    assert heard == []


def test_pods_stay_until_the_kubelet_is_done(store: Store) -> None:
    heard = _hear(store, "pods")
    store.create("pods", pod("a"), manager="test")
    left = store.delete("pods", "default", "a", grace=30)
    assert left is not None
    assert left["metadata"]["deletionGracePeriodSeconds"] == 30
    assert store.get("pods", "default", "a") is not None
    again = store.delete("pods", "default", "a", grace=5)
    assert again is not None
    assert again["metadata"]["deletionGracePeriodSeconds"] == 5
    assert again["metadata"]["deletionTimestamp"] < left["metadata"]["deletionTimestamp"]
    store.delete("pods", "default", "a", grace=0)
    assert store.get("pods", "default", "a") is None
    assert [kind for kind, _ in heard] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]


def test_pods_on_no_node_go_at_once(store: Store) -> None:
    store.create("pods", pod("a", node=None), manager="test")
    store.delete("pods", "default", "a")
    assert store.get("pods", "default", "a") is None
    assert store.delete("pods", "default", "a") is None


def test_lists_and_collections_by_label(store: Store) -> None:
    for name, tier in (("b", "x"), ("a", "x"), ("c", "y")):
        store.create("pods", pod(name, node=None, tier=tier), manager="test")
    assert [p["metadata"]["name"] for p in store.list("pods", labels={"tier": "x"})] == ["a", "b"]
    assert store.list("pods", "elsewhere") == []
    assert store.delete_collection("pods", "default", {"tier": "x"}) == 2
    assert [r.name for r in store.records("pods")] == ["c"]


def test_versions_grow_over_restarts(store: Store) -> None:
    """A client that outlives a restart must be told that its version is too old, not wait for it."""
    later = Store(store.clock)
    assert not later.history.reaches("pods", store.version - 1_000_000)


def test_history_is_bounded(store: Store) -> None:
    store.create("pods", pod("a"), manager="test")
    first = store.version

    def grow(obj: dict[str, Any]) -> None:
        obj["status"]["message"] = str(store.version) + "x" * 1_000_000

    for _ in range(150):
        store.mutate("pods", "default", "a", grow, manager="test")
    assert not store.history.reaches("pods", first)
    kept = store.history.after("pods", store.version - 1000)
    assert 50 < len(kept) <= 100
    assert store.history.reaches("pods", kept[0].record.rv)
