"""KServe in Standard mode: what it makes, what it writes over, what it leaves alone, what it tells."""

from __future__ import annotations

from typing import Any

import pytest

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.ingress import ADDRESS
from clients.embedded.controllers.kserve_webhook import review, with_defaults
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from tests.support.apps import DEPLOYMENTS, change_spec, condition, status_of
from tests.support.simworld import NAMESPACE, World

ISVC = "inferenceservices.serving.kserve.io"
HPAS = "horizontalpodautoscalers.autoscaling"
SCALED_OBJECTS = "scaledobjects.keda.sh"
CLASS = "serving.kserve.io/autoscalerClass"
STOP = "serving.kserve.io/stop"


def inference_service(annotations: dict[str, str] | None = None, **predictor: Any) -> Json:
    container = {"name": "kserve-container", "image": "engine:1", "resources": {"requests": {"cpu": "1"}}}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "iris",
            "namespace": NAMESPACE,
            "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment", **(annotations or {})},
        },
        "spec": {"predictor": {"containers": [container], **predictor}},
    }


def grown(world: World, annotations: dict[str, str] | None = None, **predictor: Any) -> World:
    world.started()
    world.store.create(ISVC, with_defaults(inference_service(annotations, **predictor)), manager="kubectl")
    world.until(lambda: ready(world))
    world.live(1)
    return world


def status(world: World) -> Json:
    return status_of(world, ISVC, "iris")


def ready(world: World) -> bool:
    return condition(status(world), "Ready").get("status") == "True"


def named(world: World, resource: str, name: str = "iris-predictor") -> Json | None:
    return world.store.get(resource, NAMESPACE, name)


def spec_of(world: World, resource: str, name: str = "iris-predictor") -> Json:
    found = named(world, resource, name)
    assert found is not None
    spec: Json = found["spec"]
    return spec


def predictor(world: World, **fields: Any) -> None:
    def change(obj: Json) -> None:
        obj["spec"]["predictor"].update(fields)

    assert world.store.mutate(ISVC, NAMESPACE, "iris", change, manager="kubectl") is not None


def annotate(world: World, key: str, value: str | None) -> None:
    def change(obj: Json) -> None:
        obj["metadata"]["annotations"][key] = value
        if value is None:
            del obj["metadata"]["annotations"][key]

    assert world.store.mutate(ISVC, NAMESPACE, "iris", change, manager="kubectl") is not None


