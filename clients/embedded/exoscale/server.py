"""The fake's HTTP side: faults that were asked for, the check of the signature, then the zone's answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any

from aiohttp import web

from clients.embedded.cloud_faults import FaultQueue
from clients.embedded.exoscale import bodies
from clients.embedded.exoscale.signature import Account, objection
from clients.embedded.exoscale.zone import Deployment, Model, Refusal, Zone

__all__ = ["ZoneServer"]

Answer = Callable[[web.Request, bytes], Any]
_SIZES = {"replicas": int, "gpu-count": int}
_CREATE = {"name": str, "model": dict, "gpu-type": str, **_SIZES}
_ENGINE = {"inference-engine-parameters": list, "inference-engine-version": str}
_LOG = (
    "INFO vLLM API server version {engine}",
    "INFO Loading model weights of {model}",
    "INFO Model loading took {gpus} GPUs and 41.2 seconds",
    "INFO Application startup complete.",
    "INFO Avg prompt throughput: 812.4 tokens/s, Avg generation throughput: 301.9 tokens/s, Running: 6 reqs",
)


class ZoneServer:
    """The application of one zone, ``app``, and what tests and demos turn.

    ``endpoints`` tells every zone's base URL: ``/zone`` is the same everywhere.
    """

    def __init__(
        self, zone: Zone, endpoints: Callable[[], Mapping[str, str]], account: Account | None = None
    ) -> None:
        self.zone = zone
        self.account = account or Account()
        self.faults = FaultQueue()
        self._endpoints = endpoints
        self.app = web.Application()
        one = "/v2/ai/deployment/{id}"
        routes: Sequence[tuple[str, str, Answer]] = (
            ("GET", "/v2/ai/deployment", self._list),
            ("POST", "/v2/ai/deployment", self._create),
            ("GET", one, self._show),
            ("PATCH", one, self._update),
            ("DELETE", one, self._delete),
            ("POST", f"{one}/scale", self._scale),
            ("GET", f"{one}/api-key", self._reveal),
            ("GET", f"{one}/logs", self._logs),
            ("GET", "/v2/ai/instance-type", self._families),
            ("GET", "/v2/ai/help/inference-engine-parameters", self._help),
            ("GET", "/v2/ai/model", self._models),
            ("POST", "/v2/ai/model", self._create_model),
            ("GET", "/v2/ai/model/{id}", self._show_model),
            ("DELETE", "/v2/ai/model/{id}", self._delete_model),
            ("GET", "/v2/operation/{id}", self._operation),
            ("GET", "/v2/quota", self._quotas),
            ("GET", "/v2/quota/{entity}", self._quota),
        )
        for method, path, answer in routes:
            self.app.router.add_route(method, path, self._guarded(answer, signed=True))
        self.app.router.add_get("/v2/zone", self._guarded(self._zones, signed=False))

    def _guarded(self, answer: Answer, *, signed: bool) -> Callable[[web.Request], Awaitable[Any]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            async def let_in(body: bytes) -> web.Response:
                said = objection(request, body, self.account, self.zone.now) if signed else None
                try:
                    if said is not None:
                        raise Refusal(403, "Forbidden", said)
                    response = _json(answer(request, body))
                except Refusal as no:
                    response = _problem(no)
                response.headers["Date"] = formatdate(self.zone.now, usegmt=True)
                return response

            return await self.faults.serve(request, let_in)

        return handle

    # -- deployments

    def _list(self, request: web.Request, _body: bytes) -> Any:
        wanted = request.query.get("visibility")
        found = [bodies.entry(self.zone, one) for one in self.zone]
        return {"deployments": [one for one in found if wanted in (None, one["visibility"])]}

    def _show(self, request: web.Request, _body: bytes) -> Any:
        return bodies.whole(self.zone, self._found(request))

    def _found(self, request: web.Request) -> Deployment:
        return self.zone.find(request.match_info["id"])

    def _scale(self, request: web.Request, body: bytes) -> Any:
        told = bodies.fields(body, needed={"replicas": int})
        return bodies.operation(self.zone.scale(self._found(request), told["replicas"]))

    def _create(self, _request: web.Request, body: bytes) -> Any:
        told = bodies.fields(body, needed=_CREATE, allowed={**_ENGINE, "product-name": str})
        made = Deployment(
            told["name"],
            self._model(told["model"]),
            told["gpu-type"],
            told["gpu-count"],
            told["replicas"],
            parameters=tuple(map(str, told.get("inference-engine-parameters", ()))),
            engine=told.get("inference-engine-version", "0.28.0"),
        )
        return bodies.operation(self.zone.create(made))

    def _model(self, reference: Mapping[str, Any]) -> Model:
        for known in self.zone.models.values():
            if reference.get("id") == known.id or reference.get("name") == known.name:
                return known
        raise Refusal(400, "Bad Request", f"Unknown model {reference.get('name') or reference.get('id')}")

    def _update(self, request: web.Request, body: bytes) -> Any:
        told = bodies.fields(body, needed={}, allowed={"name": str, **_ENGINE})
        deployment = self._found(request)
        operation = self.zone.update(deployment)
        deployment.name = told.get("name", deployment.name)
        deployment.engine = told.get("inference-engine-version", deployment.engine)
        words = told.get("inference-engine-parameters", deployment.parameters)
        deployment.parameters = tuple(map(str, words))
        return bodies.operation(operation)

    def _delete(self, request: web.Request, _body: bytes) -> Any:
        return bodies.operation(self.zone.delete(self._found(request)))

    def _reveal(self, request: web.Request, _body: bytes) -> Any:
        return {"api-key": self._found(request).api_key}

    def _logs(self, request: web.Request, _body: bytes) -> Any:
        deployment = self._found(request)
        try:
            tail = int(request.query.get("tail", "10"))
        except ValueError:
            raise Refusal(400, "Bad Request", "tail must be a number") from None
        time = bodies.time(deployment.updated)
        facts = {"engine": deployment.engine, "model": deployment.model.name, "gpus": deployment.gpu_count}
        lines = [
            {"time": time, "node": f"node-{number}", "message": line.format_map(facts)}
            for number in range(1, deployment.shown + 1)
            for line in _LOG
        ]
        return {"logs": lines[-tail:] if tail > 0 else []}

    # -- what belongs to it

    def _families(self, _request: web.Request, _body: bytes) -> Any:
        return {"instance-types": [bodies.family(known) for known in self.zone.families.values()]}

    def _help(self, _request: web.Request, _body: bytes) -> Any:
        return bodies.engine_help()

    def _models(self, _request: web.Request, _body: bytes) -> Any:
        return {"models": [bodies.model(self.zone, known) for known in self.zone.models.values()]}

    def _create_model(self, _request: web.Request, body: bytes) -> Any:
        told = bodies.fields(body, needed={"name": str}, allowed={"huggingface-token": str})
        made = self.zone.models.setdefault(told["name"], Model(told["name"]))
        return {"state": "success", "reference": {"id": made.id, "command": "get-model"}}

    def _show_model(self, request: web.Request, _body: bytes) -> Any:
        return bodies.model(self.zone, self._model_by_id(request))

    def _delete_model(self, request: web.Request, _body: bytes) -> Any:
        known = self._model_by_id(request)
        users = [one.name for one in self.zone if one.model.name == known.name]
        if users:
            raise Refusal(412, "Precondition Failed", "Model is in use", tuple(users))
        del self.zone.models[known.name]
        return {"state": "success", "reference": {"id": known.id, "command": "get-model"}}

    def _model_by_id(self, request: web.Request) -> Model:
        wanted = request.match_info["id"]
        for known in self.zone.models.values():
            if known.id == wanted:
                return known
        raise Refusal(404, "Not Found", f"Model {wanted} not found")

    def _operation(self, request: web.Request, _body: bytes) -> Any:
        found = self.zone.operations.get(request.match_info["id"])
        if found is None:
            raise Refusal(404, "Not Found", "Operation not found")
        return bodies.operation(found)

    def _quotas(self, _request: web.Request, _body: bytes) -> Any:
        return {"quotas": [bodies.quota(self.zone, known) for known in self.zone.families.values()]}

    def _quota(self, request: web.Request, _body: bytes) -> Any:
        known = self.zone.families.get(request.match_info["entity"])
        if known is None:
            raise Refusal(404, "Not Found", "Quota not found")
        return bodies.quota(self.zone, known)

    def _zones(self, _request: web.Request, _body: bytes) -> Any:
        found = [{"name": name, "api-endpoint": url} for name, url in self._endpoints().items()]
        return {"zones": found}


def _json(value: object, status: int = 200, kind: str = "application/json") -> web.Response:
    return web.Response(status=status, body=json.dumps(value).encode(), content_type=kind)


def _problem(no: Refusal) -> web.Response:
    """As RFC 9457 has it."""
    kind = "#/http-problem-types/" + no.title.lower().replace(" ", "-")
    told: dict[str, Any] = {"type": kind, "title": no.title, "status": no.status, "detail": no.detail}
    if no.errors:
        told["errors"] = list(no.errors)
    return _json(told, no.status, "application/problem+json")
