"""A simulated cluster as servegrid sees it: every change decoded and joined at once, derived when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from clients.embedded.apiserver.objects import Json
from clients.kube import controller_decode, decode
from clients.kube.controller_rows import ControllerRow
from clients.kube.workloads import shows
from clients.kube.world import World
from clients.serving.workload import Group, Workload
from tests.support import simworld

__all__ = ["FEEDS", "Looked", "empty", "feed", "raw"]

FEEDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "inferenceservices.serving.kserve.io": (controller_decode.inference_service, "keeper"),
    "leaderworkersets.leaderworkerset.x-k8s.io": (controller_decode.leader_worker_set, "keeper"),
    "deployments.apps": (controller_decode.deployment, "keeper"),
    "statefulsets.apps": (controller_decode.stateful_set, "keeper"),
    "replicasets.apps": (controller_decode.replica_set, "keeper"),
    "nodes": (decode.node, "node"),
    "pods": (decode.pod, "pod"),
}
"""Resource → how an object becomes a row, and what the world calls it."""


def raw(obj: Json) -> bytes:
    """As the server sends it."""
    return msgspec.json.encode(obj)


def empty(shown: Callable[[ControllerRow], bool] | None = None) -> World:
    """A world that has read all there is, which is nothing. Shows everything unless told otherwise."""
    world = World(
        "c",
        order=lambda namespace, name: None,
        shown=shown or (lambda row: shows(row, everything=True)),
    )
    world.keepers_seen = True
    return world


def feed(world: World, resource: str, change: str, obj: Json) -> None:
    """Takes in one change of one object."""
    read, name = FEEDS[resource]
    getattr(world, f"{'drop' if change == 'DELETED' else 'put'}_{name}")(read(raw(obj)))


class Looked:
    """Sees all that happens in a simulated cluster from now on, and what is there already."""

    def __init__(self, sim: simworld.World) -> None:
        self.sim = sim
        self.world = empty()
        self._known: dict[str, Workload] = {}
        for resource in FEEDS:
            for obj in sim.store.list(resource):
                feed(self.world, resource, "ADDED", obj)
            sim.store.subscribe(resource, self._taker(resource))
        self.look()

    def _taker(self, resource: str) -> Callable[[str, Json], None]:
        def take(change: str, obj: Json) -> None:
            feed(self.world, resource, change, obj)

        return take

    def look(self) -> dict[str, Workload]:
        """Every workload by name, as it is now."""
        changed, gone = self.world.derive(self.sim.cluster.clock.now())
        for key in gone:
            self._known.pop(f"{key.kind}/{key.name}", None)
        self._known.update({f"{key.kind}/{key.name}": value for key, value in changed.items()})
        return self._known

    def __call__(self, name: str) -> Workload:
        """The only workload of this name."""
        (found,) = (value for value in self.look().values() if value.key.name == name)
        return found

    def live(self, seconds: float, step: float = 0.5) -> Iterable[dict[str, Workload]]:
        """Lives on, with a look at every step."""
        end = self.sim.now + seconds
        while self.sim.now < end:
            self.sim.live(step)
            yield dict(self.look())

    def until(self, condition: Callable[[], bool], limit: float = 600) -> None:
        """Lives on, with a look at every step, until ``condition`` holds."""
        for _ in self.live(limit):
            if condition():
                return
        raise AssertionError(f"not within {limit} s: {self.told()}")

    def told(self) -> dict[str, list[tuple[str, str, str | None]]]:
        """What is shown of each group: its name, its phase and why."""
        return {name: [words(group) for group in value.groups] for name, value in self.look().items()}


def words(group: Group) -> tuple[str, str, str | None]:
    """A group in three words."""
    return group.name, str(group.phase), str(group.cause) if group.cause else None
