"""The fake's HTTP side: faults that were asked for, the gateway's check, then the service's answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from typing import Any
from uuid import uuid4

from aiohttp import web

from clients.embedded.cloud_faults import FaultQueue
from clients.embedded.modelarts.cloud import Cloud, Deployment, NoHpa, Refusal, Service
from clients.embedded.modelarts.gateway import Account, objection
from clients.embedded.simclock import SimClock

__all__ = ["ModelArts"]

Json = dict[str, Any]
_MOST = 500
_PAGE = 10
_FLAVORS: tuple[Json, ...] = (
    {
        "id": "modelarts.demo.gpu.1",
        "name": "GPU: 1 x 80 GB",
        "category": "GPU",
        "gpu": {"gpu": 1, "gpu_memory": "80 GB", "type": "H800"},
        "free": False,
        "sold_out": False,
    },
    {
        "id": "modelarts.demo.gpu.8",
        "name": "GPU: 8 x 80 GB",
        "category": "GPU",
        "gpu": {"gpu": 8, "gpu_memory": "80 GB", "type": "H800"},
        "free": False,
        "sold_out": True,
    },
    {
        "id": "modelarts.demo.npu.4",
        "name": "NPU: 4 x 64 GB",
        "category": "ASCEND",
        "ascend": {"npu": 4, "npu_memory": "64 GB", "type": "Snt9b", "type_alias": "Snt9b2"},
        "free": False,
        "sold_out": False,
    },
)


class ModelArts:
    """The application, ``app``, and what tests and demos turn."""

    def __init__(self, cloud: Cloud, clock: SimClock, account: Account | None = None) -> None:
        self.cloud = cloud
        self.account = account or Account()
        self.faults = FaultQueue()
        self._clock = clock
        self.app = web.Application()
        root = "/v2/{project}/services"
        deployment = root + "/{service}/deployments/{deployment}"
        routes: Sequence[tuple[str, str, Callable[[web.Request, bytes], web.Response]]] = (
            ("GET", root, self._list),
            ("GET", root + "/flavors", self._flavors),
            ("GET", root + "/{service}", self._show),
            ("GET", root + "/{service}/events", self._events),
            ("PUT", deployment + "/scale", self._scale),
            ("POST", deployment + "/stop", self._stop),
            ("POST", deployment + "/start", self._start),
            ("GET", deployment + "/instances", self._instances),
            ("GET", deployment + "/hpa", self._hpa),
        )
        for method, path, answer in routes:
            self.app.router.add_route(method, path, self._guarded(answer))

    def _guarded(
        self, answer: Callable[[web.Request, bytes], web.Response]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            number = uuid4().hex

            async def let_in(body: bytes) -> web.Response:
                return self._let_in(request, body, answer, number)

            response = await self.faults.serve(request, let_in)
            if not response.prepared:
                response.headers["X-Request-Id"] = number
                response.headers["Date"] = formatdate(self._clock.now(), usegmt=True)
            return response

        return handle

    def _let_in(
        self,
        request: web.Request,
        body: bytes,
        answer: Callable[[web.Request, bytes], web.Response],
        number: str,
    ) -> web.Response:
        said = objection(request, body, self.account, self._clock.now())
        if said is not None:
            return _json({"error_code": "APIGW.0301", "error_msg": said, "request_id": number}, 401)
        try:
            if request.match_info["project"] != self.account.project:
                raise Refusal(403, "ModelArts.0105", "no permission for this project")
            return answer(request, body)
        except Refusal as no:
            return _json({"error_code": no.code, "error_msg": no.message}, no.status)

    # -- answers

    def _list(self, request: web.Request, _body: bytes) -> web.Response:
        return _page(request, [_entry(service) for service in self.cloud])

    def _flavors(self, request: web.Request, _body: bytes) -> web.Response:
        wanted = request.query.get("flavor_type")
        return _page(request, [one for one in _FLAVORS if wanted in (None, one["category"])])

    def _show(self, request: web.Request, _body: bytes) -> web.Response:
        return _json(_whole(self._service(request)))

    def _events(self, request: web.Request, _body: bytes) -> web.Response:
        service = self._service(request)
        at = int(service.updated * 1000)
        events = [
            {
                "id": f"e-{number}",
                "service_id": service.id,
                "event_type": kind,
                "event_info": text,
                "event_count": 1,
                "create_at": at,
                "update_at": at,
            }
            for number, (kind, text) in enumerate(service.events)
        ]
        return _page(request, events)

    def _scale(self, request: web.Request, body: bytes) -> web.Response:
        service = self._service(request)
        deployment = self.cloud.named(service, request.match_info["deployment"])
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or set(asked) != {"count"}:
            raise Refusal(400, "ModelArts.0104", "Parameter error: the body has count and nothing else")
        self.cloud.scale(service, deployment, asked["count"])
        return _json(_group(service, deployment))

    def _stop(self, request: web.Request, _body: bytes) -> web.Response:
        service = self._service(request)
        deployment = self.cloud.numbered(service, request.match_info["deployment"])
        self.cloud.stop(service, deployment)
        return _json(_group(service, deployment))

    def _start(self, request: web.Request, _body: bytes) -> web.Response:
        service = self._service(request)
        deployment = self.cloud.numbered(service, request.match_info["deployment"])
        self.cloud.start(service, deployment)
        return _json(_group(service, deployment))

    def _instances(self, request: web.Request, _body: bytes) -> web.Response:
        service = self._service(request)
        name = request.match_info["deployment"]
        wanted = service.deployments if name == "all" else [self.cloud.named(service, name)]
        rows = [
            {
                "instance_name": instance.name,
                "status": instance.status,
                "weight": None,
                "pod_count": 1,
                "running_pod_count": int(instance.status == "RUNNING"),
                "update_at": int(instance.since * 1000),
            }
            for deployment in wanted
            for instance in deployment.instances
        ]
        return _page(request, rows)

    def _hpa(self, request: web.Request, _body: bytes) -> web.Response:
        deployment = self.cloud.numbered(self._service(request), request.match_info["deployment"])
        if deployment.hpa is not None:
            return _json(deployment.hpa)
        match self.cloud.switches.no_hpa:
            case NoHpa.EMPTY:
                return _json({})
            case NoHpa.NOT_FOUND:
                raise Refusal(404, "ModelArts.3511", "hpa does not exist")
            case NoHpa.BAD_REQUEST:
                raise Refusal(400, "ModelArts.3511", "hpa does not exist")

    def _service(self, request: web.Request) -> Service:
        return self.cloud.find(request.match_info["service"])


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(value).encode(), content_type="application/json")


def _page(request: web.Request, rows: Sequence[Json]) -> web.Response:
    try:
        limit, offset = (
            int(request.query.get(name, usual)) for name, usual in (("limit", _PAGE), ("offset", 0))
        )
    except ValueError:
        raise Refusal(400, "ModelArts.0104", "Parameter error: limit and offset are numbers") from None
    if not 1 <= limit <= _MOST or offset < 0 or offset % limit:
        told = f"Parameter error: limit {limit} (1 to {_MOST}), offset {offset} (a multiple of limit)"
        raise Refusal(400, "ModelArts.0104", told)
    shown = list(rows[offset : offset + limit])
    pages = -(-len(rows) // limit)
    return _json(
        {"data": shown, "current": offset // limit, "size": len(shown), "pages": pages, "total": len(rows)}
    )


def _entry(service: Service) -> Json:
    """As it stands in a list: without deployments, times as numbers."""
    return {
        "id": service.id,
        "name": service.name,
        "status": service.shown,
        "type": "REAL_TIME",
        "deploy_type": "SINGLE",
        "task_type": "TEXT_GENERATION",
        "create_at": int(service.created * 1000),
        "update_at": int(service.updated * 1000),
        "frozen_infos": service.frozen,
    }


def _whole(service: Service) -> Json:
    """As it is shown alone: times as text."""
    return {
        **_entry(service),
        "create_at": str(int(service.created * 1000)),
        "update_at": str(int(service.updated * 1000)),
        "failure_reason": service.failure_reason,
        "predict_url": [{"type": "PUBLIC", "urls": [service.url]}] if service.url else [],
        "version": {
            "version": "1.0.1",
            "instance_groups": [_group(service, deployment) for deployment in service.deployments],
        },
    }


def _group(service: Service, deployment: Deployment) -> Json:
    return {
        "id": deployment.id,
        "name": deployment.name,
        "pool_id": deployment.pool,
        "count": deployment.count,
        "running_count": deployment.running_count,
        "status": deployment.status,
        "deploy_type": "SINGLE",
        "version": "1.0.1",
        "weight": 100 // len(service.deployments),
        "unit_configs": [{"role": "COMMON", "flavor": deployment.flavor}],
        "create_at": str(int(service.created * 1000)),
        "update_at": int(service.updated * 1000),
    }
