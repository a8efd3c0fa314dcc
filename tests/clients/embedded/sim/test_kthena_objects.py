"""Names, labels, environment and owners of what Kthena creates (kthena.md section 3)."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_crd import crds_of
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.servings import Role
from tests.support.simworld import World

PD = [Role("prefill"), Role("decode", 2, 1)]


def env(pod: Json, container: str = "engine") -> dict[str, str]:
    found = next(c for c in pod["spec"]["containers"] if c["name"] == container)
    return {v["name"]: v.get("value", "") for v in found["env"]}


def test_pods_carry_labels_environment_and_owner(world: World) -> None:
    world.started().create(world.plan(2, PD))
    world.until(lambda: world.all_running(2))
    serving = world.serving()
    entry, worker = world.pod("chat-1-decode-1-0"), world.pod("chat-1-decode-1-1")
    labels = dict(entry["metadata"]["labels"])
    revision = labels.pop("modelserving.volcano.sh/revision")
    template = labels.pop("modelserving.volcano.sh/role-template-hash")
    for text in (revision, template):
        assert 1 <= len(text) <= 10
        assert set(text) <= set("456789bcdf")
    assert revision == serving["status"]["updateRevision"]
    assert labels == {
        "app": "chat",
        "team": "llm",
        "modelserving.volcano.sh/name": "chat",
        "modelserving.volcano.sh/group-name": "chat-1",
        "modelserving.volcano.sh/role": "decode",
        "modelserving.volcano.sh/role-id": "decode-1",
        "modelserving.volcano.sh/entry": "true",
    }
    assert "modelserving.volcano.sh/entry" not in worker["metadata"]["labels"]
    wanted = {"GROUP_SIZE": "2", "ENTRY_ADDRESS": "chat-1-decode-1-0.llm", "WORKER_INDEX": "1"}
    assert env(worker).items() >= wanted.items()
    assert env(entry)["WORKER_INDEX"] == "0"
    assert worker["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "workload.serving.volcano.sh/v1alpha1",
            "kind": "ModelServing",
            "name": "chat",
            "uid": serving["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert worker["metadata"]["annotations"] == {
        "scheduling.k8s.io/group-name": "chat-1",
        "volcano.sh/task-spec": "decode-1",
    }
    assert worker["spec"]["schedulerName"] == "volcano"


def test_template_labels_come_last_and_may_overwrite(world: World) -> None:
    def overwrite(obj: Json) -> None:
        role = obj["spec"]["template"]["roles"][0]
        role["entryTemplate"]["metadata"]["labels"]["modelserving.volcano.sh/group-name"] = "group-0"

    world.started().create(world.plan(1), overwrite)
    world.live(3)
    labels = world.pod("chat-0-prefill-0-0")["metadata"]["labels"]
    assert labels["modelserving.volcano.sh/group-name"] == "group-0"


def test_roles_with_workers_get_headless_services_that_go_with_them(world: World) -> None:
    world.started().create(world.plan(1, PD))
    world.until(lambda: world.all_running(1))
    services = world.store.list("services", "llm")
    assert [s["metadata"]["name"] for s in services] == ["chat-0-decode-0-0", "chat-0-decode-1-0"]
    assert services[0]["spec"]["clusterIP"] == "None"
    assert services[0]["spec"]["publishNotReadyAddresses"] is True
    world.scale_role("decode", 1)
    world.until(lambda: world.all_running(1) and len(world.roles(0, "decode")) == 1)
    assert [s["metadata"]["name"] for s in world.store.list("services", "llm")] == ["chat-0-decode-0-0"]


def test_a_pod_group_asks_for_the_gang(world: World) -> None:
    world.started().create(world.plan(1, PD, gang={"decode": 1}))
    world.until(lambda: world.all_running(1))
    group = world.store.list("podgroups.scheduling.volcano.sh", "llm")[0]
    assert group["metadata"]["name"] == "chat-0"
    assert "blockOwnerDeletion" not in group["metadata"]["ownerReferences"][0]
    assert group["spec"]["minMember"] == 1 + 2
    assert group["spec"]["minResources"]["nvidia.com/gpu"] == "3"
    assert group["spec"]["minResources"]["memory"] == "480Gi"
    assert group["status"]["phase"] == "Running"
    world.scale_role("prefill", 2)
    world.live(3)
    group = world.store.list("podgroups.scheduling.volcano.sh", "llm")[0]
    assert group["spec"]["minMember"] == 2 + 2


def test_another_scheduler_means_no_pod_groups(world: World) -> None:
    world.started().create(world.plan(1, scheduler="default-scheduler"))
    world.until(lambda: world.all_running(1))
    assert world.store.list("podgroups.scheduling.volcano.sh") == []
    assert "annotations" not in world.pod("chat-0-prefill-0-0")["metadata"]


def test_deleting_a_modelserving_takes_everything_with_it(world: World) -> None:
    world.grown(2, PD)
    world.store.delete(RESOURCE, "llm", "chat")
    world.live(1)
    assert world.dump() == {}
    world.live(30)
    assert world.pods() == []
    for resource in ("podgroups.scheduling.volcano.sh", "controllerrevisions.apps"):
        assert world.store.list(resource, "llm") == []
    assert [s["metadata"]["name"] for s in world.store.list("services", "llm")] == ["chat"]


def test_recreated_under_the_same_name_it_waits_for_the_old_pods(world: World) -> None:
    world.grown(1, PD)
    world.store.delete(RESOURCE, "llm", "chat")
    world.live(0.5)
    world.create(world.plan(1, PD))
    world.live(3)
    new = world.serving()["metadata"]["uid"]
    owners = {world.pod(n)["metadata"]["ownerReferences"][0]["uid"] for n in world.pods("chat-0")}
    assert new not in owners
    world.until(lambda: world.all_running(1), limit=120)
    owners = {world.pod(n)["metadata"]["ownerReferences"][0]["uid"] for n in world.pods("chat-0")}
    assert owners == {new}


def test_versions_differ_in_what_their_definition_has() -> None:
    def role_fields(flavour: Flavour) -> set[str]:
        crd = next(c for c in crds_of(flavour) if c["metadata"]["name"] == RESOURCE)
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        roles = schema["properties"]["spec"]["properties"]["template"]["properties"]["roles"]
        return set(roles["items"]["properties"])

    assert role_fields(Flavour.HEAD) - role_fields(Flavour.V1_0) == {"partition"}
    assert role_fields(Flavour.V1_0) == role_fields(Flavour.DOCUMENTED)
    assert "maxUnavailable" in role_fields(Flavour.V1_0)
