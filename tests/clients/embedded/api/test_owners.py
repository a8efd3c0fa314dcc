"""What happens to dependents, and to namespaces with something in them."""

from __future__ import annotations

from typing import Any

from clients.embedded.store import Store
from tests.support.embedded_objects import MS, pod, serving


def _names(store: Store) -> list[str]:
    return [r.name for r in store.records("pods")]


def test_dependents_follow_their_owner(store: Store) -> None:
    owner = store.create(MS, serving(), manager="test")
    store.create("pods", pod("waiting", node=None, owner=owner), manager="test")
    store.create("pods", pod("running", owner=owner), manager="test")
    store.create("pods", pod("free"), manager="test")
    uid = owner["metadata"]["uid"]
    assert sorted(r.name for r in store.dependents(uid, "pods")) == ["running", "waiting"]
    store.delete(MS, "default", "qwen")
    assert store.get(MS, "default", "qwen") is None
    assert _names(store) == ["free", "running"]
    record = store.record("pods", "default", "running")
    assert record is not None
    assert record.deleting


def test_foreground_deletion_waits_for_the_last(store: Store) -> None:
    owner = store.create(MS, serving(), manager="test")
    store.create("pods", pod("running", owner=owner), manager="test")
    store.delete(MS, "default", "qwen", propagation="Foreground")
    held = store.get(MS, "default", "qwen")
    assert held is not None
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    store.delete("pods", "default", "running", grace=0)
    assert store.get(MS, "default", "qwen") is None


def test_a_second_deletion_in_the_foreground_is_acted_upon(store: Store) -> None:
    owner = store.create(MS, serving(), manager="test")
    held = store.create("pods", pod("held", owner=owner), manager="test")
    store.create("pods", pod("below", owner=held), manager="test")
    store.delete("pods", "default", "held")
    store.delete(MS, "default", "qwen", propagation="Foreground")
    below = store.record("pods", "default", "below")
    assert below is not None
    assert below.deleting
    store.delete("pods", "default", "below", grace=0)
    store.delete("pods", "default", "held", grace=0)
    assert store.get(MS, "default", "qwen") is None
    assert _names(store) == []


def test_orphans_are_let_go(store: Store) -> None:
    owner = store.create(MS, serving(), manager="test")
    store.create("pods", pod("running", owner=owner), manager="test")
    store.delete(MS, "default", "qwen", propagation="Orphan")
    assert store.get(MS, "default", "qwen") is None
    left = store.get("pods", "default", "running")
    assert left is not None
    assert "ownerReferences" not in left["metadata"]
    assert "deletionTimestamp" not in left["metadata"]


def test_one_of_two_owners_is_enough(store: Store) -> None:
    first = store.create(MS, serving("first"), manager="test")
    second = store.create(MS, serving("second"), manager="test")
    body = pod("shared", node=None, owner=first)
    body["metadata"]["ownerReferences"] += pod("x", owner=second)["metadata"]["ownerReferences"]
    store.create("pods", body, manager="test")
    store.delete(MS, "default", "first")
    assert _names(store) == ["shared"]
    store.delete(MS, "default", "second")
    assert _names(store) == []


def test_a_late_dependent_of_a_gone_owner(store: Store) -> None:
    owner = store.create(MS, serving(), manager="test")
    store.delete(MS, "default", "qwen")
    store.create("pods", pod("late", node=None, owner=owner), manager="test")
    assert _names(store) == []


def test_an_owner_of_a_kind_not_served_proves_nothing(store: Store) -> None:
    owner: dict[str, Any] = {
        "apiVersion": "example.com/v1",
        "kind": "Elsewhere",
        "metadata": {"name": "a", "uid": "u"},
    }
    store.create("pods", pod("kept", node=None, owner=owner), manager="test")
    assert _names(store) == ["kept"]


def test_a_namespace_goes_when_it_is_empty(store: Store) -> None:
    store.create("namespaces", {"metadata": {"name": "temp"}}, manager="test")
    body = pod("running")
    body["metadata"]["namespace"] = "temp"
    store.create("pods", body, manager="test")
    store.create("configmaps", {"metadata": {"name": "c", "namespace": "temp"}}, manager="test")
    store.delete("namespaces", None, "temp")
    left = store.get("namespaces", None, "temp")
    assert left is not None
    assert left["status"]["phase"] == "Terminating"
    assert store.list("configmaps", "temp") == []
    store.delete("pods", "temp", "running", grace=0)
    assert store.get("namespaces", None, "temp") is None
