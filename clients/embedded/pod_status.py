"""A pod's status as its kubelet writes it, built from a small record of what its containers do."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from clients.embedded.apiserver.objects import Json, timestamp

__all__ = ["ContainerRun", "PodRun", "image_id"]


def image_id(image: str) -> str:
    """A digest that belongs to the image's name."""
    name = image.rpartition(":")[0] or image
    return f"{name}@sha256:{zlib.crc32(image.encode()):08x}" + f"{zlib.crc32(image[::-1].encode()):08x}" * 7


class ContainerRun:
    """One container's state."""

    __slots__ = ("exit_code", "finished_at", "image", "last", "message", "name", "ready", "reason",
                 "restarts", "started", "started_at", "state")  # fmt: skip

    def __init__(self, name: str, image: str) -> None:
        self.name = name
        self.image = image
        self.state = "waiting"
        """waiting, running or terminated."""
        self.reason = "ContainerCreating"
        self.message = ""
        self.exit_code = 0
        self.started_at = 0.0
        self.finished_at = 0.0
        self.ready = False
        self.started = False
        self.restarts = 0
        self.last: Json | None = None
        """The last terminated state."""

    def wait(self, reason: str, message: str = "") -> None:
        """It is not there yet, or not again yet."""
        self.state, self.reason, self.message = "waiting", reason, message
        self.ready = self.started = False

    def run(self, now: float) -> None:
        """Its process starts."""
        self.state, self.started_at = "running", now
        self.ready = self.started = False

    def end(self, now: float, exit_code: int, reason: str, message: str = "") -> None:
        """Its process ends."""
        self.state, self.finished_at = "terminated", now
        self.exit_code, self.reason, self.message = exit_code, reason, message
        self.ready = self.started = False

    def again(self) -> None:
        """Counts a restart and keeps how the last run ended."""
        self.last = {"terminated": self._terminated()}
        self.restarts += 1

    def _id(self) -> str:
        seed = f"{self.name}{self.started_at}{self.restarts}".encode()
        return f"containerd://{zlib.crc32(seed):08x}" + f"{zlib.crc32(seed[::-1]):08x}" * 7

    def _terminated(self) -> Json:
        told: Json = {
            "exitCode": self.exit_code,
            "reason": self.reason,
            "startedAt": timestamp(self.started_at),
            "finishedAt": timestamp(self.finished_at),
            "containerID": self._id(),
        }
        if self.message:
            told["message"] = self.message
        return told

    def status(self) -> Json:
        """Its entry in ``containerStatuses``."""
        if self.state == "running":
            state: Json = {"running": {"startedAt": timestamp(self.started_at)}}
        elif self.state == "terminated":
            state = {"terminated": self._terminated()}
        else:
            state = {"waiting": {"reason": self.reason}}
            if self.message:
                state["waiting"]["message"] = self.message
        there = self.state != "waiting" or self.restarts > 0
        told: Json = {
            "name": self.name,
            "state": state,
            "lastState": self.last or {},
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": image_id(self.image) if there else "",
            "started": self.started,
        }
        if there:
            told["containerID"] = self._id()
        return told

    @classmethod
    def read(cls, spec: Json, told: Json | None) -> ContainerRun:
        """A container as its spec and its last status tell it."""
        run = cls(spec.get("name", ""), spec.get("image", ""))
        if not told:
            return run
        state: Json = told.get("state") or {}
        run.state = next(iter(state), "waiting")
        inner: Json = state.get(run.state) or {}
        run.reason = inner.get("reason", "")
        run.message = inner.get("message", "")
        run.exit_code = int(inner.get("exitCode", 0))
        run.started_at = _seconds(inner.get("startedAt"))
        run.finished_at = _seconds(inner.get("finishedAt"))
        run.ready = bool(told.get("ready"))
        run.started = bool(told.get("started"))
        run.restarts = int(told.get("restartCount", 0))
        run.last = told.get("lastState") or None
        return run


def _seconds(text: Any) -> float:
    if not isinstance(text, str):
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


