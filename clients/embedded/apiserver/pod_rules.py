"""What a pod must have, and what of it cannot be changed."""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.errors import Cause
from clients.embedded.apiserver.objects import Json

__all__ = ["container_causes", "fixed_causes"]

_CHANGEABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")


def container_causes(spec: Any, path: str) -> list[Cause]:
    """What is wrong with the containers of a pod, or of a pod template."""
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not containers or not isinstance(containers, list):
        return [Cause("FieldValueRequired", "Required value", f"{path}.containers")]
    causes = []
    for index, container in enumerate(containers):
        for name in ("name", "image"):
            if not isinstance(container, dict) or not container.get(name):
                causes.append(
                    Cause("FieldValueRequired", "Required value", f"{path}.containers[{index}].{name}")
                )
    names = [container.get("name") for container in containers if isinstance(container, dict)]
    for index, told in enumerate(names):
        if told and told in names[:index]:
            where = f"{path}.containers[{index}].name"
            causes.append(Cause("FieldValueDuplicate", f'Duplicate value: "{told}"', where))
    return causes


def fixed_causes(obj: Json, old: Json | None) -> list[Cause]:
    """Complains if a pod's spec differs from its former self in more than what may change."""
    if old is None or _fixed(obj) == _fixed(old):
        return []
    why = (
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
        "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
        "previously negative)"
    )
    return [Cause("FieldValueForbidden", why, "spec")]


def _fixed(pod: Json) -> Json:
    spec = {k: v for k, v in (pod.get("spec") or {}).items() if k not in _CHANGEABLE}
    for name in ("containers", "initContainers"):
        if name in spec:
            spec[name] = [{k: v for k, v in container.items() if k != "image"} for container in spec[name]]
    return spec
