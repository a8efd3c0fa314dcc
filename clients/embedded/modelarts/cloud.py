"""The services of the fake region and how they move: instances come one by one and leave at once.

A switch stands for every behaviour that the vendor documents nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from msgspec import Struct, field

from clients.embedded.engine import Engine
from clients.embedded.engine import Event as Due

__all__ = ["Cloud", "Deployment", "NoHpa", "Refusal", "Service", "Switches", "WhileScaling"]

Json = dict[str, Any]
_LEAVES = 2.0
"""Simulated seconds until an instance that is given up is gone."""
_MOST = 128


class WhileScaling(StrEnum):
    """A deployment's status while it is scaled."""

    UPGRADING = "UPGRADING"
    RUNNING = "RUNNING"


class NoHpa(StrEnum):
    """What is answered for a deployment without an autoscaler."""

    NOT_FOUND = "404"
    BAD_REQUEST = "400"
    EMPTY = "empty"


class Switches(Struct, frozen=True, kw_only=True):
    """How the fake behaves where nobody knows how ModelArts does."""

    status_while_scaling: WhileScaling = WhileScaling.UPGRADING
    no_hpa: NoHpa = NoHpa.NOT_FOUND
    instance_seconds: float = 180.0
    """Simulated seconds until one more instance runs."""


class Refusal(Exception):  # noqa: N818 (an answer, not a failure)
    """What the service says no with."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class _Instance(Struct):
    name: str
    status: str
    since: float


class Deployment(Struct):
    """One instance group."""

    name: str
    count: int
    flavor: str = "modelarts.demo.gpu.1"
    status: str = "RUNNING"
    running: int | None = None
    """How many run at the start; all of them if ``None``."""
    pool: str = ""
    hpa: Json | None = None
    pace: float | None = None
    """Simulated seconds until one more of its instances runs, where not the switch's."""
    fails: str = ""
    """Why an instance that is added comes to nothing."""
    id: str = ""
    instances: list[_Instance] = field(default_factory=list)
    rests: str = "RUNNING"
    """What it comes back to."""
    made: int = 0
    due: list[Due] = field(default_factory=list)

    @property
    def running_count(self) -> int:
        """How many run now."""
        return sum(instance.status == "RUNNING" for instance in self.instances)


class Service(Struct):
    """One real-time service."""

    name: str
    deployments: list[Deployment]
    status: str | None = None
    """Its own, where it is not its first deployment's."""
    failure_reason: str = ""
    frozen: list[Json] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    """(type, text), the newest first."""
    url: str = ""
    id: str = ""
    created: float = 0.0
    updated: float = 0.0

    @property
    def shown(self) -> str:
        """Its status."""
        return self.status or self.deployments[0].status