def test_a_service_of_the_class_hpa_gets_all_its_objects(world: World) -> None:
    grown(world, minReplicas=2, maxReplicas=6, scaleMetric="cpu", scaleTarget=60)
    hpa = spec_of(world, HPAS)
    assert (hpa["minReplicas"], hpa["maxReplicas"]) == (2, 6)
    assert hpa["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris-predictor"}
    assert hpa["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
    assert hpa["behavior"]["scaleUp"]["policies"]
    assert spec_of(world, "services")["selector"] == {"app": "isvc.iris-predictor"}
    told = status(world)
    assert told["url"] == f"http://iris-{NAMESPACE}.example.com"
    assert told["components"]["predictor"]["url"] == f"http://iris-predictor-{NAMESPACE}.example.com"
    assert told["deploymentMode"] == "Standard"
    assert condition(told, "PredictorReady")["reason"] == "NewReplicaSetAvailable"
    assert condition(told, "Stopped")["severity"] == "Info"
    world.until(lambda: status(world)["modelStatus"]["copies"]["totalCopies"] == 2)
    assert status(world)["modelStatus"]["transitionStatus"] == "UpToDate"
    ingress = world.store.get("ingresses.networking.k8s.io", NAMESPACE, "iris")
    assert ingress is not None
    assert ingress["spec"]["rules"][0]["host"] == f"iris-{NAMESPACE}.example.com"
    assert ingress["status"]["loadBalancer"]["ingress"] == [{"ip": ADDRESS}]
    balancer = world.store.get("services", "kube-system", "nginx-ingress-lb")
    assert balancer is not None
    assert balancer["status"]["loadBalancer"]["ingress"] == [{"ip": ADDRESS}]
    (event,) = world.events("InferenceServiceReady")
    assert event["message"] == "InferenceService [iris] is Ready"


def test_pods_carry_the_labels_of_kserve_and_all_of_the_service(world: World) -> None:
    grown(world)
    (name,) = world.pods()
    labels = world.pod(name)["metadata"]["labels"]
    assert labels["serving.kserve.io/inferenceservice"] == "iris"
    assert labels["component"] == "predictor"
    assert labels["app"] == "isvc.iris-predictor"
    annotate(world, "team", "blue")
    world.until(lambda: world.pods() != [name] and len(world.pods()) == 1)
    (after,) = world.pods()
    assert world.pod(after)["metadata"]["annotations"]["team"] == "blue"


def test_bounds_of_an_hpa_are_never_below_one_nor_upside_down(world: World) -> None:
    grown(world, minReplicas=0)
    assert (spec_of(world, HPAS)["minReplicas"], spec_of(world, HPAS)["maxReplicas"]) == (1, 1)
    predictor(world, minReplicas=3)
    world.live(1)
    assert (spec_of(world, HPAS)["minReplicas"], spec_of(world, HPAS)["maxReplicas"]) == (3, 3)


def test_an_edited_hpa_lasts_until_the_next_pass(world: World) -> None:
    grown(world, minReplicas=1, maxReplicas=4)
    change_spec(world, HPAS, "iris-predictor", maxReplicas=9)
    world.live(5)
    assert spec_of(world, HPAS)["maxReplicas"] == 9
    change_spec(world, DEPLOYMENTS, "iris-predictor", replicas=2)
    world.live(5)
    assert spec_of(world, HPAS)["maxReplicas"] == 4
    assert spec_of(world, DEPLOYMENTS)["replicas"] == 2


def test_the_class_none_puts_the_count_back(world: World) -> None:
    grown(world, {CLASS: "none"}, minReplicas=2)
    assert named(world, HPAS) is None
    change_spec(world, DEPLOYMENTS, "iris-predictor", replicas=5)
    world.live(2)
    assert spec_of(world, DEPLOYMENTS)["replicas"] == 2


def test_the_class_external_leaves_counts_and_other_hpas_alone(world: World) -> None:
    grown(world, minReplicas=1, maxReplicas=3)
    own = named(world, HPAS)
    assert own is not None
    foreign = {**own, "metadata": {"name": "iris-hpa", "namespace": NAMESPACE}}
    world.store.create(HPAS, {k: v for k, v in foreign.items() if k != "status"}, manager="helm")
    annotate(world, CLASS, "external")
    world.live(2)
    assert named(world, HPAS) is None
    assert named(world, HPAS, "iris-hpa") is not None
    world.store.delete(HPAS, NAMESPACE, "iris-hpa")
    change_spec(world, DEPLOYMENTS, "iris-predictor", replicas=4)
    world.live(5)
    assert spec_of(world, DEPLOYMENTS)["replicas"] == 4


def test_the_class_keda_makes_a_scaled_object(world: World) -> None:
    external = {
        "type": "External",
        "external": {
            "metric": {"backend": "prometheus", "serverAddress": "http://p:9090", "query": "up"},
            "target": {"type": "Value", "value": "5"},
        },
    }
    grown(world, {CLASS: "keda"}, minReplicas=0, maxReplicas=7, autoScaling={"metrics": [external]})
    assert spec_of(world, SCALED_OBJECTS) == {
        "scaleTargetRef": {"name": "iris-predictor"},
        "minReplicaCount": 0,
        "maxReplicaCount": 7,
        "triggers": [
            {
                "type": "prometheus",
                "metadata": {"serverAddress": "http://p:9090", "query": "up", "threshold": "5"},
            }
        ],
    }
    assert named(world, HPAS) is None


def test_stop_takes_all_away_and_resume_brings_it_back(world: World) -> None:
    grown(world, minReplicas=1, maxReplicas=3)
    annotate(world, STOP, "true")
    world.until(lambda: not world.pods())
    assert named(world, DEPLOYMENTS) is None
    assert named(world, HPAS) is None
    told = status(world)
    assert condition(told, "Stopped")["status"] == "True"
    assert condition(told, "PredictorReady")["reason"] == "Stopped"
    assert "url" not in told
    (event,) = world.events("InferenceServiceNotReady")
    assert event["message"].startswith("InferenceService [iris] is no longer Ready because of: ")
    annotate(world, STOP, None)
    world.until(lambda: ready(world))
    assert named(world, HPAS) is not None


def test_a_model_of_a_known_format_is_run_by_its_runtime(world: World) -> None:
    world.started()
    obj = inference_service()
    obj["spec"]["predictor"] = {"sklearn": {"storageUri": "gs://models/iris"}}
    world.store.create(ISVC, with_defaults(obj), manager="kubectl")
    world.until(lambda: ready(world))
    (name,) = world.pods()
    pod = world.pod(name)["spec"]
    assert [c["name"] for c in pod["initContainers"]] == ["storage-initializer"]
    assert pod["initContainers"][0]["args"] == ["gs://models/iris", "/mnt/models"]
    assert "--model_name=iris" in pod["containers"][0]["args"]
    assert status(world)["clusterServingRuntimeName"] == "kserve-sklearnserver"
    assert obj["spec"]["predictor"]["model"]["modelFormat"] == {"name": "sklearn"}


def test_a_model_that_no_runtime_takes_is_an_invalid_spec(world: World) -> None:
    world.started()
    obj = inference_service()
    obj["spec"]["predictor"] = {"model": {"modelFormat": {"name": "unheard-of"}}}
    world.store.create(ISVC, with_defaults(obj), manager="kubectl")
    world.live(5)
    assert status(world)["modelStatus"]["transitionStatus"] == "InvalidSpec"
    assert named(world, DEPLOYMENTS) is None


def test_a_model_that_does_not_load_is_told_with_its_last_words(world: World) -> None:
    world.cluster.faults.add(Fault(FaultKind.CRASH, NAMESPACE, "*", CUDA_OOM, after=2))
    world.started()
    world.store.create(ISVC, with_defaults(inference_service()), manager="kubectl")
    world.until(lambda: status(world).get("modelStatus", {}).get("transitionStatus") == "BlockedByFailedLoad")
    model = status(world)["modelStatus"]
    assert model["lastFailureInfo"]["exitCode"] == 1
    assert "CUDA out of memory" in model["lastFailureInfo"]["message"]
    assert model["states"]["targetModelState"] == "FailedToLoad"
    assert not ready(world)


def test_a_transformer_is_a_deployment_of_its_own_and_the_way_in(world: World) -> None:
    world.started()
    obj = inference_service()
    obj["spec"]["transformer"] = {"containers": [{"image": "transformer:1"}]}
    world.store.create(ISVC, with_defaults(obj), manager="kubectl")
    world.until(lambda: ready(world))
    assert named(world, DEPLOYMENTS, "iris-transformer") is not None
    assert condition(status(world), "TransformerReady")["status"] == "True"
    ingress = spec_of(world, "ingresses.networking.k8s.io", "iris")
    assert ingress["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == "iris-transformer"


def test_knative_mode_is_told_of_and_not_run(world: World) -> None:
    world.started()
    obj = inference_service({"serving.kserve.io/deploymentMode": "Serverless"})
    world.store.create(ISVC, with_defaults(obj), manager="kubectl")
    world.live(5)
    assert status(world)["deploymentMode"] == "Knative"
    assert ready(world)
    assert not world.pods()
    assert named(world, DEPLOYMENTS) is None


@pytest.mark.parametrize(
    ("annotations", "fields", "told"),
    [
        ({CLASS: "kpa"}, {}, "[kpa] is not a supported autoscaler class type"),
        ({}, {"minReplicas": -1}, "MinReplicas cannot be less than 0"),
        ({}, {"minReplicas": 4, "maxReplicas": 2}, "'MinReplicas' cannot be greater than MaxReplicas"),
        ({CLASS: "hpa"}, {"scaleMetric": "rps"}, "[rps] is not a supported metric"),
        ({CLASS: "hpa"}, {"scaleMetric": "cpu", "scaleTarget": 101}, "should be a [1-100] integer"),
        ({CLASS: "keda"}, {"scaleMetric": "cpu"}, "scaleMetric is not supported"),
        ({}, {"workerSpec": {}}, "multi-node"),
    ],
)
def test_what_the_webhook_refuses(annotations: dict[str, str], fields: Json, told: str) -> None:
    with pytest.raises(ApiError) as refused:
        review("CREATE", None, inference_service(annotations, **fields), None)
    assert refused.value.code == 403
    assert told in str(refused.value)


def test_the_mode_stays_and_a_minimum_of_nothing_is_taken() -> None:
    old = with_defaults(inference_service(minReplicas=0))
    assert old["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    assert review("UPDATE", old, inference_service(minReplicas=0), None) is None
    new = inference_service({"serving.kserve.io/deploymentMode": "Knative"})
    with pytest.raises(ApiError, match="cannot be changed from 'Standard' to 'Knative'"):
        review("UPDATE", old, new, None)
