"""Behaviours 26 to 28: status, scale and deletion."""

from __future__ import annotations

from tests.conformance.client import JSON_PATCH, MERGE, Api, causes, config_map, eventually, pod, serving


def test_26_status_is_apart(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    change = {"spec": {"replicas": 9}, "status": {"replicas": 1}, "metadata": {"labels": {"x": "y"}}}
    answer = api.patch(api.servings("a") + "/status", MERGE, change)
    assert answer.status_code == 200
    after = answer.json()
    assert (after["spec"]["replicas"], after["status"], after["metadata"]["generation"]) == (
        2,
        {"replicas": 1},
        1,
    )
    assert "labels" not in after["metadata"]
    answer = api.patch(api.servings("a"), MERGE, {"status": {"replicas": 5}})
    assert (answer.status_code, answer.json()["status"]) == (200, {"replicas": 1})


def test_26_status_by_put(api: Api) -> None:
    made = api.make(api.servings(), serving("a", 2))
    made["status"] = {"replicas": 2, "labelSelector": "a=b"}
    made["spec"]["replicas"] = 7
    answer = api.put(api.servings("a") + "/status", made)
    assert (answer.status_code, answer.json()["spec"]["replicas"]) == (200, 2)
    assert answer.json()["status"] == {"replicas": 2, "labelSelector": "a=b"}
    assert api.get(api.servings("a") + "/status").json()["status"]["replicas"] == 2


def test_26_status_of_a_pod(api: Api) -> None:
    made = api.make(api.core("pods"), pod("a"))
    assert made["status"]["phase"] == "Pending"
    answer = api.patch(api.core("pods", "a") + "/status", MERGE, {"status": {"phase": "Running"}})
    assert (answer.status_code, answer.json()["status"]["phase"]) == (200, "Running")


def test_27_scale_reads(api: Api) -> None:
    made = api.make(api.servings(), serving("a", 2))
    status = {"status": {"replicas": 1, "labelSelector": "app=a"}}
    api.patch(api.servings("a") + "/status", MERGE, status)
    scale = api.get(api.servings("a") + "/scale").json()
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "app=a"})
    assert scale["metadata"]["uid"] == made["metadata"]["uid"]


def test_27_scale_writes(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    path = api.servings("a") + "/scale"
    patched = api.patch(path, MERGE, {"spec": {"replicas": 3}})
    assert (patched.status_code, patched.json()["spec"]) == (200, {"replicas": 3})
    tested = [
        {"op": "test", "path": "/spec/replicas", "value": 3},
        {"op": "replace", "path": "/spec/replicas", "value": 4},
    ]
    assert api.patch(path, JSON_PATCH, tested).status_code == 200
    assert api.patch(path, JSON_PATCH, tested).status_code == 422
    scale = api.get(path).json()
    scale["spec"]["replicas"] = 5
    assert api.put(path, scale).json()["spec"]["replicas"] == 5
    whole = api.get(api.servings("a")).json()
    assert (whole["spec"]["replicas"], whole["metadata"]["generation"]) == (5, 4)
    scale["spec"]["replicas"] = 6
    stale = api.put(path, scale)
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")


def test_27_scale_says_who_scaled(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    api.patch(api.servings("a") + "/scale", MERGE, {"spec": {"replicas": 3}}, fieldManager="ops")
    managed = api.get(api.servings("a")).json()["metadata"]["managedFields"]
    owners = [e for e in managed if "f:replicas" in e["fieldsV1"].get("f:spec", {})]
    assert [(e["manager"], e.get("subresource")) for e in owners] == [("ops", "scale")]


def _owners(api: Api, name: str) -> list[tuple[str, str | None]]:
    managed = api.get(api.servings(name)).json()["metadata"]["managedFields"]
    held = [e for e in managed if "f:replicas" in e["fieldsV1"].get("f:spec", {})]
    return [(e["manager"], e.get("subresource")) for e in held]


def test_27_nobody_owns_a_count_that_was_scaled_to_nothing(api: Api) -> None:
    """A Scale leaves a count of 0 out, and who is unknown there stays unknown until a write past it."""
    api.make(api.servings(), serving("a", 2))
    path = api.servings("a") + "/scale"
    api.patch(path, MERGE, {"spec": {"replicas": 3}}, fieldManager="ops")
    assert _owners(api, "a") == [("ops", "scale")]
    for count in (0, 1):
        api.patch(path, MERGE, {"spec": {"replicas": count}}, fieldManager="ops")
        assert _owners(api, "a") == []
    api.patch(api.servings("a"), MERGE, {"spec": {"replicas": 0}}, fieldManager="ops")
    assert _owners(api, "a") == [("ops", None)]
    api.patch(path, MERGE, {"spec": {"replicas": 2}}, fieldManager="hpa")
    assert _owners(api, "a") == [("hpa", "scale")]


def test_27_a_test_of_a_count_of_nothing_fails(api: Api) -> None:
    api.make(api.servings(), serving("a", 0))
    tested = [
        {"op": "test", "path": "/spec/replicas", "value": 0},
        {"op": "add", "path": "/spec/replicas", "value": 1},
    ]
    answer = api.patch(api.servings("a") + "/scale", JSON_PATCH, tested)
    assert (answer.status_code, answer.json()["details"]) == (422, {})
    assert answer.json()["message"].endswith("due to an error in our request")


def test_27_scale_of_another_object(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    scale = {"metadata": {"name": "a", "uid": "another"}, "spec": {"replicas": 4}}
    answer = api.put(api.servings("a") + "/scale", scale)
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    for wrong in ({"metadata": {"name": "b"}}, {"metadata": {"name": "a"}, "kind": "Other"}):
        answer = api.put(api.servings("a") + "/scale", {"apiVersion": "autoscaling/v1", **wrong})
        assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def test_27_scale_refuses_less_than_nothing(api: Api) -> None:
    api.make(api.servings(), serving("a", 2))
    answer = api.patch(api.servings("a") + "/scale", MERGE, {"spec": {"replicas": -1}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", ".spec.replicas")})
    answer = api.patch(api.servings("a") + "/scale", MERGE, {"spec": {"replicas": "x"}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "patch")})
    assert api.get(api.servings("nobody") + "/scale").status_code == 404


def test_27_scale_leaves_out_a_count_of_nothing(api: Api) -> None:
    api.make(api.servings(), serving("a", 0))
    scale = api.get(api.servings("a") + "/scale").json()
    assert (scale["spec"], scale["status"]) == ({}, {"replicas": 0})


def test_27_scale_of_a_built_in_kind(api: Api) -> None:
    labels = {"app": "web"}
    body = {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "a", "image": "b"}]},
            },
        },
    }
    path = f"/apis/apps/v1/namespaces/{api.namespace}/deployments"
    api.make(path, body)
    scale = api.get(f"{path}/web/scale").json()
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "app=web"})
    assert api.patch(f"{path}/web/scale", MERGE, {"spec": {"replicas": 0}}).status_code == 200
    assert api.get(f"{path}/web").json()["spec"]["replicas"] == 0


