"""Behaviour 34: who may do what, and how a refusal is told."""

from __future__ import annotations

from tests.conformance.client import GROUP, MERGE, Api, Json, causes, eventually, serving

RBAC = "rbac.authorization.k8s.io"
ROLES = f"/apis/{RBAC}/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def _review(api: Api, **attributes: str) -> Json:
    body = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": attributes},
    }
    answer = api.post(REVIEWS, body)
    assert answer.status_code == 201, answer.text
    status: Json = answer.json()["status"]
    return status


def _allowed(api: Api, **attributes: str) -> bool:
    return bool(_review(api, **attributes)["allowed"])


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
    alone = api.http.get(api.core("pods"), headers={"Impersonate-Group": "team"})
    assert (alone.status_code, alone.json()["reason"]) == (400, "BadRequest")
    masters = {"Impersonate-User": "someone", "Impersonate-Group": "system:masters"}
    assert api.http.get("/api/v1/nodes", headers=masters).status_code == 200


def _role(api: Api, name: str, *rules: Json) -> str:
    """Makes a role in the test's namespace; its path."""
    path = f"{ROLES}/namespaces/{api.namespace}/roles"
    api.make(path, {"metadata": {"name": name}, "rules": list(rules)})
    return f"{path}/{name}"


def _binding(name: str, role: str = "Role", **more: str) -> Json:
    subject = {"kind": "User", "name": "ns-only"}
    return {
        "metadata": {"name": name},
        "roleRef": {"kind": role, "name": name},
        "subjects": [subject | more],
    }


def test_34_a_role_counts_as_soon_as_it_is_bound(api: Api, ns_only: Api) -> None:
    maps = api.core("configmaps")
    assert ns_only.get(maps).status_code == 403
    role = _role(api, "reads", {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]})
    made = api.make(role.replace("roles/", "rolebindings/").removesuffix("/reads"), _binding("reads"))
    assert made["roleRef"]["apiGroup"] == made["subjects"][0]["apiGroup"] == RBAC
    eventually(lambda: ns_only.get(maps).status_code == 200)
    assert ns_only.get(api.core("configmaps", "a")).status_code == 403
    asked = {"verb": "list", "resource": "configmaps", "namespace": api.namespace}
    source = f'RoleBinding "reads/{api.namespace}" of Role "reads" to User "ns-only"'
    assert _review(ns_only, **asked) == {"allowed": True, "reason": f"RBAC: allowed by {source}"}
    assert api.delete(role).status_code == 200
    eventually(lambda: ns_only.get(maps).status_code == 403)
    lost = f'RBAC: role.{RBAC} "reads" not found'
    # What stands before it differs: since 1.37 the name of the authorizer does.
    assert ns_only.get(maps).json()["message"].endswith(f": {lost}")
    denied = _review(ns_only, **asked)
    assert (denied["allowed"], denied["reason"].endswith(lost)) == (False, True)


def test_34_a_role_may_name_objects(api: Api, ns_only: Api) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get"]}
    _role(api, "one", rule)
    api.make(f"{ROLES}/namespaces/{api.namespace}/rolebindings", _binding("one"))
    eventually(lambda: ns_only.get(api.core("configmaps", "a")).status_code == 404)
    assert ns_only.get(api.core("configmaps", "b")).status_code == 403


def test_34_what_a_role_or_binding_may_not_be(api: Api) -> None:
    roles = f"{ROLES}/namespaces/{api.namespace}/roles"
    bindings = f"{ROLES}/namespaces/{api.namespace}/rolebindings"
    for rule, field in (
        ({"apiGroups": [""], "resources": ["pods"]}, ("FieldValueRequired", "rules[0].verbs")),
        ({"resources": ["pods"], "verbs": ["get"]}, ("FieldValueRequired", "rules[0].apiGroups")),
        ({"apiGroups": [""], "verbs": ["get"]}, ("FieldValueRequired", "rules[0].resources")),
        ({"nonResourceURLs": ["/x"], "verbs": ["get"]}, ("FieldValueInvalid", "rules[0].nonResourceURLs")),
    ):
        answer = api.post(roles, {"metadata": {"name": "x"}, "rules": [rule]})
        assert (answer.status_code, causes(answer)) == (422, {field}), rule
    answer = api.post(bindings, _binding("x", "Thing"))
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueNotSupported", "roleRef.kind")})
    answer = api.post(bindings, _binding("x", kind="Robot", apiGroup=RBAC))
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueNotSupported", "subjects[0].kind")})
    api.make(bindings, _binding("x"))
    answer = api.patch(f"{bindings}/x", MERGE, {"roleRef": {"name": "y"}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "roleRef")})


def test_34_names_of_roles_may_hold_colons(api: Api) -> None:
    _role(api, "team:a:Reads")
    answer = api.post(f"{ROLES}/namespaces/{api.namespace}/roles", {"metadata": {"name": "a/b"}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "metadata.name")})


def test_34_nobody_grants_what_they_do_not_hold(api: Api, ns_only: Api) -> None:
    for resource in ("roles", "rolebindings"):
        rule = {"apiGroups": [RBAC], "resources": [resource], "verbs": ["create"]}
        _role(api, resource, rule)
        api.make(f"{ROLES}/namespaces/{api.namespace}/rolebindings", _binding(resource))
    more = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    path = f"{ROLES}/namespaces/{api.namespace}/roles"
    asked = {"verb": "create", "group": RBAC, "resource": "rolebindings", "namespace": api.namespace}
    eventually(lambda: _allowed(ns_only, **asked))
    answer = ns_only.post(path, {"metadata": {"name": "more"}, "rules": [more]})
    api.conform("escalation", answer.status_code, 403)


def test_34_rules_reviews(api: Api, viewer: Api) -> None:
    body = {"spec": {"namespace": api.namespace}}
    status = viewer.post(REVIEWS.replace("access", "rules"), body).json()["status"]
    assert {"verbs": ["get", "list", "watch"], "apiGroups": ["*"], "resources": ["*"]} in status[
        "resourceRules"
    ]
    assert any("/version" in rule["nonResourceURLs"] for rule in status["nonResourceRules"])
    path = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/apis/apps"}}}
    assert viewer.post(REVIEWS, path).json()["status"]["allowed"]
    path["spec"]["nonResourceAttributes"]["path"] = "/secret"
    assert viewer.post(REVIEWS, path).json()["status"] == {"allowed": False}
    answer = viewer.post(REVIEWS, {"spec": {}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "spec")})
