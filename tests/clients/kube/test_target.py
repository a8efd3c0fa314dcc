"""Where a load test of a workload goes, read over HTTP from the objects of a simulated cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.embedded.apiserver.objects import Json
from clients.embedded.workload_objects import (
    Engine,
    deployment_object,
    inference_service_object,
    leader_worker_set_object,
)
from clients.serving.target import Fact, LoadTarget
from tests.support.backends import Looked, looking
from tests.support.simworld import NAMESPACE, World

CRDS = "customresourcedefinitions.apiextensions.k8s.io"
VIEWER = Path(__file__).parents[3] / "deploy" / "console-rbac" / "viewer.yaml"
NETWORKING = "networking.serving.volcano.sh"
GATEWAY = "gateway.networking.k8s.io"


def define(world: World, group: str, version: str, kind: str) -> str:
    """A custom resource that keeps whatever it is given; its name in the store."""
    plural = f"{kind.lower()}s"
    name = f"{plural}.{group}"
    if world.store.get(CRDS, "", name) is None:
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        definition = {
            "metadata": {"name": name},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {
                    "kind": kind,
                    "plural": plural,
                    "singular": kind.lower(),
                    "listKind": f"{kind}List",
                },
                "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
            },
        }
        world.store.create(CRDS, definition, manager="kubectl")
    return name


def put(world: World, kind: str, name: str, spec: Json, status: Json | None = None) -> None:
    group, version = (GATEWAY, "v1") if kind == "Gateway" else (NETWORKING, "v1alpha1")
    resource = define(world, group, version, kind)
    obj: Json = {
        "apiVersion": f"{group}/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }
    if status is not None:
        obj["status"] = status
    world.store.create(resource, obj, manager="kubectl")


def service(
    world: World, name: str, selector: Json, *, ip: str | None = None, port: int = 8000, **more: Any
) -> None:
    """A Service, with a load balancer if there is an ``ip``."""
    metadata = {"name": name, "namespace": more.pop("namespace", NAMESPACE), **more}
    world.store.create(
        "services",
        {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": metadata,
            "spec": {
                "type": "LoadBalancer" if ip else "ClusterIP",
                "selector": selector,
                "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            },
        },
        manager="kubectl",
    )
    if ip:

        def change(obj: Json) -> None:
            obj["status"] = {"loadBalancer": {"ingress": [{"ip": ip}]}}

        world.store.mutate(
            "services", metadata["namespace"], name, change, manager="cloud", subresource="status"
        )


async def read(looked: Looked, name: str, ingress: str | None = None) -> LoadTarget:
    found = looked.named(name)
    assert found is not None, list(looked.workloads)
    return await looked.backend.load_target(found.key, ingress)


def serving(world: World, **spec: Any) -> None:
    """The ModelServer of the ModelServing ``chat`` and a ModelRoute to it."""
    selector = {"matchLabels": {"modelserving.volcano.sh/name": "chat"}}
    server = {"inferenceEngine": "vLLM", "workloadSelector": selector, "workloadPort": {"port": 8000}}
    put(world, "ModelServer", "chat", server)
    rules = [{"targetModels": [{"modelServerName": "chat"}]}]
    put(world, "ModelRoute", "to-chat", {"modelName": "phi", "rules": rules, **spec})


async def test_a_model_serving_is_reached_through_kthenas_router() -> None:
    world = World().grown(groups=1)
    serving(world)
    async with looking(world) as looked:
        target = await read(looked, "chat")
        assert target.url == "http://203.0.113.11", "where the chart's Service of the router says"
        assert (target.model.value, target.protocol.value) == ("phi", "openai-chat")
        assert target.model.source == "ModelRoute to-chat"
        assert target.address.source == "load balancer of Service kthena-system/kthena-router"
        assert target.host.value is None


async def test_a_route_through_a_gateway_goes_by_its_address_and_host() -> None:
    world = World().grown(groups=1)
    serving(world, parentRefs=[{"name": "front", "sectionName": "tls"}])
    listeners = [
        {"name": "plain", "port": 80, "protocol": "HTTP"},
        {"name": "tls", "port": 8443, "protocol": "HTTPS", "hostname": "llm.example.com"},
    ]
    status = {"addresses": [{"type": "IPAddress", "value": "203.0.113.9"}]}
    put(world, "Gateway", "front", {"listeners": listeners}, status)
    async with looking(world) as looked:
        target = await read(looked, "chat")
        assert target.url == "https://203.0.113.9:8443"
        assert target.host.value == "llm.example.com"
        set_by_hand = await read(looked, "chat", "http://10.0.0.1:8080")
        assert set_by_hand.url == "http://10.0.0.1:8080"
        assert set_by_hand.address.source == "setting [load] ingress"


async def test_without_a_way_in_it_says_what_is_missing() -> None:
    world = World().grown(groups=1)
    async with looking(world) as looked:
        target = await read(looked, "chat")
        assert target.url is None
        assert "inside the cluster only" in target.address.source
        assert target.model == Fact("chat", "its command")
    serving(world)
    world.store.delete("services", "kthena-system", "kthena-router")
    async with looking(world) as looked:
        target = await read(looked, "chat")
        assert target.url is None
        assert "kthena-router" in target.address.source


async def test_an_inference_service_is_reached_by_its_ingress_and_host() -> None:
    world = World()
    command = "python -m sklearnserver --model_name=iris --model_dir=/models"
    iris = inference_service_object(NAMESPACE, "iris", Engine(image="sklearn:1", cpu="1"), command=command)
    world.cluster.workloads.inference_service(iris, 3600)
    qwen = inference_service_object(
        NAMESPACE, "qwen", Engine(gpus=1), command="vllm serve /mnt/models --served-model-name qwen"
    )
    world.cluster.workloads.inference_service(qwen, 3600)
    face = inference_service_object(NAMESPACE, "face", Engine(gpus=1))
    face["spec"]["predictor"] = {"model": {"modelFormat": {"name": "huggingface"}}}
    world.store.create("inferenceservices.serving.kserve.io", face, manager="kubectl")
    world.grown(groups=1)
    world.live(20)
    async with looking(world) as looked:
        target = await read(looked, "iris")
        assert target.host.value == f"iris-{NAMESPACE}.example.com"
        assert target.host.source == "status.url of the InferenceService"
        assert target.address.source == "load balancer of Ingress iris"
        assert (target.model.value, target.protocol.value) == ("iris", "kserve-v1")
        other = await read(looked, "qwen", "http://10.0.0.1")
        assert other.url == "http://10.0.0.1"
        assert (other.model.value, other.protocol) == ("qwen", Fact("openai-chat", "it runs vllm"))
        own = await read(looked, "face", "http://10.0.0.1")
        assert (own.protocol.source, own.path) == (
            "model format huggingface",
            "/openai/v1/chat/completions",
        )


async def test_services_lead_to_deployments_and_groups_of_leaders() -> None:
    world = World()
    grown = world.cluster.workloads
    grown.deployment(deployment_object(NAMESPACE, "embed", 1, Engine(model="BAAI/bge-m3", gpus=1)), 3600)
    one = Engine(model="big/model", gpus=1)
    grown.leader_worker_set(leader_worker_set_object(NAMESPACE, "big", 1, 2, one, one), 3600)
    service(world, "inside", {"app": "embed"})
    service(world, "outside", {"app": "embed"}, ip="2001:db8::7")
    service(world, "leaders", {"leaderworkerset.sigs.k8s.io/name": "big", "role": "leader"}, ip="203.0.113.5")
    world.grown(groups=1)
    async with looking(world) as looked:
        target = await read(looked, "embed")
        assert target.url == "http://[2001:db8::7]:8000"
        assert target.address.source == f"load balancer of Service {NAMESPACE}/outside"
        big = await read(looked, "big")
        assert big.url == "http://203.0.113.5:8000"
        assert big.model.value == "big/model"


async def test_an_ingress_leads_to_a_service_that_has_no_address_itself() -> None:
    world = World()
    world.cluster.workloads.deployment(
        deployment_object(NAMESPACE, "embed", 1, Engine(model="BAAI/bge-m3", gpus=1)), 3600
    )
    service(world, "embed", {"app": "embed"})
    backend = {"service": {"name": "embed", "port": {"number": 8000}}}
    rule = {
        "host": "e.example.com",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    ingress = {
        "metadata": {"name": "embed", "namespace": NAMESPACE},
        "spec": {"ingressClassName": "other", "rules": [rule], "tls": [{"hosts": ["e.example.com"]}]},
    }
    world.store.create("ingresses.networking.k8s.io", ingress, manager="kubectl")
    world.grown(groups=1)
    async with looking(world) as looked:
        target = await read(looked, "embed")
        assert (target.url, target.host.value) == (None, "e.example.com")
        assert target.address.source == "the load balancer of Ingress embed has no address yet"

        def change(obj: Json) -> None:
            obj["status"] = {
                "loadBalancer": {"ingress": [{"hostname": "lb.example.com", "ports": [{"port": 8443}]}]}
            }

        world.store.mutate(
            "ingresses.networking.k8s.io", NAMESPACE, "embed", change, manager="lb", subresource="status"
        )
        target = await read(looked, "embed")
        assert target.url == "https://lb.example.com:8443"


async def test_only_a_namespace_with_the_label_says_that_it_may_be_tested() -> None:
    world = World().grown(groups=1)
    async with looking(world) as looked:
        assert (await read(looked, "chat")).labelled is False

        def change(obj: Json) -> None:
            obj["metadata"].setdefault("labels", {})["servegrid.io/load-test"] = "allowed"

        world.store.mutate("namespaces", "", NAMESPACE, change, manager="kubectl")
        assert (await read(looked, "chat")).labelled is True


async def test_missing_rights_are_named_and_the_rest_is_found() -> None:
    world = World().grown(groups=1)
    serving(world)
    few: Sequence[Mapping[str, Any]] = (
        {"apiGroups": ["workload.serving.volcano.sh"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    )
    async with looking(world, few) as looked:
        target = await read(looked, "chat")
        assert target.url is None
        assert "services" in target.address.source
        assert target.labelled is None, "what could not be read is unknown, and unknown is not allowed"
        assert target.model.value == "chat"


@pytest.mark.parametrize("parents", [[], [{"name": "front"}]], ids=["router", "gateway"])
async def test_the_viewers_role_suffices(parents: list[Json]) -> None:
    world = World()
    world.cluster.workloads.deployment(
        deployment_object(NAMESPACE, "embed", 1, Engine(model="BAAI/bge-m3", gpus=1)), 3600
    )
    service(world, "embed", {"app": "embed"})
    backend = {"service": {"name": "embed", "port": {"number": 8000}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rule = {"host": "e.example.com", "http": {"paths": [path]}}
    ingress = {"metadata": {"name": "embed", "namespace": NAMESPACE}, "spec": {"rules": [rule]}}
    world.store.create("ingresses.networking.k8s.io", ingress, manager="kubectl")
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    put(world, "Gateway", "front", {"listeners": [listener]}, {"addresses": [{"value": "203.0.113.9"}]})
    world.grown(groups=1)
    serving(world, parentRefs=parents)
    rules = yaml.safe_load(VIEWER.read_text())["rules"]
    async with looking(world, rules) as looked:
        chat = await read(looked, "chat")
        assert chat.url == ("http://203.0.113.9" if parents else "http://203.0.113.11")
        assert chat.labelled is False, "the namespace was read"
        embed = await read(looked, "embed")
        assert (embed.host.value, embed.url is not None) == ("e.example.com", True)
