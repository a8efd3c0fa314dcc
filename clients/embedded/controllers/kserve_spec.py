"""What an InferenceService says: its mode, its autoscaler class, its components and their bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kserve_names import AUTOSCALER_CLASS, COMPONENTS, DEPLOYMENT_MODE, STOP

__all__ = ["MODES", "Component", "autoscaler_class", "components", "mode", "stopped"]

MODES = {"RawDeployment": "Standard", "Serverless": "Knative"}
"""Former names of deployment modes."""
_FORMATS = (
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
)


class Component(Struct):
    """One component of an InferenceService."""

    kind: str
    """predictor, transformer or explainer."""
    name: str
    """Of its Deployment, Service and HPA."""
    spec: Json

    @property
    def least(self) -> int:
        """Fewest replicas, as written."""
        told = self.spec.get("minReplicas")
        return 1 if told is None else int(told)

    @property
    def bounds(self) -> tuple[int, int]:
        """Of an HPA: at least 1, and a maximum below the minimum (or none) is the minimum."""
        least = max(1, self.least)
        return least, max(least, int(self.spec.get("maxReplicas") or 0))

    @property
    def model(self) -> Json | None:
        """The model of a predictor that leaves its container to a serving runtime."""
        told: Json | None = self.spec.get("model")
        if told is not None:
            return told
        for name in _FORMATS:
            if name in self.spec:
                return {"modelFormat": {"name": name}, **(self.spec[name] or {})}
        return None


def _annotation(obj: Json, name: str) -> Any:
    return (obj["metadata"].get("annotations") or {}).get(name)


def mode(obj: Json) -> str:
    """Standard, Knative or ModelMesh; Standard where nothing is said, as this cluster is configured."""
    told = (obj.get("status") or {}).get("deploymentMode") or _annotation(obj, DEPLOYMENT_MODE) or "Standard"
    return MODES.get(told, told)


def autoscaler_class(obj: Json) -> str:
    """hpa, external, keda or none."""
    return _annotation(obj, AUTOSCALER_CLASS) or "hpa"


def stopped(obj: Json) -> bool:
    """Whether it was told to stop."""
    return str(_annotation(obj, STOP)).lower() == "true"


def components(obj: Json) -> Iterator[Component]:
    """Those it has."""
    spec = obj.get("spec") or {}
    for kind in COMPONENTS:
        if isinstance(spec.get(kind), dict):
            yield Component(kind, f"{obj['metadata']['name']}-{kind}", spec[kind])
