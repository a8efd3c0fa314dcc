"""What users ask of the simulated services, and what that does to their pods.

Scenarios say it by one call, at any time, also before the pods exist::

    cluster.demand.assign("llm", "chat", {"app": "chat"}, Wave(20, 300, period=2700), capacity=100)

A service's requests in flight spread evenly over its ready entry pods (of each role, where there are roles).
Up to ``capacity`` of them run on a pod, the rest waits there; all its figures follow from these two numbers.
Figures are taken every 15 simulated seconds for all pods at once, as an exporter that is scraped: in between
they stand still. Pods that do not run, and those that only just began to, have none; pods that load weights
have them (little cpu, no GPU work). ``add_requests`` puts real requests on top of the simulated ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import copy

from msgspec import Struct

from clients.embedded.curves import Curve, chance
from clients.embedded.engine import Engine
from clients.embedded.models import model_size, typical_of
from clients.embedded.pace import KV_FILL, Pace
from clients.embedded.podbook import PodBook, PodFacts

__all__ = ["FIGURES", "SCRAPE_SECONDS", "Added", "Demand", "Service", "is_entry"]

SCRAPE_SECONDS = 15.0
_FIRST_SAMPLE = 10.0
"""Seconds a container runs before anybody has a sample of it."""
_ROLE = "modelserving.volcano.sh/role"
_ENTRY = "modelserving.volcano.sh/entry"
_WORKER = "leaderworkerset.sigs.k8s.io/worker-index"
_GPU_MIB = 80 * 1024
_NOISE = 0.05

FIGURES = (
    "DCGM_CUSTOM_PROCESS_SM_UTIL",
    "DCGM_CUSTOM_PROCESS_MEM_USED",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "vllm:e2e_request_latency_seconds",
    "vllm:time_to_first_token_seconds",
    "requests_per_second",
)
"""What can be asked of a pod, in per cent, MiB, requests (2), 0 to 1 (2), seconds (2), per second."""


class Service(Struct):
    """A service under demand."""

    namespace: str
    name: str
    selector: Mapping[str, str]
    curve: Curve
    capacity: float
    """Requests that one pod works on at a time."""
    latency: float
    """Seconds a request takes on an idle pod."""
    noise: float
    pods: dict[str, PodFacts] = {}
    shares: dict[str, float] = {}
    """Requests in flight per entry pod, by role, at the last scrape."""
    offered: float = 0.0
    """Requests in flight in all, at the last scrape."""


class Added(Struct):
    """Real requests at a pod. Who serves them keeps these numbers up."""

    running: int = 0
    waiting: int = 0
    tokens: float = 0.0
    """What the running ones hold of the KV cache."""
    ended: int = 0
    """How many were answered so far."""


class _Load(Struct):
    """What a pod has to do."""

    pace: Pace
    simulated: float
    """Simulated requests that it works on."""
    running: float
    waiting: float
    cached: float
    """What the running ones hold of what a full batch of usual ones would, 0 to 1."""
    answered: float
    """Real requests answered a second, in the last interval."""

    @property
    def used(self) -> float:
        """``running`` as a share of the capacity, 0 to 1."""
        return self.pace.used(self.running)

    @property
    def simulated_per_second(self) -> float:
        """Simulated requests answered a second."""
        return self.simulated / self.pace.service(self.running)


class Demand:
    """The demand on all services of one cluster."""

    def __init__(self, book: PodBook, engine: Engine, seed: int) -> None:
        self._book = book
        self._engine = engine
        self._seed = seed
        self._services: dict[tuple[str, str], Service] = {}
        self._by_label: dict[tuple[str, str, str], list[Service]] = {}
        self._serving: dict[tuple[str, str], Service] = {}
        self._added: dict[tuple[str, str], Added] = {}
        self._seen: dict[tuple[str, str], Added] = {}
        self._answered: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], dict[str, float]] = {}
        self.scraped_at = -math.inf
        """Simulated time of the newest figures."""
        book.listeners.append(self._pod_changed)

    def start(self) -> None:
        """Takes figures from now on."""
        self._engine.every(SCRAPE_SECONDS, self.scrape, first=0.0)

    # -- what scenarios and load tests say ---------------------------------------------------------------

    def assign(
        self,
        namespace: str,
        name: str,
        selector: Mapping[str, str],
        curve: Curve,
        *,
        capacity: float = 64.0,
        latency: float = 2.0,
        noise: float = _NOISE,
    ) -> Service:
        """Puts a service under demand: the pods of ``namespace`` that carry all labels of ``selector``.

        ``name`` is what object and external metrics call it; a second call replaces the first. ``noise`` is
        the share by which pods differ from each other and from one scrape to the next. Raises ValueError for
        a capacity or latency that is not above 0.
        """
        if capacity <= 0 or latency <= 0:
            raise ValueError("capacity and latency must be above 0")
        old = self._services.pop((namespace, name), None)
        if old is not None:
            self._by_label[self._index_of(old)].remove(old)
            for pod in old.pods.values():
                del self._serving[(namespace, pod.name)]
        service = Service(namespace, name, dict(selector), curve, capacity, latency, noise)
        self._services[(namespace, name)] = service
        self._by_label.setdefault(self._index_of(service), []).append(service)
        for pod in self._book.of(namespace):
            self._pod_changed(pod, pod)
        return service

    def added(self, namespace: str, pod: str) -> Added:
        """The real requests at a pod, to be kept up; figures show them from the next scrape on."""
        return self._added.setdefault((namespace, pod), Added())

    def pace(self, pod: PodFacts) -> Pace:
        """How fast a pod works."""
        service = self._serving.get((pod.namespace, pod.name))
        capacity, latency = (64.0, 2.0) if service is None else (service.capacity, service.latency)
        return Pace(capacity, latency, typical_of(pod.model))

    def simulated(self, pod: PodFacts) -> float:
        """Simulated requests in flight at a pod."""
        service = self._serving.get((pod.namespace, pod.name))
        if service is None or not pod.ready:
            return 0.0
        return service.shares.get(pod.labels.get(_ROLE, ""), 0.0)

    def hold(self, namespace: str, pod: str, figures: Mapping[str, float]) -> None:
        """A pod whose figures stay the same whatever it has to do: a hot or a hung one. Empty: no longer.

        Beside ``FIGURES`` it takes ``cpu`` (cores) and ``memory`` (bytes).
        """
        if figures:
            self._held[(namespace, pod)] = dict(figures)
        else:
            self._held.pop((namespace, pod), None)

    # -- what is seen ------------------------------------------------------------------------------------

    def services(self, namespace: str) -> list[Service]:
        """The services of a namespace, by name."""
        return [s for (place, _), s in sorted(self._services.items()) if place == namespace]

    def service(self, namespace: str, name: str) -> Service | None:
        """One service."""
        return self._services.get((namespace, name))

    def scrape(self) -> None:
        """Takes the figures of this moment."""
        self.scraped_at = self._engine.clock.now()
        before = self._seen
        self._seen = {key: copy(added) for key, added in self._added.items()}
        self._answered = {
            key: (added.ended - before.get(key, _NOTHING).ended) / SCRAPE_SECONDS
            for key, added in self._seen.items()
        }
        for service in self._services.values():
            service.offered = max(0.0, service.curve.at(self.scraped_at))
            ready: dict[str, int] = {}
            for pod in service.pods.values():
                if pod.ready and not pod.deleting and is_entry(pod):
                    role = pod.labels.get(_ROLE, "")
                    ready[role] = ready.get(role, 0) + 1
            service.shares = {role: service.offered / count for role, count in ready.items()}

    def has_sample(self, pod: PodFacts) -> bool:
        """Whether the newest scrape holds figures of a pod."""
        since = pod.running_since
        return pod.phase == "Running" and since is not None and since + _FIRST_SAMPLE <= self.scraped_at

    def figure(self, pod: PodFacts, name: str) -> float | None:
        """One of ``FIGURES`` of a pod; None for another name, or without a sample."""
        if name not in FIGURES or not self.has_sample(pod):
            return None
        held = self._held.get((pod.namespace, pod.name))
        if held is not None and name in held:
            return held[name]
        load = self._load(pod)
        return self._figure(pod, name, load) * self._wobble(pod, name)

    def simulated_per_second(self, pod: PodFacts) -> float:
        """What ``requests_per_second`` has of simulated requests alone; 0 without a sample."""
        return self._load(pod).simulated_per_second if self.has_sample(pod) else 0.0

    def usage(self, pod: PodFacts) -> dict[str, tuple[float, float]]:
        """(cores, bytes) in use by container; empty without a sample."""
        if not self.has_sample(pod):
            return {}
        load = self._load(pod)
        found: dict[str, tuple[float, float]] = {}
        for index, container in enumerate(pod.containers):
            if index:
                found[container.name] = (0.01, 24.0 * 2**20)
                continue
            cores = (container.cpu or 1000) / 1000 * self._busy(pod, load) * self._wobble(pod, "cpu")
            if container.cpu_limit is not None:
                cores = min(cores, container.cpu_limit / 1000)
            memory = (container.memory or 2**30 * 1000) / 1000 * (0.42 + 0.3 * load.used)
            held = self._held.get((pod.namespace, pod.name), {})
            found[container.name] = (held.get("cpu", cores), held.get("memory", memory))
        return found

    def total(self, service: Service, name: str) -> float | None:
        """A figure over all entry pods of a service: summed, or averaged where a sum makes no sense."""
        if name not in FIGURES:
            return None
        pods = [p for p in service.pods.values() if is_entry(p) and not p.deleting]
        values = [v for p in pods if (v := self.figure(p, name)) is not None]
        if not values:
            # Nobody is there to count what waits: it waits at the gateway.
            return service.offered if name in _COUNTED else 0.0
        return sum(values) if name in _SUMMED else sum(values) / len(values)

    # -- inside ------------------------------------------------------------------------------------------

    def _pod_changed(self, before: PodFacts | None, now: PodFacts | None) -> None:
        facts = now or before
        assert facts is not None
        key = (facts.namespace, facts.name)
        known = self._serving.pop(key, None)
        if known is not None:
            known.pods.pop(facts.name, None)
        if now is None:
            self._added.pop(key, None)
            return
        for label in now.labels.items():
            for service in self._by_label.get((now.namespace, *label), ()):
                if all(now.labels.get(k) == v for k, v in service.selector.items()):
                    service.pods[now.name] = now
                    self._serving[key] = service
                    return

    @staticmethod
    def _index_of(service: Service) -> tuple[str, str, str]:
        return (service.namespace, *next(iter(service.selector.items())))

    def _load(self, pod: PodFacts) -> _Load:
        key = (pod.namespace, pod.name)
        pace, share, added = self.pace(pod), self.simulated(pod), self._seen.get(key, _NOTHING)
        simulated = pace.left(share, added.running)
        return _Load(
            pace=pace,
            simulated=simulated,
            running=simulated + added.running,
            waiting=share - simulated + added.waiting,
            cached=min(1.0, pace.used(simulated) + added.tokens * KV_FILL / pace.kv_tokens),
            answered=self._answered.get(key, 0.0),
        )

    def _busy(self, pod: PodFacts, load: _Load) -> float:
        """Cores as a share of those asked for: an engine on a GPU keeps few busy, a server without all."""
        if not pod.ready:
            return 0.06
        if pod.gpus:
            return 0.12 + 0.2 * load.used
        return 0.02 + 0.98 * load.used * (1 + min(1.0, load.waiting / max(1.0, load.running)))

    def _figure(self, pod: PodFacts, name: str, load: _Load) -> float:
        pace = load.pace
        cached = min(1.0, 0.04 + KV_FILL * load.cached + 0.1 * min(1.0, load.waiting / 8))
        if name == "DCGM_CUSTOM_PROCESS_SM_UTIL":
            return 96.0 * load.used**0.7 if load.used else 0.0
        if name == "DCGM_CUSTOM_PROCESS_MEM_USED":
            weights = model_size(pod.model) * 1000 if pod.model else 2000.0
            return min(_GPU_MIB * 0.92, weights / max(1, pod.gpus) + 2048 + 24_000 * cached) * max(
                1, pod.gpus
            )
        if name == "vllm:num_requests_running":
            return load.running
        if name == "vllm:num_requests_waiting":
            return load.waiting
        if name == "vllm:e2e_request_latency_seconds":
            return pace.service(load.running) + pace.wait(load.running, load.waiting)
        if name == "vllm:time_to_first_token_seconds":
            return pace.first_token(load.running, load.waiting)
        if name == "requests_per_second":
            return load.simulated_per_second + load.answered
        return cached

    def _wobble(self, pod: PodFacts, name: str) -> float:
        service = self._serving.get((pod.namespace, pod.name))
        noise = _NOISE if service is None else service.noise
        if not noise:
            return 1.0
        return 1 + noise * (2 * chance(self._seed, pod.namespace, pod.name, name, int(self.scraped_at)) - 1)


_NOTHING = Added()
_COUNTED = ("vllm:num_requests_waiting",)
_SUMMED = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "requests_per_second",
    "DCGM_CUSTOM_PROCESS_MEM_USED",
)


def is_entry(pod: PodFacts) -> bool:
    """Whether requests reach this pod; workers of a group only help its entry pod or leader."""
    if _ROLE in pod.labels:
        return pod.labels.get(_ENTRY) == "true"
    return pod.labels.get(_WORKER, "0") == "0"
