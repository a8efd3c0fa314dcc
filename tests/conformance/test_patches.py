"""Behaviours 20 to 25: the patch types, conflicts, and what counts as a change."""

from __future__ import annotations

from typing import Any

from tests.conformance.client import (
    APPLY,
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Api,
    causes,
    config_map,
    pod,
    serving,
)


def _generation(answer: Any) -> int:
    return int(answer.json()["metadata"]["generation"])


def test_20_merge_patch(api: Api) -> None:
    api.make(api.servings(), serving("a", 2, keep="1", drop="1"))
    answer = api.patch(api.servings("a"), MERGE, {"metadata": {"labels": {"drop": None, "new": "2"}}})
    assert (answer.status_code, answer.json()["metadata"]["labels"]) == (200, {"keep": "1", "new": "2"})
    assert _generation(answer) == 1
    answer = api.patch(api.servings("a"), MERGE, {"spec": {"replicas": 3}})
    assert (answer.json()["spec"]["replicas"], _generation(answer)) == (3, 2)


def test_20_merge_patch_replaces_lists(api: Api) -> None:
    body = serving("a")
    (role,) = body["spec"]["template"]["roles"]
    body["spec"]["template"]["roles"] = [role, {**role, "name": "prefill"}]
    api.make(api.servings(), body)
    answer = api.patch(api.servings("a"), MERGE, {"spec": {"template": {"roles": [role]}}})
    assert [r["name"] for r in answer.json()["spec"]["template"]["roles"]] == ["decode"]
    assert _generation(answer) == 2


def test_20_removed_fields_get_their_default_again(api: Api) -> None:
    api.make(api.servings(), serving("a", 4))
    answer = api.patch(api.servings("a"), MERGE, {"spec": {"replicas": None}})
    assert answer.json()["spec"]["replicas"] == 1


