"""An InferenceService's status: conditions, addresses and the state of its model (KServe v0.20)."""

from __future__ import annotations

from collections.abc import Sequence

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.kserve_names import CONTAINER
from clients.embedded.controllers.kserve_objects import DOMAIN
from clients.embedded.controllers.kserve_spec import Component

__all__ = [
    "component_state",
    "conditions",
    "knative_status",
    "model_status",
    "standard_status",
    "stopped_status",
]

_READY_OF = {"predictor": "PredictorReady", "transformer": "TransformerReady", "explainer": "ExplainerReady"}

_State = tuple[str, str, str]
"""(status, reason, message) of a condition."""


def component_state(deployment: Json | None) -> _State:
    """What a Deployment says of its component."""
    if deployment is None:
        return ("Unknown", "", "")
    told = {c["type"]: c for c in (deployment.get("status") or {}).get("conditions") or ()}
    available = told.get("Available")
    if available is None:
        return ("Unknown", "", "")
    shown = told.get("Progressing", available) if available["status"] == "True" else available
    return (available["status"], shown.get("reason", ""), shown.get("message", ""))


def conditions(before: Sequence[Json], states: dict[str, _State], now: float) -> list[Json]:
    """Conditions by type, in alphabetical order; the time stays where the status does."""
    known = {c["type"]: c for c in before}
    made = []
    for kind, (status, reason, message) in sorted(states.items()):
        earlier = known.get(kind)
        kept = earlier is not None and earlier.get("status") == status
        told: Json = {"type": kind, "status": status}
        told["lastTransitionTime"] = earlier["lastTransitionTime"] if kept and earlier else timestamp(now)
        if reason:
            told["reason"] = reason
        if message:
            told["message"] = message
        if kind == "Stopped":
            told["severity"] = "Info"
        made.append(told)
    return made


def _overall(states: dict[str, _State]) -> _State:
    for wanted in ("False", "Unknown"):
        for kind, (status, reason, message) in sorted(states.items()):
            if status == wanted and kind != "Stopped":
                return (wanted, reason, message)
    return ("True", "", "")


def _host(obj: Json, name: str) -> str:
    return f"{name}-{obj['metadata']['namespace']}.{DOMAIN}"


def standard_status(
    obj: Json,
    found: Sequence[tuple[Component, Json | None]],
    model: Json | None,
    runtime: str | None,
    now: float,
) -> Json:
    """Of Standard mode: components with their Deployments. ``observedGeneration`` is a Deployment's."""
    before = obj.get("status") or {}
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    states: dict[str, _State] = {
        _READY_OF[component.kind]: component_state(deployment) for component, deployment in found
    }
    states["IngressReady"] = ("True", "", "")
    states["Ready"] = _overall(states)
    states["Stopped"] = ("False", "", "")
    first = found[0][1]
    entry = next((c for c, _ in found if c.kind == "transformer"), found[0][0])
    status: Json = {
        "deploymentMode": "Standard",
        "url": f"http://{_host(obj, name)}",
        "address": {"url": f"http://{entry.name}.{namespace}.svc.cluster.local"},
        "components": {c.kind: {"url": f"http://{_host(obj, c.name)}"} for c, _ in found},
        "conditions": conditions(before.get("conditions") or (), states, now),
        "modelStatus": model or {},
    }
    if runtime:
        status["clusterServingRuntimeName"] = runtime
    if first is not None and "observedGeneration" in (first.get("status") or {}):
        status["observedGeneration"] = first["status"]["observedGeneration"]
    return status


def stopped_status(obj: Json, found: Sequence[Component], now: float) -> Json:
    """Of a service that was told to stop: nothing is left but that."""
    before = obj.get("status") or {}
    states: dict[str, _State] = {_READY_OF[c.kind]: ("False", "Stopped", "") for c in found}
    states["IngressReady"] = ("False", "Stopped", "")
    states["Ready"] = ("False", "Stopped", "")
    states["Stopped"] = ("True", "", "")
    return {
        "deploymentMode": "Standard",
        "components": {},
        "conditions": conditions(before.get("conditions") or (), states, now),
        "modelStatus": {
            "states": {"activeModelState": "", "targetModelState": "Pending"},
            "transitionStatus": "",
        },
    }


def model_status(before: Json, pods: Sequence[Json], available: bool) -> Json:
    """The model's state, judged by the first pod alone; ``totalCopies`` are the ready pods."""
    states = before.get("states") or {}
    if not pods:
        return _model("InProgress", states.get("activeModelState", ""), "Pending", 0)
    ready = sum(_is_ready(pod) for pod in pods)
    if available:
        return _model("UpToDate", "Loaded", "Loaded", ready)
    active = states.get("activeModelState", "")
    told = (pods[0].get("status") or {}).get("containerStatuses") or ()
    container: Json = next((c for c in told if c.get("name") == CONTAINER), told[0] if told else {})
    ended = (container.get("lastState") or {}).get("terminated")
    ended = (container.get("state") or {}).get("terminated") or ended
    if ended and ended.get("exitCode"):
        failure = {
            "reason": "ModelLoadFailed",
            "message": ended.get("message", ""),
            "exitCode": ended["exitCode"],
        }
        model = _model("BlockedByFailedLoad", active, "FailedToLoad", ready, 1)
        return model | {"lastFailureInfo": failure}
    running = "running" in (container.get("state") or {})
    return _model("InProgress", active, "Loading" if running else "Pending", ready)


def _model(transition: str, active: str, target: str, copies: int, failed: int = 0) -> Json:
    return {
        "transitionStatus": transition,
        "states": {"activeModelState": active, "targetModelState": target},
        "copies": {"failedCopies": failed, "totalCopies": copies},
    }


def _is_ready(pod: Json) -> bool:
    told = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in told)


def knative_status(obj: Json, now: float) -> Json:
    """Of Knative mode, where this cluster runs nothing: as it looks once all revisions are ready."""
    name = obj["metadata"]["name"]
    revision = f"{name}-predictor-{obj['metadata'].get('generation', 1):05d}"
    kinds = (
        "IngressReady", "LatestDeploymentReady", "PredictorConfigurationReady", "PredictorReady",
        "PredictorRouteReady", "Ready", "RoutesReady",
    )  # fmt: skip
    made = conditions(
        (obj.get("status") or {}).get("conditions") or (), dict.fromkeys(kinds, ("True", "", "")), now
    )
    for condition in made:
        if condition["type"] not in ("Ready", "PredictorReady", "IngressReady"):
            condition["severity"] = "Info"
    return {
        "deploymentMode": "Knative",
        "url": f"http://{_host(obj, name)}",
        "components": {
            "predictor": {
                "url": f"http://{_host(obj, f'{name}-predictor')}",
                "latestReadyRevision": revision,
                "latestCreatedRevision": revision,
                "traffic": [{"latestRevision": True, "percent": 100, "revisionName": revision}],
            }
        },
        "conditions": made,
        "modelStatus": _model("UpToDate", "Loaded", "Loaded", 0),
        "observedGeneration": obj["metadata"].get("generation", 1),
    }
