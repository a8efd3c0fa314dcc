"""Names, labels and annotations of KServe (v0.20)."""

from __future__ import annotations

__all__ = [
    "AUTOSCALER_CLASS",
    "COMPONENTS",
    "COMPONENT_LABEL",
    "CONTAINER",
    "DEPLOYMENT_MODE",
    "INFERENCE_SERVICES",
    "ISVC_LABEL",
    "MANAGER",
    "SOURCE_URI",
    "STOP",
]

INFERENCE_SERVICES = "inferenceservices.serving.kserve.io"
MANAGER = "manager"
"""kserve-controller-manager's binary: the field manager that its writes show."""
COMPONENTS = ("predictor", "transformer", "explainer")
CONTAINER = "kserve-container"

_PREFIX = "serving.kserve.io/"
DEPLOYMENT_MODE = _PREFIX + "deploymentMode"
AUTOSCALER_CLASS = _PREFIX + "autoscalerClass"
STOP = _PREFIX + "stop"
ISVC_LABEL = _PREFIX + "inferenceservice"
COMPONENT_LABEL = "component"
SOURCE_URI = "internal.serving.kserve.io/storage-initializer-sourceuri"
