"""Which pods tell of GPUs: dcgm-exporter, as the GPU operator or its own chart installs it, and our agent.

By their labels in all namespaces; if no pod has them, by the port on one node with GPUs, and then by the
labels found there. Each list is small: never all pods of a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from clients.gpu.door import Door, DoorError, Reply
from clients.serving.gpus import AgentKind

__all__ = ["AGENT_LABEL", "PORT", "DiscoveryError", "ExporterPod", "find_exporters"]

PORT = 9400
AGENT_LABEL = "servegrid-agent"
_SELECTORS = (
    "app=nvidia-dcgm-exporter",
    f"app.kubernetes.io/name in (dcgm-exporter,{AGENT_LABEL})",
)
_OF_ONE_SET = ("controller-revision-hash", "pod-template-generation", "pod-template-hash")
"""Labels that differ between pods of the same set."""
_EXPORTER_INTERVAL = 30.0
"""dcgm-exporter's default, in seconds."""
_AGENT_INTERVAL = 2.0
_LONGEST = 64 << 20
_PAGE = "500"
_MOST_PAGES = 40


class DiscoveryError(Exception):
    """The pods could not be listed; one line that names the right or what happened."""

    def __init__(self, message: str, *, denied: bool = False) -> None:
        super().__init__(message)
        self.denied = denied


class ExporterPod(Struct, frozen=True, order=True):
    """A pod that tells of its node's GPUs."""

    node: str
    kind: AgentKind
    namespace: str
    name: str
    port: int = PORT
    interval: float = _EXPORTER_INTERVAL
    """Seconds between its samples."""
    waits: str | None = None
    """Its phase, if it does not run."""

    @property
    def where(self) -> str:
        """``namespace/pod:port``"""
        return f"{self.namespace}/{self.name}:{self.port}"


class _Env(Struct):
    name: str = ""
    value: str | None = None


class _Port(Struct):
    name: str | None = None
    number: int = msgspec.field(default=0, name="containerPort")


class _Container(Struct):
    env: list[_Env] | None = None
    ports: list[_Port] | None = None
    command: list[str] | None = None
    args: list[str] | None = None


class _Spec(Struct):
    node: str = msgspec.field(default="", name="nodeName")
    containers: list[_Container] | None = None


class _Meta(Struct):
    name: str
    namespace: str
    labels: dict[str, str] | None = None


class _Phase(Struct):
    phase: str = ""


class _Pod(Struct):
    metadata: _Meta
    spec: _Spec
    status: _Phase = msgspec.field(default_factory=_Phase)


class _ListMeta(Struct):
    more: str = msgspec.field(default="", name="continue")


class _Pods(Struct):
    items: list[msgspec.Raw]
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


_list = msgspec.json.Decoder(_Pods)
_pod = msgspec.json.Decoder(_Pod)


async def find_exporters(door: Door, gpu_nodes: Iterable[str] = ()) -> tuple[ExporterPod, ...]:
    """All pods that tell of GPUs, by node. ``gpu_nodes`` are nodes with GPUs, if any are known.

    Raises:
        DiscoveryError: the pods could not be listed.
    """
    found: dict[tuple[str, str], ExporterPod] = {}
    for selector in _SELECTORS:
        found |= await _labelled(door, "/api/v1/pods", selector)
    node = next(iter(gpu_nodes), None)
    if not found and node is not None:
        found = await _by_port(door, node)
    return tuple(sorted(found.values()))


async def _labelled(door: Door, path: str, selector: str) -> dict[tuple[str, str], ExporterPod]:
    pods = await _pods(door, path, {"labelSelector": selector})
    return {(pod.metadata.namespace, pod.metadata.name): _exporter(pod) for pod in pods if pod.spec.node}


