"""The deployments of a fake zone and how they move: replicas come one after the other and go at once.

A switch stands for every behaviour that the vendor documents nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal
from uuid import NAMESPACE_DNS, uuid5

from msgspec import Struct

from clients.embedded.engine import Engine
from clients.embedded.engine import Event as Due

__all__ = ["Deployment", "Family", "Model", "Operation", "Refusal", "Switches", "Zone"]

_AT_ONCE = 1.0
"""Simulated seconds until replicas that are given up are gone: one tick."""
_MOST_GPUS = 8


class Switches(Struct, frozen=True, kw_only=True):
    """How the fake behaves where nobody knows how Exoscale does."""

    op_success: Literal["accepted", "converged"] = "converged"
    """What an operation's success means."""
    replicas_visible: Literal["at_once", "at_end"] = "at_once"
    """When a new count shows in what is read."""
    zero_state: Literal["ready", "scaling"] = "ready"
    """The state of a deployment without replicas."""
    field: Literal["state", "status"] = "state"
    """What the state is called; older snapshots of the API call it ``status``."""
    replica_seconds: float = 240.0
    """Simulated seconds until one more replica serves."""


class Refusal(Exception):  # noqa: N818 (an answer, not a failure)
    """What the service says no with."""

    def __init__(self, status: int, title: str, detail: str, errors: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors = status, title, detail, errors


class Family(Struct, frozen=True):
    """A GPU type of the zone, and how many of it the organisation may use; -1: any number."""

    name: str
    limit: int
    authorized: bool = True
    elsewhere: int = 0
    """GPUs of it that are used outside of Dedicated Inference."""


class Model(Struct, frozen=True):
    """What deployments run."""

    name: str
    size: int = 15_000_000_000
    """Bytes."""

    @property
    def id(self) -> str:
        """Made from its name."""
        return str(uuid5(NAMESPACE_DNS, f"model {self.name}"))


class Operation(Struct):
    """Something that is done in the background."""

    id: str
    about: str
    state: str = "pending"
    reason: str | None = None
    message: str | None = None


class Deployment(Struct):
    """One deployment."""

    name: str
    model: Model
    gpu_type: str
    gpu_count: int
    replicas: int
    """Wanted."""
    shown: int = 0
    """Told as ``replicas``."""
    state: str = "ready"
    details: str = ""
    level: str = "pro"
    public: bool = False
    engine: str = "0.28.0"
    parameters: tuple[str, ...] = ()
    id: str = ""
    created: float = 0.0
    updated: float = 0.0
    busy: bool = False
    due: Due | None = None

    @property
    def url(self) -> str:
        """Stays the same for as long as the deployment is there."""
        return f"https://{self.id}.inference.example/v1"

    @property
    def api_key(self) -> str:
        """As the URL."""
        return f"EXOai{uuid5(NAMESPACE_DNS, self.id).hex}"


class Zone:
    """One zone of one organisation. Everything moves by the engine's clock."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        families: tuple[Family, ...],
        models: tuple[Model, ...],
        switches: Switches | None = None,
    ) -> None:
        self.name = name
        self.switches = switches or Switches()
        self.families = {family.name: family for family in families}
        self.models = {model.name: model for model in models}
        self.operations: dict[str, Operation] = {}
        self.failures: list[tuple[str | None, str | None]] = []
        """(reason, message) of operations that are going to fail, the next one first."""
        self._engine = engine
        self._deployments: dict[str, Deployment] = {}
        self.began = engine.clock.now()
        self._made = 0

    def __iter__(self) -> Iterator[Deployment]:
        return iter(self._deployments.values())

    @property
    def now(self) -> float:
        """Simulated UTC seconds."""
        return self._engine.clock.now()

    def add(self, deployment: Deployment, age: float = 86_400.0) -> Deployment:
        """Takes in a deployment as it is, ``age`` simulated seconds old."""
        deployment.id = deployment.id or self._number(deployment.name)
        deployment.created = deployment.updated = self.now - age
        deployment.shown = deployment.replicas
        self._deployments[deployment.id] = deployment
        if deployment.state == "ready":
            self._rest(deployment)
        return deployment

    def find(self, deployment_id: str) -> Deployment:
        """Raises Refusal for an id that there is not."""
        found = self._deployments.get(deployment_id)
        if found is None:
            raise Refusal(404, "Not Found", f"Deployment {deployment_id} not found")
        return found

    def usage(self, family: str) -> int:
        """GPUs in use: they count from when replicas are wanted."""
        own = sum(one.gpu_count * one.replicas for one in self if one.gpu_type == family and not one.public)
        return own + self.families[family].elsewhere

    # -- what can be asked of it

    def scale(self, deployment: Deployment, replicas: int) -> Operation:
        """Another number of replicas; raises Refusal."""
        if replicas < 0:
            raise Refusal(400, "Bad Request", "replicas must be at least 0")
        self._free(deployment, ending=replicas == 0)
        if replicas == deployment.replicas:
            raise Refusal(400, "Bad Request", f"Deployment already has {replicas} replicas")
        added = replicas - deployment.replicas
        if added > 0:
            self._room(deployment.gpu_type, added * deployment.gpu_count)
        before, deployment.replicas = deployment.replicas, replicas
        if self.switches.replicas_visible == "at_once":
            deployment.shown = replicas
        seconds = added * self.switches.replica_seconds if added > 0 else _AT_ONCE
        return self._begin(deployment, "scaling", seconds, lambda: self._back(deployment, before))

    def create(self, made: Deployment) -> Operation:
        """A new deployment; raises Refusal."""
        if any(one.name == made.name for one in self):
            raise Refusal(409, "Conflict", f"Deployment {made.name} already exists")
        family = self.families.get(made.gpu_type)
        if family is None:
            raise Refusal(400, "Bad Request", f"Unknown GPU type {made.gpu_type}")
        if not family.authorized:
            raise Refusal(403, "Forbidden", f"{made.gpu_type} is not authorized for this organization")
        if not 1 <= made.gpu_count <= _MOST_GPUS:
            raise Refusal(400, "Bad Request", f"gpu-count must be between 1 and {_MOST_GPUS}")
        if made.replicas < 1:
            raise Refusal(400, "Bad Request", "replicas must be at least 1")
        self._room(made.gpu_type, made.gpu_count * made.replicas)
        self.add(made, age=0.0)
        seconds = made.replicas * self.switches.replica_seconds
        return self._begin(made, "creating", seconds, lambda: self._broken(made))

    def update(self, deployment: Deployment) -> Operation:
        """Another name, engine or words for it, which the caller has put in; raises Refusal."""
        self._free(deployment)
        return self._begin(deployment, "updating", _AT_ONCE, lambda: None)

    def delete(self, deployment: Deployment) -> Operation:
        """Raises Refusal."""
        self._free(deployment, ending=True)
        self._settle(deployment)
        del self._deployments[deployment.id]
        operation = self._operation(deployment.id)
        self._engine.after(_AT_ONCE, lambda: _succeed(operation))
        return operation

    def _free(self, deployment: Deployment, *, ending: bool = False) -> None:
        """Only what rests is changed; what is in error may still end."""
        if deployment.public:
            raise Refusal(403, "Forbidden", "Deployment is public")
        if deployment.busy or (deployment.state == "error" and not ending):
            told = f"Deployment {deployment.name} is busy (state: {deployment.state})"
            raise Refusal(409, "Conflict", told)

    def _room(self, family: str, needed: int) -> None:
        limit = self.families[family].limit
        left = limit - self.usage(family)
        if limit != -1 and needed > left:
            raise Refusal(
                412, "Precondition Failed", f"Not enough {family} left: need {needed}, have {max(0, left)}."
            )

    # -- how it moves

    def _number(self, what: str) -> str:
        self._made += 1
        return str(uuid5(NAMESPACE_DNS, f"{self.name} {what} {self._made}"))

    def _operation(self, about: str) -> Operation:
        operation = Operation(self._number("operation"), about)
        self.operations[operation.id] = operation
        return operation

    def _begin(
        self, deployment: Deployment, state: str, seconds: float, undo: Callable[[], None]
    ) -> Operation:
        self._settle(deployment)
        operation = self._operation(deployment.id)
        deployment.state, deployment.busy, deployment.details = state, True, ""
        deployment.updated = self.now
        fails = self.failures.pop(0) if self.failures else None
        if fails is None and self.switches.op_success == "accepted":
            operation.state = "success"

        def end() -> None:
            deployment.busy, deployment.due, deployment.updated = False, None, self.now
            self._rest(deployment)
            if fails is None:
                _succeed(operation)
            else:
                operation.state, (operation.reason, operation.message) = "failure", fails
                undo()

        deployment.due = self._engine.after(seconds, end)
        return operation

    def _rest(self, deployment: Deployment) -> None:
        deployment.shown = deployment.replicas
        deployment.state = "ready" if deployment.replicas else self.switches.zero_state

    def _back(self, deployment: Deployment, replicas: int) -> None:
        deployment.replicas = replicas
        self._rest(deployment)

    def _broken(self, deployment: Deployment) -> None:
        deployment.state, deployment.details = "error", "engine exited: CUDA out of memory"

    def _settle(self, deployment: Deployment) -> None:
        if deployment.due is not None:
            deployment.due.cancel()
            deployment.due = None


def _succeed(operation: Operation) -> None:
    operation.state = "success"