class Cloud:
    """One region and project. Everything moves by the engine's clock."""

    def __init__(self, engine: Engine, switches: Switches | None = None) -> None:
        self.switches = switches or Switches()
        self.scaled: list[tuple[str, str, int]] = []
        """Every count that was taken: service, deployment, count."""
        self._engine = engine
        self._services: dict[str, Service] = {}

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    def add(self, service: Service, age: float = 86_400.0) -> Service:
        """Takes in a service as it is, ``age`` simulated seconds old."""
        now = self._engine.clock.now()
        service.id = service.id or str(uuid5(NAMESPACE_DNS, service.name))
        service.created = service.updated = now - age
        for deployment in service.deployments:
            own = uuid5(NAMESPACE_DNS, f"{service.name}/{deployment.name}").hex
            deployment.id = deployment.id or f"d-{own[:8]}"
            if deployment.status in ("RUNNING", "CONCERNING"):
                deployment.rests = deployment.status
            running = deployment.count if deployment.running is None else deployment.running
            others = "FAILED" if deployment.status == "FAILED" else "PENDING"
            for number in range(0 if deployment.status == "STOPPED" else deployment.count):
                self._make(service, deployment, "RUNNING" if number < running else others)
            if deployment.status in ("DEPLOYING", "UPGRADING"):
                self._go(service, deployment)
        self._services[service.id] = service
        return service

    def find(self, service_id: str) -> Service:
        """Raises Refusal for an id that there is not."""
        found = self._services.get(service_id)
        if found is None:
            raise Refusal(404, "ModelArts.3501", f"service {service_id} does not exist")
        return found

    def named(self, service: Service, name: str) -> Deployment:
        """A deployment by its name, as scaling and instances want it."""
        return self._one(service, name, {one.name: one for one in service.deployments})

    def numbered(self, service: Service, deployment_id: str) -> Deployment:
        """A deployment by its id, as everything else wants it."""
        return self._one(service, deployment_id, {one.id: one for one in service.deployments})

    def _one(self, service: Service, wanted: str, there: dict[str, Deployment]) -> Deployment:
        if wanted not in there:
            raise Refusal(404, "ModelArts.3502", f"deployment {wanted} of {service.name} does not exist")
        return there[wanted]

    def remove(self, service_id: str) -> None:
        """Deletes a service, as somebody does in the web console."""
        for deployment in self._services.pop(service_id).deployments:
            self._settle(deployment)

    # -- what can be asked of it

    def scale(self, service: Service, deployment: Deployment, count: object) -> None:
        """Another count; raises Refusal."""
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST:
            raise Refusal(400, "ModelArts.0104", "Parameter error: count must be between 1 and 128")
        self._thawed(service)
        if service.shown not in ("RUNNING", "CONCERNING") or deployment.status not in (
            "RUNNING",
            "CONCERNING",
        ):
            raise Refusal(400, "ModelArts.TEST", f"scaling is not allowed in status {deployment.status}")
        self.scaled.append((service.name, deployment.name, count))
        deployment.count = count
        self._settle(deployment)
        deployment.status = str(self.switches.status_while_scaling)
        self._go(service, deployment)

    def stop(self, service: Service, deployment: Deployment) -> None:
        """Ends its instances; raises Refusal."""
        self._thawed(service)
        self._allowed(deployment, "stop", ("RUNNING", "DEPLOYING", "FAILED", "CONCERNING"))
        self._settle(deployment)
        deployment.status = "STOPPING"
        self._touch(service)
        self._later(deployment, _LEAVES, lambda: self._stopped(service, deployment))

    def start(self, service: Service, deployment: Deployment) -> None:
        """Makes its instances again; raises Refusal."""
        self._thawed(service)
        self._allowed(deployment, "start", ("STOPPED", "FAILED"))
        self._settle(deployment)
        deployment.status = "DEPLOYING"
        service.failure_reason = ""
        self._go(service, deployment)

    def _thawed(self, service: Service) -> None:
        if service.frozen:
            raise Refusal(403, "ModelArts.0116", f"service {service.name} is frozen")

    def _allowed(self, deployment: Deployment, verb: str, statuses: tuple[str, ...]) -> None:
        if deployment.status not in statuses:
            raise Refusal(400, "ModelArts.TEST", f"{verb} is not allowed in status {deployment.status}")

    # -- how it moves

    def _settle(self, deployment: Deployment) -> None:
        for due in deployment.due:
            due.cancel()
        deployment.due.clear()

    def _later(self, deployment: Deployment, seconds: float, action: Any) -> None:
        deployment.due.append(self._engine.after(seconds, action))

    def _touch(self, service: Service) -> None:
        service.updated = self._engine.clock.now()

    def _make(self, service: Service, deployment: Deployment, status: str) -> None:
        deployment.made += 1
        suffix = uuid5(NAMESPACE_DNS, f"{deployment.id}{deployment.made}").hex[:5]
        deployment.instances.append(
            _Instance(f"{deployment.name}-{suffix}", status, self._engine.clock.now())
        )

    def _go(self, service: Service, deployment: Deployment) -> None:
        """Sets out for its count."""
        self._touch(service)
        self._leave(deployment)
        while len(deployment.instances) < deployment.count:
            self._make(service, deployment, "PENDING")
        if deployment.running_count < deployment.count:
            seconds = self._pace(deployment)
        elif len(deployment.instances) > deployment.count:
            seconds = _LEAVES
        else:
            seconds = 0.0
        self._later(deployment, seconds, lambda: self._step(service, deployment))

    def _leave(self, deployment: Deployment) -> None:
        """Those that do not run yet go first, and at once."""
        for instance in reversed(deployment.instances[:]):
            if len(deployment.instances) > deployment.count and instance.status != "RUNNING":
                deployment.instances.remove(instance)

    def _step(self, service: Service, deployment: Deployment) -> None:
        deployment.due.clear()
        self._touch(service)
        waiting = next((one for one in deployment.instances if one.status != "RUNNING"), None)
        if waiting is not None and deployment.fails:
            waiting.status, deployment.status = "FAILED", "FAILED"
            service.failure_reason = deployment.fails
            service.events.insert(0, ("ABNORMAL", deployment.fails))
            return
        if waiting is not None:
            waiting.status, waiting.since = "RUNNING", self._engine.clock.now()
        del deployment.instances[deployment.count :]
        if deployment.running_count == deployment.count:
            deployment.status = deployment.rests
        else:
            self._later(deployment, self._pace(deployment), lambda: self._step(service, deployment))

    def _pace(self, deployment: Deployment) -> float:
        return self.switches.instance_seconds if deployment.pace is None else deployment.pace

    def _stopped(self, service: Service, deployment: Deployment) -> None:
        deployment.due.clear()
        self._touch(service)
        deployment.instances.clear()
        deployment.status = "STOPPED"
