"""Deployments, StatefulSets, LeaderWorkerSets and InferenceServices over HTTP: defaults, /scale, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from clients.embedded.api import serve
from clients.embedded.cluster import Cluster
from clients.embedded.command import application
from clients.embedded.scenarios.catalogue import make_cluster

APPS = "/apis/apps/v1/namespaces/default"
LWS = "/apis/leaderworkerset.x-k8s.io/v1/namespaces/default/leaderworkersets"
ISVC = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"
MERGE = {"Content-Type": "application/merge-patch+json"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster("empty", start=1_700_000_000.0, speed=0)


@pytest.fixture
async def http(cluster: Cluster) -> AsyncIterator[aiohttp.ClientSession]:
    runner, port = await serve(application(cluster))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", trust_env=False) as session:
        yield session
    await runner.cleanup()


def apps(kind: str) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}


def groups(**rolling: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"replicas": 2, "leaderWorkerTemplate": {"size": 2, "workerTemplate": TEMPLATE}}
    if rolling:
        spec["rolloutStrategy"] = {"type": "RollingUpdate", "rollingUpdateConfiguration": rolling}
    metadata = {"name": "ds"}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": metadata,
        "spec": spec,
    }


def service(mode: str, **predictor: Any) -> dict[str, Any]:
    annotations = {"serving.kserve.io/deploymentMode": mode}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris", "annotations": annotations},
        "spec": {"predictor": {"containers": [{"name": "c", "image": "a:1"}], **predictor}},
    }


async def body(answer: Any, code: int) -> dict[str, Any]:
    async with answer as told:
        found: dict[str, Any] = await told.json()
        assert told.status == code, found
        return found


async def test_a_deployment_is_completed_scaled_and_followed(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    made = await body(http.post(f"{APPS}/deployments", json=apps("Deployment")), 201)
    assert made["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert (made["spec"]["replicas"], made["spec"]["progressDeadlineSeconds"]) == (1, 600)
    place = f"{APPS}/deployments/web/scale"
    scale = await body(http.patch(place, json={"spec": {"replicas": 3}}, headers=MERGE), 200)
    assert scale["spec"]["replicas"] == 3
    cluster.run_for(30)
    scale = await body(http.get(place), 200)
    assert scale["status"] == {"replicas": 3, "selector": "app=web"}
    pods = await body(http.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb"), 200)
    assert len(pods["items"]) == 3


async def test_selectors_and_most_of_a_stateful_set_stay_as_they_are(http: aiohttp.ClientSession) -> None:
    await body(http.post(f"{APPS}/deployments", json=apps("Deployment")), 201)
    await body(http.post(f"{APPS}/statefulsets", json=apps("StatefulSet")), 201)
    template = {"metadata": {"labels": {"tier": "x"}}}
    patch = {"spec": {"selector": {"matchLabels": {"tier": "x"}}, "template": template}}
    told = await body(http.patch(f"{APPS}/deployments/web", json=patch, headers=MERGE), 422)
    assert "field is immutable" in told["message"]
    renamed = {"spec": {"serviceName": "other"}}
    told = await body(http.patch(f"{APPS}/statefulsets/web", json=renamed, headers=MERGE), 422)
    assert "updates to statefulset spec for fields other than" in told["message"]


async def test_leader_worker_sets_scale_by_groups_and_select_leaders(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    made = await body(http.post(LWS, json=groups()), 201)
    assert made["spec"]["networkConfig"] == {"subdomainPolicy": "Shared"}
    cluster.run_for(30)
    await body(http.patch(f"{LWS}/ds/scale", json={"spec": {"replicas": 3}}, headers=MERGE), 200)
    cluster.run_for(30)
    scale = await body(http.get(f"{LWS}/ds/scale"), 200)
    assert scale["status"]["replicas"] == 3
    selector = scale["status"]["selector"].replace("=", "%3D").replace(",", "%2C").replace("/", "%2F")
    pods = await body(http.get(f"/api/v1/namespaces/default/pods?labelSelector={selector}"), 200)
    assert [p["metadata"]["name"] for p in pods["items"]] == ["ds-0", "ds-1", "ds-2"]


async def test_the_webhooks_speak_in_a_dry_run_too(http: aiohttp.ClientSession) -> None:
    refused = await body(http.post(f"{LWS}?dryRun=All", json=groups(maxUnavailable=0)), 403)
    assert refused["message"].startswith('admission webhook "vleaderworkerset.kb.io" denied the request: ')
    wrong = service("Standard", minReplicas=3, maxReplicas=1)
    refused = await body(http.post(f"{ISVC}?dryRun=All", json=wrong), 403)
    assert "'MinReplicas' cannot be greater than MaxReplicas" in refused["message"]


async def test_modes_get_their_present_names_and_stay(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    made = await body(http.post(ISVC, json=service("Serverless")), 201)
    assert made["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Knative"
    cluster.run_for(5)
    table = await body(
        http.get(ISVC, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}), 200
    )
    names = [column["name"] for column in table["columnDefinitions"]]
    cells = dict(zip(names, table["rows"][0]["cells"], strict=True))
    assert (cells["Ready"], cells["Latest"]) == ("True", 100)
    assert cells["LatestReadyRevision"] == "iris-predictor-00001"
    patch = {"metadata": {"annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"}}}
    refused = await body(http.patch(f"{ISVC}/iris", json=patch, headers=MERGE), 403)
    assert "deploymentMode cannot be changed from 'Knative' to 'Standard'" in refused["message"]
    strategic = {"Content-Type": "application/strategic-merge-patch+json"}
    await body(http.patch(f"{ISVC}/iris", json=patch, headers=strategic), 415)
    async with http.get(f"{ISVC}/iris/scale") as missing:
        assert missing.status == 404
