"""HPAs and the custom resources of other scalers over HTTP: defaults, refusals, columns, patch types."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from clients.embedded.api import serve
from clients.embedded.command import application
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.curves import Steady
from tests.support.simworld import World

Json = dict[str, Any]
HPAS = "/apis/autoscaling/v2/namespaces/llm/horizontalpodautoscalers"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


@pytest.fixture
async def http(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    world.cluster.demand.assign("llm", "chat", {NAME: "chat"}, Steady(120), capacity=100, noise=0)
    world.grown(2)
    runner, port = await serve(application(world.cluster))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", trust_env=False) as session:
        yield session
    await runner.cleanup()


def hpa(**spec: Any) -> Json:
    target = {"apiVersion": "workload.serving.volcano.sh/v1alpha1", "kind": "ModelServing", "name": "chat"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 4, **spec},
    }


def pods(average: Any = "60", kind: str = "AverageValue", name: str = "DCGM_CUSTOM_PROCESS_SM_UTIL") -> Json:
    source: Json = {"metric": {"name": name}, "target": {"type": kind}}
    if average is not None:
        source["target"]["averageValue"] = average
    return {"type": "Pods", "pods": source}


async def sent(http: aiohttp.ClientSession, body: Json, status: int = 201) -> Json:
    async with http.post(HPAS, json=body) as answer:
        told: Json = await answer.json()
        assert answer.status == status, told
        return told


async def test_what_is_not_said_is_filled_in(http: aiohttp.ClientSession) -> None:
    made = (await sent(http, hpa()))["spec"]
    assert made["minReplicas"] == 1
    assert made["metrics"] == [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        }
    ]
    assert "behavior" not in made


async def test_an_empty_behavior_gets_all_and_a_part_gets_the_rest(http: aiohttp.ClientSession) -> None:
    made = (await sent(http, hpa(behavior={}, metrics=[pods(60)])))["spec"]
    assert made["metrics"][0]["pods"]["target"]["averageValue"] == "60"
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert made["behavior"] == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent],
        },
        "scaleDown": {"selectPolicy": "Max", "policies": [percent]},
    }
    part = hpa(behavior={"scaleDown": {"stabilizationWindowSeconds": 60}})
    part["metadata"]["name"] = "part"
    down = (await sent(http, part))["spec"]["behavior"]["scaleDown"]
    assert down == {"stabilizationWindowSeconds": 60, "selectPolicy": "Max", "policies": [percent]}


async def test_a_target_whose_type_does_not_match_its_value_is_taken(http: aiohttp.ClientSession) -> None:
    """arena writes its GPU metrics so."""
    await sent(http, hpa(metrics=[pods("60", kind="Utilization")]))


def rules(**told: Any) -> Json:
    return {"behavior": {"scaleUp": told}}


@pytest.mark.parametrize(
    ("spec", "field", "why"),
    [
        ({"minReplicas": 0}, "spec.minReplicas", "Invalid value: 0: must be greater than or equal to 1"),
        ({"maxReplicas": 0}, "spec.maxReplicas", "Invalid value: 0: must be greater than 0"),
        (
            {"minReplicas": 5},
            "spec.maxReplicas",
            "Invalid value: 4: must be greater than or equal to `minReplicas`",
        ),
        ({"scaleTargetRef": {"kind": "X"}}, "spec.scaleTargetRef.name", "Required value"),
        (
            {"scaleTargetRef": {"kind": "X", "name": "a/b"}},
            "spec.scaleTargetRef.name",
            "Invalid value: \"a/b\": may not contain '/'",
        ),
        (
            {"metrics": [{"type": "Gpu"}]},
            "spec.metrics[0].type",
            'Unsupported value: "Gpu": supported values: "ContainerResource", "External", "Object", "Pods", '
            '"Resource"',
        ),
        (
            {"metrics": [{"type": "Resource", "pods": pods()["pods"]}]},
            "spec.metrics[0].resource",
            "Required value: must populate information for the given metric source",
        ),
        (
            {"metrics": [pods(None)]},
            "spec.metrics[0].pods.target.averageValue",
            "Required value: must specify a positive target averageValue",
        ),
        ({"metrics": [pods("0")]}, "spec.metrics[0].pods.target.averageValue", "must be positive"),
        ({"metrics": [pods("-5m")]}, "spec.metrics[0].pods.target.averageValue", "must be positive"),
        (
            {"metrics": [pods(kind="Sum")]},
            "spec.metrics[0].pods.target.type",
            "must be either Utilization, Value, or AverageValue",
        ),
        ({"metrics": [pods(name="")]}, "spec.metrics[0].pods.metric.name", "must specify a metric name"),
        (
            {
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": 0},
                        },
                    }
                ]
            },
            "spec.metrics[0].resource.target.averageUtilization",
            "Invalid value: 0: must be greater than 0",
        ),
        (
            {
                "metrics": [
                    {
                        "type": "External",
                        "external": {
                            "metric": {"name": "q"},
                            "target": {"type": "Value", "value": "1", "averageValue": "1"},
                        },
                    }
                ]
            },
            "spec.metrics[0].external.target.value",
            "Forbidden: may not set both a target value for metric and a per-pod target",
        ),
        (
            rules(stabilizationWindowSeconds=3601),
            "spec.behavior.scaleUp.stabilizationWindowSeconds",
            "Invalid value: 3601: must be less than or equal to 3600",
        ),
        (
            rules(selectPolicy="Some"),
            "spec.behavior.scaleUp.selectPolicy",
            'Unsupported value: "Some": supported values: "Disabled", "Max", "Min"',
        ),
        (
            rules(policies=[]),
            "spec.behavior.scaleUp.policies",
            "Required value: must specify at least one Policy",
        ),
        (
            rules(policies=[{"type": "Pods", "value": 0, "periodSeconds": 15}]),
            "spec.behavior.scaleUp.policies[0].value",
            "Invalid value: 0: must be greater than zero",
        ),
        (
            rules(policies=[{"type": "Pods", "value": 1, "periodSeconds": 1801}]),
            "spec.behavior.scaleUp.policies[0].periodSeconds",
            "Invalid value: 1801: must be less than or equal to 1800",
        ),
        (rules(tolerance="-0.1"), "spec.behavior.scaleUp.tolerance", "must be greater than or equal to 0"),
    ],
)
async def test_each_mistake_is_named(http: aiohttp.ClientSession, spec: Json, field: str, why: str) -> None:
    told = await sent(http, hpa(**spec), 422)
    causes = [(cause["field"], cause["message"]) for cause in told["details"]["causes"]]
    assert any(place == field and why in message for place, message in causes), causes


@pytest.mark.parametrize(
    "spec",
    [
        {"metrics": [pods("many")]},
        {"metrics": [pods("1e999999999")]},
        {"metrics": [pods(["60"])]},
        {"behavior": {"scaleUp": {"policies": "all"}}},
        {"behavior": {"scaleUp": {"stabilizationWindowSeconds": "60"}}},
        {"metrics": [{"type": "Pods", "pods": {"metric": "x"}}]},
        {"maxReplicas": "4"},
    ],
)
async def test_what_cannot_be_decoded_is_a_bad_request(http: aiohttp.ClientSession, spec: Json) -> None:
    await sent(http, hpa(**spec), 400)


async def test_columns_say_what_is_against_what_is_wanted(http: aiohttp.ClientSession, world: World) -> None:
    cpu = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 20}},
    }
    target = {"type": "AverageValue", "averageValue": "5"}
    waiting = {"metric": {"name": "vllm:num_requests_waiting"}, "target": target}
    queue = {"type": "External", "external": waiting}
    await sent(http, hpa(metrics=[pods("90"), cpu, queue]))

    async def row() -> Json:
        async with http.get(f"{HPAS}/chat", headers=TABLE) as answer:
            table = await answer.json()
        names = [column["name"] for column in table["columnDefinitions"]]
        return dict(zip(names, table["rows"][0]["cells"], strict=True))

    first = await row()
    assert first["Reference"] == "ModelServing/chat"
    assert first["Targets"] == "<unknown>/90, cpu: <unknown>/20% + 1 more..."
    assert (first["MinPods"], first["MaxPods"], first["Replicas"]) == (1, 4, 0)
    world.live(20)
    assert (await row())["Targets"] == "67139m/90, cpu: 24%/20% + 1 more..."
    assert (await row())["Replicas"] == 2


CUSTOM: dict[str, Json] = {
    "/apis/autoscaling.alibabacloud.com/v1beta1/namespaces/llm/cronhorizontalpodautoscalers": {
        "apiVersion": "autoscaling.alibabacloud.com/v1beta1",
        "kind": "CronHorizontalPodAutoscaler",
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
            "jobs": [{"name": "a", "schedule": "0 0 8 * * *", "targetSize": 2}],
        },
    },
    "/apis/keda.sh/v1alpha1/namespaces/llm/scaledobjects": {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "spec": {
            "scaleTargetRef": {"name": "x"},
            "triggers": [{"type": "cpu", "metadata": {"value": "50"}}],
        },
    },
    "/apis/workload.serving.volcano.sh/v1alpha1/namespaces/llm/autoscalingpolicies": {
        "apiVersion": "workload.serving.volcano.sh/v1alpha1",
        "kind": "AutoscalingPolicy",
        "spec": {
            "metrics": [{"name": "m", "targetValue": "5"}],
            "homogeneousTarget": {
                "target": {"targetRef": {"name": "x"}},
                "minReplicas": 1,
                "maxReplicas": 3,
            },
        },
    },
}


@pytest.mark.parametrize("path", list(CUSTOM))
async def test_custom_resources_take_no_strategic_patch(http: aiohttp.ClientSession, path: str) -> None:
    body = {**copy.deepcopy(CUSTOM[path]), "metadata": {"name": "one"}}
    async with http.post(path, json=body) as answer:
        assert answer.status == 201, await answer.text()
    for media, status in (
        ("application/strategic-merge-patch+json", 415),
        ("application/merge-patch+json", 200),
    ):
        headers = {"Content-Type": media}
        patch = '{"metadata":{"labels":{"a":"b"}}}'
        async with http.patch(f"{path}/one", data=patch, headers=headers) as answer:
            assert answer.status == status
    wrong = {**body, "metadata": {"name": "two"}, "spec": {}}
    async with http.post(path, json=wrong) as answer:
        assert answer.status in (400, 422)


async def test_a_cronhpa_has_no_status_of_its_own_and_a_job_needs_its_fields(
    http: aiohttp.ClientSession,
) -> None:
    path = next(iter(CUSTOM))
    body = {**copy.deepcopy(CUSTOM[path]), "metadata": {"name": "one"}}
    async with http.post(path, json=body) as answer:
        assert answer.status == 201
    async with http.patch(
        f"{path}/one/status", data="{}", headers={"Content-Type": "application/merge-patch+json"}
    ) as answer:
        assert answer.status == 404
    del body["spec"]["jobs"][0]["targetSize"]
    body["metadata"] = {"name": "two"}
    async with http.post(path, json=body) as answer:
        told = await answer.json()
        assert answer.status == 422
        assert "spec.jobs[0].targetSize: Required value" in told["message"]
    async with http.get(path, headers=TABLE) as answer:
        names = [column["name"] for column in (await answer.json())["columnDefinitions"]]
    assert names == ["Name", "Age"]
