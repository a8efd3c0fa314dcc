"""Strategic merge and JSON Patch beyond what the conformance suite asks."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.patches import json_patch, merge_patch, strategic_merge

Json = dict[str, Any]


def _pod(*containers: Json) -> Json:
    return {"spec": {"containers": list(containers)}, "metadata": {"finalizers": ["a", "b"]}}


def test_items_are_deleted_added_and_ordered() -> None:
    target = _pod({"name": "a", "image": "1"}, {"name": "b", "image": "1"})
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c", "image": "2"}, {"name": "b", "$patch": "delete"}],
        }
    }
    made = strategic_merge(target, patch)
    assert made["spec"]["containers"] == [{"name": "c", "image": "2"}, {"name": "a", "image": "1"}]


def test_nested_keys_follow_their_place() -> None:
    engine: Json = {
        "name": "a",
        "ports": [{"containerPort": 80, "name": "http"}],
        "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}],
    }
    change: Json = {
        "name": "a",
        "ports": [{"containerPort": 90}],
        "env": [{"name": "X", "value": "2"}, {"name": "Y", "$patch": "delete"}],
    }
    (made,) = strategic_merge(_pod(engine), {"spec": {"containers": [change]}})["spec"]["containers"]
    assert made["ports"] == [{"containerPort": 80, "name": "http"}, {"containerPort": 90}]
    assert made["env"] == [{"name": "X", "value": "2"}]
    service = {"spec": {"ports": [{"port": 80, "name": "http"}]}}
    made = strategic_merge(service, {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}})
    assert made["spec"]["ports"] == [{"port": 80, "name": "http", "targetPort": 8080}]


def test_sets_grow_and_shrink() -> None:
    made = strategic_merge(_pod(), {"metadata": {"finalizers": ["b", "c"]}})
    assert made["metadata"]["finalizers"] == ["a", "b", "c"]
    made = strategic_merge(_pod(), {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})
    assert made["metadata"]["finalizers"] == ["b"]


def test_maps_are_replaced_and_keys_retained() -> None:
    target = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch: Json = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(target, patch) == {"spec": {"strategy": {"type": "Recreate"}}}
    patch = {"spec": {"$patch": "replace", "x": 1}}
    assert strategic_merge(target, patch) == {"spec": {"x": 1}}
    with pytest.raises(ApiError):
        strategic_merge(target, {"spec": {"$patch": "explode"}})


def test_lists_without_a_key_are_replaced() -> None:
    made = strategic_merge({"spec": {"args": ["a", "b"]}}, {"spec": {"args": ["c"]}})
    assert made == {"spec": {"args": ["c"]}}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_MAPS = st.dictionaries(st.text(max_size=3), _VALUES, max_size=4)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


@given(_MAPS, _MAPS)
def test_a_merge_patch_applied_twice_is_applied_once(target: Json, patch: Json) -> None:
    before = copy.deepcopy(target)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert target == before
    assert merge_patch({}, patch) == _without_nulls(patch)


_PATHS = st.lists(st.sampled_from(["a", "b", "0", "-", "~1", "é"]), max_size=3).map(
    lambda steps: "".join("/" + step for step in steps)
)
_OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "bad"]), "path": _PATHS},
    optional={"value": _VALUES, "from": _PATHS},
)


@given(_MAPS, st.lists(_OPERATIONS | _VALUES, max_size=4) | _VALUES)
def test_a_json_patch_gives_an_object_or_a_refusal(document: Json, operations: Any) -> None:
    before = copy.deepcopy(document)
    code = 200
    try:
        made: Any = json_patch(document, operations)
    except ApiError as error:
        made, code = {}, error.code
    assert isinstance(made, dict)
    assert code in (200, 400, 422)
    assert document == before
