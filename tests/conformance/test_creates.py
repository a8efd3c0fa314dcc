"""Behaviours 14 to 19: creating, refusing to create, and what is not found."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conformance.client import GROUP, Api, Json, causes, config_map, pod, serving


def test_14_create_fills_the_metadata(api: Api) -> None:
    body = serving("a") | {"status": {"replicas": 7}}
    made = api.post(api.servings(), body)
    assert made.status_code == 201
    metadata = made.json()["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", metadata["uid"])
    assert metadata["resourceVersion"].isdigit()
    assert metadata["generation"] == 1
    assert metadata["namespace"] == api.namespace
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert "status" not in made.json()


def test_14_create_says_who_owns_the_fields(api: Api) -> None:
    metadata = api.make(api.servings(), serving("a"))["metadata"]
    (entry,) = metadata["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("conformance", "Update")
    template: Json = {".": {}, "f:restartGracePeriodSeconds": {}, "f:roles": {}}
    spec = {".": {}, "f:recoveryPolicy": {}, "f:replicas": {}, "f:schedulerName": {}, "f:template": template}
    assert entry["fieldsV1"]["f:spec"] == spec
    patched = api.patch(
        api.servings("a"), "application/merge-patch+json", {"spec": {"replicas": 3}}, fieldManager="other"
    ).json()["metadata"]["managedFields"]
    owners = {e["manager"] for e in patched if "f:replicas" in e["fieldsV1"].get("f:spec", {})}
    assert owners == {"other"}


def test_14_defaults_of_the_schema(api: Api) -> None:
    spec = api.make(api.servings(), serving("a", None))["spec"]
    assert (spec["replicas"], spec["schedulerName"], spec["recoveryPolicy"]) == (1, "volcano", "RoleRecreate")
    (role,) = spec["template"]["roles"]
    assert (role["replicas"], role["maxUnavailable"]) == (1, 1)
    assert spec["template"]["restartGracePeriodSeconds"] == 0


def test_15_create_again(api: Api) -> None:
    api.make(api.servings(), serving("a"))
    answer = api.post(api.servings(), serving("a"))
    assert (answer.status_code, answer.json()["reason"]) == (409, "AlreadyExists")


def test_15_missing_namespace(api: Api) -> None:
    path = api.core("configmaps").replace(api.namespace, "no-such-place")
    answer = api.post(path, config_map("a"))
    assert (answer.status_code, answer.json()["details"]["kind"]) == (404, "namespaces")


def test_15_namespace_mismatch(api: Api) -> None:
    body = config_map("a")
    body["metadata"]["namespace"] = "elsewhere"
    assert api.post(api.core("configmaps"), body).status_code == 400


def test_15_version_set_on_create(api: Api) -> None:
    body = config_map("a")
    body["metadata"]["resourceVersion"] = "5"
    assert api.post(api.core("configmaps"), body).status_code == 500


def test_15_generated_name(api: Api) -> None:
    body = config_map("a")
    body["metadata"] = {"generateName": "gen-"}
    made = api.make(api.core("configmaps"), body)
    assert re.fullmatch(r"gen-[a-z0-9]{5}", made["metadata"]["name"])


def _role(**changes: Any) -> dict[str, Any]:
    body = serving("a")
    (role,) = body["spec"]["template"]["roles"]
    role.update(changes)
    return body


def _without_template() -> dict[str, Any]:
    body = serving("a")
    del body["spec"]["template"]
    return body


def _with_roles(count: int, name: str = "role-{}") -> dict[str, Any]:
    body = serving("a")
    (role,) = body["spec"]["template"]["roles"]
    body["spec"]["template"]["roles"] = [{**role, "name": name.format(i)} for i in range(count)]
    return body


def _policy() -> dict[str, Any]:
    body = serving("a")
    body["spec"]["recoveryPolicy"] = "Sometimes"
    return body


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (serving("Bad_Name"), ("FieldValueInvalid", "metadata.name")),
        (_role(replicas="two"), ("FieldValueTypeInvalid", "spec.template.roles[0].replicas")),
        (_role(name="much-too-long-a-name"), ("FieldValueTooLong", "spec.template.roles[0].name")),
        (_role(name="-x"), ("FieldValueInvalid", "spec.template.roles[0].name")),
        (_without_template(), ("FieldValueRequired", "spec.template")),
        (_with_roles(5), ("FieldValueTooMany", "spec.template.roles")),
        (_with_roles(2, "same"), ("FieldValueInvalid", "spec.template.roles")),
        (_policy(), ("FieldValueNotSupported", "spec.recoveryPolicy")),
    ],
    ids=["name", "type", "length", "pattern", "required", "items", "rule", "enum"],
)
def test_16_invalid_objects(api: Api, body: dict[str, Any], cause: tuple[str, str]) -> None:
    answer = api.post(api.servings(), body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert cause in causes(answer)
    assert answer.json()["details"]["kind"] == "ModelServing"


def test_16_rules_wait_for_what_they_are_about(api: Api) -> None:
    body = _with_roles(2, "same")
    body["spec"]["recoveryPolicy"] = "Sometimes"
    answer = api.post(api.servings(), body)
    unchecked = ("FieldValueInvalid", "<nil>")
    assert causes(answer) == {("FieldValueNotSupported", "spec.recoveryPolicy"), unchecked}
    assert "some validation rules were not checked" in answer.json()["message"]


def test_16_rules_about_changes(api: Api) -> None:
    body = serving("a")
    body["spec"]["template"]["gangPolicy"] = {"minRoleReplicas": {"decode": 1}}
    made = api.make(api.servings(), body)
    merge = "application/merge-patch+json"
    change: dict[str, Any] = {"spec": {"template": {"gangPolicy": {"minRoleReplicas": {"decode": 2}}}}}
    answer = api.patch(api.servings("a"), merge, change)
    assert (answer.status_code, causes(answer)) == (
        422,
        {("FieldValueInvalid", "spec.template.gangPolicy.minRoleReplicas")},
    )
    answer = api.patch(api.servings("a"), merge, {"spec": {"template": {"gangPolicy": None}}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "spec.template")})
    assert api.get(api.servings("a")).json() == made


def test_16_bad_labels(api: Api) -> None:
    answer = api.post(api.core("configmaps"), config_map("a", bad="no spaces, please"))
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "metadata.labels")})


def test_16_malformed_json(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.http.post(api.servings(), content=b'{"kind": ', headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def _protobuf(api_version: str, kind: str, name: str) -> bytes:
    """An object as Kubernetes puts it on the wire: ``runtime.Unknown`` behind four magic bytes."""

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    head = field(1, api_version.encode()) + field(2, kind.encode())
    return b"k8s\x00" + field(1, head) + field(2, field(1, field(1, name.encode())))


def test_16_protobuf(api: Api) -> None:
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    content = _protobuf("v1", "ConfigMap", "a")
    answer = api.http.post(api.core("configmaps"), content=content, headers=headers)
    assert (answer.status_code, answer.json()["metadata"]["name"]) == (201, "a")
    for broken in (content[:-1], b"k8s\x00\xff", b"{}"):
        answer = api.http.post(api.core("configmaps"), content=broken, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest"), broken
    content = _protobuf("coordination.k8s.io/v1", "Lease", "a")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{api.namespace}/leases"
    answer = api.http.post(path, content=content, headers=headers)
    api.conform("protobuf-body", answer.status_code, 201)


def test_16_wrong_kind(api: Api) -> None:
    answer = api.post(api.servings(), serving("a") | {"kind": "Pod"})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", "kind")})
    assert api.post(api.core("configmaps"), config_map("a") | {"kind": "Pod"}).status_code == 400
    for version in ("workload.serving.volcano.sh/v9", ""):
        assert api.post(api.servings(), serving("a") | {"apiVersion": version}).status_code == 400
    assert api.post(api.servings(), serving("a") | {"kind": ""}).status_code == 400


def test_16_a_count_is_a_count(api: Api) -> None:
    """The field behind /scale is checked in every write, though the schema sets it no minimum."""
    answer = api.post(api.servings(), serving("a", -1))
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", ".spec.replicas")})
    api.make(api.servings(), serving("a", 1))
    answer = api.patch(api.servings("a"), "application/merge-patch+json", {"spec": {"replicas": -1}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueInvalid", ".spec.replicas")})


def test_16_nulls(api: Api) -> None:
    body = serving("a")
    body["spec"] |= {"replicas": None, "plugins": None}
    spec = api.make(api.servings(), body)["spec"]
    assert (spec["replicas"], "plugins" in spec) == (1, False)


@pytest.mark.parametrize("option", ["dryRun", "fieldValidation"])
def test_17_unknown_options(api: Api, option: str) -> None:
    answer = api.post(api.servings(), serving("a"), **{option: "Some"})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueNotSupported", option)})


def test_17_dry_run_stores_nothing(api: Api) -> None:
    version = api.version(api.servings())
    made = api.post(api.servings(), serving("a"), dryRun="All")
    assert (made.status_code, made.json()["spec"]["schedulerName"]) == (201, "volcano")
    assert api.get(api.servings("a")).status_code == 404
    api.make(api.servings(), serving("sentinel"))
    (event,) = api.watch(api.servings(), count=1, resourceVersion=version)
    assert event["object"]["metadata"]["name"] == "sentinel"


def test_17_dry_run_of_other_writes(api: Api) -> None:
    made = api.make(api.servings(), serving("a"))
    merge = "application/merge-patch+json"
    tried = api.patch(api.servings("a"), merge, {"spec": {"replicas": 9}}, dryRun="All")
    assert (tried.status_code, tried.json()["spec"]["replicas"]) == (200, 9)
    assert api.patch(api.servings("a"), merge, {"spec": {"replicas": "x"}}, dryRun="All").status_code == 422
    assert api.delete(api.servings("a"), dryRun="All").status_code == 200
    assert api.get(api.servings("a")).json() == made


def test_18_unknown_fields(api: Api) -> None:
    body = serving("a")
    body["spec"]["bogus"] = 1
    strict = api.post(api.servings(), body, fieldValidation="Strict")
    assert (strict.status_code, strict.json()["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.bogus"' in strict.json()["message"]
    warned = api.post(api.servings(), body, fieldValidation="Warn")
    assert warned.status_code == 201
    assert warned.headers["warning"].startswith('299 - "unknown field')
    assert "bogus" not in warned.json()["spec"]
    body["metadata"]["name"] = "b"
    quiet = api.post(api.servings(), body, fieldValidation="Ignore")
    assert (quiet.status_code, "warning" in quiet.headers) == (201, False)


def test_18_unknown_fields_of_built_in_kinds(api: Api) -> None:
    body = config_map("a") | {"bogus": 1}
    answer = api.post(api.core("configmaps"), body, fieldValidation="Strict")
    api.conform("strict-built-in", answer.status_code, 400)


def test_18_pod_templates_pass_whole(api: Api) -> None:
    body = serving("a")
    (role,) = body["spec"]["template"]["roles"]
    role["entryTemplate"]["spec"]["somethingNew"] = {"deep": [1, 2]}
    made = api.post(api.servings(), body, fieldValidation="Strict")
    assert made.status_code == 201
    (role,) = made.json()["spec"]["template"]["roles"]
    assert role["entryTemplate"]["spec"]["somethingNew"] == {"deep": [1, 2]}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_19_missing_objects(api: Api, method: str) -> None:
    answer = api.http.request(method, api.servings("nobody"))
    details = {"name": "nobody", "group": "workload.serving.volcano.sh", "kind": "modelservings"}
    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")
    assert answer.json()["details"] == details
    answer = api.http.request(method, api.core("pods", "nobody"))
    assert answer.json()["details"] == {"name": "nobody", "kind": "pods"}


def test_19_create_on_a_name(api: Api) -> None:
    assert api.post(api.core("configmaps", "a"), config_map("a")).status_code == 405
    assert api.post(api.servings("a"), serving("b")).status_code == 201
    assert api.get(api.servings("b")).status_code == 200


def test_19_writes_in_wrong_places(api: Api) -> None:
    for method, path, status in (
        ("POST", GROUP + "/modelservings", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("PUT", api.servings(), 400),
        ("PUT", api.core("configmaps"), 405),
        ("POST", api.servings("a") + "/status", 405),
        ("DELETE", api.servings("a") + "/scale", 405),
        ("GET", api.servings("a") + "/nosuch", 404),
    ):
        body = serving("a") if "modelservings" in path else config_map("a")
        answer = api.http.request(method, path, json=body)
        assert answer.status_code == status, (method, path)


def test_16_pods_need_containers(api: Api) -> None:
    body = pod("a")
    body["spec"]["containers"] = []
    answer = api.post(api.core("pods"), body)
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueRequired", "spec.containers")})


def test_16_containers_of_one_name(api: Api) -> None:
    answer = api.post(api.core("pods"), pod("a", "engine", "engine"))
    wanted = {("FieldValueDuplicate", "spec.containers[1].name")}
    assert (answer.status_code, causes(answer)) == (422, wanted)


def test_16_pods_are_what_they_are(api: Api) -> None:
    api.make(api.core("pods"), pod("a"))
    merge = "application/merge-patch+json"
    answer = api.patch(api.core("pods", "a"), merge, {"spec": {"nodeName": "elsewhere"}})
    assert (answer.status_code, causes(answer)) == (422, {("FieldValueForbidden", "spec")})
    labels = {"metadata": {"labels": {"x": "y"}}}
    assert api.patch(api.core("pods", "a"), merge, labels).status_code == 200


def test_14_secrets_keep_text_as_data(api: Api) -> None:
    made = api.make(api.core("secrets"), {"metadata": {"name": "a"}, "stringData": {"k": "v"}})
    assert (made["type"], made["data"], "stringData" in made) == ("Opaque", {"k": "dg=="}, False)


def test_14_nobody_owns_the_first_status(api: Api) -> None:
    made = api.make(api.core("pods"), pod("a"))
    assert made["status"]["phase"] == "Pending"
    assert all("f:status" not in entry["fieldsV1"] for entry in made["metadata"]["managedFields"])


def test_14_some_maps_have_one_owner(api: Api) -> None:
    ports = [{"port": 80}]
    body = {"metadata": {"name": "a"}, "spec": {"selector": {"x": "y"}, "ports": ports}}
    (entry,) = api.make(api.core("services"), body)["metadata"]["managedFields"]
    spec = entry["fieldsV1"]["f:spec"]
    assert spec["f:selector"] == {}
    assert 'k:{"port":80,"protocol":"TCP"}' in spec["f:ports"]
