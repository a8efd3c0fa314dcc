"""The labels of a pod that say to which serving workload it belongs, and where in it."""

from __future__ import annotations

from sys import intern

from msgspec import Struct, field

__all__ = ["ENTRY", "GROUP", "NO_LABELS", "ROLE", "ROLE_ID", "SERVING", "PodLabels"]

_KTHENA = "modelserving.volcano.sh/"
ENTRY = _KTHENA + "entry"
SERVING = _KTHENA + "name"
GROUP = _KTHENA + "group-name"
ROLE = _KTHENA + "role"
ROLE_ID = _KTHENA + "role-id"


class PodLabels(Struct, frozen=True, gc=False):
    """Decoded as they stand in the JSON; others are skipped. A third of the size of a dictionary."""

    serving: str | None = field(default=None, name=SERVING)
    group: str | None = field(default=None, name=GROUP)
    role: str | None = field(default=None, name=ROLE)
    role_id: str | None = field(default=None, name=ROLE_ID)
    revision: str | None = field(default=None, name=_KTHENA + "revision")
    template_hash: str | None = field(default=None, name=_KTHENA + "role-template-hash")
    group_index: str | None = field(default=None, name="leaderworkerset.sigs.k8s.io/group-index")
    worker_index: str | None = field(default=None, name="leaderworkerset.sigs.k8s.io/worker-index")
    group_revision: str | None = field(
        default=None, name="leaderworkerset.sigs.k8s.io/template-revision-hash"
    )
    controller_revision: str | None = field(default=None, name="controller-revision-hash")

    @property
    def of_workload(self) -> bool:
        """Whether any of them names a serving workload, whoever owns the pod."""
        return (self.serving or self.group_index) is not None

    def shared(self) -> PodLabels:
        """The same of interned texts: those of a workload's pods are nearly all alike."""
        return PodLabels(
            self.serving and intern(self.serving),
            self.group and intern(self.group),
            self.role and intern(self.role),
            self.role_id and intern(self.role_id),
            self.revision and intern(self.revision),
            self.template_hash and intern(self.template_hash),
            self.group_index and intern(self.group_index),
            self.worker_index and intern(self.worker_index),
            self.group_revision and intern(self.group_revision),
            self.controller_revision and intern(self.controller_revision),
        )


NO_LABELS = PodLabels()
"""Of a pod that bears none of them."""
