"""GPUs of the whole fleet from a Prometheus server: a small question for each metric, over one connection.

One question for all metrics would be one answer of some 40 MB for 4,000 GPUs, whose decoding stops all
threads; each of these is a fortieth of that. Samples have the age that Prometheus tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import msgspec
from msgspec import Struct

from clients.gpu.dcgm import WANTED, samples_of
from clients.gpu.door import Door, DoorError, refusal, service_page
from clients.gpu.exposition import PageError, Row
from clients.serving.gpus import GpuSample

__all__ = ["PrometheusError", "PrometheusPlace", "read_fleet", "read_place"]

_QUERY = "/api/v1/query"
_LONGEST = 32 << 20
_STAMPED = "DCGM_FI_DEV_FB_USED"
"""The metric whose age stands for all of a device."""
_NODE_LABELS = ("node", "kubernetes_node", "Hostname", "hostname", "nodename")
_EXPORTERS = frozenset(("nvidia-dcgm-exporter", "dcgm-exporter", "exporter", "servegrid-agent", "agent"))
"""Containers of exporters, which Prometheus names in rows of devices that nobody has."""


class PrometheusError(Exception):
    """No figures from there; one line."""

    def __init__(self, message: str, *, denied: bool = False) -> None:
        super().__init__(message)
        self.denied = denied


class PrometheusPlace(Struct, frozen=True):
    """Where Prometheus is: ``url``, or a service behind the API server."""

    url: str = ""
    namespace: str = ""
    service: str = ""
    """``[https:]name:port``"""

    @property
    def where(self) -> str:
        """For the status line; never the user or password of a URL."""
        if not self.url:
            return f"{self.namespace}/{self.service}"
        scheme, _, rest = self.url.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"

    def path(self, page: str) -> str:
        """The path of one of its pages, for the door that leads there."""
        return page if self.url else service_page(self.namespace, self.service, page)


def read_place(text: str) -> PrometheusPlace:
    """A setting: a URL, or ``namespace/service:port``. Raises ValueError."""
    if text.startswith(("http://", "https://")) and text.partition("://")[2].strip("/"):
        return PrometheusPlace(url=text)
    namespace, slash, service = text.partition("/")
    if slash and namespace and service and "/" not in service and ":" in service:
        return PrometheusPlace(namespace=namespace, service=service)
    raise ValueError('expected a URL or "namespace/service:port"')


class _Series(Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Data(Struct):
    result: list[_Series]
    kind: str = msgspec.field(default="vector", name="resultType")


class _Answer(Struct):
    status: str
    data: _Data


_decode = msgspec.json.Decoder(_Answer).decode


async def read_fleet(
    door: Door,
    place: PrometheusPlace,
    now: Callable[[], float],
    *,
    exporters: Mapping[tuple[str, str], str],
    fresh_for: float,
) -> dict[str, tuple[GpuSample, ...]]:
    """The devices of every node that Prometheus has figures of; empty if it has none.

    ``now`` is monotonic; ``exporters`` are nodes by namespace and name of their exporter's pod, as far as
    they are known: often Prometheus knows a node by nothing else.

    Raises:
        PrometheusError: it does not answer, or not as Prometheus does.
    """
    asked = now()
    ages = await _ask(door, place, f"timestamp({_STAMPED})")
    if not ages:
        return {}
    rows: dict[str, list[Row]] = {}
    for name in sorted(WANTED):
        for series in await _ask(door, place, name):
            node = _node_of(series.metric, exporters)
            rows.setdefault(node, []).append(Row(series.metric, {name: _number(series.value[1])}))
    late: dict[str, float] = {}
    for series in ages:
        node = _node_of(series.metric, exporters)
        late[node] = max(late.get(node, 0.0), series.value[0] - _number(series.value[1]))
    ignored = _not_holders(ages, exporters)
    try:
        pages = {
            node: samples_of(
                of_node,
                node,
                asked - late.get(node, 0.0),
                None,
                fresh_for=fresh_for,
                not_holders=ignored,
            )
            for node, of_node in rows.items()
        }
    except PageError as error:
        raise PrometheusError(f"{place.where}: {error}") from None
    return {node: page.samples for node, page in pages.items() if page.samples}


async def _ask(door: Door, place: PrometheusPlace, query: str) -> list[_Series]:
    headers = {"Accept": "application/json"}
    try:
        reply = await door.fetch(place.path(_QUERY), {"query": query}, headers=headers, limit=_LONGEST)
    except DoorError as error:
        raise PrometheusError(f"{place.where}: {error}") from None
    refused = refusal(reply, "services", place.namespace)
    if refused is not None:
        raise PrometheusError(f"{place.where}: {refused.detail}", denied=refused.denied)
    try:
        answer = _decode(reply.body)
    except msgspec.MsgspecError:
        raise PrometheusError(f"{place.where}: its answer is not that of a Prometheus server") from None
    if answer.status != "success":
        raise PrometheusError(f"{place.where}: it refuses the question")
    return answer.data.result


def _node_of(labels: Mapping[str, str], exporters: Mapping[tuple[str, str], str]) -> str:
    """The node of a series: by its exporter's pod, else by the labels that configurations give it."""
    known = exporters.get((labels.get("namespace", ""), labels.get("pod", "")))
    if known is not None:
        return known
    return next((labels[name] for name in _NODE_LABELS if labels.get(name)), labels.get("instance", ""))


def _not_holders(
    series: Collection[_Series], exporters: Mapping[tuple[str, str], str]
) -> set[tuple[str, str]]:
    """Pods that stand in ``pod`` labels because they were scraped, not because they hold a device."""
    found = set(exporters)
    for one in series:
        labels = one.metric
        if "exported_pod" in labels or labels.get("container") in _EXPORTERS:
            found.add((labels.get("namespace", ""), labels.get("pod", "")))
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
