"""Zones of Exoscale on one port, and a person at a console that knows them and no cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from clients.clock import SystemClock
from clients.embedded.api import serve
from clients.embedded.engine import Engine
from clients.embedded.exoscale.server import ZoneServer
from clients.embedded.exoscale.zone import Deployment, Family, Model, Zone
from clients.embedded.simclock import SimClock
from tests.support.seat import Seat
from tui.app import Console, ConsoleOptions
from tui.cli import parser
from tui.data import Data
from tui.start import start_from

__all__ = ["MODEL", "Zones", "cloud_seat", "zones"]

MODEL = Model("acme/demo-7b")


class Zones:
    """Their clock stands unless ``pass_time`` moves it."""

    def __init__(self, engine: Engine, servers: Sequence[ZoneServer], port: int, directory: Path) -> None:
        self.engine = engine
        self.servers = {one.zone.name: one for one in servers}
        self.directory = directory
        self.settings = directory / "config.toml"
        account = servers[0].account
        self.key, self.secret = account.key, account.secret
        keys = directory / "keys.toml"
        keys.write_text(f'EXOSCALE_API_KEY="{self.key}"\nEXOSCALE_API_SECRET="{self.secret}"\n')
        keys.chmod(0o600)
        names = ", ".join(f'"{name}"' for name in self.servers)
        self.settings.write_text(
            f"[exoscale]\nzones = [{names}]\n"
            f'endpoint = "http://127.0.0.1:{port}/{{zone}}/v2"\ncredentials_file = "{keys}"\n'
            '[prices]\ngpua5000 = "1.10 EUR"\n'
        )

    def pass_time(self, seconds: float) -> None:
        """Simulated seconds go by."""
        self.engine.run_until(self.engine.clock.now() + seconds)

    def deployment(self, name: str) -> Deployment:
        """As the cloud has it."""
        return next(one for server in self.servers.values() for one in server.zone if one.name == name)


@asynccontextmanager
async def zones(directory: Path, *names: str) -> AsyncIterator[Zones]:
    """Each with one deployment ``chat-ZONE`` of 2 GPUs and one replica."""
    engine = Engine(SimClock(speed=0.0))
    app = web.Application()
    servers: list[ZoneServer] = []
    endpoints: dict[str, str] = {}
    for name in names:
        zone = Zone(name, engine, (Family("gpua5000", 8),), (MODEL,))
        zone.add(Deployment(f"chat-{name}", MODEL, "gpua5000", 2, 1))
        servers.append(ZoneServer(zone, lambda: endpoints))
        app.add_subapp(f"/{name}", servers[-1].app)
    runner, port = await serve(app)
    endpoints |= {name: f"http://127.0.0.1:{port}/{name}/v2" for name in names}
    try:
        yield Zones(engine, servers, port, directory)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def cloud_seat(clouds: Zones) -> AsyncIterator[Seat]:
    """The console as ``servegrid --config FILE`` opens it where there is no kubeconfig."""
    home = clouds.directory / "home"
    environ = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    start = start_from(parser().parse_args(["--config", str(clouds.settings)]), environ)
    app = Console(Data(start, start.cluster(interactive=False), SystemClock()), ConsoleOptions())
    async with app.run_test(size=(120, 36)):
        yield Seat(app)