def test_21_a_patch_that_changes_nothing(api: Api) -> None:
    made = api.make(api.servings(), serving("a", 2))
    for media, patch in (
        (MERGE, {"spec": {"replicas": 2}}),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/replicas", "value": 2}]),
    ):
        answer = api.patch(api.servings("a"), media, patch)
        assert answer.status_code == 200
        assert answer.json()["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    api.make(api.servings(), serving("sentinel"))
    version = made["metadata"]["resourceVersion"]
    (event,) = api.watch(api.servings(), count=1, resourceVersion=version)
    assert event["object"]["metadata"]["name"] == "sentinel"


def test_22_stale_versions(api: Api) -> None:
    made = api.make(api.servings(), serving("a", 2))
    api.patch(api.servings("a"), MERGE, {"spec": {"replicas": 3}})
    stale = made["metadata"]["resourceVersion"]
    answers = [
        api.put(api.servings("a"), made),
        api.patch(
            api.servings("a"), MERGE, {"metadata": {"resourceVersion": stale}, "spec": {"replicas": 9}}
        ),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert api.get(api.servings("a")).json()["spec"]["replicas"] == 3


def test_22_put(api: Api) -> None:
    made = api.make(api.servings(), serving("a", 2))
    made["spec"]["replicas"] = 5
    answer = api.put(api.servings("a"), made)
    assert (answer.status_code, answer.json()["spec"]["replicas"], _generation(answer)) == (200, 5, 2)
    assert api.put(api.servings("other"), made).status_code == 400


def test_22_put_without_version(api: Api) -> None:
    made = api.make(api.servings(), serving("a", 2))
    del made["metadata"]["resourceVersion"]
    answer = api.put(api.servings("a"), made)
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    made = api.make(api.core("configmaps"), config_map("a"))
    del made["metadata"]["resourceVersion"]
    made["data"] = {"k": "v"}
    assert api.put(api.core("configmaps", "a"), made).status_code == 200


def test_23_json_patch(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    answer = api.patch(
        api.servings("a"),
        JSON_PATCH,
        [
            {"op": "test", "path": "/spec/replicas", "value": 2},
            {"op": "replace", "path": "/spec/replicas", "value": 3},
            {"op": "test", "path": "/spec/template/roles/0/name", "value": "decode"},
            {"op": "add", "path": "/spec/template/roles/0/replicas", "value": 4},
            {"op": "add", "path": "/metadata/labels", "value": {"a/b": "1"}},
            {"op": "move", "from": "/metadata/labels/a~1b", "path": "/metadata/labels/c"},
        ],
    )
    assert answer.status_code == 200
    spec = answer.json()["spec"]
    assert (spec["replicas"], spec["template"]["roles"][0]["replicas"]) == (3, 4)
    assert (answer.json()["metadata"]["labels"], _generation(answer)) == ({"c": "1"}, 2)


def test_23_a_test_for_null_passes_where_nothing_is(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    absent = [{"op": "test", "path": "/metadata/annotations", "value": None}]
    added = {"op": "add", "path": "/metadata/annotations", "value": {"a/b": "1"}}
    assert api.patch(api.servings("a"), JSON_PATCH, [*absent, added]).status_code == 200
    for path in ("/metadata/annotations", "/metadata/annotations/a~1b", "/spec/replicas", "/spec/none/there"):
        answer = api.patch(api.servings("a"), JSON_PATCH, [{"op": "test", "path": path, "value": None}])
        assert answer.status_code == 422, path
    unset = [{"op": "test", "path": "/metadata/annotations/c", "value": None}]
    assert api.patch(api.servings("a"), JSON_PATCH, unset).status_code == 200


def test_23_json_patch_refused_as_a_whole(api: Api) -> None:
    made = api.make(api.servings(), serving("a", 2))
    for operations in (
        [
            {"op": "replace", "path": "/spec/replicas", "value": 3},
            {"op": "test", "path": "/spec/replicas", "value": 2},
        ],
        [{"op": "replace", "path": "/spec/nosuch/thing", "value": 3}],
        [{"op": "remove", "path": "/spec/nosuch"}],
        [{"op": "test", "path": "/spec/template/roles/7/name", "value": "x"}],
        [{"op": "frob", "path": "/spec"}],
        [{"op": "add", "value": 1}],
    ):
        answer = api.patch(api.servings("a"), JSON_PATCH, operations)
        assert answer.status_code == 422, operations
    assert api.get(api.servings("a")).json() == made


def test_23_wrong_kinds_of_patch(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    assert api.patch(api.servings("a"), JSON_PATCH, {"spec": {"replicas": 3}}).status_code == 400
    assert api.patch(api.servings("a"), STRATEGIC, {"spec": {"replicas": 3}}).status_code == 415
    assert api.patch(api.servings("a"), "application/json", {"spec": {"replicas": 3}}).status_code == 415


def test_20_what_a_patch_may_not_leave_behind(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    answer = api.patch(api.servings("a"), MERGE, {"metadata": {"labels": {"a": 1}}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "patch")})
    assert api.patch(api.servings("a"), MERGE, {"metadata": {"name": "b"}}).status_code == 400
    answer = api.patch(api.servings("a"), MERGE, {"kind": "Other"})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "kind")})


def test_24_strategic_merge_by_name(api: Api) -> None:
    api.make(api.core("pods"), pod("a", "engine", "sidecar"))
    change = {"spec": {"containers": [{"name": "engine", "image": "engine:2"}]}}
    answer = api.patch(api.core("pods", "a"), STRATEGIC, change)
    images = {c["name"]: c["image"] for c in answer.json()["spec"]["containers"]}
    assert (answer.status_code, images) == (200, {"engine": "engine:2", "sidecar": "sidecar:1"})


def _config(**data: str) -> dict[str, Any]:
    return config_map("a", data)


def test_25_apply_needs_a_manager(api: Api) -> None:
    answer = api.patch(api.core("configmaps", "a"), APPLY, _config(k="1"))
    assert answer.status_code == 422


def test_25_apply(api: Api) -> None:
    path = api.core("configmaps", "a")
    first = api.patch(path, APPLY, _config(k="1", gone="1"), fieldManager="one")
    assert first.status_code == 201
    again = api.patch(path, APPLY, _config(k="1", gone="1"), fieldManager="one")
    assert again.status_code == 200
    versions = [a.json()["metadata"]["resourceVersion"] for a in (first, again)]
    assert versions[0] == versions[1]
    refused = api.patch(path, APPLY, _config(k="2"), fieldManager="two")
    assert (refused.status_code, refused.json()["reason"]) == (409, "Conflict")
    assert causes(refused) == {("FieldManagerConflict", ".data.k")}
    forced = api.patch(path, APPLY, _config(k="2"), fieldManager="two", force="true")
    assert (forced.status_code, forced.json()["data"]) == (200, {"k": "2", "gone": "1"})
    dropped = api.patch(path, APPLY, _config(), fieldManager="one")
    assert dropped.json()["data"] == {"k": "2"}


def test_25_apply_conflicts_with_who_scaled(api: Api) -> None:
    path = api.servings("a")
    body = serving("a", 2)
    assert api.patch(path, APPLY, body, fieldManager="gitops").status_code == 201
    api.patch(path, MERGE, {"spec": {"replicas": 3}}, fieldManager="ops")
    refused = api.patch(path, APPLY, body, fieldManager="gitops")
    assert refused.status_code == 409
    assert [c["field"] for c in refused.json()["details"]["causes"]] == [".spec.replicas"]
    del body["spec"]["replicas"]
    given_up = api.patch(path, APPLY, body, fieldManager="gitops")
    assert (given_up.status_code, given_up.json()["spec"]["replicas"]) == (200, 3)
