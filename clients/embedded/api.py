"""The embedded cluster's HTTP server: requests in, store out, everything in the cluster's time.

Plain HTTP on loopback. The Host header is checked, so that a web page cannot reach it by rebinding a
name to 127.0.0.1. A request without a token is the administrator's; a token that is sent is checked.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from clients.clock import Clock
from clients.embedded.apiserver import discovery, openapi
from clients.embedded.apiserver.access import Account, Identity
from clients.embedded.apiserver.aggregated import (
    Aggregated,
    AggregatedPath,
    NothingBehind,
    add_groups,
    discover,
    split_path,
)
from clients.embedded.apiserver.errors import (
    ApiError,
    Cause,
    bad_request,
    invalid,
    not_found,
    plain_not_found,
    unsupported_media_type,
)
from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.apiserver.podlogs import Logs, LogSource
from clients.embedded.apiserver.proxy import PodPages, Proxy
from clients.embedded.apiserver.rbac import Rights
from clients.embedded.apiserver.reads import Reader
from clients.embedded.apiserver.requests import (
    Target,
    body_object,
    field_manager,
    flag,
    parse_body,
    read_accept,
    resolve,
)
from clients.embedded.apiserver.responses import Responder
from clients.embedded.apiserver.reviews import review
from clients.embedded.apiserver.stream import Streams
from clients.embedded.apiserver.tables import Tables
from clients.embedded.apiserver.writes import Outcome, WriteOptions, Writer
from clients.embedded.store import Store

__all__ = ["SERVER", "ApiServer", "make_app", "serve"]

_log = logging.getLogger(__name__)

_HOSTS = frozenset(("127.0.0.1", "localhost", "[::1]"))
_HEALTH = ("healthz", "readyz", "livez")
_CHECKS = ("ping", "log", "etcd", "poststarthook/start-apiextensions-informers")
_MAX_BODY = 16 << 20
_OPTION_KINDS = {"PUT": "UpdateOptions", "PATCH": "PatchOptions"}
_PROXY_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+embedded",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}

ExtraRoutes = Callable[[web.UrlDispatcher], None]


class ApiServer:
    """Answers every request of one cluster."""

    def __init__(
        self,
        store: Store,
        *,
        identity: Identity,
        clock: Clock,
        clock_rate: Callable[[], float],
        bookmark_seconds: float,
        pages: Sequence[PodPages],
    ) -> None:
        self._store = store
        self._identity = identity
        self._rights = Rights(store)
        self._clock_rate = clock_rate
        self._responder = Responder(clock)
        tables = Tables(clock)
        self._reader = Reader(store, tables)
        self._writer = Writer(store)
        self._streams = Streams(store, self._responder, tables, bookmark_seconds=bookmark_seconds)
        self._logs = Logs(self._responder, clock.now)
        self._proxy = Proxy(store, self._responder, pages)
        self._aggregated: Aggregated = NothingBehind()

    @property
    def open_streams(self) -> int:
        """How many watches are open."""
        return self._streams.count

    def set_log_source(self, source: LogSource) -> None:
        """Where container logs come from."""
        self._logs.source = source

    def set_aggregated(self, behind: Aggregated) -> None:
        """Who answers for API groups of their own."""
        self._aggregated = behind

    def close(self) -> None:
        """Ends streams."""
        self._streams.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        try:
            _check_host(request)
            account = self._identity.identify(request.headers, self._rights.require)
            return await self._route(request, account)
        except ApiError as error:
            return self._responder.error(error)
        except (ConnectionError, web.HTTPException):
            raise
        except Exception as error:
            _log.exception("%s %s failed", request.method, request.path)
            message = f"Internal error occurred: {type(error).__name__}"
            return self._responder.error(ApiError(500, "InternalError", message))

    async def _route(self, request: web.Request, account: Account) -> web.StreamResponse:
        path = request.path
        first = path.strip("/").partition("/")[0]
        if first not in ("api", "apis"):
            return self._other(request, path.strip("/"))
        behind = split_path(self._aggregated, path)
        if behind is not None:
            return self._behind(request, account, behind)
        target = resolve(self._store.registry, path)
        if target is None:
            return self._discovery(request, path.strip("/"))
        if target.subresource is not None and not self._has_subresource(target):
            raise _no_subresource(target)
        return await self._resource(request, account, target)

    def _behind(self, request: web.Request, account: Account, path: AggregatedPath) -> web.Response:
        _only(request, "GET")
        read_accept(request.headers.get("Accept"))
        self._rights.require(account, path.attributes)
        return self._responder.json(self._aggregated.answer(path, request.query))

    # -- what is no resource ---------------------------------------------------------------------------

    def _other(self, request: web.Request, path: str) -> web.StreamResponse:
        if path == "version":
            return self._responder.json({**_VERSION, "clockRate": self._clock_rate()})
        root, _, check = path.partition("/")
        if root in _HEALTH:
            if check and check not in _CHECKS:
                raise plain_not_found()
            if flag(request.query, "verbose"):
                told = "".join(f"[+]{name} ok\n" for name in _CHECKS)
                return self._responder.text(f"{told}{root} check passed\n")
            return self._responder.text("ok")
        if path == "":
            paths = [
                "/api",
                "/api/v1",
                "/apis",
                "/healthz",
                "/livez",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz",
                "/version",
            ]
            return self._responder.json({"paths": paths})
        if path == "openapi/v2":
            read_accept(request.headers.get("Accept"))
            return self._responder.json(openapi.document_v2(self._store.registry))
        if path == "openapi/v3":
            return self._responder.json(openapi.index_v3(self._store.registry))
        if path.startswith("openapi/v3/"):
            document = openapi.document_v3(self._store.registry, path.removeprefix("openapi/v3/"))
            if document is not None:
                return self._responder.json(document)
        raise plain_not_found()

    def _discovery(self, request: web.Request, path: str) -> web.StreamResponse:
        registry = self._store.registry
        if path in ("api", "apis"):
            accept = read_accept(request.headers.get("Accept"), "APIGroupDiscoveryList")
            if accept.kind is not None:
                body = discovery.aggregated(registry, core=path == "api", version=accept.version)
                if path == "apis":
                    add_groups(self._aggregated, body)
                media = discovery.AGGREGATED_TYPE.format(version=accept.version)
                return self._responder.raw(encode(body), content_type=media)
            if path == "api":
                return self._responder.json(discovery.api_versions(request.host))
            return self._responder.json(add_groups(self._aggregated, discovery.group_list(registry)))
        steps = path.split("/")
        found: Json | None = discover(self._aggregated, steps)
        if found is not None:
            return self._responder.json(found)
        if steps[0] == "api" and len(steps) == 2:
            found = discovery.resource_list(registry, "", steps[1])
        elif steps[0] == "apis" and len(steps) == 2:
            found = discovery.group(registry, steps[1])
        elif steps[0] == "apis" and len(steps) == 3:
            found = discovery.resource_list(registry, steps[1], steps[2])
        if found is None:
            raise plain_not_found()
        return self._responder.json(found)

    # -- resources -------------------------------------------------------------------------------------

    def _has_subresource(self, target: Target) -> bool:
        sub, resource = target.subresource, target.resource
        return (
            (sub == "status" and resource.status)
            or (sub == "scale" and resource.scale is not None)
            or (sub == "log" and resource.key == "pods")
            or (sub == "proxy" and resource.key in ("pods", "services", "nodes"))
        )

    async def _resource(self, request: web.Request, account: Account, target: Target) -> web.StreamResponse:
        if target.subresource == "proxy":
            self._rights.require(account, target.attributes(_PROXY_VERBS.get(request.method, "get")))
            return await self._proxy.answer(request, target)
        if target.subresource == "log":
            _only(request, "GET")
            self._rights.require(account, target.attributes("get"))
            return await self._logs.answer(request, target, self._object(target))
        if target.resource.verbs == ("create",):
            return await self._review(request, account, target)
        one = target.name is not None
        handlers: dict[str, tuple[str, Callable[..., Awaitable[web.StreamResponse]]]] = {
            "GET": ("get", self._get) if one else ("list", self._list_or_watch),
            "HEAD": ("get", self._get) if one else ("list", self._list_or_watch),
            "POST": ("create", self._create),
            "PUT": ("update", self._update),
            "PATCH": ("patch", self._patch),
            "DELETE": ("delete", self._delete) if one else ("deletecollection", self._delete_collection),
        }
        known = handlers.get(request.method)
        if known is None:
            raise _not_allowed()
        _check_place(request.method, target)
        verb, handler = known
        if verb == "list" and flag(request.query, "watch"):
            verb = "watch"
        self._rights.require(account, target.attributes(verb))
        return await handler(request, target)

    def _object(self, target: Target) -> Json:
        definition = target.resource
        record = self._reader.record(target)
        return record.decode(definition.kind, target.api_version)

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.subresource == "scale":
            return self._responder.json(self._writer.scale(target))
        accept = read_accept(request.headers.get("Accept"), "Table", "PartialObjectMetadata")
        return self._responder.raw(self._reader.get(target, accept, request.query))

    async def _list_or_watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        shapes = ("Table", "PartialObjectMetadataList", "PartialObjectMetadata")
        accept = read_accept(request.headers.get("Accept"), *shapes)
        if flag(request.query, "watch"):
            selection = self._reader.selection(target, request.query)
            return await self._streams.watch(request, target, selection, accept)
        listing = await self._reader.list(target, accept, request.query)
        if not listing.long:
            return self._responder.raw(b"".join(listing.chunks))
        response = web.StreamResponse(headers=self._responder.headers())
        await response.prepare(request)
        for chunk in listing.chunks:
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _review(self, request: web.Request, account: Account, target: Target) -> web.StreamResponse:
        _only(request, "POST")
        body = await body_object(request)
        return self._responder.json(review(target.resource.kind, body, account, self._rights), 201)

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = _write_options(request)
        return self._answer(self._writer.create(target, await body_object(request), options))

    async def _update(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = _write_options(request)
        return self._answer(self._writer.replace(target, await body_object(request), options))

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = _write_options(request)
        media = request.content_type
        if not media.endswith(("+json", "+yaml")):
            raise unsupported_media_type(f"the body of the request was in an unknown format: {media}")
        patch = parse_body(await request.read(), as_yaml=media.endswith("+yaml"))
        return self._answer(self._writer.patch(target, media, patch, options))

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.subresource is not None:
            raise _not_allowed(target)
        told, dry_run = await _delete_options(request)
        return self._answer(self._writer.delete(target, told, dry_run))

    async def _delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        told, dry_run = await _delete_options(request)
        selection = self._reader.selection(target, request.query)
        return self._answer(self._writer.delete_collection(target, selection.matches, told, dry_run))

    def _answer(self, outcome: Outcome) -> web.Response:
        return self._responder.json(outcome.body, outcome.status, warnings=outcome.warnings)


def _check_host(request: web.Request) -> None:
    host = request.headers.get("Host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host
    if name not in _HOSTS:
        raise ApiError(403, "Forbidden", "this server answers only to loopback names")


def _only(request: web.Request, method: str) -> None:
    if request.method != method:
        raise _not_allowed()


def _not_allowed(target: Target | None = None) -> ApiError:
    message = "the server does not allow this method on the requested resource"
    details = {}
    if target is not None and target.resource.custom:
        details = {"group": target.resource.group, "kind": target.resource.plural}
    return ApiError(405, "MethodNotAllowed", message, details=details)


def _check_place(method: str, target: Target) -> None:
    """Writes need a name, creates a collection. A custom resource is routed, and refused, differently."""
    definition = target.resource
    if method in ("PUT", "PATCH") and target.name is None:
        raise bad_request("name must be provided") if definition.custom else _not_allowed()
    if method != "POST":
        return
    if definition.namespaced and not target.namespace:
        raise plain_not_found() if definition.custom else _not_allowed()
    if target.subresource is not None or (target.name is not None and not definition.custom):
        raise _not_allowed(target)


def _no_subresource(target: Target) -> ApiError:
    if target.resource.custom:
        return not_found(target.resource.group, target.resource.plural, target.name or "")
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def _dry_run(told: Any, kind: str) -> bool:
    values = told if isinstance(told, list) else [told] if told else []
    if any(v != "All" for v in values):
        raise _bad_option(kind, "dryRun", encode(values).decode(), '"All"')
    return bool(values)


def _bad_option(kind: str, field: str, value: str, supported: str) -> ApiError:
    why = f"Unsupported value: {value}: supported values: {supported}"
    return invalid("meta.k8s.io", kind, "", [Cause("FieldValueNotSupported", why, field)])


def _write_options(request: web.Request) -> WriteOptions:
    query = request.query
    validation = query.get("fieldValidation") or "Warn"
    kind = _OPTION_KINDS.get(request.method, "CreateOptions")
    if validation not in ("Ignore", "Warn", "Strict"):
        supported = '"", "Ignore", "Strict", "Warn"'
        raise _bad_option(kind, "fieldValidation", f'"{validation}"', supported)
    return WriteOptions(
        manager=field_manager(request),
        manager_given=bool(query.get("fieldManager")),
        dry_run=_dry_run(query.getall("dryRun", []), kind),
        force=flag(query, "force"),
        validation=validation,
    )


async def _delete_options(request: web.Request) -> tuple[Json, bool]:
    """DeleteOptions of the body, else of the query; and whether this is a rehearsal."""
    told = await body_object(request, required=False) if request.can_read_body else {}
    query = request.query
    if "gracePeriodSeconds" not in told and query.get("gracePeriodSeconds"):
        try:
            told["gracePeriodSeconds"] = int(query["gracePeriodSeconds"])
        except ValueError:
            raise bad_request("gracePeriodSeconds must be a number") from None
    if "propagationPolicy" not in told and query.get("propagationPolicy"):
        told["propagationPolicy"] = query["propagationPolicy"]
    return told, _dry_run(query.getall("dryRun", []) or told.get("dryRun"), "DeleteOptions")


SERVER: web.AppKey[ApiServer] = web.AppKey("server", ApiServer)
"""Where an application keeps its server."""


def make_app(
    store: Store,
    *,
    identity: Identity | None = None,
    clock: Clock | None = None,
    clock_rate: Callable[[], float] = lambda: 1.0,
    extra_routes: ExtraRoutes | None = None,
    logs: LogSource | None = None,
    pages: Sequence[PodPages] = (),
    aggregated: Aggregated | None = None,
    bookmark_seconds: float = 60.0,
) -> web.Application:
    """The application. ``extra_routes`` may add paths of its own before the API's catch-all.

    ``clock_rate`` is cluster seconds per second, told in ``/version``; ``bookmark_seconds`` are real ones.
    ``pages`` answer behind ``pods/proxy`` and ``services/proxy``.
    """
    server = ApiServer(
        store,
        identity=identity or Identity(),
        clock=clock or store.clock,
        clock_rate=clock_rate,
        bookmark_seconds=bookmark_seconds,
        pages=pages,
    )
    if logs is not None:
        server.set_log_source(logs)
    if aggregated is not None:
        server.set_aggregated(aggregated)
    app = web.Application(client_max_size=_MAX_BODY)
    app[SERVER] = server
    if extra_routes is not None:
        extra_routes(app.router)
    app.router.add_route("*", "/{path:.*}", server.handle)

    async def close(_app: web.Application) -> None:
        server.close()

    app.on_shutdown.append(close)
    return app


async def serve(app: web.Application, port: int = 0) -> tuple[web.AppRunner, int]:
    """Listens on 127.0.0.1; port 0 takes a free one. End it with ``await runner.cleanup()``."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    bound: int = runner.addresses[0][1]
    return runner, bound
