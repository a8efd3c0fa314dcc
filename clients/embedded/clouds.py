"""The fakes of managed clouds, beside the API server on one port of loopback, with credentials of this run.

Their clients find all they need in files beside the kubeconfig, each mode 0600: a settings file of servegrid
and the two credentials files that it names.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from aiohttp import web

from clients.embedded.api import serve
from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster
from clients.embedded.exoscale.server import ZoneServer
from clients.embedded.exoscale.signature import Account as ExoscaleAccount
from clients.embedded.exoscale.zones import demo_zones
from clients.embedded.modelarts.cloud import Cloud
from clients.embedded.modelarts.gateway import Account as ModelArtsAccount
from clients.embedded.modelarts.region import fill
from clients.embedded.modelarts.server import ModelArts

__all__ = ["Clouds"]

_REGION = "ap-southeast-3"
_PRIVATE = Callable[[Path, str], None]


class Clouds:
    """Two zones of Exoscale and a region of ModelArts, on the cluster's simulated clock."""

    def __init__(self, cluster: Cluster) -> None:
        self._exoscale = ExoscaleAccount(f"EXO{secrets.token_hex(12)}", secrets.token_urlsafe(32))
        self._modelarts = ModelArtsAccount(
            secrets.token_hex(10).upper(), secrets.token_urlsafe(30), secrets.token_hex(16)
        )
        self._zones = [
            ZoneServer(zone, self._endpoints, self._exoscale) for zone in demo_zones(cluster.engine)
        ]
        region = Cloud(cluster.engine)
        fill(region)
        self._region = ModelArts(region, cluster.clock, self._modelarts)
        self._runner: web.AppRunner | None = None
        self._base = ""

    def _endpoints(self) -> Mapping[str, str]:
        return {one.zone.name: f"{self._base}/exoscale/{one.zone.name}/v2" for one in self._zones}

    async def start(self, kubeconfig: Path, write: _PRIVATE) -> Json:
        """Listens, and writes the files with ``write``. Answers what the ready line tells of it."""
        app = web.Application()
        for one in self._zones:
            app.add_subapp(f"/exoscale/{one.zone.name}", one.app)
        app.add_subapp(f"/modelarts/{_REGION}", self._region.app)
        self._runner, port = await serve(app)
        self._base = f"http://127.0.0.1:{port}"
        told = {
            "exoscale": f"{self._base}/exoscale/{{zone}}/v2",
            "modelarts": f"{self._base}/modelarts/{{region}}",
        }

        def beside(name: str) -> Path:
            return kubeconfig.with_name(f"{kubeconfig.name}.{name}.toml")

        keys = _toml(EXOSCALE_API_KEY=self._exoscale.key, EXOSCALE_API_SECRET=self._exoscale.secret)
        write(beside("exoscale"), keys)
        write(
            beside("modelarts"),
            _toml(
                HUAWEICLOUD_SDK_AK=self._modelarts.access,
                HUAWEICLOUD_SDK_SK=self._modelarts.secret,
                HUAWEICLOUD_SDK_PROJECT_ID=self._modelarts.project,
            ),
        )
        exoscale = _toml(
            zones=[one.zone.name for one in self._zones],
            endpoint=told["exoscale"],
            credentials_file=str(beside("exoscale")),
        )
        modelarts = _toml(
            regions=[_REGION], endpoint=told["modelarts"], credentials_file=str(beside("modelarts"))
        )
        settings = beside("clouds")
        write(settings, f"[exoscale]\n{exoscale}\n[modelarts]\n{modelarts}")
        return {"settings": str(settings), **told}

    async def close(self) -> None:
        """Ends the servers; the files stay, as the kubeconfig does."""
        if self._runner is not None:
            await self._runner.cleanup()


def _toml(**values: str | list[str]) -> str:
    """JSON's texts and lists of texts are TOML too."""
    return "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in values.items())
