"""Compares what is derived of ModelServings with the embedded controller's own memory, five times a second.

The engine is stepped through simulated time; rows reach the index by the store's notifications, as bytes,
in their order, and are derived ten times a second, as the console does.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import msgspec

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster, Options
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.scenarios.ground import add_nodes
from clients.embedded.servings import Role, Serving, serving_object
from clients.kube import decode, kthena
from clients.serving.workload import Workload

__all__ = ["Agreement", "Observed"]

START = 1_788_249_600.0
NAMESPACE = "llm"
LAG = 1.0
"""Seconds by which what is shown may be behind the controller's memory."""
TICK = 0.1

States = dict[tuple[str, ...], str]
"""(group,) or (group, role replica) → state."""


class Agreement:
    """Samples compared, and what differed."""

    def __init__(self) -> None:
        self.samples = 0
        self.agreeing = 0
        self.differences: Counter[tuple[str, str, str]] = Counter()
        self.log: list[str] = []

    def take(self, at: float, ours: States, history: deque[tuple[float, States]]) -> None:
        """Compares one sample with the memory of the last second."""
        recent = [states for then, states in history if then >= at - LAG - 1e-6]
        for key in sorted(ours.keys() | history[-1][1].keys()):
            self.samples += 1
            mine = ours.get(key, "absent")
            theirs = [states.get(key, "absent") for states in recent]
            if mine in theirs:
                self.agreeing += 1
            else:
                kind = "group" if len(key) == 1 else "replica"
                self.differences[kind, mine, theirs[-1]] += 1
                self.log.append(f"{at:8.1f} {'/'.join(key)}: ours {mine}, theirs {theirs[-1]}")

    @property
    def share(self) -> float:
        """Of all samples."""
        return self.agreeing / self.samples if self.samples else 1.0

    def __repr__(self) -> str:
        return f"{self.agreeing} of {self.samples} agree ({self.share:.2%}); {dict(self.differences)}"


