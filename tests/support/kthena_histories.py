"""Generated histories of a ModelServing: what a controller, a kubelet and bad luck do to its pods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from clients.kube import decode, kthena
from clients.kube.rows import ModelServingRow, PodGroupRow, PodRow
from tests.support import kthena_objects as objects

__all__ = ["History", "Step", "histories"]

STATES = ["unscheduled", "unschedulable", "image", "imageerror", "init", "weights", "started", "ready"]
STATES += ["ready", "ready", "lost", "crash", "restarted", "failed"]

Slot = tuple[int, str, int, int]
"""Group, role, role ordinal, pod index."""


@dataclass
class _Pod:
    serial: int
    created: float
    state: str = "unscheduled"
    restarts: int = 0
    ready_at: float | None = None
    deleted: float | None = None
    revision: str = "r1"
    owner: str = "ms-uid"

    def row(self, slot: Slot) -> PodRow:
        group, role, ordinal, index = slot
        return decode.pod(
            objects.raw(
                objects.pod(
                    group,
                    role,
                    ordinal,
                    index,
                    uid=f"{self.serial}",
                    state=self.state,
                    created=self.created,
                    restarts=self.restarts,
                    ready_at=self.ready_at,
                    deleted=self.deleted,
                    revision=self.revision,
                    template_hash=f"h-{self.revision}",
                    owner_uid=self.owner,
                    managed=False,
                )
            )
        )


@dataclass(repr=False)
class Step:
    """One tick: the rows as they are then, and the changes that led there."""

    row: ModelServingRow
    now: float
    rows: dict[str, PodRow]
    groups: dict[str, PodGroupRow]
    changed: list[PodRow]
    dropped: list[str]
    changed_groups: list[PodGroupRow]
    dropped_groups: list[str]

    def __repr__(self) -> str:
        row = self.row
        pods = ", ".join(
            f"{pod.name}#{pod.uid}{'/other' if pod.owner and pod.owner.uid != row.uid else ''} {pod.phase}"
            f"{' ready' if pod.ready else ''}{' T' if pod.deleted is not None else ''}"
            f" r{sum(item.restarts for item in pod.containers)}"
            for pod in self.changed
        )
        groups = [(group.name, group.deleted is not None) for group in self.changed_groups]
        roles = [(role.replicas, role.workers) for role in row.roles]
        return (
            f"  +{self.now - objects.EPOCH:.1f}s x{row.replicas} {roles}"
            f" {row.rollout_type} {row.recovery_policy} {row.update_revision} partition {row.partition}"
            f"{' ending' if row.deleted is not None else ''}: {pods} -{self.dropped}"
            f" groups {groups} -{self.dropped_groups}"
        )

    def put_into(self, index: kthena.ServingIndex) -> None:
        index.put_row(self.row)
        for uid in self.dropped:
            index.drop_pod(uid)
        for pod in self.changed:
            index.put_pod(pod)
        for name in self.dropped_groups:
            index.drop_pod_group(name)
        for group in self.changed_groups:
            index.put_pod_group(group)

    def pods(self) -> Iterator[PodRow]:
        yield from self.rows.values()

    def pod_groups(self) -> Iterator[PodGroupRow]:
        yield from self.groups.values()


@dataclass(repr=False)
class History:
    steps: list[Step] = field(default_factory=list)

    def __repr__(self) -> str:
        return "History:\n" + "\n".join(map(repr, self.steps))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Hypothesis prints a failing history by this: one line a step."""
        printer.text(repr(self))


