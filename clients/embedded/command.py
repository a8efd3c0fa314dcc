"""The command ``servegrid embedded``: serves one scenario on loopback until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import gc
import json
import math
import os
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from aiohttp import web
from msgspec.structs import replace

from clients.embedded.accounts import namespace_account, viewer_account
from clients.embedded.api import make_app, serve
from clients.embedded.apiserver.access import Identity
from clients.embedded.apiserver.metrics_apis import MetricsApis
from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.clouds import Clouds
from clients.embedded.cluster import Cluster
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.enginelogs import EngineLogs
from clients.embedded.gateways.gateway import Gateways
from clients.embedded.gpupages import GpuPages
from clients.embedded.loadpods import LoadPods
from clients.embedded.scenarios.catalogue import SCENARIOS, make_cluster
from clients.embedded.scenarios.scenario import Size

__all__ = ["application", "main"]

_ONLY_NAMESPACE = "default"
_SIZES = Size.__struct_fields__


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n")
        raise SystemExit(2)


def _at_least(least: int, most: int = 10_000_000) -> type[int]:
    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from {least} to {most}, not {value}")
        return value

    read.__name__ = "number"
    return read  # type: ignore[return-value]


def _path(text: str) -> Path:
    return Path(text).absolute()


def _rate(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"must be a finite number of at least 0, not {text}")
    return value


_rate.__name__ = "number"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="servegrid embedded",
        description="Serves a simulated cluster over the Kubernetes API on 127.0.0.1, over plain HTTP. Any "
        "local user can reach it; it holds nothing real.",
    )
    parser.add_argument(
        "--kubeconfig", type=_path, required=True, metavar="FILE", help="written for its clients, mode 0600"
    )
    parser.add_argument(
        "--port", type=_at_least(0, 65535), default=0, metavar="P", help="0 (default): a free one"
    )
    parser.add_argument("--scenario", choices=SCENARIOS, default="default")
    parser.add_argument(
        "--speed", type=_rate, default=1.0, metavar="F", help="simulated seconds a second; 0 freezes"
    )
    parser.add_argument("--seed", type=_at_least(0), default=1, metavar="N")
    parser.add_argument(
        "--kthena", choices=[flavour.value for flavour in Flavour], default=Flavour.HEAD.value,
        help="whose order and definition ModelServings follow",
    )  # fmt: skip
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    sizes = parser.add_argument_group("of scenario synthetic; the last three also of mixed-large")
    sizes.add_argument("--workloads", type=_at_least(1), metavar="W")
    sizes.add_argument("--groups", type=_at_least(1), metavar="G", help="of each workload")
    sizes.add_argument("--pods", type=_at_least(0), metavar="P", help="of workloads, in all")
    sizes.add_argument("--nodes", type=_at_least(1, 10_000), metavar="N")
    sizes.add_argument("--event-rate", type=_rate, metavar="R", help="pod changes a simulated second")
    return parser


def _size(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Size:
    told = {name: value for name in _SIZES if (value := getattr(arguments, name)) is not None}
    scenario = SCENARIOS[arguments.scenario]
    for name in told:
        if name not in scenario.sized:
            those = " or ".join(other for other in SCENARIOS if name in SCENARIOS[other].sized)
            parser.error(f"--{name.replace('_', '-')} is for --scenario {those}")
    return replace(scenario.size, **told)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command. 0 when told to end, 1 if it cannot serve, 2 for options that make no sense."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        size = _size(parser, arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        cluster = make_cluster(
            arguments.scenario,
            seed=arguments.seed,
            speed=arguments.speed,
            flavour=Flavour(arguments.kthena),
            size=size,
        )
    except ValueError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    # What was planted stays: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    try:
        return asyncio.run(_serve(cluster, arguments))
    except OSError as error:
        sys.stderr.write(f"{parser.prog}: {_told(error, arguments.port)}\n")
        return 1


def _told(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of 127.0.0.1 is taken"
    return error.strerror or str(error)


def application(cluster: Cluster, identity: Identity | None = None) -> web.Application:
    """The cluster's HTTP application: the Kubernetes API, and Kthena's debug endpoint beside it."""

    async def dump(_request: web.Request) -> web.Response:
        return web.Response(body=encode(cluster.dump()), content_type="application/json")

    def routes(router: web.UrlDispatcher) -> None:
        router.add_get("/debug/modelserving/cache", dump)

    load_pods = LoadPods(cluster.store, cluster.kubelets, EngineLogs(cluster.store, cluster.clock).lines)
    app = make_app(
        cluster.store,
        identity=identity,
        clock=cluster.clock,
        clock_rate=lambda: cluster.clock.speed,
        extra_routes=routes,
        logs=load_pods.lines,
        pages=(
            GpuPages(cluster.gpus, cluster.nodes, cluster.clock),
            cluster.engine_pages,
        ),
        aggregated=MetricsApis(cluster.store, cluster.pods, cluster.adapters),
    )

    async def begin(_app: web.Application) -> None:
        load_pods.start()

    async def end(_app: web.Application) -> None:
        await load_pods.close()

    app.on_startup.append(begin)
    app.on_shutdown.append(end)
    return app


async def _serve(cluster: Cluster, arguments: argparse.Namespace) -> int:
    tokens = {name: secrets.token_urlsafe(24) for name in ("viewer", "ns-only")}
    identity = Identity(
        tokens={
            tokens["viewer"]: viewer_account(cluster.store),
            tokens["ns-only"]: namespace_account(cluster.store, _ONLY_NAMESPACE),
        }
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner, port = await serve(application(cluster, identity), arguments.port)
    gateways = Gateways(cluster)
    entrances = await gateways.start()
    clouds = Clouds(cluster) if SCENARIOS[arguments.scenario].clouds else None
    engine = asyncio.create_task(cluster.engine.run())
    if arguments.with_parent:
        _watch_parent(loop, stop)
    try:
        server = f"http://127.0.0.1:{port}"
        path = arguments.kubeconfig
        _write_private(path, json.dumps(kubeconfig(server, tokens), indent=2))  # JSON is YAML too.
        ready = {"ready": True, "server": server, "kubeconfig": str(path), **entrances}
        if clouds is not None:
            ready["clouds"] = await clouds.start(path, _write_private)
        sys.stdout.write(json.dumps(ready, separators=(",", ":")) + "\n")
        sys.stdout.flush()
        await stop.wait()
        return 0
    finally:
        engine.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await engine
        await gateways.close()
        if clouds is not None:
            await clouds.close()
        await runner.cleanup()


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Ends when standard input does. A thread, because not every kind of file can be polled."""

    def read_to_end() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=read_to_end, name="parent", daemon=True).start()


def kubeconfig(server: str, tokens: dict[str, str]) -> Json:
    """Contexts admin, viewer and ns-only; none sets a namespace."""
    users: list[Json] = [{"name": "admin", "user": {}}]
    users += [{"name": name, "user": {"token": token}} for name, token in tokens.items()]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "embedded", "cluster": {"server": server}}],
        "users": users,
        "contexts": [
            {"name": user["name"], "context": {"cluster": "embedded", "user": user["name"]}} for user in users
        ],
        "current-context": "admin",
    }


def _write_private(path: Path, content: str) -> None:
    """Writes by rename, so that nobody reads half of it or with wider rights."""
    name = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(name, path)
    except OSError as error:
        if name is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
