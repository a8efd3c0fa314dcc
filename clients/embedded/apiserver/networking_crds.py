"""Kthena's networking resources (main, August 2026): by which model name requests reach which pods.

Of ModelRoute, rate limits pass unchecked.
"""

from __future__ import annotations

from clients.embedded.apiserver.crd_parts import (
    AGE,
    ANYTHING,
    INT32,
    TEXT,
    choice,
    count,
    definition,
    list_of,
    map_of,
    object_of,
    validations,
)
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.rules import UNCHANGED

__all__ = ["networking_crds"]

_GROUP = "networking.serving.volcano.sh"
_EMPTY: Json = {"type": "object"}


def _model_server() -> Json:
    labels = map_of(TEXT)
    pairs = object_of(
        {"groupKey": TEXT, "prefillLabels": labels, "decodeLabels": labels},
        "decodeLabels",
        "groupKey",
        "prefillLabels",
    )
    retry = object_of({"attempts": INT32, "retryInterval": TEXT | {"default": "100ms"}})
    spec = object_of(
        {
            "inferenceEngine": choice("vLLM", "SGLang"),
            "model": TEXT | {"maxLength": 256},
            "kvConnector": object_of({"type": choice("http", "lmcache", "nixl", "mooncake", default="http")}),
            "trafficPolicy": object_of({"retry": retry, "timeout": TEXT}),
            "workloadPort": object_of(
                {"port": count(1, 65535), "protocol": choice("http", "https", default="http")}, "port"
            ),
            "workloadSelector": object_of({"matchLabels": labels, "pdGroup": pairs}),
        },
        "inferenceEngine",
        "workloadPort",
        "workloadSelector",
    )
    columns = [
        {"name": "Engine", "type": "string", "jsonPath": ".spec.inferenceEngine"},
        {"name": "Port", "type": "integer", "jsonPath": ".spec.workloadPort.port"},
        {"name": "Protocol", "type": "string", "jsonPath": ".spec.workloadPort.protocol"},
        AGE,
    ]
    return definition(_GROUP, "v1alpha1", "modelservers", "ModelServer", spec, _EMPTY, columns)


def _model_route() -> Json:
    match = object_of({"exact": TEXT, "prefix": TEXT, "regex": TEXT})
    target = object_of(
        {
            "modelServerName": TEXT,
            "externalModelProviderName": TEXT,
            "weight": count(0, 100, default=100),
        }
    )
    rule = object_of(
        {
            "name": TEXT,
            "modelMatch": object_of(
                {"headers": map_of(match), "uri": match, "body": object_of({"model": TEXT})}
            ),
            "targetModels": list_of(target, minItems=1, maxItems=16),
        },
        "targetModels",
    )
    parent = object_of(
        {"group": TEXT, "kind": TEXT, "namespace": TEXT, "name": TEXT, "sectionName": TEXT, "port": INT32},
        "name",
    )
    spec = object_of(
        {
            "modelName": TEXT | validations((UNCHANGED, "modelName is immutable")),
            "loraAdapters": list_of(TEXT, maxItems=10),
            "parentRefs": list_of(parent),
            "rateLimit": ANYTHING,
            "rules": list_of(rule, maxItems=16),
        },
        "rules",
    )
    return definition(_GROUP, "v1alpha1", "modelroutes", "ModelRoute", spec, _EMPTY, [AGE])


def networking_crds() -> list[Json]:
    """ModelServer and ModelRoute."""
    return [_model_server(), _model_route()]
