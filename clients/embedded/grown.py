"""A cluster that has run for a while: ModelServings with all their pods up, no start-up replayed."""

from __future__ import annotations

from collections.abc import Iterator

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers import kthena_objects as objects
from clients.embedded.controllers.kthena_labels import MANAGER
from clients.embedded.controllers.kthena_memory import GroupState, Status
from clients.embedded.controllers.kthena_spec import (
    RESOURCE,
    RoleSpec,
    ServingSpec,
    group_name,
    read_serving,
    role_id,
)
from clients.embedded.controllers.kthena_status import write_status
from clients.embedded.controllers.pod_defaults import with_pod_defaults
from clients.embedded.nodes import Node, Nodes
from clients.embedded.pod_status import PodRun
from clients.embedded.quantity import gpus_of
from clients.embedded.servings import Serving, endpoint_service, serving_object
from clients.embedded.simclock import SimClock
from clients.embedded.store import Store

__all__ = ["READY_AFTER", "Ground"]

_STARTED = 9.0
READY_AFTER = 38.0
"""Seconds after their creation at which planted pods had started and were ready."""


class Ground:
    """Where ModelServings are planted."""

    def __init__(self, store: Store, clock: SimClock, nodes: Nodes) -> None:
        self._store = store
        self._clock = clock
        self._nodes = nodes
        self._order: list[Node] = []
        self._turn = 0
        self._addresses: dict[str, int] = {}

    def plant(self, plan: Serving, age: float) -> None:
        """A ModelServing created ``age`` seconds ago, with every group Running since shortly after.

        Raises ValueError where its pods do not fit on the nodes.
        """
        born = self._clock.now() - age
        with self._clock.held_at(born):
            made = self._store.create(RESOURCE, serving_object(plan), manager=plan.manager)
            service = endpoint_service(plan)
            self._store.create("services", service, manager=plan.manager)
            spec = read_serving(made)
            if spec.replicas:
                revision = objects.controller_revision(spec)
                self._store.create("controllerrevisions.apps", revision, manager=MANAGER)
            groups = [self._plant_group(spec, ordinal, born) for ordinal in range(spec.replicas)]

        def change(obj: Json) -> None:
            write_status(obj.setdefault("status", {}), spec, groups, timestamp(born + READY_AFTER + 1))

        with self._clock.held_at(born + READY_AFTER + 1):
            self._store.mutate(
                RESOURCE, spec.namespace, spec.name, change, manager=MANAGER, subresource="status"
            )

    def plant_pod(self, pod: Json, age: float) -> None:
        """A single running pod of no workload."""
        born = self._clock.now() - age
        with self._clock.held_at(born):
            self.run_pod(with_pod_defaults(pod), born, manager="kubectl-run")

    def plant_on(self, node: Node, pod: Json, age: float) -> None:
        """A single running pod that was made for a node, as those of DaemonSets are."""
        born = self._clock.now() - age
        with self._clock.held_at(born):
            self._run_on(node, with_pod_defaults(pod), born, manager="kube-controller-manager")

    def _plant_group(self, spec: ServingSpec, ordinal: int, born: float) -> GroupState:
        name = group_name(spec.name, ordinal)
        state = GroupState(name, spec.revision)
        state.status = Status.RUNNING
        if spec.scheduler == "volcano":
            made = objects.pod_group(spec, name)
            made["status"] = {
                "phase": "Running",
                "running": made["spec"]["minMember"],
                "conditions": [
                    {
                        "type": "Scheduled",
                        "status": "True",
                        "lastTransitionTime": timestamp(born + 1),
                        "transitionID": "00000000-0000-4000-8000-000000000000",
                        "reason": "tasks in gang are ready to be scheduled",
                    }
                ],
            }
            self._store.create("podgroups.scheduling.volcano.sh", made, manager=MANAGER)
        for role, replica, index in _members(spec):
            if index == 0:
                state.add_role(role.name, replica, spec.revision, role.template_hash).status = Status.RUNNING
                if role.has_worker_template:
                    service = objects.headless_service(spec, role, name, replica)
                    self._store.create("services", service, manager=MANAGER)
            pod = objects.pod(spec, role, name, replica, index, spec.revision, role.template_hash)
            self.run_pod(with_pod_defaults(pod), born, manager=MANAGER)
        return state

    def run_pod(self, pod: Json, born: float, *, manager: str) -> None:
        """Stores a complete pod as one that runs on some node since shortly after ``born`` (UTC seconds).

        Raises ValueError where it does not fit.
        """
        self._run_on(self._node_for(gpus_of(pod["spec"])), pod, born, manager=manager)

    def _run_on(self, node: Node, pod: Json, born: float, *, manager: str) -> None:
        pod["spec"]["nodeName"] = node.name
        pod["metadata"]["uid"] = ""
        run = PodRun(pod, node.name, node.address, born + 1)
        run.started_at = born + 2
        for container in run.init:
            container.run(born + 3)
            container.end(born + 7, 0, "Completed")
            container.ready = True
        run.initialized_at = born + 7
        for container in run.containers:
            container.run(born + _STARTED)
            container.started = container.ready = True
            node.images.add(container.image)
        run.ready_at = born + READY_AFTER
        number = self._addresses[node.name] = self._addresses.get(node.name, 1) + 1
        run.ip = f"10.{42 + node.index // 250}.{node.index % 250}.{number + 1}"
        pod["status"] = run.status()
        self._store.create("pods", pod, manager=manager)

    def _node_for(self, gpus: int) -> Node:
        """Nodes are filled one after another; where GPUs are not asked for, in turn."""
        if not self._order:
            self._order = list(self._nodes)
        count = len(self._order)
        for step in range(count):
            position = (self._turn + step) % count
            node = self._order[position]
            if node.free >= gpus and node.pods < node.pods_limit:
                self._turn = position if gpus else (position + 1) % count
                return node
        raise ValueError(f"no node has {gpus} free GPUs for a planted pod")


def _members(spec: ServingSpec) -> Iterator[tuple[RoleSpec, str, int]]:
    for role in spec.roles:
        for ordinal in range(role.replicas):
            for index in range(role.pods):
                yield role, role_id(role.name, ordinal), index
