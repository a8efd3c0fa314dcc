"""What goes wrong in the embedded cluster: rules that kubelets look up when they start or stop a pod, and
gateways when a request comes."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase

from msgspec import Struct

__all__ = ["CUDA_OOM", "ENDPOINT_FAULT", "ENDPOINT_KINDS", "Fault", "FaultKind", "Faults"]

CUDA_OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of "
    "79.11 GiB of which 1.02 GiB is free. Process 41 has 78.08 GiB memory in use."
)


class FaultKind(StrEnum):
    """How a pod fails, or from ``STALL`` on an endpoint."""

    CRASH = "crash"
    """Its first container ends some time after its start."""
    IMAGE = "image"
    """Its image cannot be pulled."""
    STUCK = "stuck"
    """Its deletion never comes to an end."""
    STALL = "stall"
    """Requests to a Service or ModelServer wait for as long as the rule holds."""
    RESET = "reset"
    """Their connections are reset."""
    BUSY = "429"
    """They are refused: too many."""
    UNAVAILABLE = "503"
    """They are refused: nobody there."""
    HALF_EVENT = "half-event"
    """Streams end in the middle of an event; whole answers in the middle of their body."""
    ENDLESS = "endless"
    """Answers begin and never end."""


ENDPOINT_KINDS = tuple(FaultKind)[3:]
"""Those of endpoints."""
ENDPOINT_FAULT = "sim.servegrid/fault"
"""Annotation of a Service or ModelServer that does the same: a kind, or ``KIND 20%`` for one in five."""


class Fault(Struct):
    """One rule. Namespace and name (of a pod, or of a Service or ModelServer) are shell patterns."""

    kind: FaultKind
    namespace: str
    name: str
    message: str = ""
    reason: str = "Error"
    exit_code: int = 1
    after: float = 12.0
    """Seconds from the container's start to its end."""
    until: float | None = None
    """Simulated time from which on it no longer applies."""
    times: int | None = None
    """How often it still applies; None for ever."""


class Faults:
    """The rules in force, the newest first."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """From now on."""
        self._rules.insert(0, fault)

    def remove(self, fault: Fault) -> None:
        """No longer."""
        self._rules = [rule for rule in self._rules if rule is not fault]

    def find(self, kind: FaultKind, namespace: str, name: str, now: float) -> Fault | None:
        """The rule that hits a pod or endpoint now; it is used up by one."""
        rule = self.holding(kind, namespace, name, now)
        if rule is not None and rule.times is not None:
            rule.times -= 1
        return rule

    def holding(self, kind: FaultKind, namespace: str, name: str, now: float) -> Fault | None:
        """The same rule, without using it up."""
        self._rules = [r for r in self._rules if r.times != 0 and (r.until is None or r.until > now)]
        for rule in self._rules:
            if rule.kind is kind and fnmatchcase(namespace, rule.namespace) and fnmatchcase(name, rule.name):
                return rule
        return None
