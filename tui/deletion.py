"""What can be deleted from here, by what change, and what to do about the rest."""

from __future__ import annotations

import shlex

from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.plain import plain

__all__ = ["deletion", "why_kept"]

_MODELARTS = "services are deleted in ModelArts' own console; stopped (p, or scale --stop) one is kept"
_LINE = 300
"""Characters."""


def why_kept(key: WorkloadKey, context: str) -> str | None:
    """Why a workload cannot be deleted from here, and what deletes it; ``None`` where it can be.

    ``context``: the kubeconfig's, for the line that does it there.
    """
    if key.system == "exoscale":
        return None
    if key.managed:
        return _MODELARTS
    words = ["kubectl", f"--context={context}", *(["-n", key.namespace] if key.namespace else [])]
    line = shlex.join([*words, "delete", key.kind.lower(), key.name])
    return plain(f"{line}: servegrid deletes no workload of a cluster", _LINE)


def deletion(key: WorkloadKey) -> ObjectChange:
    """The end of a deployment at Exoscale."""
    return ObjectChange(Verb.DELETE, ObjectRef("", key.kind, None, key.name), "")
