"""Objects that keep pods, as servers and strangers send them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.kube import controller_decode
from clients.kube.controller_rows import ComponentRow, ControllerRow, KeeperRow
from clients.kube.decode import DecodeFailure
from clients.kube.kept_workload import asked_of
from tests.support.looked import raw

DECODERS = (
    controller_decode.deployment,
    controller_decode.replica_set,
    controller_decode.stateful_set,
    controller_decode.leader_worker_set,
    controller_decode.inference_service,
)

_FIELDS = [
    "metadata",
    "spec",
    "status",
    "uid",
    "name",
    "namespace",
    "labels",
    "annotations",
    "generation",
    "ownerReferences",
    "kind",
    "controller",
    "deletionTimestamp",
    "creationTimestamp",
    "managedFields",
    "fieldsV1",
    "f:spec",
    "f:replicas",
    "f:predictor",
    "manager",
    "time",
    "replicas",
    "template",
    "containers",
    "initContainers",
    "image",
    "command",
    "args",
    "resources",
    "limits",
    "requests",
    "nvidia.com/gpu",
    "nodeSelector",
    "tolerations",
    "startupProbe",
    "ordinals",
    "start",
    "podManagementPolicy",
    "paused",
    "updateStrategy",
    "rollingUpdate",
    "partition",
    "leaderWorkerTemplate",
    "size",
    "leaderTemplate",
    "workerTemplate",
    "predictor",
    "transformer",
    "minReplicas",
    "maxReplicas",
    "workerSpec",
    "scaleMetric",
    "components",
    "url",
    "deploymentMode",
    "modelStatus",
    "conditions",
    "type",
    "status",
    "reason",
    "message",
    "observedGeneration",
    "readyReplicas",
    "updatedReplicas",
    "updateRevision",
    "servegrid.io/show",
    "serving.kserve.io/stop",
    "serving.kserve.io/autoscalerClass",
]
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["2026-08-22T03:20:00Z", "not a time", "\x1b[31m", "vllm/vllm-openai:v1", "8", "1e400"]),
)
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inside: st.one_of(
        st.lists(inside, max_size=3), st.dictionaries(st.sampled_from(_FIELDS), inside, max_size=5)
    ),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(DECODERS), st.dictionaries(st.sampled_from(_FIELDS), _ANYTHING, max_size=4), st.booleans()
)
def test_anything_is_a_row_or_a_decode_failure(decode: Any, obj: dict[str, Any], identified: bool) -> None:
    if identified:
        known = obj.get("metadata")
        obj["metadata"] = {**(known if isinstance(known, dict) else {}), "uid": "u", "name": "n"}
    try:
        row: KeeperRow = decode(raw(obj))
    except DecodeFailure:
        assert not identified
        return
    assert isinstance(row.name, str)
    for name in ("replicas", "size", "start", "partition"):
        assert getattr(row, name, 0) >= 0
    assert asked_of(row, ()).desired >= 0


def template(image: str, *, command: list[str] | None = None, gpus: int = 0) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    container = {"name": "c", "image": image, "command": command or [], "resources": {"limits": limits}}
    return {"spec": {"containers": [container]}}


@pytest.mark.parametrize(
    ("image", "command", "engine"),
    [
        ("vllm/vllm-openai:v0.11.0", None, "vllm"),
        ("registry.example.com/team/engine:3", ["sh", "-c", "vllm serve /models/qwen"], "vllm"),
        ("lmsysorg/sglang:v0.5", None, "sglang"),
        ("engine:1", ["python3", "-m", "sglang.launch_server"], "sglang"),
        ("ghcr.io/huggingface/text-generation-inference:3.0", None, "tgi"),
        ("nvcr.io/nvidia/tritonserver:25.01-py3", None, "triton"),
        ("nginx:1.27", ["nginx"], None),
    ],
)
def test_an_engine_is_told_by_its_image_or_command(
    image: str, command: list[str] | None, engine: str | None
) -> None:
    obj = {"metadata": {"uid": "u", "name": "n"}, "spec": {"template": template(image, command=command)}}
    assert controller_decode.deployment(raw(obj)).template.engine == engine


def stateful(**spec: Any) -> ControllerRow:
    status = {"observedGeneration": 2, "replicas": 4, "updatedReplicas": 1, "updateRevision": "n-2"}
    obj = {"metadata": {"uid": "u", "name": "n", "generation": 2}, "spec": spec, "status": status}
    return controller_decode.stateful_set(raw(obj))


def test_whether_a_rollout_runs() -> None:
    assert stateful(replicas=4).rolling
    assert not stateful(replicas=4, updateStrategy={"type": "OnDelete"}).rolling
    held = {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}
    assert not stateful(replicas=4, updateStrategy=held).rolling
    unseen = stateful(replicas=4)
    unseen.generation = 3
    assert not unseen.rolling, "its controller counts the old template still"


def test_a_service_with_names_and_states_of_old_and_new_versions() -> None:
    obj: dict[str, Any] = {
        "metadata": {
            "uid": "u",
            "name": "iris",
            "annotations": {
                "serving.kserve.io/deploymentMode": "RawDeployment",
                "serving.kserve.io/autoscalerClass": "keda",
                "serving.kserve.io/stop": "true",
            },
        },
        "spec": {
            "predictor": {"minReplicas": 0, "maxReplicas": 0, "workerSpec": {"size": 2}},
            "transformer": {"minReplicas": 2, "maxReplicas": 5},
        },
        "status": {
            "modelStatus": {
                "transitionStatus": "BlockedByFailedLoad",
                "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "no such file"},
            }
        },
    }
    row = controller_decode.inference_service(raw(obj))
    assert (row.mode, row.scaler, row.stopped, row.multi_node) == ("Standard", "keda", True, True)
    assert row.components == (
        ComponentRow("predictor", 0, None),
        ComponentRow("transformer", 2, 5),
    )
    assert row.failure == "ModelLoadFailed: no such file"
    obj["status"]["deploymentMode"] = "Serverless"
    assert controller_decode.inference_service(raw(obj)).mode == "Knative", "the effective mode counts"


def test_a_deployment_of_a_knative_revision_names_its_service() -> None:
    def made(kind: str) -> ControllerRow:
        owner = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": kind,
            "name": "r",
            "uid": "r",
            "controller": True,
        }
        labels = {"serving.kserve.io/inferenceservice": "iris"}
        meta = {"uid": "u", "name": "iris-predictor-00001-deployment", "labels": labels}
        return controller_decode.deployment(
            msgspec.json.encode({"metadata": {**meta, "ownerReferences": [owner]}})
        )

    assert made("Revision").service == "iris"
    assert made("Other").service is None
