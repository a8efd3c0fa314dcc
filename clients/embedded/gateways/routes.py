"""Where requests from outside go, as Ingresses, Services, ModelRoutes and ModelServers say it.

Nothing is kept but what somebody asked for; a change of any of these objects, or of a pod, lets go of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.selectors import Requirement
from clients.embedded.controllers.ingress import INGRESSES, takes
from clients.embedded.controllers.kthena_router import MODEL_ROUTES, MODEL_SERVERS
from clients.embedded.demand import is_entry
from clients.embedded.faults import ENDPOINT_FAULT
from clients.embedded.podbook import PodBook, PodFacts
from clients.embedded.store import Store

__all__ = ["Backend", "Routes", "Team"]

Team = tuple[PodFacts, ...]
"""The pods that answer a request together: one, or prefill and decode of one group."""

_SERVICES = "services"


class Backend(Struct, frozen=True):
    """What a route leads to: a Service or a ModelServer."""

    resource: str
    namespace: str
    name: str
    selector: Mapping[str, str]
    group_key: str = ""
    """The label by whose value prefill and decode pods belong together; empty where a pod does both."""
    prefill: Mapping[str, str] = {}
    decode: Mapping[str, str] = {}
    model: str = ""
    """The name by which its engines know the model; empty: the one in the request."""
    fault: str = ""
    """What it was told to do wrong."""


class Routes:
    """The routes of one cluster. ``asked`` tells how many requests a pod already has."""

    def __init__(self, store: Store, book: PodBook, asked: Callable[[PodFacts], int]) -> None:
        self._store = store
        self._book = book
        self._asked = asked
        self._hosts: dict[str, list[tuple[str, bool, str, str]]] | None = None
        """By host: (path, whether it must be met exactly, namespace, service), the longest path first."""
        self._models: dict[str, tuple[str, Json]] | None = None
        """By name: namespace and spec of the ModelRoute."""
        self._backends: dict[tuple[str, str, str], Backend | None] = {}
        self._teams: dict[str, dict[tuple[str, str], list[Team]]] = {}
        """By namespace, and resource and name of a backend."""
        for resource in (INGRESSES, MODEL_ROUTES, MODEL_SERVERS, _SERVICES):
            store.subscribe(resource, self._changed)
        book.listeners.append(self._pod_changed)

    def by_host(self, host: str, path: str) -> Backend | None:
        """The Service that an Ingress names for a host and path."""
        if self._hosts is None:
            self._hosts = self._read_ingresses()
        for prefix, exact, namespace, name in self._hosts.get(host, ()):
            if path == prefix or (not exact and _under(prefix, path)):
                return self._backend(_SERVICES, namespace, name, _of_service)
        return None

    def has_model(self, model: str) -> bool:
        """Whether a ModelRoute is for this name."""
        return model in self._routes()

    def models(self) -> list[str]:
        """The names of all ModelRoutes."""
        return sorted(self._routes())

    def by_model(self, model: str) -> tuple[str, Backend | None]:
        """(namespace/name of the ModelServer that takes a model's requests, the ModelServer if it is there).

        Of several targets the one with the greatest weight. Raises KeyError without a ModelRoute.
        """
        namespace, spec = self._routes()[model]
        targets: list[Json] = [t for rule in spec.get("rules") or () for t in rule.get("targetModels") or ()]
        targets.sort(key=lambda target: -target.get("weight", 100))
        name = targets[0].get("modelServerName", "") if targets else ""
        return f"{namespace}/{name}", self._backend(MODEL_SERVERS, namespace, name, _of_server)

    def team(self, backend: Backend) -> Team | None:
        """The ready pods with the fewest requests; None where none is ready."""
        known = self._teams.setdefault(backend.namespace, {})
        key = (backend.resource, backend.name)
        teams = known.get(key)
        if teams is None:
            teams = known[key] = self._find(backend)
        if not teams:
            return None
        return min(teams, key=lambda team: (self._asked(team[-1]), self._asked(team[0])))

    # -- inside ------------------------------------------------------------------------------------------

    def _changed(self, _change: str, obj: Json) -> None:
        self._hosts = self._models = None
        self._backends.clear()
        self._teams.pop(obj["metadata"]["namespace"], None)

    def _pod_changed(self, before: PodFacts | None, now: PodFacts | None) -> None:
        facts = now or before
        assert facts is not None
        self._teams.pop(facts.namespace, None)

    def _backend(
        self, resource: str, namespace: str, name: str, read: Callable[[Json], Backend | None]
    ) -> Backend | None:
        key = (resource, namespace, name)
        if key not in self._backends:
            obj = self._store.get(resource, namespace, name)
            self._backends[key] = None if obj is None else read(obj)
        return self._backends[key]

    def _read_ingresses(self) -> dict[str, list[tuple[str, bool, str, str]]]:
        found: dict[str, list[tuple[str, bool, str, str]]] = defaultdict(list)
        for ingress in self._store.list(INGRESSES):
            if not takes(ingress):
                continue
            for rule in ingress["spec"].get("rules") or ():
                for told in (rule.get("http") or {}).get("paths") or ():
                    service = (told.get("backend") or {}).get("service") or {}
                    path, exact = told.get("path") or "/", told.get("pathType") == "Exact"
                    where = (path, exact, ingress["metadata"]["namespace"], service.get("name", ""))
                    found[rule.get("host") or ""].append(where)
        for places in found.values():
            places.sort(key=lambda place: -len(place[0]))
        return dict(found)

    def _routes(self) -> dict[str, tuple[str, Json]]:
        if self._models is None:
            self._models = {}
            for route in self._store.list(MODEL_ROUTES):
                spec = route["spec"]
                for name in (spec.get("modelName"), *(spec.get("loraAdapters") or ())):
                    if name:
                        self._models.setdefault(name, (route["metadata"]["namespace"], spec))
        return self._models

    def _find(self, backend: Backend) -> list[Team]:
        ready = self._ready(backend, {})
        if not backend.group_key:
            return [(pod,) for pod in ready]
        readers, writers = self._ready(backend, backend.prefill), self._ready(backend, backend.decode)
        groups: dict[str, list[PodFacts]] = defaultdict(list)
        for pod in readers:
            groups[pod.labels.get(backend.group_key, "")].append(pod)
        return [
            (reader, writer)
            for writer in writers
            for reader in groups[writer.labels.get(backend.group_key, "")]
        ]

    def _ready(self, backend: Backend, more: Mapping[str, str]) -> Sequence[PodFacts]:
        labels = {**backend.selector, **more}
        if not labels:
            return ()
        wanted = [Requirement(key, "in", frozenset((value,))) for key, value in labels.items()]
        found = self._book.select(backend.namespace, wanted)
        return [pod for pod in found if pod.ready and not pod.deleting and is_entry(pod)]


def _of_service(obj: Json) -> Backend:
    meta = obj["metadata"]
    selector = obj["spec"].get("selector") or {}
    return Backend(_SERVICES, meta["namespace"], meta["name"], selector, fault=_fault(meta))


def _of_server(obj: Json) -> Backend:
    meta, spec = obj["metadata"], obj["spec"]
    selector = spec.get("workloadSelector") or {}
    pairs = selector.get("pdGroup") or {}
    return Backend(
        MODEL_SERVERS,
        meta["namespace"],
        meta["name"],
        selector.get("matchLabels") or {},
        group_key=pairs.get("groupKey", ""),
        prefill=pairs.get("prefillLabels") or {},
        decode=pairs.get("decodeLabels") or {},
        model=spec.get("model", ""),
        fault=_fault(meta),
    )


def _fault(meta: Json) -> str:
    told: str = (meta.get("annotations") or {}).get(ENDPOINT_FAULT, "")
    return told


def _under(prefix: str, path: str) -> bool:
    """Whether a path lies under a prefix, element by element."""
    return path.startswith(prefix.rstrip("/") + "/")
