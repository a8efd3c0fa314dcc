"""KServe's InferenceService controller in Standard mode, its reconcile quirks included (v0.20).

Every pass writes the HPA's computed spec again, so a direct edit lasts until the next scale; the count of a
Deployment is touched only by the class ``none``. In Knative mode a plausible status is all there is.
"""

from __future__ import annotations

from clients.embedded.apiserver.kinds import fill_kind_defaults
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.deployment import DEPLOYMENTS
from clients.embedded.controllers.kserve_names import INFERENCE_SERVICES, ISVC_LABEL, MANAGER
from clients.embedded.controllers.kserve_objects import (
    deployment,
    hpa,
    ingress,
    inject_storage,
    scaled_object,
    service,
)
from clients.embedded.controllers.kserve_runtimes import Runtimes
from clients.embedded.controllers.kserve_spec import Component, autoscaler_class, components, mode, stopped
from clients.embedded.controllers.kserve_status import (
    component_state,
    knative_status,
    model_status,
    standard_status,
    stopped_status,
)
from clients.embedded.controllers.owned_pods import controller_of
from clients.embedded.controllers.recorder import Recorder, reference
from clients.embedded.controllers.replicaset import ReplicaSets
from clients.embedded.controllers.workqueue import Key, WorkQueue
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["InferenceServices"]

_HPAS = "horizontalpodautoscalers.autoscaling"
_INGRESSES = "ingresses.networking.k8s.io"
_SCALED_OBJECTS = "scaledobjects.keda.sh"
_WATCHED = (DEPLOYMENTS, "services", _INGRESSES, _SCALED_OBJECTS)
"""What it owns and hears of; HPAs are not among them."""


_RETRY = 10.0
"""Seconds until a model that is not loaded is looked at again: its pods are not watched."""


