"""The calls of Exoscale's API v2 that a console needs, in one zone."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from clients.clock import ClusterClock
from clients.exoscale import decode
from clients.exoscale.credentials import Credentials
from clients.exoscale.decode import Deployment, InstanceType, LogLine, Operation, Quota
from clients.exoscale.problems import read_problem
from clients.exoscale.signing import LIFETIME, authorization
from clients.managed.calls import Calls, Request

__all__ = ["ENDPOINT", "Api", "deployment_path"]

ENDPOINT = "https://api-{zone}.exoscale.com/v2"
"""Where a zone answers (OpenAPI of ``exoscale`` 0.16.4, ``servers``)."""
_DEPLOYMENTS = "/ai/deployment"


def deployment_path(deployment: str) -> str:
    """By its id: names are not taken."""
    return f"{_DEPLOYMENTS}/{quote(deployment, safe='')}"


class Api:
    """All raise CloudError."""

    def __init__(
        self,
        endpoint: str,
        credentials: Credentials,
        clock: ClusterClock,
        *,
        proxy: str | None = None,
        limit: float | None = None,
    ) -> None:
        def sign(request: Request) -> dict[str, str]:
            return {"Authorization": authorization(credentials, request, int(clock.now()) + LIFETIME)}

        more = {} if limit is None else {"limit": limit}
        self._calls = Calls(endpoint, sign, read_problem, clock, proxy=proxy, **more)

    async def zones(self) -> tuple[str, ...]:
        """All zones. Unsigned on purpose: restricted keys are refused if they sign this."""
        return decode.zones(await self._calls.send("GET", "/zone", signed=False))

    async def deployments(self) -> tuple[Deployment, ...]:
        """All of the zone, public ones too: what leaving out ``visibility`` means is not documented."""
        return decode.deployments(await self._calls.send("GET", _DEPLOYMENTS))

    async def deployment(self, deployment: str) -> Deployment:
        """One by its id, with more about its state than the list tells."""
        return decode.deployment(await self._calls.send("GET", deployment_path(deployment)))

    async def whole(self, deployment: str) -> dict[str, Any]:
        """One by its id, as it is told; it holds no secret."""
        found = msgspec.json.decode(await self._calls.send("GET", deployment_path(deployment)))
        return found if isinstance(found, dict) else {}

    async def scale(self, deployment: str, body: bytes) -> Operation:
        """Another number of replicas."""
        path = f"{deployment_path(deployment)}/scale"
        return decode.operation(await self._calls.send("POST", path, body=body))

    async def create(self, body: bytes) -> Operation:
        """A new deployment."""
        return decode.operation(await self._calls.send("POST", _DEPLOYMENTS, body=body))

    async def delete(self, deployment: str) -> Operation:
        """Its URL and API key are lost with it."""
        return decode.operation(await self._calls.send("DELETE", deployment_path(deployment)))

    async def operation(self, operation: str) -> Operation:
        """How far it is."""
        return decode.operation(await self._calls.send("GET", f"/operation/{quote(operation, safe='')}"))

    async def quotas(self) -> tuple[Quota, ...]:
        """Of the organisation, as this zone tells them."""
        return decode.quotas(await self._calls.send("GET", "/quota"))

    async def instance_types(self) -> tuple[InstanceType, ...]:
        """GPU families of the zone."""
        return decode.instance_types(await self._calls.send("GET", "/ai/instance-type"))

    async def models(self) -> dict[str, int]:
        """Bytes of each model by its name."""
        return decode.models(await self._calls.send("GET", "/ai/model"))

    async def logs(self, deployment: str, tail: int) -> tuple[LogLine, ...]:
        """The engine's last lines."""
        body = await self._calls.send(
            "GET", f"{deployment_path(deployment)}/logs", query=(("tail", str(tail)),)
        )
        return decode.log_lines(body)

    async def close(self) -> None:
        """Ends connections."""
        await self._calls.close()
