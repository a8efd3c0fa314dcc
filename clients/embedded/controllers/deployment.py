"""The Deployment controller: ReplicaSets by template, rollouts within their limits, history, events."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.controllers.deployment_rollout import (
    DESIRED,
    MAX_REPLICAS,
    is_rolling,
    limits,
    new_replicas,
    proportional,
    scaled_down,
    wanted_of,
)
from clients.embedded.controllers.deployment_status import (
    complete,
    deadline_left,
    progress,
    rollout_status,
    set_condition,
)
from clients.embedded.controllers.owned_pods import controller_of, owner_reference
from clients.embedded.controllers.recorder import Recorder, reference
from clients.embedded.controllers.replicaset import MANAGER, REPLICA_SETS, ReplicaSets, pod_template
from clients.embedded.controllers.workqueue import Key, WorkQueue
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["DEPLOYMENTS", "HASH_LABEL", "REVISION", "Deployments", "replica_set_of", "template_hash"]

DEPLOYMENTS = "deployments.apps"
HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(owner: Json) -> str:
    """Ten characters that belong to the owner's pod template."""
    body = encode(owner["spec"]["template"])
    number = zlib.crc32(body) << 32 | zlib.crc32(body[::-1])
    digits = []
    for _ in range(10):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def replica_set_of(deployment: Json, replicas: int, revision: int) -> Json:
    """The ReplicaSet of the Deployment's present template."""
    mark, template = template_hash(deployment), pod_template(deployment)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: mark}
    template.setdefault("metadata", {})["labels"] = labels
    selector = dict(deployment["spec"].get("selector") or {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: mark}
    spec: Json = {"replicas": replicas, "selector": selector, "template": template}
    if deployment["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
    return {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{mark}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": dict(labels),
            "annotations": _copied_annotations(deployment) | _sizes(deployment) | {REVISION: str(revision)},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": spec,
    }


def _sizes(deployment: Json) -> dict[str, str]:
    wanted = wanted_of(deployment)
    return {DESIRED: str(wanted), MAX_REPLICAS: str(wanted + limits(deployment)[0])}


def _copied_annotations(deployment: Json) -> dict[str, str]:
    told = deployment["metadata"].get("annotations") or {}
    return {k: v for k, v in told.items() if k not in (_LAST_APPLIED, REVISION, DESIRED, MAX_REPLICAS)}


def _revision(obj: Json) -> int:
    told = (obj["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(told) if told.isdigit() else 0


class Deployments:
    """Acts on every Deployment from ``start`` on."""

    def __init__(self, store: Store, engine: Engine, replica_sets: ReplicaSets) -> None:
        self._store = store
        self._engine = engine
        self._replica_sets = replica_sets
        self._recorder = Recorder(store, engine, "deployment-controller")
        self._queue = WorkQueue(engine, self._sync)
        store.subscribe(DEPLOYMENTS, self._changed)
        store.subscribe(REPLICA_SETS, self._replica_set_changed)
        replica_sets.emptied.append(self._replica_set_emptied)

    def start(self) -> None:
        """Looks at its objects from now on, and at those that nobody has looked at yet."""
        self._queue.open()
        for record in self._store.records(DEPLOYMENTS):
            if record.status in (None, b"{}"):
                self._queue.add(record.key)

    def look(self, namespace: str, name: str) -> None:
        """One pass now."""
        self._sync((namespace, name))

    def _changed(self, change: str, obj: Json) -> None:
        meta = obj["metadata"]
        if change != "DELETED" and (obj.get("status") or {}).get("observedGeneration") != meta["generation"]:
            self._queue.add((meta["namespace"], meta["name"]))

    def _replica_set_changed(self, _change: str, obj: Json) -> None:
        owner = controller_of(obj)
        if owner is not None and owner["kind"] == "Deployment":
            self._queue.add((obj["metadata"]["namespace"], owner["name"]))

    def _replica_set_emptied(self, key: Key) -> None:
        """Its status told so when its last pod began to end; who recreates waits for the end."""
        obj = self._store.get(REPLICA_SETS, *key)
        if obj is not None:
            self._replica_set_changed("MODIFIED", obj)

    # -- one pass --------------------------------------------------------------------------------------

    def _sync(self, key: Key) -> None:
        deployment = self._store.get(DEPLOYMENTS, *key)
        if deployment is None:
            return
        owned = self._owned(deployment)
        if "deletionTimestamp" in deployment["metadata"]:
            self._write(key, deployment, self._newest(deployment, owned), owned, rolled=False)
            return
        self._note_pause(deployment)
        only_sizes = bool(deployment["spec"].get("paused")) or self._scaled(deployment, owned)
        if only_sizes:
            self._scale(deployment, self._newest(deployment, owned), owned)
        elif is_rolling(deployment):
            self._roll(deployment, owned)
        else:
            self._recreate(deployment, owned)
        owned = self._owned(deployment)
        current = self._newest(deployment, owned)
        self._write(key, deployment, current, owned, rolled=not only_sizes)

    def _owned(self, deployment: Json) -> list[Json]:
        """Its ReplicaSets, oldest first."""
        records = self._store.dependents(deployment["metadata"]["uid"], REPLICA_SETS)
        found = [self._store.get(REPLICA_SETS, r.namespace, r.name) for r in records]
        sets = [rs for rs in found if rs is not None and "deletionTimestamp" not in rs["metadata"]]
        return sorted(sets, key=lambda rs: (rs["metadata"]["creationTimestamp"], _revision(rs)))

    def _newest(self, deployment: Json, owned: Sequence[Json]) -> Json | None:
        mark = template_hash(deployment)
        return next((rs for rs in owned if rs["metadata"]["labels"].get(HASH_LABEL) == mark), None)

    @staticmethod
    def _scaled(deployment: Json, owned: Sequence[Json]) -> bool:
        """Whether the wanted count changed since its ReplicaSets were last sized."""
        wanted = str(wanted_of(deployment))
        active = [rs for rs in owned if wanted_of(rs)]
        return any((rs["metadata"].get("annotations") or {}).get(DESIRED, wanted) != wanted for rs in active)

    # -- replica sets ----------------------------------------------------------------------------------

    def _current(self, deployment: Json, owned: list[Json]) -> Json:
        """The ReplicaSet of the present template, made if there is none, with the newest revision."""
        current = self._newest(deployment, owned)
        others = [rs for rs in owned if rs is not current]
        revision = max((_revision(rs) for rs in others), default=0) + 1
        if current is None:
            made = replica_set_of(deployment, 0, revision)
            made["spec"]["replicas"] = new_replicas(deployment, made, [*owned, made])
            current = self._store.create(REPLICA_SETS, made, manager=MANAGER)
            name = current["metadata"]["name"]
            self._condition(deployment, "NewReplicaSetCreated", f'Created new replica set "{name}"')
            if wanted_of(current):
                self._tell_scaled(deployment, name, 0, wanted_of(current))
            owned.append(current)
        elif _revision(current) < revision:
            self._annotate(current, {REVISION: str(revision)})
            name = current["metadata"]["name"]
            self._condition(deployment, "FoundNewReplicaSet", f'Found new replica set "{name}"')
        shown = max(_revision(current), revision)
        if _revision(deployment) != shown:
            deployment["metadata"].setdefault("annotations", {})[REVISION] = str(shown)
        return current

    def _annotate(self, rs: Json, annotations: dict[str, str]) -> None:
        def change(obj: Json) -> None:
            obj["metadata"].setdefault("annotations", {}).update(annotations)

        meta = rs["metadata"]
        self._store.mutate(REPLICA_SETS, meta["namespace"], meta["name"], change, manager=MANAGER)

    def _resize(self, deployment: Json, rs: Json, replicas: int, *, told: bool = True) -> bool:
        """Gives a ReplicaSet another size, or only notes the Deployment's; says whether the size changed."""
        before, meta = wanted_of(rs), rs["metadata"]
        sizes = _sizes(deployment)

        def change(obj: Json) -> None:
            obj["spec"]["replicas"] = replicas
            obj["metadata"].setdefault("annotations", {}).update(sizes)

        self._store.mutate(REPLICA_SETS, meta["namespace"], meta["name"], change, manager=MANAGER)
        if before == replicas:
            return False
        rs["spec"]["replicas"] = replicas
        if told:
            self._tell_scaled(deployment, meta["name"], before, replicas)
        return True

    def _tell_scaled(self, deployment: Json, name: str, before: int, after: int) -> None:
        word = "up" if after > before else "down"
        message = f"Scaled {word} replica set {name} from {before} to {after}"
        self._recorder.event(reference(deployment), "ScalingReplicaSet", message)

    # -- ways --------------------------------------------------------------------------------------------

    def _scale(self, deployment: Json, current: Json | None, owned: list[Json]) -> None:
        """Another count, or a paused Deployment: sizes change, templates do not."""
        active = [rs for rs in owned if wanted_of(rs)]
        if len(active) <= 1:
            only = active[0] if active else current or (owned[-1] if owned else None)
            if only is not None:
                self._resize(deployment, only, wanted_of(deployment))
            return
        if current is not None and self._saturated(deployment, current):
            for rs in active:
                if rs is not current:
                    self._resize(deployment, rs, 0)
            return
        if is_rolling(deployment):
            sizes = proportional(deployment, active)
            for rs in active:
                self._resize(deployment, rs, sizes[rs["metadata"]["name"]])

    @staticmethod
    def _saturated(deployment: Json, rs: Json) -> bool:
        wanted = wanted_of(deployment)
        told = (rs["metadata"].get("annotations") or {}).get(DESIRED)
        available = (rs.get("status") or {}).get("availableReplicas", 0)
        return wanted_of(rs) == wanted and told == str(wanted) and available == wanted

    def _roll(self, deployment: Json, owned: list[Json]) -> None:
        current = self._current(deployment, owned)
        others = [rs for rs in owned if rs is not current]
        wanted, has = wanted_of(deployment), wanted_of(current)
        size = wanted if has > wanted else new_replicas(deployment, current, owned)
        if self._resize(deployment, current, size):
            return
        older = [rs for rs in others if wanted_of(rs)]
        shrunk = False
        for name, kept in scaled_down(deployment, current, older).items() if older else ():
            rs = next(rs for rs in older if rs["metadata"]["name"] == name)
            shrunk = self._resize(deployment, rs, kept) or shrunk
        if not shrunk and complete(deployment, deployment.get("status") or {}):
            self._forget_history(deployment, others)

    def _recreate(self, deployment: Json, owned: list[Json]) -> None:
        current = self._newest(deployment, owned)
        others = [rs for rs in owned if rs is not current]
        shrunk = [self._resize(deployment, rs, 0) for rs in others if wanted_of(rs)]
        if any(shrunk):
            return
        if any(self._replica_sets.pods_of(rs["metadata"]["uid"]) for rs in others):
            return
        current = self._current(deployment, owned)
        self._resize(deployment, current, wanted_of(deployment))
        if complete(deployment, deployment.get("status") or {}):
            self._forget_history(deployment, others)

    def _forget_history(self, deployment: Json, others: Sequence[Json]) -> None:
        """Drops the oldest empty ReplicaSets beyond ``revisionHistoryLimit``."""
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        empty = [rs for rs in others if not wanted_of(rs) and not (rs.get("status") or {}).get("replicas")]
        for rs in sorted(empty, key=_revision)[: max(0, len(others) - limit)]:
            self._store.delete(REPLICA_SETS, rs["metadata"]["namespace"], rs["metadata"]["name"])

    # -- what it tells ---------------------------------------------------------------------------------

    def _condition(self, deployment: Json, reason: str, message: str, status: str = "True") -> None:
        conditions = deployment.setdefault("status", {}).setdefault("conditions", [])
        set_condition(conditions, "Progressing", status, reason, message, self._engine.clock.now())

    def _note_pause(self, deployment: Json) -> None:
        paused = bool(deployment["spec"].get("paused"))
        known = progress((deployment.get("status") or {}).get("conditions") or ())
        was_paused = known is not None and known["reason"] == "DeploymentPaused"
        if known is not None and known["reason"] == "ProgressDeadlineExceeded":
            return
        if paused and not was_paused:
            self._condition(deployment, "DeploymentPaused", "Deployment is paused", "Unknown")
        elif was_paused and not paused:
            self._condition(deployment, "DeploymentResumed", "Deployment is resumed", "Unknown")

    def _write(
        self, key: Key, deployment: Json, current: Json | None, owned: Sequence[Json], *, rolled: bool
    ) -> None:
        now = self._engine.clock.now()
        status = rollout_status(deployment, current, owned, now, rolled=rolled)
        revision = (deployment["metadata"].get("annotations") or {}).get(REVISION)

        def annotate(obj: Json) -> None:
            if revision is not None:
                obj["metadata"].setdefault("annotations", {})[REVISION] = revision

        def change(obj: Json) -> None:
            obj["status"] = status

        self._store.mutate(DEPLOYMENTS, *key, annotate, manager=MANAGER)
        self._store.mutate(DEPLOYMENTS, *key, change, manager=MANAGER, subresource="status")
        left = deadline_left(deployment, progress(status["conditions"]), now)
        if left:
            self._queue.add(key, left + 1)