class InferenceServices:
    """Acts on every InferenceService from ``start`` on."""

    def __init__(self, store: Store, engine: Engine, replica_sets: ReplicaSets) -> None:
        self._store = store
        self._engine = engine
        self._runtimes = Runtimes(store)
        self._recorder = Recorder(store, engine, "v1beta1Controllers")
        self._queue = WorkQueue(engine, self._sync, reaction=0.1)
        replica_sets.pod_hooks.append(inject_storage)
        store.subscribe(INFERENCE_SERVICES, self._changed)
        for resource in _WATCHED:
            store.subscribe(resource, self._part_changed)

    def start(self) -> None:
        """Looks at its objects from now on, and at those that nobody has looked at yet."""
        self._runtimes.install()
        self._queue.open()
        for record in self._store.records(INFERENCE_SERVICES):
            if record.status in (None, b"{}"):
                self._queue.add(record.key)

    def look(self, namespace: str, name: str) -> None:
        """One pass now; before the start it makes no events, which would be long gone."""
        self._sync((namespace, name))

    def _tell(self, obj: Json, reason: str, message: str, kind: str = "Normal") -> None:
        if self._queue.is_open:
            self._recorder.event(reference(obj), reason, message, kind)

    def _changed(self, change: str, obj: Json) -> None:
        if change != "DELETED":
            self._queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _part_changed(self, _change: str, obj: Json) -> None:
        owner = controller_of(obj)
        if owner is not None and owner["kind"] == "InferenceService":
            self._queue.add((obj["metadata"]["namespace"], owner["name"]))

    # -- one pass --------------------------------------------------------------------------------------

    def _sync(self, key: Key) -> None:
        obj = self._store.get(INFERENCE_SERVICES, *key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return
        now, found = self._engine.clock.now(), list(components(obj))
        how = mode(obj)
        if how == "Knative":
            self._write(obj, knative_status(obj, now))
        elif how == "Standard" and found:
            if stopped(obj):
                self._remove(obj, found)
                self._write(obj, stopped_status(obj, found, now))
            else:
                status = self._reconcile(obj, found, now)
                self._write(obj, status)
                if status["modelStatus"]["transitionStatus"] != "UpToDate":
                    self._queue.add(key, _RETRY)

    def _reconcile(self, obj: Json, found: list[Component], now: float) -> Json:
        held: list[tuple[Component, Json | None]] = []
        runtime = None
        for component in found:
            if component.model is not None:
                runtime = self._runtimes.name_for(component.model)
            held.append((component, self._keep_component(obj, component)))
        self._put(_INGRESSES, ingress(obj, found))
        predictor, made = held[0]
        if made is None and predictor.model is not None:
            return self._no_runtime(obj, held, now)
        before = (obj.get("status") or {}).get("modelStatus") or {}
        labels = {ISVC_LABEL: obj["metadata"]["name"], "component": "predictor"}
        pods = self._store.list("pods", obj["metadata"]["namespace"], labels)
        pods = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        model = model_status(before, pods, component_state(made)[0] == "True")
        return standard_status(obj, held, model, runtime, now)

    def _no_runtime(self, obj: Json, held: list[tuple[Component, Json | None]], now: float) -> Json:
        """No runtime takes the model's format: the specification is at fault."""
        told = "No runtime found to support specified framework/version"
        model = {
            "transitionStatus": "InvalidSpec",
            "states": {"activeModelState": "", "targetModelState": "FailedToLoad"},
            "lastFailureInfo": {"reason": "NoSupportingRuntime", "message": told},
        }
        return standard_status(obj, held, model, None, now)

    def _keep_component(self, obj: Json, component: Component) -> Json | None:
        """The component's objects as they should be; answers its Deployment."""
        wanted = deployment(obj, component, self._runtimes.find)
        if wanted is None:
            return None
        kind = autoscaler_class(obj)
        if kind == "none":
            wanted["spec"]["replicas"] = component.least
        made = self._put(DEPLOYMENTS, wanted)
        containers = wanted["spec"]["template"]["spec"].get("containers") or [{}]
        port = int((containers[0].get("ports") or [{"containerPort": 8080}])[0]["containerPort"])
        self._put("services", service(obj, component, port))
        if kind == "hpa":
            self._put(_HPAS, hpa(obj, component))
        else:
            self._drop(obj, _HPAS, component.name)
        if kind == "keda":
            self._put(_SCALED_OBJECTS, scaled_object(obj, component))
        else:
            self._drop(obj, _SCALED_OBJECTS, component.name)
        return made

    # -- writing -----------------------------------------------------------------------------------------

    def _put(self, resource: str, wanted: Json) -> Json:
        """Creates an object, or writes over the spec of the one that is there; a count not given stays."""
        meta = wanted["metadata"]
        if self._store.record(resource, meta["namespace"], meta["name"]) is None:
            definition = self._store.resource(resource)
            fill_kind_defaults(definition, wanted)
            return self._store.create(resource, wanted, manager=MANAGER)

        def change(obj: Json) -> None:
            spec = {**wanted["spec"]}
            if "replicas" in obj["spec"]:
                spec.setdefault("replicas", obj["spec"]["replicas"])
            obj["spec"] = spec
            for name in ("labels", "annotations"):
                if meta.get(name):
                    obj["metadata"][name] = {**(obj["metadata"].get(name) or {}), **meta[name]}
            fill_kind_defaults(self._store.resource(resource), obj)

        done = self._store.mutate(resource, meta["namespace"], meta["name"], change, manager=MANAGER)
        assert done is not None
        return done

    def _drop(self, obj: Json, resource: str, name: str) -> None:
        """Deletes an object of that name if the InferenceService owns it; others' are left alone."""
        record = self._store.record(resource, obj["metadata"]["namespace"], name)
        if record is not None and obj["metadata"]["uid"] in record.owners:
            self._store.delete(resource, record.namespace, record.name)

    def _remove(self, obj: Json, found: list[Component]) -> None:
        for component in found:
            for resource in (_HPAS, _SCALED_OBJECTS, "services", DEPLOYMENTS):
                self._drop(obj, resource, component.name)
        self._drop(obj, _INGRESSES, obj["metadata"]["name"])

    def _write(self, obj: Json, status: Json) -> None:
        meta = obj["metadata"]

        def change(latest: Json) -> None:
            latest["status"] = status

        was, now = _ready(obj.get("status") or {}), _ready(status)
        self._store.mutate(
            INFERENCE_SERVICES, meta["namespace"], meta["name"], change, manager=MANAGER, subresource="status"
        )
        if now and not was:
            message = f"InferenceService [{meta['name']}] is Ready"
            self._tell(obj, "InferenceServiceReady", message)
        elif was and not now:
            own = [c for c in status["conditions"] if c["type"] not in ("Ready", "Stopped")]
            failing = [c["type"] for c in own if c["status"] != "True"]
            message = f"InferenceService [{meta['name']}] is no longer Ready because of: {', '.join(failing)}"
            self._tell(obj, "InferenceServiceNotReady", message, "Warning")


def _ready(status: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
