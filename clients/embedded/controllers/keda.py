"""KEDA's ScaledObjects (2.20): an HPA of their own that nobody else may change, and the step from 0 to 1.

The HPA scales from 1 on with the external metrics that KEDA's metrics server serves; KEDA itself wakes the
target when a trigger turns active and puts it to rest a cooldown after the last one was.
"""

from __future__ import annotations

from collections.abc import Sequence

from clients.embedded.adapters import Adapters, Series
from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.apiserver.selectors import Requirement
from clients.embedded.controllers.hpa import HPAS
from clients.embedded.controllers.hpa_objects import hpa_object
from clients.embedded.controllers.keda_status import KedaStatus
from clients.embedded.controllers.keda_triggers import NAME_LABEL, Trigger, TriggerError, read_triggers
from clients.embedded.controllers.recorder import Recorder, reference
from clients.embedded.controllers.scale_targets import Scale, ScaleTargets, TargetError
from clients.embedded.demand import Demand
from clients.embedded.engine import Engine, Event
from clients.embedded.store import Store

__all__ = ["SCALED_OBJECTS", "KedaOperator", "review"]

SCALED_OBJECTS = "scaledobjects.keda.sh"
_MANAGER = "keda-operator"
_REACTION = 0.05
_PREFIX = "autoscaling.keda.sh/"
_POLL = 30
_COOLDOWN = 300
_MOST = 100

_Key = tuple[str, str]


def _target(spec: Json) -> dict[str, str]:
    told = spec["scaleTargetRef"]
    return {
        "apiVersion": told.get("apiVersion") or "apps/v1",
        "kind": told.get("kind") or "Deployment",
        "name": told["name"],
    }


def _type_of(target: dict[str, str]) -> str:
    return f"{target['apiVersion']}.{target['kind']}"


def _bounds(spec: Json) -> tuple[int, int]:
    """Of the HPA."""
    return max(1, spec.get("minReplicaCount") or 0), int(spec.get("maxReplicaCount") or _MOST)


def _notes(obj: Json) -> dict[str, str]:
    notes: dict[str, str] = obj["metadata"].get("annotations") or {}
    return {k.removeprefix(_PREFIX): v for k, v in notes.items() if k.startswith(_PREFIX)}


def _truth(text: str | None) -> bool:
    return (text or "").lower() in ("1", "t", "true")


def review(store: Store, operation: str, new: Json | None, subresource: str | None) -> list[str] | None:
    """What KEDA's admission webhook refuses."""
    if operation == "DELETE" or new is None or subresource is not None:
        return None
    spec, meta = new["spec"], new["metadata"]
    target = _target(spec)
    least, most = _bounds(spec)
    if least > most:
        return [f"MinReplicaCount={least} must be less than MaxReplicaCount={most}"]
    idle = spec.get("idleReplicaCount")
    if idle is not None and idle >= least:
        return [f"IdleReplicaCount={idle} must be less than MinReplicaCount={least}"]
    what = f"the workload '{target['name']}' of type '{_type_of(target)}' is already managed by the"
    for hpa in store.list(HPAS, meta["namespace"]):
        owners = [o for o in hpa["metadata"].get("ownerReferences") or () if o["kind"] == "ScaledObject"]
        mine = any(owner["name"] == meta["name"] for owner in owners)
        if not mine and hpa["spec"]["scaleTargetRef"] == target:
            return [f"{what} hpa '{hpa['metadata']['name']}'"]
    return None