class Observed:
    """One embedded cluster with one ModelServing ``chat``, and what is derived of it."""

    def __init__(
        self,
        flavour: Flavour,
        groups: int,
        roles: tuple[Role, ...] = (Role("prefill"), Role("decode")),
        *,
        nodes: int = 8,
        grown: bool = True,
        change: Callable[[Json], None] | None = None,
        **more: Any,
    ) -> None:
        self.cluster = Cluster(Options(start=START, speed=0, flavour=flavour))
        self.store = self.cluster.store
        add_nodes(self.cluster, nodes)
        self.cluster.namespaces([NAMESPACE])
        plan = Serving(
            namespace=NAMESPACE,
            name="chat",
            model="microsoft/phi-4-mini",
            groups=groups,
            roles=roles,
            **more,
        )
        self.agreement = Agreement()
        self.value: Workload | None = None
        self.values: list[Workload] = []
        self._index: kthena.ServingIndex | None = None
        self._flavour = flavour
        self._history: deque[tuple[float, States]] = deque(maxlen=30)
        self._ticks = 0
        if grown:
            self.cluster.ground.plant(plan, 3600)
            self.cluster.start()
            self.cluster.run_for(2)
        else:
            self.cluster.start()
            obj = serving_object(plan)
            if change is not None:
                change(obj)
            self.store.create(RESOURCE, obj, manager="kubectl")
        for resource, take in (
            (RESOURCE, self._serving),
            ("pods", self._pod),
            ("podgroups.scheduling.volcano.sh", self._pod_group),
        ):
            for obj in self.store.list(resource):
                take("ADDED", obj)
            self.store.subscribe(resource, take)

    def _serving(self, change: str, obj: Json) -> None:
        row = decode.model_serving(msgspec.json.encode(obj))
        if self._index is None:
            self._index = kthena.ServingIndex("c", row, append_after_max=self._flavour is Flavour.V1_0)
        else:
            self._index.put_row(row)

    def _pod(self, change: str, obj: Json) -> None:
        row = decode.pod(msgspec.json.encode(obj))
        if self._index is None or kthena.serving_of(row) != (NAMESPACE, "chat"):
            return
        if change == "DELETED":
            self._index.drop_pod(row.uid)
        else:
            self._index.put_pod(row)

    def _pod_group(self, change: str, obj: Json) -> None:
        row = decode.pod_group(msgspec.json.encode(obj))
        if self._index is None:
            return
        if change == "DELETED":
            self._index.drop_pod_group(row.name)
        else:
            self._index.put_pod_group(row)

    # -- time

    def live(self, seconds: float) -> None:
        """Lives on, deriving each tick and comparing every other one."""
        for _ in range(round(seconds / TICK)):
            self.cluster.run_for(TICK)
            self._ticks += 1
            assert self._index is not None
            now = self.cluster.clock.now()
            self.value = self._index.derive(self.value, now)
            self._history.append((now - START, self._dumped()))
            if self._ticks % 2 == 0:
                self.values.append(self.value)
                self.agreement.take(now - START, self._derived(), self._history)

    def until(self, condition: Callable[[], bool], limit: float = 900) -> None:
        """Lives on until it holds, and two seconds more."""
        deadline = self.cluster.clock.now() + limit
        while not condition():
            assert self.cluster.clock.now() < deadline, f"not within {limit} s: {self._dumped()}"
            self.live(0.5)
        self.live(2)

    def settled(self, groups: int) -> Callable[[], bool]:
        """Whether the controller holds exactly so many groups, all Running, on a spec it has taken in."""

        def check() -> bool:
            held = {key: state for key, state in self._dumped().items() if len(key) == 1}
            meta, status = self.serving["metadata"], self.serving.get("status") or {}
            return (
                len(held) == groups
                and set(held.values()) <= {"Running"}
                and status.get("observedGeneration") == meta["generation"]
            )

        return check

    def _dumped(self) -> States:
        found: States = {}
        for group, state in self.cluster.dump().get(f"{NAMESPACE}/chat", {}).items():
            found[(group,)] = state["status"]
            for replicas in state["roles"].values():
                for name, replica in replicas.items():
                    found[group, name] = replica["status"]
        return found

    def _derived(self) -> States:
        assert self.value is not None
        found: States = {}
        for group in self.value.groups:
            if group.controller_state is not None:
                found[(group.name,)] = group.controller_state.value
            for role in group.roles:
                for item in role.replicas:
                    if item.controller_state is not None:
                        found[group.name, item.id] = item.controller_state.value
        return found

    # -- what happens

    @property
    def serving(self) -> Json:
        """The ModelServing's object."""
        found = self.store.get(RESOURCE, NAMESPACE, "chat")
        assert found is not None
        return found

    def edit(self, change: Callable[[Json], None]) -> None:
        """Changes the ModelServing."""
        assert self.store.mutate(RESOURCE, NAMESPACE, "chat", change, manager="kubectl") is not None

    def scale(self, groups: int) -> None:
        """Sets the number of groups."""
        self.edit(lambda obj: obj["spec"].update(replicas=groups))

    def scale_role(self, role: str, replicas: int) -> None:
        """Sets a role's replicas."""

        def change(obj: Json) -> None:
            for entry in obj["spec"]["template"]["roles"]:
                if entry["name"] == role:
                    entry["replicas"] = replicas

        self.edit(change)

    def new_image(self, tag: str, roles: tuple[str, ...] = ("prefill", "decode")) -> None:
        """Begins a rollout."""

        def change(obj: Json) -> None:
            for entry in obj["spec"]["template"]["roles"]:
                if entry["name"] in roles:
                    for template in ("entryTemplate", "workerTemplate"):
                        for container in (entry.get(template) or {}).get("spec", {}).get("containers", ()):
                            container["image"] = f"docker.io/vllm/vllm-openai:{tag}"

        self.edit(change)
