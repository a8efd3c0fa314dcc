"""A simulated cluster that tests live through step by step, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster, Options
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.scenarios.ground import add_nodes
from clients.embedded.servings import Role, Serving, serving_object

START = 1_700_000_000.0
NAMESPACE = "llm"


class World:
    """One cluster with one ModelServing under test, called ``chat``."""

    def __init__(self, flavour: Flavour = Flavour.HEAD, nodes: int = 8) -> None:
        self.cluster = Cluster(Options(start=START, speed=0, flavour=flavour))
        self.store = self.cluster.store
        add_nodes(self.cluster, nodes)
        self.cluster.namespaces([NAMESPACE])

    @property
    def now(self) -> float:
        """Simulated seconds since the start."""
        return self.cluster.clock.now() - START

    def plan(self, groups: int = 2, roles: Iterable[Role] = (), **more: Any) -> Serving:
        """A small ModelServing: one prefill and one decode unless told otherwise."""
        return Serving(
            namespace=more.pop("namespace", NAMESPACE),
            name=more.pop("name", "chat"),
            model="microsoft/phi-4-mini",
            groups=groups,
            roles=tuple(roles) or (Role("prefill"), Role("decode")),
            **more,
        )

    def grown(self, groups: int = 2, roles: Iterable[Role] = (), **more: Any) -> World:
        """Plants it Running and lets everything act."""
        self.cluster.ground.plant(self.plan(groups, roles, **more), 3600)
        self.cluster.start()
        self.live(2)
        return self

    def started(self) -> World:
        """Lets everything act on an empty cluster."""
        self.cluster.start()
        return self

    def create(self, plan: Serving, change: Callable[[Json], None] | None = None) -> None:
        """Creates a ModelServing as a user does."""
        obj = serving_object(plan)
        if change is not None:
            change(obj)
        self.store.create(RESOURCE, obj, manager="kubectl")

    def live(self, seconds: float) -> None:
        """Lives through simulated seconds."""
        self.cluster.run_for(seconds)

    def until(self, condition: Callable[[], bool], limit: float = 600, step: float = 0.5) -> float:
        """Lives on until ``condition`` holds; returns when, in seconds since the start."""
        deadline = self.now + limit
        while not condition():
            assert self.now < deadline, f"not within {limit} s: groups {self.states()}"
            self.live(step)
        return self.now

    def edit(self, change: Callable[[Json], None], name: str = "chat", manager: str = "kubectl") -> None:
        """Changes the ModelServing's object."""
        assert self.store.mutate(RESOURCE, NAMESPACE, name, change, manager=manager) is not None

    def scale(self, groups: int, name: str = "chat") -> None:
        """Sets the number of groups."""

        def change(obj: Json) -> None:
            obj["spec"]["replicas"] = groups

        self.edit(change, name)

    def scale_role(self, role: str, replicas: int) -> None:
        """Sets a role's replicas."""

        def change(obj: Json) -> None:
            for entry in obj["spec"]["template"]["roles"]:
                if entry["name"] == role:
                    entry["replicas"] = replicas

        self.edit(change)

    def new_image(self, image: str, roles: Iterable[str] = ("prefill", "decode")) -> None:
        """Changes the engines' image in some roles."""

        def change(obj: Json) -> None:
            for entry in obj["spec"]["template"]["roles"]:
                if entry["name"] in roles:
                    entry["entryTemplate"]["spec"]["containers"][0]["image"] = image

        self.edit(change)

    def serving(self, name: str = "chat") -> Json:
        """The ModelServing's object."""
        found = self.store.get(RESOURCE, NAMESPACE, name)
        assert found is not None
        return found

    def status(self, name: str = "chat") -> Json:
        """Its status."""
        told: Json = self.serving(name).get("status") or {}
        return told

    def dump(self, name: str = "chat") -> Json:
        """Kthena's memory of it."""
        told: Json = self.cluster.dump().get(f"{NAMESPACE}/{name}", {})
        return told

    def states(self, name: str = "chat") -> dict[int, str]:
        """Group ordinal → status in Kthena's memory."""
        return {int(g.rpartition("-")[2]): v["status"] for g, v in sorted(self.dump(name).items())}

    def roles(self, ordinal: int, role: str) -> dict[str, str]:
        """Role id → status, of one group."""
        group = self.dump()[f"chat-{ordinal}"]
        return {i: r["status"] for i, r in sorted(group["roles"].get(role, {}).items())}

    def all_running(self, groups: int, name: str = "chat") -> bool:
        """Whether it has exactly so many groups, all Running."""
        states = self.states(name)
        return len(states) == groups and set(states.values()) <= {"Running"}

    def pods(self, prefix: str = "") -> list[str]:
        """Names of the pods that exist, those on their way out included."""
        return [r.name for r in self.store.records("pods", NAMESPACE) if r.name.startswith(prefix)]

    def pod(self, name: str) -> Json:
        """One pod."""
        found = self.store.get("pods", NAMESPACE, name)
        assert found is not None, f"no pod {name}: {self.pods()}"
        return found

    def annotate(self, name: str, key: str, value: str) -> None:
        """Annotates a pod."""

        def change(obj: Json) -> None:
            obj["metadata"].setdefault("annotations", {})[key] = value

        self.store.mutate("pods", NAMESPACE, name, change, manager="kubectl")

    def events(self, reason: str | None = None) -> list[Json]:
        """Kubernetes Events, oldest first."""
        found = [e for e in self.store.list("events") if reason is None or e["reason"] == reason]
        return sorted(found, key=lambda e: int(e["metadata"]["resourceVersion"]))

    def watch(self, resource: str) -> list[tuple[float, str, str]]:
        """(seconds since the start, change, name) of every later change; the list grows."""
        seen: list[tuple[float, str, str]] = []
        self.store.subscribe(
            resource, lambda change, obj: seen.append((self.now, change, obj["metadata"]["name"]))
        )
        return seen
