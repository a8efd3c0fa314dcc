"""The schedulers: which node a pod gets, and what it is told when it gets none.

``default-scheduler`` places pod by pod; ``volcano`` places a PodGroup's members together or not at all.
Messages are those of kube-scheduler and of Volcano's gang plugin.
"""

from __future__ import annotations

from collections import Counter

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.kthena_labels import POD_GROUP_ANNOTATION
from clients.embedded.controllers.recorder import Recorder, reference
from clients.embedded.engine import Engine
from clients.embedded.node_filter import NodeFilter
from clients.embedded.nodes import Node, Nodes
from clients.embedded.podgroups import PodGroups
from clients.embedded.quantity import gpus_of
from clients.embedded.store import Store

__all__ = ["Scheduler"]

_SESSION = 0.5
"""Seconds from a change to the session that takes it up."""
_RETELL = 60.0
"""Seconds until an unschedulable pod is told of again."""
_OVERCOMMIT = 1.2
"""Volcano admits PodGroups to the queue up to this multiple of what is idle."""


class _Pending:
    """A pod without a node."""

    __slots__ = ("about", "gpus", "group", "key", "message", "nodes", "scheduler", "told", "uid")

    def __init__(self, pod: Json) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        self.key: tuple[str, str] = (meta["namespace"], meta["name"])
        self.uid: str = meta["uid"]
        self.about = reference(pod)
        self.scheduler: str = spec.get("schedulerName") or "default-scheduler"
        self.group: str = (meta.get("annotations") or {}).get(POD_GROUP_ANNOTATION, "")
        self.gpus = gpus_of(spec)
        self.nodes = NodeFilter(spec)
        self.message = ""
        self.told = float("-inf")


