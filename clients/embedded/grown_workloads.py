"""Workloads of Kubernetes, LeaderWorkerSet and KServe that have run for a while: all their pods are up.

The controllers' own passes write what they would have written; only the pods' way to ready is left out.
"""

from __future__ import annotations

from collections.abc import Callable

from clients.embedded.apiserver.kinds import fill_kind_defaults
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.deployment import DEPLOYMENTS, Deployments, replica_set_of
from clients.embedded.controllers.kserve import InferenceServices
from clients.embedded.controllers.kserve_names import INFERENCE_SERVICES
from clients.embedded.controllers.kserve_spec import components
from clients.embedded.controllers.kserve_webhook import with_defaults as complete_inference_service
from clients.embedded.controllers.lws import LeaderWorkerSets
from clients.embedded.controllers.lws_names import LEADER_WORKER_SETS
from clients.embedded.controllers.lws_webhook import with_defaults as complete_leader_worker_set
from clients.embedded.controllers.replicaset import (
    MANAGER,
    REPLICA_SETS,
    ReplicaSets,
    pod_of,
    pod_template,
)
from clients.embedded.controllers.statefulset import STATEFUL_SETS, StatefulSets, revision_of, stateful_pod
from clients.embedded.controllers.statefulset_order import ordinals
from clients.embedded.grown import READY_AFTER, Ground
from clients.embedded.simclock import SimClock
from clients.embedded.store import Store

__all__ = ["WorkloadGround"]

Look = Callable[[str, str], None]
"""A controller's pass over (namespace, name)."""

_USER = "kubectl-client-side-apply"


class WorkloadGround:
    """Where they are planted, before the cluster starts. All raise ValueError where pods do not fit."""

    def __init__(
        self,
        store: Store,
        clock: SimClock,
        ground: Ground,
        replica_sets: ReplicaSets,
        deployments: Deployments,
        stateful_sets: StatefulSets,
        leader_worker_sets: LeaderWorkerSets,
        inference_services: InferenceServices,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ground = ground
        self._replica_sets = replica_sets
        self._deployments = deployments
        self._stateful_sets = stateful_sets
        self._leader_worker_sets = leader_worker_sets
        self._inference_services = inference_services

    def deployment(self, obj: Json, age: float) -> None:
        """A Deployment created ``age`` seconds ago."""
        born = self._clock.now() - age
        with self._clock.held_at(born):
            made = self._create(DEPLOYMENTS, obj, _USER)
        self._grow_deployment(made, born)

    def stateful_set(self, obj: Json, age: float) -> None:
        """A StatefulSet created ``age`` seconds ago."""
        born = self._clock.now() - age
        with self._clock.held_at(born):
            made = self._create(STATEFUL_SETS, obj, _USER)
        self._grow_stateful_set(made, born)

    def leader_worker_set(self, obj: Json, age: float) -> None:
        """A LeaderWorkerSet created ``age`` seconds ago."""
        born = self._clock.now() - age
        meta = obj["metadata"]
        key = (meta["namespace"], meta["name"])
        with self._clock.held_at(born):
            self._store.create(LEADER_WORKER_SETS, complete_leader_worker_set(obj), manager=_USER)
            self._leader_worker_sets.look(*key)
        self._grow_stateful_set(self._get(STATEFUL_SETS, *key), born)
        with self._clock.held_at(born):
            self._leader_worker_sets.look(*key)
        for leader in self._stateful_sets.pods_of(self._get(STATEFUL_SETS, *key)["metadata"]["uid"]):
            workers = self._store.get(STATEFUL_SETS, key[0], leader.name)
            if workers is not None:
                self._grow_stateful_set(workers, born)
        self._settle(born, self._leader_worker_sets.look, *key)

    def inference_service(self, obj: Json, age: float, replicas: int = 1) -> None:
        """An InferenceService in Standard mode created ``age`` seconds ago, now at ``replicas``."""
        born = self._clock.now() - age
        meta = obj["metadata"]
        key = (meta["namespace"], meta["name"])
        with self._clock.held_at(born):
            made = self._store.create(INFERENCE_SERVICES, complete_inference_service(obj), manager="arena")
            self._inference_services.look(*key)
        for component in components(made):
            with self._clock.held_at(born):
                self._scale(key[0], component.name, replicas)
            self._grow_deployment(self._get(DEPLOYMENTS, key[0], component.name), born)
        self._settle(born, self._inference_services.look, *key)

    # -- growing -----------------------------------------------------------------------------------------

    def _grow_deployment(self, obj: Json, born: float) -> None:
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        replicas = int(obj["spec"]["replicas"])
        with self._clock.held_at(born):
            replica_set = self._store.create(REPLICA_SETS, replica_set_of(obj, replicas, 1), manager=MANAGER)
            for _ in range(replicas):
                pod = pod_of(replica_set, pod_template(replica_set))
                prefix = f"{replica_set['metadata']['name']}-"
                pod["metadata"] |= {"generateName": prefix, "name": self._store.generate_name(prefix)}
                for hook in self._replica_sets.pod_hooks:
                    hook(pod)
                self._ground.run_pod(pod, born, manager=MANAGER)
        self._settle(born, self._replica_sets.look, namespace, replica_set["metadata"]["name"])
        self._settle(born, self._deployments.look, namespace, name)

    def _grow_stateful_set(self, obj: Json, born: float) -> None:
        revision = revision_of(obj)["metadata"]["name"]
        with self._clock.held_at(born):
            for ordinal in ordinals(obj):
                pod = stateful_pod(obj, pod_template(obj), ordinal, revision)
                for hook in self._stateful_sets.pod_hooks:
                    hook(pod, ordinal)
                self._ground.run_pod(pod, born, manager=MANAGER)
        self._settle(born, self._stateful_sets.look, obj["metadata"]["namespace"], obj["metadata"]["name"])

    def _settle(self, born: float, look: Look, namespace: str, name: str) -> None:
        with self._clock.held_at(born + READY_AFTER + 1):
            look(namespace, name)

    def _scale(self, namespace: str, name: str, replicas: int) -> None:
        def change(obj: Json) -> None:
            obj["spec"]["replicas"] = replicas

        self._store.mutate(DEPLOYMENTS, namespace, name, change, manager=MANAGER, subresource="scale")

    def _create(self, resource: str, obj: Json, manager: str) -> Json:
        fill_kind_defaults(self._store.resource(resource), obj)
        return self._store.create(resource, obj, manager=manager)

    def _get(self, resource: str, namespace: str, name: str) -> Json:
        found = self._store.get(resource, namespace, name)
        assert found is not None
        return found