def test_28_delete_a_custom_resource(api: Api) -> None:
    made = api.make(api.servings(), serving("a"))
    answer = api.delete(api.servings("a"))
    status = answer.json()
    assert (answer.status_code, status["kind"], status["status"]) == (200, "Status", "Success")
    assert status["details"]["uid"] == made["metadata"]["uid"]
    assert api.get(api.servings("a")).status_code == 404


def test_28_a_deletion_that_waits_answers_the_object(api: Api) -> None:
    api.make(api.servings(), serving("a"))
    left = api.delete(api.servings("a"), {"propagationPolicy": "Foreground"}).json()
    assert left["kind"] == "ModelServing"
    assert left["metadata"]["finalizers"] == ["foregroundDeletion"]


def test_28_what_a_failed_precondition_says(api: Api) -> None:
    api.make(api.servings(), serving("a"))
    for wanted in ({"uid": "another"}, {"resourceVersion": "1"}):
        answer = api.delete(api.servings("a"), {"preconditions": wanted})
        assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
        assert answer.json()["details"]["kind"] == "ModelServing"
        assert "does not match" in answer.json()["message"]


def test_28_delete_a_pod(api: Api) -> None:
    api.make(api.core("pods"), pod("a"))
    answer = api.delete(api.core("pods", "a"))
    assert (answer.status_code, answer.json()["kind"]) == (200, "Pod")
    eventually(lambda: api.get(api.core("pods", "a")).status_code == 404)


def test_28_a_pod_on_a_node_goes_in_its_own_time(api: Api) -> None:
    body = pod("a")
    body["spec"] |= {"nodeName": "somewhere", "terminationGracePeriodSeconds": 30}
    api.make(api.core("pods"), body)
    left = api.delete(api.core("pods", "a")).json()["metadata"]
    assert left["deletionGracePeriodSeconds"] == 30
    assert left["deletionTimestamp"] > left["creationTimestamp"]
    assert api.get(api.core("pods", "a")).status_code == 200
    api.delete(api.core("pods", "a"), gracePeriodSeconds=0)
    assert api.get(api.core("pods", "a")).status_code == 404


def test_28_a_namespace_terminates(api: Api) -> None:
    answer = api.delete(f"/api/v1/namespaces/{api.namespace}")
    assert (answer.status_code, answer.json()["kind"]) == (200, "Namespace")
    assert answer.json()["status"]["phase"] == "Terminating"
    left = api.get(f"/api/v1/namespaces/{api.namespace}")
    api.conform("empty-namespace", left.status_code, 200)


def test_28_finalizers_hold(api: Api) -> None:
    body = serving("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    api.make(api.servings(), body)
    answer = api.delete(api.servings("a"))
    held = answer.json()
    assert (answer.status_code, held["kind"]) == (200, "ModelServing")
    assert held["metadata"]["deletionTimestamp"]
    assert (held["metadata"]["deletionGracePeriodSeconds"], held["metadata"]["generation"]) == (0, 2)
    assert api.get(api.servings("a")).status_code == 200
    added = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    refused = api.patch(api.servings("a"), MERGE, added)
    assert (refused.status_code, causes(refused)) == (422, {("FieldValueForbidden", "metadata.finalizers")})
    freed = api.patch(api.servings("a"), MERGE, {"metadata": {"finalizers": None}})
    assert freed.status_code == 200
    assert api.get(api.servings("a")).status_code == 404


def test_28_preconditions(api: Api) -> None:
    made = api.make(api.servings(), serving("a"))
    wrong = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    answer = api.delete(api.servings("a"), wrong)
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    right = {"preconditions": {"uid": made["metadata"]["uid"]}}
    assert api.delete(api.servings("a"), propagationPolicy="Sometimes").status_code == 422
    assert api.delete(api.servings("a"), right).status_code == 200


def test_28_delete_collection(api: Api) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        api.make(api.core("configmaps"), config_map(name, tier=tier))
    answer = api.delete(api.core("configmaps"), labelSelector="tier=x")
    deleted = [i["metadata"]["name"] for i in answer.json()["items"]]
    assert (answer.status_code, answer.json()["kind"], deleted) == (200, "ConfigMapList", ["a", "b"])
    left = api.get(api.core("configmaps"), labelSelector="tier").json()["items"]
    assert [i["metadata"]["name"] for i in left] == ["c"]