async def _by_port(door: Door, node: str) -> dict[tuple[str, str], ExporterPod]:
    """Those of the set whose pod on this node has the exporters' port."""
    for pod in await _pods(door, "/api/v1/pods", {"fieldSelector": f"spec.nodeName={node}"}):
        if not any(port.number == PORT for port in _ports(pod)):
            continue
        labels = {k: v for k, v in (pod.metadata.labels or {}).items() if k not in _OF_ONE_SET}
        if labels:
            path = f"/api/v1/namespaces/{pod.metadata.namespace}/pods"
            return await _labelled(door, path, ",".join(f"{k}={v}" for k, v in sorted(labels.items())))
    return {}


async def _pods(door: Door, path: str, query: Mapping[str, str]) -> list[_Pod]:
    pods: list[_Pod] = []
    more = ""
    for _ in range(_MOST_PAGES):
        asked = {**query, "limit": _PAGE} | ({"continue": more} if more else {})
        try:
            reply = await door.fetch(path, asked, headers={"Accept": "application/json"}, limit=_LONGEST)
        except DoorError as error:
            raise DiscoveryError(str(error)) from None
        page = _page(reply)
        for raw in page.items:
            try:
                pods.append(_pod.decode(raw))
            except msgspec.MsgspecError:
                continue  # One odd pod hides no other.
        more = page.metadata.more
        if not more:
            break
    return pods


def _page(reply: Reply) -> _Pods:
    if reply.status == 403:
        raise DiscoveryError("right missing: list pods in all namespaces, to find dcgm-exporter", denied=True)
    if reply.status != 200:
        raise DiscoveryError(f"listing pods: the server answers {reply.status}")
    try:
        return _list.decode(reply.body)
    except msgspec.MsgspecError:
        raise DiscoveryError("listing pods: the answer is no list of pods") from None


def _exporter(pod: _Pod) -> ExporterPod:
    labels = pod.metadata.labels or {}
    agent = labels.get("app.kubernetes.io/name") == AGENT_LABEL
    running = pod.status.phase == "Running"
    return ExporterPod(
        pod.spec.node,
        AgentKind.AGENT if agent else AgentKind.EXPORTER,
        pod.metadata.namespace,
        pod.metadata.name,
        _port(pod),
        _agent_interval(pod) if agent else _exporter_interval(pod),
        None if running else pod.status.phase or "not started",
    )


def _ports(pod: _Pod) -> list[_Port]:
    return [port for container in pod.spec.containers or () for port in container.ports or ()]


def _port(pod: _Pod) -> int:
    """The port of the page: by name as the operator and the chart have it, by number, or the usual one."""
    ports = _ports(pod)
    for fits in (lambda p: p.name in ("gpu-metrics", "metrics"), lambda p: p.number == PORT):
        for port in ports:
            if fits(port) and 0 < port.number < 65536:
                return port.number
    return PORT


def _exporter_interval(pod: _Pod) -> float:
    for container in pod.spec.containers or ():
        for env in container.env or ():
            if env.name == "DCGM_EXPORTER_INTERVAL":
                return _seconds(env.value, 0.001, _EXPORTER_INTERVAL)
        told = _option(container, ("-c", "--collect-interval"))
        if told is not None:
            return _seconds(told, 0.001, _EXPORTER_INTERVAL)
    return _EXPORTER_INTERVAL


def _agent_interval(pod: _Pod) -> float:
    for container in pod.spec.containers or ():
        told = _option(container, ("--interval",))
        if told is not None:
            return _seconds(told, 1.0, _AGENT_INTERVAL)
    return _AGENT_INTERVAL


def _option(container: _Container, names: tuple[str, ...]) -> str | None:
    words: list[Any] = [*(container.command or ()), *(container.args or ())]
    for at, word in enumerate(words):
        name, joined, value = word.partition("=")
        if name in names:
            return value if joined else next(iter(words[at + 1 :]), None)
    return None


def _seconds(text: str | None, factor: float, otherwise: float) -> float:
    found = re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text or "")
    seconds = float(found[0]) * factor if found is not None else 0.0
    return min(seconds, 3600.0) if seconds > 0 else otherwise
