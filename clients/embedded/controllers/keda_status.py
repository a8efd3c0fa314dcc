"""The status of a ScaledObject. Its conditions carry no times, and it tells no replica counts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.keda_triggers import Trigger
from clients.embedded.controllers.scale_targets import Scale

__all__ = ["KedaStatus"]

_TYPES = ("Ready", "Active", "Fallback", "Paused", "HPAActive")


class KedaStatus:
    """One status while it is worked on."""

    def __init__(self, told: Json | None) -> None:
        self.told: Json = copy.deepcopy(told or {})
        if not self.told.get("conditions"):
            self.told["conditions"] = [{"type": kind, "status": "Unknown"} for kind in _TYPES]

    def _set(self, kind: str, status: str, reason: str, message: str) -> bool:
        """Whether its status is another one now."""
        for condition in self.told["conditions"]:
            if condition["type"] == kind:
                changed: bool = condition["status"] != status
                condition.update(status=status, reason=reason, message=message)
                return changed
        return False

    def target(self, scale: Scale, reference: dict[str, str]) -> None:
        """What is scaled, and how many there were before KEDA."""
        group, _, version = reference["apiVersion"].rpartition("/")
        self.told["scaleTargetKind"] = f"{reference['apiVersion']}.{reference['kind']}"
        self.told["scaleTargetGVKR"] = {
            "group": group,
            "version": version,
            "kind": reference["kind"],
            "resource": scale.definition.plural,
        }
        self.told.setdefault("originalReplicaCount", scale.replicas)

    def triggers(self, hpa: str, triggers: Sequence[Trigger]) -> None:
        """The HPA and its metrics."""
        self.told["hpaName"] = hpa
        self.told["triggersTypes"] = ",".join(sorted({trigger.kind for trigger in triggers}))
        self.told["externalMetricNames"] = [t.metric for t in triggers if not t.is_resource]
        self.told["resourceMetricNames"] = [t.metric for t in triggers if t.is_resource]
        self._set("Fallback", "False", "NoFallbackFound", "No fallbacks are active on this scaled object")

    def ready(self) -> bool:
        """It is defined correctly; says whether that is news."""
        why = "ScaledObject is defined correctly and is ready for scaling"
        return self._set("Ready", "True", "ScaledObjectReady", why)

    def failed(self, message: str) -> bool:
        """It cannot be acted on; says whether that is news."""
        self._set("Active", "Unknown", "UnkownState", "ScaledObject check failed")
        return self._set("Ready", "False", "ScaledObjectCheckFailed", message)

    def pause(self, count: int | None) -> bool:
        """Paused, at ``count`` or where it is; says whether that is news."""
        self.told.pop("pausedReplicaCount", None)
        if count is not None:
            self.told["pausedReplicaCount"] = count
        return self._set("Paused", "True", "ScaledObjectPaused", "ScaledObject is paused")

    def resume(self) -> bool:
        """Not paused; says whether it was."""
        self.told.pop("pausedReplicaCount", None)
        paused = any(c["type"] == "Paused" and c["status"] == "True" for c in self.told["conditions"])
        why = "pause annotation removed for ScaledObject"
        if paused:
            self._set("Paused", "False", "ScaledObjectUnpaused", why)
        return paused

    def active(self, active: bool) -> None:
        """Whether any trigger is."""
        if active:
            told = "Scaling is performed because triggers are active"
            self._set("Active", "True", "ScalerActive", told)
        else:
            told = "Scaling is not performed because triggers are not active"
            self._set("Active", "False", "ScalerNotActive", told)

    def mirror(self, hpa: Json | None) -> None:
        """What the HPA says of itself."""
        conditions = ((hpa or {}).get("status") or {}).get("conditions") or ()
        for condition in conditions:
            if condition["type"] == "ScalingActive":
                self._set("HPAActive", condition["status"], condition["reason"], condition["message"])

    def measured(self, metric: str, active: bool) -> None:
        """A trigger gave a value."""
        self.told.setdefault("health", {})[metric] = {"numberOfFailures": 0, "status": "Happy"}
        self.told.setdefault("triggersActivity", {})[metric] = {"isActive": active}

    def failure(self, metric: str) -> None:
        """A trigger gave none."""
        health = self.told.setdefault("health", {})
        count = (health.get(metric) or {}).get("numberOfFailures", 0) + 1
        health[metric] = {"numberOfFailures": count, "status": "Failing"}

    def rested_long_enough(self, now: float, cooldown: float) -> bool:
        """Whether the last activity is a cooldown ago; a target that never was active may rest at once."""
        last = self.told.get("lastActiveTime")
        return last is None or datetime.fromisoformat(last).timestamp() + cooldown < now
