"""KServe's webhooks for InferenceServices: what they rewrite and what they refuse (v0.20)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kserve_names import AUTOSCALER_CLASS, DEPLOYMENT_MODE
from clients.embedded.controllers.kserve_spec import MODES, Component, autoscaler_class, components, mode

__all__ = ["review", "with_defaults"]

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_CLASSES = ("hpa", "external", "keda", "none")
_KNATIVE_CLASS = "autoscaling.knative.dev/class"


def with_defaults(obj: Json) -> Json:
    """Completes an InferenceService in place, and returns it: modes get their present names."""
    annotations = obj["metadata"].setdefault("annotations", {})
    told = annotations.get(DEPLOYMENT_MODE, "Standard")
    annotations[DEPLOYMENT_MODE] = MODES.get(told, told)
    predictor = (obj.get("spec") or {}).get("predictor")
    if isinstance(predictor, dict):
        component = Component("predictor", "", predictor)
        model = component.model
        if model is not None and "model" not in predictor:
            del predictor[model["modelFormat"]["name"]]
            predictor["model"] = model
    return obj


def review(operation: str, old: Json | None, new: Json | None, subresource: str | None) -> list[str] | None:
    """The admission hook; completes ``new`` in place. Raises ApiError 403 for what is refused."""
    if operation not in ("CREATE", "UPDATE") or subresource or new is None:
        return None
    fault = next(_faults(with_defaults(new), old), None)
    if fault is None:
        return None
    webhook = "inferenceservice.kserve-webhook-server.validator"
    raise ApiError(403, "Forbidden", f'admission webhook "{webhook}" denied the request: {fault}')


def _faults(obj: Json, old: Json | None) -> Iterator[str]:
    name = obj["metadata"].get("name", "")
    if not _NAME.fullmatch(name):
        yield (
            f'the InferenceService "{name}" is invalid: a InferenceService name must consist of lower case '
            "alphanumeric characters or '-', and must start with alphabetical character. (e.g. \"my-name\" "
            "or \"abc-123\", regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
        )
    kind = autoscaler_class(obj)
    if kind not in _CLASSES:
        yield f"[{kind}] is not a supported autoscaler class type.\n"
    if old is not None:
        wanted = obj["metadata"]["annotations"][DEPLOYMENT_MODE]
        was = (old.get("status") or {}).get("deploymentMode") or mode(old)
        if was != wanted:
            yield f"update rejected: deploymentMode cannot be changed from '{was}' to '{wanted}'"
    found = list(components(obj))
    if not any(c.kind == "predictor" for c in found):
        yield "the InferenceService must have a predictor"
    for component in found:
        yield from _component_faults(obj, component)


def _component_faults(obj: Json, component: Component) -> Iterator[str]:
    spec = component.spec
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 0:
        yield "MinReplicas cannot be less than 0."
    if most < 0:
        yield "MaxReplicas cannot be less than 0."
    if most and least is not None and least > most:
        yield "'MinReplicas' cannot be greater than MaxReplicas."
    annotations = obj["metadata"]["annotations"]
    metric, kind = spec.get("scaleMetric"), annotations.get(AUTOSCALER_CLASS)
    if spec.get("workerSpec") is not None and kind != "none":
        yield "multi-node InferenceServices need the autoscaler class none"
    if annotations[DEPLOYMENT_MODE] == "Standard":
        if kind == "keda" and metric is not None:
            yield "scaleMetric is not supported for the autoscaler class keda: use autoScaling.metrics"
        if kind == "hpa":
            yield from _hpa_faults(metric, spec.get("scaleTarget"))
        return
    if annotations.get(_KNATIVE_CLASS) == "hpa.autoscaling.knative.dev":
        return
    if metric is not None and metric not in ("concurrency", "rps"):
        yield f"[{metric}] is not a supported metric.\n"
    if spec.get("deploymentStrategy") is not None:
        yield "customizing deploymentStrategy is only supported for raw deployment mode"


def _hpa_faults(metric: str | None, target: int | None) -> Iterator[str]:
    if metric is not None and metric not in ("cpu", "memory"):
        yield f"[{metric}] is not a supported metric.\n"
    if target is None:
        return
    if metric in (None, "cpu") and not 1 <= target <= 100:
        yield "the target utilization percentage should be a [1-100] integer"
    elif metric == "memory" and target > 100:
        yield "the target memory should be at most 100"
