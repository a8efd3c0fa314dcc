"""Behaviour 34: who may do what, and how a refusal is told."""

from __future__ import annotations

from tests.conformance.client import GROUP, MERGE, Api, serving

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def _allowed(api: Api, **attributes: str) -> bool:
    body = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": attributes},
    }
    answer = api.post(REVIEWS, body)
    assert answer.status_code == 201, answer.text
    return bool(answer.json()["status"]["allowed"])


def test_34_a_bad_token(api: Api) -> None:
    with Api(api.target, "no-such-token", api.namespace) as stranger:
        answer = stranger.get(api.core("pods"))
    assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")


def test_34_no_right_names_user_verb_and_resource(api: Api, viewer: Api) -> None:
    api.make(api.servings(), serving("a"))
    assert viewer.get(api.servings("a")).status_code == 200
    answer = viewer.patch(api.servings("a"), MERGE, {"spec": {"replicas": 3}})
    status = answer.json()
    assert (answer.status_code, status["reason"]) == (403, "Forbidden")
    for word in ('"viewer"', "patch", '"modelservings"', '"workload.serving.volcano.sh"', api.namespace):
        assert word in status["message"]
    group = "workload.serving.volcano.sh"
    assert status["details"] == {"name": "a", "group": group, "kind": "modelservings"}
    scaled = viewer.patch(api.servings("a") + "/scale", MERGE, {"spec": {"replicas": 3}})
    assert (scaled.status_code, '"modelservings/scale"' in scaled.json()["message"]) == (403, True)


def test_34_rights_in_one_namespace(api: Api, ns_only: Api) -> None:
    assert ns_only.get(ns_only.servings()).status_code == 200
    assert ns_only.get(ns_only.core("pods")).status_code == 200
    everywhere = ns_only.get(f"{GROUP}/modelservings")
    assert everywhere.status_code == 403
    assert "at the cluster scope" in everywhere.json()["message"]
    assert ns_only.get("/api/v1/nodes").status_code == 403
    assert ns_only.get(api.core("pods")).status_code == 403
    ns_only.delete(ns_only.servings("a"))
    ns_only.make(ns_only.servings(), serving("a"))
    path = ns_only.servings("a") + "/scale"
    assert ns_only.patch(path, MERGE, {"spec": {"replicas": 3}}).status_code == 200
    assert ns_only.delete(ns_only.servings("a")).status_code == 200


def test_34_access_reviews(api: Api, viewer: Api, ns_only: Api) -> None:
    patch = {"verb": "patch", "group": "workload.serving.volcano.sh", "resource": "modelservings"}
    assert _allowed(api, **patch, namespace=api.namespace)
    assert not _allowed(viewer, **patch, namespace=api.namespace)
    assert _allowed(viewer, verb="list", resource="pods")
    assert not _allowed(ns_only, verb="list", resource="pods")
    assert _allowed(ns_only, verb="list", resource="pods", namespace=ns_only.namespace)
    scale = {**patch, "subresource": "scale", "namespace": ns_only.namespace}
    assert _allowed(ns_only, **scale)
    assert not _allowed(ns_only, **{**scale, "namespace": api.namespace})


def test_34_impersonation(api: Api, viewer: Api) -> None:
    headers = {"Impersonate-User": "viewer"}
    assert api.http.get(api.core("pods"), headers=headers).status_code == 200
    answer = api.http.delete(api.core("pods", "x"), headers=headers)
    assert (answer.status_code, '"viewer"' in answer.json()["message"]) == (403, True)
    refused = viewer.http.get(api.core("pods"), headers={"Impersonate-User": "admin"})
    assert (refused.status_code, "impersonate" in refused.json()["message"]) == (403, True)
    masters = {"Impersonate-User": "someone", "Impersonate-Group": "system:masters"}
    assert api.http.get("/api/v1/nodes", headers=masters).status_code == 200
