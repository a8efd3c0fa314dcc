"""The embedded cluster: store, clock, engine and all that acts in it, wired together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from clients.clock import Clock
from clients.embedded.adapters import Adapters
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.cronhpa import CronHpaController
from clients.embedded.controllers.daemonset import DaemonSets
from clients.embedded.controllers.deployment import Deployments
from clients.embedded.controllers.endpoints import Endpoints
from clients.embedded.controllers.hpa import PodAutoscaler
from clients.embedded.controllers.ingress import IngressController
from clients.embedded.controllers.job import Jobs
from clients.embedded.controllers.keda import KedaOperator
from clients.embedded.controllers.kserve import InferenceServices
from clients.embedded.controllers.kserve_names import INFERENCE_SERVICES
from clients.embedded.controllers.kserve_webhook import review as review_inference_service
from clients.embedded.controllers.kthena import KthenaController
from clients.embedded.controllers.kthena_autoscaler import KthenaAutoscaler
from clients.embedded.controllers.kthena_crd import crds_of
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.controllers.kthena_router import KthenaRouter
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.controllers.kthena_webhook import review
from clients.embedded.controllers.lws import LeaderWorkerSets
from clients.embedded.controllers.lws_names import LEADER_WORKER_SETS
from clients.embedded.controllers.lws_webhook import review as review_leader_worker_set
from clients.embedded.controllers.recorder import EventExpiry
from clients.embedded.controllers.replicaset import ReplicaSets
from clients.embedded.controllers.statefulset import StatefulSets
from clients.embedded.demand import Demand
from clients.embedded.engine import Engine
from clients.embedded.enginepages import EnginePages
from clients.embedded.faults import Faults
from clients.embedded.gpus import Gpus
from clients.embedded.grown import Ground
from clients.embedded.grown_workloads import WorkloadGround
from clients.embedded.kubelet import Kubelets
from clients.embedded.nodes import Nodes
from clients.embedded.podbook import PodBook
from clients.embedded.scheduler import Scheduler
from clients.embedded.simclock import SimClock
from clients.embedded.store import Store, new_namespace
from clients.embedded.traffic import Traffic

__all__ = ["Cluster", "Options"]


class Options(Struct, frozen=True, kw_only=True):
    """What a cluster is started with."""

    seed: int = 1
    speed: float = 1.0
    start: float | None = None
    """Simulated time at the start, UTC seconds; the real time if None."""
    flavour: Flavour = Flavour.HEAD
    flavours: Mapping[tuple[str, str], Flavour] = {}
    """Exceptions by (namespace, name) of a ModelServing."""


class Cluster:
    """One simulated cluster. Fill it, then ``start`` it; the engine moves it."""

    def __init__(self, options: Options | None = None, *, base: Clock | None = None) -> None:
        self.options = options or Options()
        self.clock = SimClock(self.options.speed, self.options.start, base)
        self.engine = Engine(self.clock)
        self.store = Store(self.clock, crds=crds_of(self.options.flavour), seed=self.options.seed)
        self.store.admission[RESOURCE] = review
        self.store.admission[LEADER_WORKER_SETS] = review_leader_worker_set
        self.store.admission[INFERENCE_SERVICES] = review_inference_service
        self.faults = Faults()
        self.nodes = Nodes(self.store, self.engine)
        self.ground = Ground(self.store, self.clock, self.nodes)
        self.kubelets = Kubelets(self.store, self.engine, self.nodes, self.faults, self.options.seed)
        self.scheduler = Scheduler(self.store, self.engine, self.nodes)
        self.kthena = KthenaController(self.store, self.engine, self.options.flavour, self.options.flavours)
        self.replica_sets = ReplicaSets(self.store, self.engine)
        self.deployments = Deployments(self.store, self.engine, self.replica_sets)
        self.stateful_sets = StatefulSets(self.store, self.engine)
        self.daemon_sets = DaemonSets(self.store, self.engine, self.nodes)
        self.jobs = Jobs(self.store, self.engine)
        self.leader_worker_sets = LeaderWorkerSets(self.store, self.engine, self.stateful_sets)
        self.inference_services = InferenceServices(self.store, self.engine, self.replica_sets)
        self.ingress = IngressController(self.store, self.engine)
        self.router = KthenaRouter(self.store)
        self.workloads = WorkloadGround(
            self.store,
            self.clock,
            self.ground,
            self.replica_sets,
            self.deployments,
            self.stateful_sets,
            self.leader_worker_sets,
            self.inference_services,
        )
        self.endpoints = Endpoints(self.store, self.engine)
        self.pods = PodBook(self.store)
        self.demand = Demand(self.pods, self.engine, self.options.seed)
        self.traffic = Traffic(self.pods, self.demand, self.engine)
        self.engine_pages = EnginePages(self.pods, self.demand, self.traffic, self.clock)
        self.gpus = Gpus(self.nodes, self.pods, self.demand, self.options.seed)
        self.adapters = Adapters(self.pods, self.demand)
        self.autoscaler = PodAutoscaler(self.store, self.engine, self.pods, self.adapters)
        self.cronhpa = CronHpaController(self.store, self.engine, self.options.seed)
        self.keda = KedaOperator(self.store, self.engine, self.demand, self.adapters)
        self.kthena_autoscaler = KthenaAutoscaler(
            self.store, self.engine, self.pods, self.demand, self.engine_pages
        )
        self.expiry = EventExpiry(self.store, self.engine)

    def namespaces(self, names: Sequence[str]) -> None:
        """Creates those that are not there yet."""
        for name in names:
            if self.store.record("namespaces", None, name) is None:
                self.store.create("namespaces", new_namespace(name), manager="kube-apiserver")

    def start(self) -> None:
        """Lets everything act from now on."""
        self.nodes.start()
        self.kthena.start(quiet=True)
        self.replica_sets.start()
        self.deployments.start()
        self.stateful_sets.start()
        self.daemon_sets.start()
        self.jobs.start()
        self.leader_worker_sets.start()
        self.inference_services.start()
        self.ingress.start()
        self.router.start()
        self.endpoints.start()
        self.demand.start()
        self.autoscaler.start()
        self.cronhpa.start()
        self.keda.start()
        self.kthena_autoscaler.start()

    def run_for(self, seconds: float) -> None:
        """Lives through simulated seconds at once, without waiting."""
        self.engine.run_until(self.clock.now() + seconds)

    def dump(self) -> Json:
        """Kthena's memory, as its debug endpoint tells it."""
        return self.kthena.dump()