class _Room:
    """What is free while a session tries placements that may be taken back."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = list(nodes)
        self._free = {node.name: node.free for node in self._nodes}
        self._pods = {node.name: node.pods for node in self._nodes}

    def place(self, pod: _Pending) -> Node | None:
        """Takes the fullest node on which the pod fits."""
        best: Node | None = None
        for node in self._nodes:
            if self._free[node.name] < pod.gpus or pod.nodes.refusal(node) is not None:
                continue
            if self._pods[node.name] >= node.pods_limit:
                continue
            if best is None or self._free[node.name] < self._free[best.name]:
                best = node
        if best is not None:
            self._free[best.name] -= pod.gpus
            self._pods[best.name] += 1
        return best

    def take_back(self, pod: _Pending, node: Node) -> None:
        """Undoes a placement."""
        self._free[node.name] += pod.gpus
        self._pods[node.name] -= 1

    def reasons(self, pod: _Pending) -> list[str]:
        """Why each node says no, counted: ``3 Insufficient nvidia.com/gpu``."""
        counted: Counter[str] = Counter()
        for node in self._nodes:
            refusal = pod.nodes.refusal(node)
            if refusal is None:
                full = self._pods[node.name] >= node.pods_limit
                refusal = "Too many pods" if full else "Insufficient nvidia.com/gpu"
            counted[refusal] += 1
        return sorted(f"{count} {reason}" for reason, count in counted.items())

    @property
    def idle(self) -> int:
        """Free GPUs on nodes that take pods."""
        return sum(self._free[n.name] for n in self._nodes if not n.unschedulable and n.alive)

    def __len__(self) -> int:
        return len(self._nodes)


class Scheduler:
    """Both schedulers."""

    def __init__(self, store: Store, engine: Engine, nodes: Nodes) -> None:
        self._store = store
        self._engine = engine
        self._nodes = nodes
        self._groups = PodGroups(store, engine)
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._recorders = {name: Recorder(store, engine, name) for name in ("default-scheduler", "volcano")}
        self._session_due = False
        for pod in store.list("pods"):
            self._pod_changed("ADDED", pod)
        store.subscribe("pods", self._pod_changed)
        self._groups.changed.append(self._wake)
        nodes.freed.append(self._wake)
        engine.every(_RETELL, self._wake)

    def _pod_changed(self, change: str, pod: Json) -> None:
        meta = pod["metadata"]
        key = (meta["namespace"], meta["name"])
        gone = change == "DELETED" or "deletionTimestamp" in meta
        if gone or pod["spec"].get("nodeName"):
            if self._pending.pop(key, None) is not None and gone:
                self._wake()
            group = (meta.get("annotations") or {}).get(POD_GROUP_ANNOTATION, "")
            if group:
                self._groups.bound((key[0], group), meta["uid"], not gone)
            return
        known = self._pending.get(key)
        if known is None or known.uid != meta["uid"]:
            self._pending[key] = _Pending(pod)
            self._wake()

    def _wake(self) -> None:
        if self._pending and not self._session_due:
            self._session_due = True
            self._engine.after(_SESSION, self._session)

    def _session(self) -> None:
        self._session_due = False
        room = _Room(self._nodes)
        gangs: dict[tuple[str, str], list[_Pending]] = {}
        for key, pod in list(self._pending.items()):
            if pod.scheduler == "volcano" and pod.group:
                gangs.setdefault((key[0], pod.group), []).append(pod)
            else:
                self._schedule_alone(room, pod)
        for place, members in gangs.items():
            self._schedule_gang(room, place, members)

    # -- one by one ------------------------------------------------------------------------------------

    def _schedule_alone(self, room: _Room, pod: _Pending) -> None:
        node = room.place(pod)
        if node is not None:
            self._bind(pod, node)
            return
        total, reasons = len(room), room.reasons(pod)
        message = f"0/{total} nodes are available: {', '.join(reasons)}."
        short = sum(int(r.split()[0]) for r in reasons if "Insufficient" in r or "Too many" in r)
        hopeless = total - short
        parts = [
            f"{count} {text}"
            for count, text in (
                (short, "No preemption victims found for incoming pod"),
                (hopeless, "Preemption is not helpful for scheduling"),
            )
            if count
        ]
        message += f" preemption: 0/{total} nodes are available: {', '.join(sorted(parts))}."
        self._refuse(pod, "Unschedulable", message)

    # -- together --------------------------------------------------------------------------------------

    def _schedule_gang(self, room: _Room, place: tuple[str, str], members: list[_Pending]) -> None:
        group = self._groups.get(place)
        if group is None:
            return
        bound = len(group.bound)
        least = group.min_member
        if group.phase == "Pending":
            if group.min_gpus > room.idle * _OVERCOMMIT and bound == 0:
                self._blocked(room, place, members, least, bound)
                return
            self._groups.set_phase(place, "Inqueue")
        if len(members) + bound < least:
            return
        placed: list[tuple[_Pending, Node]] = []
        left: list[_Pending] = []
        for pod in members:
            node = room.place(pod)
            if node is None:
                left.append(pod)
            else:
                placed.append((pod, node))
        if bound + len(placed) < least:
            for pod, node in placed:
                room.take_back(pod, node)
            self._blocked(room, place, members, least, bound, [pod for pod, _ in placed], left)
            return
        for pod, node in placed:
            self._bind(pod, node)
        self._groups.set_running(place)
        for pod in left:
            self._refuse(pod, "Unschedulable", self._volcano_message(room, pod))

    def _blocked(
        self,
        room: _Room,
        place: tuple[str, str],
        members: list[_Pending],
        least: int,
        bound: int,
        fitting: list[_Pending] | None = None,
        unfitting: list[_Pending] | None = None,
    ) -> None:
        """The gang waits as a whole: one member does not fit, the others are told so."""
        fitting = fitting or []
        first = (unfitting or members)[0]
        undetermined = len(members) - len(fitting) - 1
        parts = ["1 Unschedulable"]
        if undetermined:
            parts.append(f"{undetermined} Undetermined")
        if fitting:
            parts.append(f"{len(fitting)} Schedulable")
        total = len(members) + bound
        short = max(1, least - bound - len(fitting))
        gang = (
            f"{short}/{total} tasks in gang unschedulable: pod group is not ready, "
            f"{len(members)} Pending, {least} minAvailable; Pending: {', '.join(parts)}"
        )
        lacking = self._volcano_message(room, first)
        origin = f"{gang}. Origin reason is {first.key[1]}: {lacking}"
        self._groups.set_unschedulable(place, origin)
        for pod in members:
            if pod is first:
                self._refuse(pod, "Unschedulable", lacking)
            elif pod in fitting:
                where = "a node, once minAvailable is satisfied"
                message = f"Pod {pod.key[0]}/{pod.key[1]} can possibly be assigned to {where}"
                self._refuse(pod, "Schedulable", message)
            else:
                self._refuse(pod, "Unschedulable", gang)

    @staticmethod
    def _volcano_message(room: _Room, pod: _Pending) -> str:
        return f"0/{len(room)} nodes are unavailable: {', '.join(room.reasons(pod))}."

    # -- outcomes --------------------------------------------------------------------------------------

    def _bind(self, pod: _Pending, node: Node) -> None:
        now = timestamp(self._engine.clock.now())

        def change(obj: Json) -> None:
            obj["spec"]["nodeName"] = node.name
            conditions = obj.setdefault("status", {}).setdefault("conditions", [])
            conditions[:] = [c for c in conditions if c["type"] != "PodScheduled"]
            conditions.append(
                {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
            )

        self._pending.pop(pod.key, None)
        if self._store.mutate("pods", *pod.key, change, manager=pod.scheduler) is not None:
            message = f"Successfully assigned {pod.key[0]}/{pod.key[1]} to {node.name}"
            self._recorder(pod).event(pod.about, "Scheduled", message)

    def _refuse(self, pod: _Pending, reason: str, message: str) -> None:
        now = self._engine.clock.now()
        if message == pod.message and now - pod.told < _RETELL:
            return
        pod.message, pod.told = message, now

        def change(obj: Json) -> None:
            conditions = obj.setdefault("status", {}).setdefault("conditions", [])
            earlier = next((c for c in conditions if c["type"] == "PodScheduled"), None)
            since = earlier["lastTransitionTime"] if earlier is not None else timestamp(now)
            conditions[:] = [c for c in conditions if c["type"] != "PodScheduled"]
            conditions.append(
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "lastProbeTime": None,
                    "lastTransitionTime": since,
                    "reason": reason,
                    "message": message,
                }
            )

        self._store.mutate("pods", *pod.key, change, manager=pod.scheduler, subresource="status")
        if reason == "Unschedulable":
            self._recorder(pod).event(pod.about, "FailedScheduling", message, "Warning")

    def _recorder(self, pod: _Pending) -> Recorder:
        return self._recorders.get(pod.scheduler) or self._recorders["default-scheduler"]
