"""Things that scenarios let happen: somebody scales, somebody rolls out, a pod fails."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.faults import Fault

__all__ = ["Happenings"]


class Happenings:
    """What happens in one scenario. Each strand has its own random generator: none shifts another."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self._name = name

    def rng(self, strand: str) -> Random:
        """The generator of one strand."""
        return Random(f"{self.cluster.options.seed}/{self._name}/{strand}")

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Once, ``seconds`` after the start."""
        self.cluster.engine.after(seconds, action)

    def now_and_then(self, strand: str, least: float, most: float, action: Callable[[Random], None]) -> None:
        """Again and again, with pauses between ``least`` and ``most`` seconds."""
        rng = self.rng(strand)

        def again() -> None:
            action(rng)
            self.cluster.engine.after(rng.uniform(least, most), again)

        self.cluster.engine.after(rng.uniform(least / 2, most), again)

    # -- people and programs ---------------------------------------------------------------------------

    def scale(self, namespace: str, name: str, replicas: int, manager: str) -> None:
        """Sets the number of groups."""

        def change(obj: Json) -> None:
            obj["spec"]["replicas"] = replicas

        self.cluster.store.mutate(RESOURCE, namespace, name, change, manager=manager)

    def scale_role(self, namespace: str, name: str, role: str, replicas: int, manager: str) -> None:
        """Sets the replicas of a role in every group."""

        def change(obj: Json) -> None:
            for entry in obj["spec"]["template"]["roles"]:
                if entry["name"] == role:
                    entry["replicas"] = replicas

        self.cluster.store.mutate(RESOURCE, namespace, name, change, manager=manager)

    def roll_out(self, namespace: str, name: str, image: str, manager: str) -> None:
        """Gives every engine another image."""

        def change(obj: Json) -> None:
            for entry in obj["spec"]["template"]["roles"]:
                for template in ("entryTemplate", "workerTemplate"):
                    for container in (entry.get(template) or {}).get("spec", {}).get("containers", ()):
                        container["image"] = image

        self.cluster.store.mutate(RESOURCE, namespace, name, change, manager=manager)

    def replicas(self, namespace: str, name: str) -> int | None:
        """Groups wanted now; None if the ModelServing is gone."""
        spec = self.cluster.kthena.spec_of((namespace, name))
        return None if spec is None else spec.replicas

    def free_gpus(self) -> int:
        """GPUs that nothing holds on nodes that work."""
        return sum(node.free for node in self.cluster.nodes if node.alive and not node.unschedulable)

    # -- failures --------------------------------------------------------------------------------------

    def pods(self, namespace: str, name: str) -> list[str]:
        """Names of a ModelServing's pods that are not on their way out."""
        records = self.cluster.store.records("pods", namespace, {NAME: name})
        return [record.name for record in records if not record.deleting]

    def crash_one(self, namespace: str, name: str, rng: Random, fault: Fault) -> None:
        """One of its running pods fails."""
        names = self.pods(namespace, name)
        if names:
            self.cluster.kubelets.crash(namespace, rng.choice(names), fault)

    def flap_one(self, namespace: str, name: str, rng: Random, seconds: float) -> None:
        """One of its running pods fails its readiness probe for a while."""
        names = self.pods(namespace, name)
        if names:
            self.cluster.kubelets.flap(namespace, rng.choice(names), seconds)
