"""Bodies of any shape are taken or refused with a 4xx; none makes the server or its store fail."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.clock import SystemClock
from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.requests import Target, resolve
from clients.embedded.apiserver.writes import PATCH_TYPES, Outcome, WriteOptions, Writer
from clients.embedded.store import Store
from tests.support.embedded_objects import MS, MS_PATH, pod, serving

Json = dict[str, Any]

_PLAIN: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-2, 2**40) | st.text(max_size=4) | st.just([]) | st.just({})
)
_ODD = _PLAIN | st.lists(_PLAIN, max_size=2) | st.dictionaries(st.text(max_size=4), _PLAIN, max_size=2)
_STEPS = st.lists(st.integers(0, 50), min_size=0, max_size=6)
_FULL = {
    "labels": {"a": "b"},
    "annotations": {"c": "d"},
    "finalizers": ["example.com/x"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}],
    "generateName": "g-",
    "resourceVersion": "",
    "managedFields": [],
    "uid": "",
}


def _spoiled(body: Json, steps: list[int], odd: Any) -> Json:
    """The body with one place in it replaced."""
    body = copy.deepcopy(body)
    node: Any = body
    for index, step in enumerate(steps):
        if not node or not isinstance(node, dict | list):
            break
        key = list(node)[step % len(node)] if isinstance(node, dict) else step % len(node)
        if index == len(steps) - 1:
            node[key] = odd
        else:
            node = node[key]
    return body


def _target(store: Store, path: str) -> Target:
    found = resolve(store.registry, path)
    assert found is not None
    return found


def _bodies() -> list[tuple[str, Json]]:
    policy = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": {"kind": "K", "name": "n"}, "minReplicas": 1, "maxReplicas": 2},
    }
    labels = {"app": "w"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    }
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    definition = {
        "metadata": {"name": "as.b.c"},
        "spec": {
            "group": "b.c",
            "scope": "Namespaced",
            "names": {"plural": "as", "kind": "A"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {}}}],
        },
    }
    return [
        (MS_PATH, serving()),
        ("/api/v1/namespaces/default/pods", pod("a")),
        ("/api/v1/namespaces/default/services", service),
        ("/apis/apps/v1/namespaces/default/deployments", deployment),
        ("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", policy),
        ("/apis/events.k8s.io/v1/namespaces/default/events", event),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition),
    ]


def _tried(write: Any, *arguments: Any) -> int:
    try:
        outcome: Outcome = write(*arguments)
    except ApiError as error:
        json.dumps(error.status)
        return error.code
    json.dumps(outcome.body)
    return outcome.status


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_bodies()), _STEPS, _ODD, st.booleans())
def test_creates(chosen: tuple[str, Json], steps: list[int], odd: Any, full: bool) -> None:
    path, body = chosen
    store = Store(SystemClock())
    if full:
        body = {**body, "metadata": {**_FULL, **body["metadata"]}}
    spoiled = _spoiled(body, steps, odd)
    code = _tried(Writer(store).create, _target(store, path), spoiled, WriteOptions("x"))
    # A version on a new object is the one mistake that a real server answers with 500 (behaviour 15).
    assert code < 500 or spoiled["metadata"]["resourceVersion"]
    for resource in store.registry:
        if resource.view_of is None and resource.verbs != ("create",):
            store.list(resource.key)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PATCH_TYPES), st.sampled_from(["", "/scale", "/status"]), _STEPS, _ODD, st.booleans())
def test_patches_and_puts(media: str, sub: str, steps: list[int], odd: Any, put: bool) -> None:
    store = Store(SystemClock())
    made = store.create(MS, serving(), manager="test")
    before = store.get(MS, "default", "qwen")
    target = _target(store, f"{MS_PATH}/qwen{sub}")
    patch: Any = _spoiled({**serving(replicas=3), "status": {"replicas": 1}}, steps, odd)
    if media.startswith("application/json-patch"):
        patch = [{"op": "replace", "path": "/spec", "value": patch.get("spec")}] if steps else odd
    options = WriteOptions("x", manager_given=True, force=True)
    if put:
        body = _spoiled(copy.deepcopy(made), steps, odd)
        code = _tried(Writer(store).replace, target, body, options)
    else:
        code = _tried(Writer(store).patch, target, media, patch, options)
    assert code < 500
    after = store.get(MS, "default", "qwen")
    if code >= 400:
        assert after == before
