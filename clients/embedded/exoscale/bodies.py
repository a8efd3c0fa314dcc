"""How the fake writes what it has, and reads what it is asked: JSON with keys in kebab-case."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from clients.embedded.exoscale.zone import Deployment, Family, Model, Operation, Refusal, Zone

__all__ = ["engine_help", "entry", "family", "fields", "model", "operation", "quota", "time", "whole"]

Json = dict[str, Any]


def fields(body: bytes, *, needed: dict[str, type], allowed: dict[str, type] | None = None) -> Json:
    """The keys of a request; raises Refusal for missing, unknown and wrongly typed ones."""
    allowed = allowed or {}
    try:
        told = json.loads(body)
    except ValueError:
        raise Refusal(400, "Bad Request", "The body is not JSON") from None
    if not isinstance(told, dict):
        raise Refusal(422, "Unprocessable Content", "The body is not an object")
    errors = [f"{name}: missing" for name in needed if name not in told]
    errors += [f"{name}: unknown" for name in told if name not in needed and name not in allowed]
    for name, kind in {**needed, **allowed}.items():
        value = told.get(name)
        if name in told and (not isinstance(value, kind) or isinstance(value, bool)):
            errors.append(f"{name}: wrong type")
    if errors:
        raise Refusal(422, "Unprocessable Content", "The body does not match the schema", tuple(errors))
    return told


def time(seconds: float) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(zone: Zone, deployment: Deployment) -> Json:
    """As it stands in a list. A public one is of Managed Inference, and tells neither id nor GPUs."""
    told: Json = {
        "name": deployment.name,
        zone.switches.field: deployment.state,
        "deployment-url": deployment.url,
        "visibility": "public" if deployment.public else "private",
        "model": {"id": deployment.model.id, "name": deployment.model.name},
    }
    if deployment.public:
        return told
    return {
        "id": deployment.id,
        **told,
        "gpu-type": deployment.gpu_type,
        "gpu-count": deployment.gpu_count,
        "replicas": deployment.shown,
        "service-level": deployment.level,
        "created-at": time(deployment.created),
        "updated-at": time(deployment.updated),
    }


def whole(zone: Zone, deployment: Deployment) -> Json:
    """As it is shown alone."""
    return {
        **entry(zone, deployment),
        "state-details": deployment.details,
        "inference-engine-version": deployment.engine,
        "inference-engine-parameters": list(deployment.parameters),
    }


def operation(done: Operation) -> Json:
    """Reason and message only where there are any: a failed one may have neither."""
    told: Json = {"id": done.id, "state": done.state}
    told |= {"reason": done.reason} if done.reason else {}
    told |= {"message": done.message} if done.message else {}
    link = f"/v2/ai/deployment/{done.about}"
    return {**told, "reference": {"id": done.about, "link": link, "command": "get-deployment"}}


def model(zone: Zone, known: Model) -> Json:
    """A model of the organisation; it has been there for as long as the zone."""
    made = time(zone.began)
    told: Json = {"id": known.id, "name": known.name, "state": "ready", "model-size": known.size}
    return {**told, "created-at": made, "updated-at": made}


def engine_help() -> Json:
    """A few of the words that an engine takes."""
    return {
        "parameters": [
            {
                "name": name,
                "flags": [f"--{name}"],
                "type": kind,
                "default": default,
                "allowed-values": [],
                "description": description,
                "section": "ModelConfig",
            }
            for name, kind, default, description in (
                ("max-model-len", "integer", "None", "Model context length"),
                ("dtype", "string", "auto", "Data type for model weights and activations"),
            )
        ]
    }


def family(known: Family) -> Json:
    """A GPU type."""
    return {"family": known.name, "authorized": known.authorized}


def quota(zone: Zone, known: Family) -> Json:
    """What of a GPU type is used and allowed."""
    return {"resource": known.name, "usage": zone.usage(known.name), "limit": known.limit}
