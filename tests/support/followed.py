"""The simulated ModelServing ``chat`` as servegrid sees it: rows in, derived, planned, followed."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.kube import decode
from clients.kube.kthena import ServingIndex
from clients.kube.kthena_order import Fill, rule_for
from clients.kube.kthena_plan import build
from clients.kube.rows import ModelServingRow
from clients.serving.changes import ReplicasChange
from clients.serving.follow import ActorHint, follow
from clients.serving.marks import stamp
from clients.serving.operation import Operation
from clients.serving.phase import Mark
from clients.serving.plans import ScalePlan, StepKind
from clients.serving.workload import Group, Workload
from tests.support.simworld import World

__all__ = ["COST", "Followed"]

COST = "controller.kubernetes.io/pod-deletion-cost"

_SYMBOLS = {Mark.DONE: "✅", Mark.PENDING: "❎", Mark.ACTIVE: "⏳", None: " "}
_POD_GROUPS = "podgroups.scheduling.volcano.sh"
_LABEL = "modelserving.volcano.sh/"


def _raw(obj: Json) -> bytes:
    return msgspec.json.encode(obj)


class Followed:
    """Sees every change at once, and notes what the controller does from its objects alone."""

    def __init__(self, world: World, flavour: Flavour) -> None:
        self.world = world
        self.rule = rule_for(flavour.value)
        self.row: ModelServingRow = decode.model_serving(_raw(world.serving()))
        self.index = ServingIndex("c1", self.row, append_after_max=self.rule.fill is Fill.APPEND)
        for obj in world.store.list("pods"):
            self.index.put_pod(decode.pod(_raw(obj)))
        for obj in world.store.list(_POD_GROUPS):
            self.index.put_pod_group(decode.pod_group(_raw(obj)))
        self.operation: Operation | None = None
        self.ended: list[Operation] = []
        self.workload: Workload = self.index.derive(None, world.cluster.clock.now())
        self.tables: list[str] = []
        """The marks of G-0 to G-3 whenever they changed: ``✅|✅|⏳| ``."""
        self._hint: ActorHint | None = None
        self.did: list[tuple[StepKind, str]] = []
        """What was truly made and removed since the last plan, in order: groups and ``group/role-id``."""
        self._pods: dict[str, tuple[str, str]] = {}
        self._leaving: set[str] = set()
        self._gone_groups: set[str] = set()
        self._standing: set[str] = {group.name for group in self.workload.groups}
        for obj in world.store.list("pods"):
            self._note_pod("SYNC", obj)
        world.store.subscribe("pods", self._pod)
        world.store.subscribe(_POD_GROUPS, self._pod_group)
        world.store.subscribe(RESOURCE, self._serving)

    # -- what truly happens

    def _did(self, kind: StepKind, name: str) -> None:
        if (kind, name) not in self.did:
            self.did.append((kind, name))

    def _note_pod(self, change: str, obj: Json) -> None:
        meta = obj["metadata"]
        labels = meta["labels"]
        group, role_id = labels[f"{_LABEL}group-name"], labels[f"{_LABEL}role-id"]
        fresh = change == "ADDED" and meta["uid"] not in self._pods
        known = set(self._pods.values())
        if change in ("ADDED", "SYNC"):
            self._pods[meta["uid"]] = (group, role_id)
        if fresh and (group, role_id) not in known and group in self._standing:
            self._did(StepKind.CREATE, f"{group}/{role_id}")
        if meta.get("deletionTimestamp") and meta["uid"] not in self._leaving:
            self._leaving.add(meta["uid"])
            if group in self._standing:
                self._did(StepKind.DELETE, f"{group}/{role_id}")
        if change == "DELETED":
            self._pods.pop(meta["uid"], None)

    def _pod_group(self, change: str, obj: Json) -> None:
        name = obj["metadata"]["name"]
        if change == "DELETED":
            self._standing.discard(name)
            self._did(StepKind.DELETE, name)
            self.index.drop_pod_group(name)
        else:
            if change == "ADDED":
                self._did(StepKind.CREATE, name)
            self.index.put_pod_group(decode.pod_group(_raw(obj)))
        self._look()

    # -- what servegrid sees

    def _pod(self, change: str, obj: Json) -> None:
        if not obj["metadata"]["name"].startswith("chat-"):
            return
        self._note_pod(change, obj)
        row = decode.pod(_raw(obj))
        if change == "DELETED":
            self.index.drop_pod(row.uid)
        else:
            self.index.put_pod(row)
        self._look()

    def _serving(self, change: str, obj: Json) -> None:
        self.row = decode.model_serving(_raw(obj))
        self.index.put_row(self.row)
        self._look()

    def _look(self) -> None:
        now = self.world.cluster.clock.now()
        before, self.workload = self.workload, self.index.derive(self.workload, now)
        result = follow(self.operation, before, self.workload, now, hint=self._hint)
        self.operation = result.operation
        if result.ended is not None:
            self.ended.append(result.ended)
        table = self._table()
        if not self.tables or self.tables[-1] != table:
            self.tables.append(table)

    def _table(self) -> str:
        marks = {group.ordinal: _SYMBOLS[group.mark] for group in stamp(self.workload, self.operation).groups}
        return "|".join(marks.get(ordinal, " ") for ordinal in range(4))

    # -- what a person does

    def plan(self, groups: int | None = None, **roles: int) -> ScalePlan:
        change = ReplicasChange(groups, tuple(roles.items()))
        return build(self._costed(), self.row, change, rule=self.rule)

    def _costed(self) -> Workload:
        """With the deletion costs that the pods carry, for each role replica."""
        costs = {
            record["metadata"]["name"]: int((record["metadata"].get("annotations") or {}).get(COST, 0))
            for record in self.world.store.list("pods")
        }

        def costed(group: Group) -> Group:
            roles = tuple(
                replace(
                    role,
                    replicas=tuple(
                        replace(one, deletion_cost=sum(costs.get(pod.name, 0) for pod in one.pods))
                        for one in role.replicas
                    ),
                )
                for role in group.roles
            )
            return replace(group, roles=roles)

        return replace(self.workload, groups=tuple(costed(group) for group in self.workload.groups))

    def send(self, plan: ScalePlan) -> None:
        """Applies the plan's own patch, as the server would: all of it or nothing."""
        assert plan.write is not None
        self.did.clear()
        self._standing = set(self.world.dump())
        self._hint = ActorHint("ops", plan.after, mine=True, prediction=plan.prediction)
        body: list[dict[str, Any]] = plan.write.body

        def change(obj: Json) -> None:
            for step in body:
                *path, last = (int(part) if part.isdigit() else part for part in step["path"][1:].split("/"))
                place: Any = obj
                for part in path:
                    place = place[part]
                if step["op"] == "test":
                    assert place[last] == step["value"], step
                else:
                    place[last] = step["value"]

        self.world.edit(change)

    def over(self) -> bool:
        """Whether nothing is under way any more."""
        wanted = self.world.serving()["spec"]["replicas"]
        return self.operation is None and self.world.all_running(wanted)

    def scale(self, groups: int | None = None, **roles: int) -> tuple[ScalePlan, Operation | None]:
        """Plans, sends, lives on to the end."""
        plan = self.plan(groups, **roles)
        if plan.write is None:
            return plan, None
        ended = len(self.ended)
        self.send(plan)
        self.world.until(lambda: len(self.ended) > ended and self.over(), limit=1500)
        self.world.live(5)
        return plan, self.ended[-1]