def _serving(spec: dict[str, Any]) -> ModelServingRow:
    roles = [
        objects.role("prefill", spec["prefill"], 0, gpus=1),
        objects.role("decode", spec["decode"], spec["workers"], gpus=1),
    ]
    rollout = {"type": spec["rollout"]}
    if spec["partition"]:
        rollout["rollingUpdateConfiguration"] = {"partition": spec["partition"]}
    return decode.model_serving(
        objects.raw(
            objects.model_serving(
                replicas=spec["replicas"],
                roles=roles,
                revision=spec["revision"],
                current_revision="r1",
                generation=spec["generation"],
                recoveryPolicy=spec["recovery"],
                rolloutStrategy=rollout,
                meta={"deletionTimestamp": objects.rfc3339(objects.EPOCH)} if spec["ending"] else None,
            )
        )
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    spec: dict[str, Any] = {
        "replicas": draw(st.integers(0, 3)),
        "prefill": draw(st.integers(0, 2)),
        "decode": draw(st.integers(0, 2)),
        "workers": draw(st.integers(0, 2)),
        "rollout": draw(st.sampled_from(["ServingGroupRollingUpdate", "RoleRollingUpdate"])),
        "recovery": draw(st.sampled_from(["RoleRecreate", "ServingGroupRecreate", "None"])),
        "partition": draw(st.sampled_from([0, 0, 1])),
        "revision": "r1",
        "generation": 1,
        "ending": False,
    }
    with_groups = draw(st.booleans())
    pods: dict[Slot, _Pod] = {}
    foreign: dict[Slot, _Pod] = {}
    pod_groups: dict[str, PodGroupRow] = {}
    rows: dict[str, PodRow] = {}
    history = History()
    now = objects.EPOCH
    serial = 0
    for _ in range(draw(st.integers(1, 9))):
        now += draw(st.sampled_from([0.1, 1.0, 7.0, 45.0, 90.0]))
        changed: dict[str, PodRow] = {}
        dropped: list[str] = []
        group_changes: list[PodGroupRow] = []
        group_drops: list[str] = []
        for _ in range(draw(st.integers(0, 4))):
            action = draw(
                st.sampled_from(
                    [
                        "spec",
                        "fill",
                        "move",
                        "move",
                        "move",
                        "ready",
                        "end",
                        "end group",
                        "gone",
                        "group",
                        "foreign",
                    ]
                )
            )
            if action == "spec":
                what = draw(st.sampled_from(["replicas", "prefill", "decode", "revision", "ending"]))
                if what == "revision":
                    spec["revision"] = "r2"
                elif what == "ending":
                    spec["ending"] = draw(st.sampled_from([False, False, True]))
                else:
                    spec[what] = draw(st.integers(0, 3))
                spec["generation"] += 1
            elif action == "fill":
                group = draw(st.integers(0, 3))
                for role, replicas, need in (
                    ("prefill", spec["prefill"], 1),
                    ("decode", spec["decode"], 1 + spec["workers"]),
                ):
                    for ordinal in range(replicas):
                        for index in range(need):
                            if (group, role, ordinal, index) not in pods:
                                serial += 1
                                made = _Pod(serial, now, revision=spec["revision"])
                                pods[group, role, ordinal, index] = made
                                changed[str(serial)] = made.row((group, role, ordinal, index))
            elif action == "foreign":
                slot = (draw(st.integers(0, 2)), "prefill", 0, 0)
                if slot in foreign:
                    dropped.append(str(foreign.pop(slot).serial))
                else:
                    serial += 1
                    foreign[slot] = made = _Pod(serial, now, state="ready", owner="other-uid")
                    changed[str(serial)] = made.row(slot)
            elif action == "group":
                name = f"qwen-chat-{draw(st.integers(0, 3))}"
                if not with_groups:
                    continue
                if name in pod_groups and draw(st.booleans()):
                    del pod_groups[name]
                    group_drops.append(name)
                    group_changes = [item for item in group_changes if item.name != name]
                else:
                    made_group = decode.pod_group(
                        objects.raw(
                            objects.pod_group(
                                int(name.rpartition("-")[2]),
                                phase=draw(st.sampled_from(["Pending", "Inqueue", "Running"])),
                                message=draw(st.sampled_from([None, "3/8 tasks in gang unschedulable: x"])),
                                deleted=draw(st.sampled_from([None, None, now])),
                            )
                        )
                    )
                    pod_groups[name] = made_group
                    group_changes.append(made_group)
                    group_drops = [item for item in group_drops if item != name]
            elif pods:
                slot = draw(st.sampled_from(sorted(pods)))
                if action == "gone":
                    gone = pods.pop(slot)
                    dropped.append(str(gone.serial))
                    changed.pop(str(gone.serial), None)
                    continue
                touched = [slot]
                if action == "end group":
                    touched = [other for other in pods if other[0] == slot[0]]
                for other in touched:
                    pod = pods[other]
                    if action == "move":
                        pod.state = draw(st.sampled_from(STATES))
                        if pod.state in ("crash", "restarted"):
                            pod.restarts += 1
                        if pod.state in ("ready", "lost"):
                            pod.ready_at = now
                    elif action == "ready":
                        pod.state, pod.ready_at = "ready", now
                    elif pod.deleted is None:
                        pod.deleted = now + 30
                    changed[str(pod.serial)] = pod.row(other)
        for uid, row in changed.items():
            if uid not in dropped:
                rows[uid] = row
        for uid in dropped:
            rows.pop(uid, None)
        history.steps.append(
            Step(
                row=_serving(spec),
                now=now,
                rows=dict(rows),
                groups=dict(pod_groups),
                changed=[row for uid, row in changed.items() if uid not in dropped],
                dropped=dropped,
                changed_groups=group_changes,
                dropped_groups=group_drops,
            )
        )
    return history