class KedaOperator:
    """Operator and metrics server; acts from ``start`` on."""

    def __init__(self, store: Store, engine: Engine, demand: Demand, adapters: Adapters) -> None:
        self._store = store
        self._engine = engine
        self._demand = demand
        self._targets = ScaleTargets(store)
        self._recorder = Recorder(store, engine, "keda-operator")
        self._polls: dict[_Key, Event] = {}
        self._queued: set[_Key] = set()
        self._generations: dict[_Key, int] = {}
        self._started = False
        adapters.external_sources.append(self._series)
        store.admission[SCALED_OBJECTS] = lambda operation, _old, new, sub: review(store, operation, new, sub)
        store.subscribe(SCALED_OBJECTS, self._changed)
        store.subscribe(HPAS, self._hpa_changed)

    def start(self) -> None:
        """Looks at everything that is there."""
        self._started = True
        for record in self._store.records(SCALED_OBJECTS):
            self._enqueue(record.key)

    # -- what it hears -----------------------------------------------------------------------------------

    def _changed(self, change: str, obj: Json) -> None:
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if change == "DELETED":
            self._generations.pop(key, None)
            event = self._polls.pop(key, None)
            if event is not None:
                event.cancel()
        else:
            self._enqueue(key)

    def _hpa_changed(self, change: str, hpa: Json) -> None:
        if change == "ADDED":
            return
        for owner in hpa["metadata"].get("ownerReferences") or ():
            if owner["kind"] == "ScaledObject":
                self._enqueue((hpa["metadata"]["namespace"], owner["name"]))

    def _enqueue(self, key: _Key) -> None:
        if self._started and key not in self._queued:
            self._queued.add(key)
            self._engine.after(_REACTION, lambda: self._reconcile(key))

    # -- the object and its HPA --------------------------------------------------------------------------

    def _reconcile(self, key: _Key) -> None:
        self._queued.discard(key)
        obj = self._store.get(SCALED_OBJECTS, *key)
        if obj is None:
            return
        if (obj["metadata"].get("labels") or {}).get(NAME_LABEL) != key[1]:
            self._label(key)
        status = KedaStatus(obj.get("status"))
        notes = _notes(obj)
        paused = "paused-replicas" in notes or _truth(notes.get("paused"))
        try:
            triggers = read_triggers(obj["spec"])
            scale = self._targets.read(key[0], _target(obj["spec"]))
            status.target(scale, _target(obj["spec"]))
            if paused:
                self._pause(obj, status, scale, notes.get("paused-replicas"))
            else:
                if status.resume():
                    self._tell(obj, "ScaledObjectUnpaused", "pause annotation removed for ScaledObject")
                self._keep_hpa(obj, triggers, notes)
                status.triggers(self._hpa_name(obj), triggers)
        except (TargetError, TriggerError) as error:
            what = (
                "ScaledObject doesn't have correct scaleTargetRef specification"
                if isinstance(error, TargetError)
                else "Failed to ensure HPA is correctly created for ScaledObject"
            )
            if status.failed(what):
                self._tell(obj, "ScaledObjectCheckFailed", f"{what}: {error}", "Warning")
            self._write(key, status)
            return
        if status.ready():
            self._tell(obj, "ScaledObjectReady", "ScaledObject is ready for scaling")
        hpa = self._store.get(HPAS, key[0], self._hpa_name(obj))
        status.mirror(hpa)
        self._write(key, status)
        generation = obj["metadata"].get("generation", 0)
        if self._generations.get(key) != generation:
            self._generations[key] = generation
            known = self._polls.pop(key, None)
            if known is not None:
                known.cancel()
            self._poll(key)

    def _label(self, key: _Key) -> None:
        def change(obj: Json) -> None:
            obj["metadata"].setdefault("labels", {})[NAME_LABEL] = key[1]

        self._store.mutate(SCALED_OBJECTS, *key, change, manager=_MANAGER)

    def _write(self, key: _Key, status: KedaStatus) -> None:
        def change(obj: Json) -> None:
            obj["status"] = status.told

        self._store.mutate(SCALED_OBJECTS, *key, change, manager=_MANAGER, subresource="status")

    def _tell(self, obj: Json, reason: str, message: str, kind: str = "Normal") -> None:
        self._recorder.event(reference(obj), reason, message, kind)

    @staticmethod
    def _hpa_name(obj: Json) -> str:
        config = (obj["spec"].get("advanced") or {}).get("horizontalPodAutoscalerConfig") or {}
        return str(config.get("name") or f"keda-hpa-{obj['metadata']['name']}")

    def _pause(self, obj: Json, status: KedaStatus, scale: Scale, held: str | None) -> None:
        namespace = obj["metadata"]["namespace"]
        self._store.delete(HPAS, namespace, self._hpa_name(obj))
        count = int(held) if held is not None and held.isascii() and held.isdigit() else None
        if count is not None and scale.replicas != count:
            self._targets.write(scale, count, manager=_MANAGER)
        if status.pause(count):
            self._tell(obj, "ScaledObjectPaused", "ScaledObject is paused")

    def _keep_hpa(self, obj: Json, triggers: Sequence[Trigger], notes: dict[str, str]) -> None:
        """Creates the HPA, or puts back what anybody changed in its spec."""
        wanted = self._wanted_hpa(obj, triggers, notes)
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        found = self._store.get(HPAS, namespace, name)
        if found is None:
            self._store.create(HPAS, wanted, manager=_MANAGER)
        elif found["spec"] != wanted["spec"]:

            def change(hpa: Json) -> None:
                hpa["spec"] = wanted["spec"]

            self._store.mutate(HPAS, namespace, name, change, manager=_MANAGER)

    def _wanted_hpa(self, obj: Json, triggers: Sequence[Trigger], notes: dict[str, str]) -> Json:
        meta, spec = obj["metadata"], obj["spec"]
        config = (spec.get("advanced") or {}).get("horizontalPodAutoscalerConfig") or {}
        behavior: Json | None = config.get("behavior")
        for note, side in (("paused-scale-in", "scaleDown"), ("paused-scale-out", "scaleUp")):
            if _truth(notes.get(note)):
                behavior = {**(behavior or {}), side: {"selectPolicy": "Disabled"}}
        name = self._hpa_name(obj)
        metrics = [trigger.hpa_metric(meta["name"]) for trigger in triggers]
        made = hpa_object(meta["namespace"], name, _target(spec), *_bounds(spec), metrics, behavior)
        made["metadata"]["labels"] = {
            **(meta.get("labels") or {}),
            NAME_LABEL: meta["name"],
            "app.kubernetes.io/managed-by": "keda-operator",
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/part-of": meta["name"],
        }
        made["metadata"]["ownerReferences"] = [
            {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": meta["name"],
                "uid": meta["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
        return made

    # -- triggers ----------------------------------------------------------------------------------------

    def _poll(self, key: _Key) -> None:
        """Looks at the triggers: the step between rest and one, and who is active."""
        obj = self._store.get(SCALED_OBJECTS, *key)
        if obj is None:
            return
        spec, notes = obj["spec"], _notes(obj)
        period = float(spec.get("pollingInterval") or _POLL)
        self._polls[key] = self._engine.after(period, lambda: self._poll(key))
        if "paused-replicas" in notes or _truth(notes.get("paused")):
            return
        status = KedaStatus(obj.get("status"))
        try:
            triggers = read_triggers(spec)
            scale = self._targets.read(key[0], _target(spec))
        except (TargetError, TriggerError):
            self._enqueue(key)
            return
        awake: list[str] = []
        for trigger in triggers:
            if trigger.is_resource:
                continue
            try:
                reading = trigger.read(self._demand, key[0], self._engine.clock.now())
            except TriggerError as error:
                status.failure(trigger.metric)
                self._tell(obj, "KEDAScalerFailed", str(error), "Warning")
                continue
            status.measured(trigger.metric, reading.active)
            if reading.active:
                awake.append(f"{trigger.kind}Scaler")
        active = bool(awake) or _truth(notes.get("force-activation"))
        # The HPA alone measures cpu and memory: without another trigger there is no rest.
        active = active or all(trigger.is_resource for trigger in triggers)
        self._wake_or_rest(obj, status, scale, active, awake)
        status.active(active)
        status.mirror(self._store.get(HPAS, key[0], self._hpa_name(obj)))
        self._write(key, status)

    def _wake_or_rest(
        self, obj: Json, status: KedaStatus, scale: Scale, active: bool, awake: Sequence[str]
    ) -> None:
        spec, now = obj["spec"], self._engine.clock.now()
        idle, least = spec.get("idleReplicaCount"), spec.get("minReplicaCount") or 0
        rest = 0 if idle is None else idle
        what = f"{_type_of(_target(spec))} {scale.namespace}/{scale.name}"
        if active:
            if scale.replicas <= rest < max(1, least):
                self._targets.write(scale, max(1, least), manager=_MANAGER)
                by = f", triggered by {','.join(awake)}" if awake else ""
                message = f"Scaled {what} from {scale.replicas} to {max(1, least)}{by}"
                self._tell(obj, "KEDAScaleTargetActivated", message)
            status.told["lastActiveTime"] = timestamp(now)
        elif scale.replicas > rest and (idle is not None or least == 0):
            cooldown = float(spec.get("cooldownPeriod", _COOLDOWN))
            if status.rested_long_enough(now, cooldown):
                self._targets.write(scale, rest, manager=_MANAGER)
                message = f"Deactivated {what} from {scale.replicas} to {rest}"
                self._tell(obj, "KEDAScaleTargetDeactivated", message)
        elif scale.replicas < least and idle is None:
            self._targets.write(scale, least, manager=_MANAGER)

    def _series(self, namespace: str, metric: str, wanted: Sequence[Requirement]) -> list[Series]:
        """What KEDA's metrics server answers for a metric of one of its HPAs."""
        name = next((v for term in wanted if term.key == NAME_LABEL for v in term.values), None)
        obj = None if name is None else self._store.get(SCALED_OBJECTS, namespace, name)
        if obj is None:
            return []
        try:
            for trigger in read_triggers(obj["spec"]):
                if trigger.metric == metric and not trigger.is_resource:
                    reading = trigger.read(self._demand, namespace, self._engine.clock.now())
                    return [Series({NAME_LABEL: obj["metadata"]["name"]}, round(reading.value * 1000))]
        except TriggerError:
            return []
        return []