class PodRun:
    """A pod on a node, in the eyes of its kubelet."""

    __slots__ = ("address", "containers", "ends", "host", "init", "initialized_at", "ip", "key", "qos",
                 "ready_at", "reason", "scheduled_at", "started_at", "uid")  # fmt: skip

    def __init__(self, pod: Json, host: str, address: str, now: float) -> None:
        meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
        self.key: tuple[str, str] = (meta["namespace"], meta["name"])
        self.uid: str = meta["uid"]
        self.host = host
        self.address = address
        self.ends: bool = spec.get("restartPolicy") == "Never"
        """Its containers run once."""
        self.qos: str = status.get("qosClass", "BestEffort")
        self.reason = ""
        told = {c["name"]: c for c in status.get("containerStatuses") or ()}
        told_init = {c["name"]: c for c in status.get("initContainerStatuses") or ()}
        self.containers = [
            ContainerRun.read(c, told.get(c.get("name"))) for c in spec.get("containers") or ()
        ]
        self.init = [
            ContainerRun.read(c, told_init.get(c.get("name"))) for c in spec.get("initContainers") or ()
        ]
        times = {
            c["type"]: (c.get("status"), _seconds(c.get("lastTransitionTime")))
            for c in status.get("conditions") or ()
        }
        self.scheduled_at = times.get("PodScheduled", ("", now))[1] or now
        self.initialized_at = times.get("Initialized", ("", now))[1] or now
        self.ready_at = times.get("Ready", ("", now))[1] or now
        self.started_at = _seconds(status.get("startTime")) or now
        self.ip: str = status.get("podIP", "")

    @property
    def ready(self) -> bool:
        """Whether every container is."""
        return bool(self.containers) and all(c.ready for c in self.containers)

    @property
    def initialized(self) -> bool:
        """Whether the init containers have done their work."""
        return all(c.state == "terminated" and c.exit_code == 0 for c in self.init)

    @property
    def phase(self) -> str:
        """Pending until every container was started once; over when containers that run once have ended."""
        if self.ends and self.containers and all(c.state == "terminated" for c in self.containers):
            return "Failed" if any(c.exit_code for c in self.containers) else "Succeeded"
        running = all(c.state != "waiting" or c.restarts for c in self.containers)
        return "Running" if running and self.initialized else "Pending"

    def status(self) -> Json:
        """The whole status."""
        phase = self.phase
        unready = "" if self.ready else f"containers with unready status: {_names(self.containers)}"
        pending = [c for c in self.init if not (c.state == "terminated" and c.exit_code == 0)]
        conditions = [
            _condition("PodReadyToStartContainers", bool(self.ip), self.started_at),
            _condition(
                "Initialized",
                not pending,
                self.initialized_at,
                "ContainersNotInitialized",
                f"containers with incomplete status: {_names(pending)}",
            ),
            _condition("Ready", self.ready, self.ready_at, "ContainersNotReady", unready),
            _condition("ContainersReady", self.ready, self.ready_at, "ContainersNotReady", unready),
            _condition("PodScheduled", True, self.scheduled_at),
        ]
        told: Json = {
            "phase": phase,
            "conditions": conditions,
            "hostIP": self.address,
            "hostIPs": [{"ip": self.address}],
            "startTime": timestamp(self.started_at),
            "containerStatuses": [c.status() for c in self.containers],
            "qosClass": self.qos,
        }
        if self.ip:
            told["podIP"] = self.ip
            told["podIPs"] = [{"ip": self.ip}]
        if self.init:
            told["initContainerStatuses"] = [c.status() for c in self.init]
        if self.reason:
            told["reason"] = self.reason
        return told


def _names(containers: Sequence[ContainerRun]) -> str:
    return "[" + " ".join(c.name for c in containers if not c.ready) + "]"


def _condition(kind: str, true: bool, at: float, reason: str = "", message: str = "") -> Json:
    told: Json = {
        "type": kind,
        "status": "True" if true else "False",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(at),
    }
    if not true and reason:
        told["reason"] = reason
        told["message"] = message
    return told
