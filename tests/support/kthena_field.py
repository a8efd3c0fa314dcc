"""A ModelServing in a test's hands: pods are put and dropped by place, values are read by place."""

from __future__ import annotations

from typing import Any

from clients.kube import decode, kthena
from clients.kube.rows import ModelServingRow
from clients.serving.workload import Group, RoleReplica, Workload
from tests.support import kthena_objects as objects

__all__ = ["Field"]


class Field:
    """One ModelServing ``qwen-chat`` with roles prefill (1, no workers) and decode (1, one worker)."""

    def __init__(self, *, append_after_max: bool = False, **serving: Any) -> None:
        self.now = objects.EPOCH + 3600
        self.value: Workload | None = None
        self._serving = serving
        self.index = kthena.ServingIndex("c", self._row(), append_after_max=append_after_max)

    def _row(self) -> ModelServingRow:
        return decode.model_serving(objects.raw(objects.model_serving(**self._serving)))

    def change(self, **serving: Any) -> None:
        """Changes the ModelServing."""
        self._serving |= serving
        self.index.put_row(self._row())

    def put(self, group: int, role: str, ordinal: int = 0, index: int = 0, **pod: Any) -> None:
        """A new or changed pod."""
        self.index.put_pod(decode.pod(objects.raw(objects.pod(group, role, ordinal, index, **pod))))

    def drop(self, group: int, role: str, ordinal: int = 0, index: int = 0) -> None:
        """A pod that is gone."""
        self.index.drop_pod(f"uid-qwen-chat-{group}-{role}-{ordinal}-{index}")

    def put_group(self, group: int, **pod: Any) -> None:
        """All three pods of a group."""
        self.put(group, "prefill", **pod)
        self.put(group, "decode", 0, 0, **pod)
        self.put(group, "decode", 0, 1, **pod)

    def drop_group(self, group: int) -> None:
        """None of its pods is left."""
        self.drop(group, "prefill")
        self.drop(group, "decode", 0, 0)
        self.drop(group, "decode", 0, 1)

    def put_pod_group(self, group: int, **pod_group: Any) -> None:
        """A new or changed PodGroup."""
        self.index.put_pod_group(decode.pod_group(objects.raw(objects.pod_group(group, **pod_group))))

    def drop_pod_group(self, group: int) -> None:
        """A PodGroup that is gone."""
        self.index.drop_pod_group(f"qwen-chat-{group}")

    def put_event(self, pod: str, reason: str, message: str, **event: Any) -> None:
        """An event about a pod."""
        self.index.put_event(decode.event(objects.raw(objects.event(pod, reason, message, **event))))

    def derive(self, seconds: float = 1.0) -> Workload:
        """The value ``seconds`` later."""
        self.now += seconds
        self.value = self.index.derive(self.value, self.now)
        return self.value

    def group(self, ordinal: int) -> Group:
        """A group of the last value."""
        assert self.value is not None
        return next(group for group in self.value.groups if group.ordinal == ordinal)

    def replica(self, group: int, role_id: str) -> RoleReplica:
        """A role replica of the last value."""
        for role in self.group(group).roles:
            for item in role.replicas:
                if item.id == role_id:
                    return item
        raise AssertionError(f"no {role_id} in group {group}")
