"""The embedded cluster's store: objects, versions, history and who is told.

Controllers use it from inside the process; the HTTP handlers use it for everybody else. It is not
thread-safe: one event loop owns it. Resources are named ``plural`` or ``plural.group``.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from clients.clock import Clock
from clients.embedded.apiserver.builtins import standard_registry
from clients.embedded.apiserver.collector import Collector
from clients.embedded.apiserver.crds import standard_crds
from clients.embedded.apiserver.errors import ApiError, already_exists, conflict
from clients.embedded.apiserver.fields import coarse_entry, update_managers
from clients.embedded.apiserver.history import Change, ChangeListener, History
from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.apiserver.records import Record, make_record
from clients.embedded.apiserver.registry import Registry, Resource, resource_from_crd
from clients.embedded.apiserver.roles import standard_roles
from clients.embedded.apiserver.schema import check, fill_defaults

__all__ = ["Admission", "Listener", "Store"]

_log = logging.getLogger(__name__)

Listener = Callable[[str, Json], None]
"""(ADDED | MODIFIED | DELETED, object), after the commit, in its order; the object is shared: read-only."""

Admission = Callable[[str, "Json | None", "Json | None", "str | None"], "list[str] | None"]
"""(CREATE | UPDATE | DELETE, old, new, subresource) → reasons to deny, or None. For writes over HTTP."""

Objects: TypeAlias = list[Json]
Records: TypeAlias = list[Record]

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"
_DEFAULT_GRACE = 30.0
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


class Store:
    """All objects of one cluster."""

    def __init__(
        self,
        clock: Clock,
        *,
        registry: Registry | None = None,
        crds: Iterable[Json] | None = None,
        seed: int | None = None,
    ) -> None:
        """``crds`` are installed at once (default: the ones we ship). ``seed`` makes uids repeatable."""
        self.clock = clock
        self.registry = registry if registry is not None else standard_registry()
        self.admission: dict[str, Admission] = {}
        self._random = random.Random(seed)
        # Versions go on growing from one run to the next, so that a client that survived a restart is
        # told that its version is too old instead of waiting for the new run to reach it.
        self._rv = max(1000, int(clock.now() * 1000))
        self.history = History(clock, self._rv)
        self._tables: dict[str, dict[tuple[str, str], Record]] = {}
        self._sorted: dict[str, list[tuple[str, str]]] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._watchers: list[ChangeListener] = []
        self._withdrawn: list[Callable[[str], None]] = []
        self._pending: deque[tuple[Change, Json]] = deque()
        self._telling = False
        self._collector = Collector(self)
        for name in ("default", "kube-system", "kube-public"):
            self.create("namespaces", new_namespace(name), manager="kube-apiserver")
        for resource, obj in standard_roles():
            self.create(resource, obj, manager="kube-apiserver")
        for crd in standard_crds() if crds is None else crds:
            self.create(_CRDS, crd, manager="kube-apiserver")

    # -- reading ---------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The newest resource version."""
        return self._rv

    def resource(self, key: str) -> Resource:
        """The definition of a served resource. Raises ApiError 404 if there is none."""
        found = self.registry.get(key)
        if found is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return found

    def get(self, resource: str, namespace: str | None, name: str) -> Json | None:
        """A fresh dict that the caller may change, or None."""
        record = self.record(resource, namespace, name)
        return None if record is None else self._decode(self.resource(resource), record)

    def list(
        self, resource: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Objects:
        """Fresh dicts, in the order of ``records``."""
        definition = self.resource(resource)
        return [self._decode(definition, r) for r in self.records(resource, namespace, labels)]

    def record(self, resource: str, namespace: str | None, name: str) -> Record | None:
        """The encoded object: labels, owners and uid without decoding."""
        return self._tables.get(resource, {}).get((namespace or "", name))

    def records(
        self, resource: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Records:
        """Encoded objects, in the order of ``namespace/name``, as etcd has it: ``a-2/x`` before ``a/x``."""
        table = self._tables.get(resource)
        if not table:
            return []
        keys = self._sorted.get(resource)
        if keys is None:
            keys = self._sorted[resource] = sorted(table, key="/".join)
        found = [table[key] for key in keys]
        if namespace:
            found = [r for r in found if r.namespace == namespace]
        if labels:
            wanted = labels.items()
            found = [r for r in found if all(r.labels.get(k) == v for k, v in wanted)]
        return found

    def dependents(self, uid: str, resource: str) -> Records:
        """Objects of one resource that name ``uid`` among their owners, by an index."""
        table = self._tables.get(resource, {})
        return [table[key] for kind, key in self._collector.owned(uid) if kind == resource and key in table]

    def exists(self, uid: str) -> bool:
        """Whether any object has this uid."""
        return self._collector.knows(uid)

    def _decode(self, definition: Resource, record: Record) -> Json:
        return record.decode(definition.kind, definition.api_version())

    # -- writing ---------------------------------------------------------------------------------------

    def generate_name(self, prefix: str) -> str:
        """``prefix`` and five characters."""
        return prefix + "".join(self._random.choices(_SUFFIX, k=5))

    def create(
        self,
        resource: str,
        obj: Json,
        *,
        manager: str,
        validate: bool = False,
        track: bool = False,
        dry_run: bool = False,
    ) -> Json:
        """Stores a new object and returns it as stored (read-only: listeners saw the same dict).

        Fills uid, resourceVersion, generation, creationTimestamp (whole seconds) and managedFields;
        custom resources get their schema's defaults, and with ``validate`` are checked against it. ``track``
        works out field owners also for kinds where writes from inside do not; ``dry_run`` stores nothing.
        Raises ApiError: 409 if the name is taken, 422 if it is invalid.
        """
        definition = self.resource(resource)
        obj = dict(obj)
        metadata = obj["metadata"] = dict(obj.get("metadata") or {})
        if "name" not in metadata and metadata.get("generateName"):
            metadata["name"] = self.generate_name(metadata["generateName"])
        name = metadata["name"]
        if definition.namespaced:
            metadata.setdefault("namespace", "default")
        else:
            metadata.pop("namespace", None)
        key = (metadata.get("namespace", ""), name)
        if key in self._tables.get(resource, {}):
            raise already_exists(definition.group, definition.plural, name)
        if definition.custom:
            fill_defaults(definition, obj)
            if validate:
                check(definition, obj, None)
        now = self.clock.now()
        metadata["uid"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        metadata["creationTimestamp"] = timestamp(now)
        if definition.generation:
            metadata["generation"] = 1
        if resource == _CRDS:
            obj["status"] = established(obj, timestamp(now))
        if "managedFields" not in metadata:
            if definition.tracked or track:
                metadata["managedFields"] = update_managers(
                    definition, None, obj, manager=manager, subresource=None, at=timestamp(now)
                )
            else:
                metadata["managedFields"] = [coarse_entry(definition, manager, timestamp(now))]
        if dry_run:
            return obj
        return self._insert(definition, obj)

    def _insert(self, definition: Resource, obj: Json) -> Json:
        self._rv += 1
        record = make_record(definition, obj, self._rv)
        self._tables.setdefault(definition.key, {})[record.key] = record
        self._sorted.pop(definition.key, None)
        obj["kind"], obj["apiVersion"] = definition.kind, definition.api_version()
        obj["metadata"]["resourceVersion"] = str(self._rv)
        self._commit("ADDED", definition, record, None, obj)
        return obj

    def mutate(
        self,
        resource: str,
        namespace: str | None,
        name: str,
        change: Callable[[Json], None],
        *,
        manager: str,
        subresource: str | None = None,
    ) -> Json | None:
        """Reads, lets ``change`` edit the dict, writes. Returns the object (read-only), or None.

        An edit that changes nothing makes no version and no event. A change of spec raises the generation.
        """
        record = self.record(resource, namespace, name)
        if record is None:
            return None
        definition = self.resource(resource)
        obj = self._decode(definition, record)
        change(obj)
        return self.update(definition, record, obj, manager=manager, subresource=subresource)

    def update(
        self,
        definition: Resource,
        previous: Record,
        obj: Json,
        *,
        manager: str,
        subresource: str | None = None,
        managers: Objects | None = None,
        track: bool = False,
        dry_run: bool = False,
    ) -> Json:
        """Replaces ``previous``. ``managers`` is a managedFields that the caller worked out.

        ``track`` and ``dry_run`` as in ``create``.
        """
        metadata = obj["metadata"]
        if "creationTimestamp" not in metadata or metadata.get("uid") != previous.uid:
            raise conflict(definition.group, definition.plural, previous.name)
        if managers is not None:
            metadata["managedFields"] = managers
        record = make_record(definition, obj, self._rv + 1, previous)
        if record.same_content(previous):
            metadata["resourceVersion"] = str(previous.rv)
            return obj
        if definition.generation and (record.spec is not previous.spec or record.rest is not previous.rest):
            metadata["generation"] = previous.generation + 1
            record = make_record(definition, obj, self._rv + 1, previous)
        if managers is None and (definition.tracked or track):
            metadata["managedFields"] = update_managers(
                definition,
                self._decode(definition, previous),
                obj,
                manager=manager,
                subresource=subresource,
                at=timestamp(self.clock.now()),
            )
            record = make_record(definition, obj, self._rv + 1, previous)
        if dry_run:
            metadata["resourceVersion"] = str(previous.rv)
            return obj
        self._rv += 1
        metadata["resourceVersion"] = str(self._rv)
        if (
            record.deleting
            and not metadata.get("finalizers")
            and not metadata.get("deletionGracePeriodSeconds")
        ):
            self._remove(definition, previous, record, obj)
            return obj
        self._tables[definition.key][record.key] = record
        self._commit("MODIFIED", definition, record, previous, obj)
        return obj

    def delete(
        self,
        resource: str,
        namespace: str | None,
        name: str,
        *,
        grace: float | None = None,
        uid: str | None = None,
        propagation: str | None = None,
    ) -> Json | None:
        """Deletes, or begins to: returns the object as it was left, None if there is none.

        Pods on a node get a deletionTimestamp (now + grace) and stay until deleted with ``grace=0``;
        objects with finalizers stay until those are gone. Raises ApiError 409 if ``uid`` is another's.
        """
        record = self.record(resource, namespace, name)
        if record is None:
            return None
        definition = self.resource(resource)
        if uid is not None and uid != record.uid:
            why = (
                f"the UID in the precondition ({uid}) does not match the UID in record ({record.uid}). "
                "The object might have been deleted and then recreated"
            )
            raise conflict(definition.group, definition.kind, name, why)
        obj = self._decode(definition, record)
        metadata = obj["metadata"]
        finalizers = self._collector.finalizers_for(record, metadata, propagation)
        left = _grace(definition, obj, grace)
        if not finalizers and left == 0:
            self._rv += 1
            metadata["resourceVersion"] = str(self._rv)
            self._remove(definition, record, make_record(definition, obj, self._rv, record), obj)
            return obj
        if finalizers:
            metadata["finalizers"] = finalizers
        elif "finalizers" in metadata:
            del metadata["finalizers"]
        if not record.deleting:
            metadata["deletionTimestamp"] = timestamp(self.clock.now() + left)
            metadata["deletionGracePeriodSeconds"] = int(left)
            if record.generation:
                metadata["generation"] = record.generation + 1
        elif left < (metadata.get("deletionGracePeriodSeconds") or 0):
            metadata["deletionTimestamp"] = timestamp(self.clock.now() + left)
            metadata["deletionGracePeriodSeconds"] = int(left)
        if resource == "namespaces":
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        after = make_record(definition, obj, self._rv + 1, record)
        if not after.same_content(record):
            self._rv += 1
            metadata["resourceVersion"] = str(self._rv)
            self._tables[resource][record.key] = after
            self._commit("MODIFIED", definition, after, record, obj)
        return obj

    def delete_collection(
        self, resource: str, namespace: str | None, labels: Mapping[str, str], *, grace: float | None = None
    ) -> int:
        """Deletes what carries all ``labels``; returns how many."""
        found = self.records(resource, namespace, labels)
        for record in found:
            self.delete(resource, record.namespace, record.name, grace=grace)
        return len(found)

    def _remove(self, definition: Resource, previous: Record, last: Record, obj: Json) -> None:
        del self._tables[definition.key][previous.key]
        self._sorted.pop(definition.key, None)
        self._commit("DELETED", definition, last, previous, obj)

    # -- telling ---------------------------------------------------------------------------------------

    def subscribe(self, resource: str, listener: Listener) -> Callable[[], None]:
        """Tells ``listener`` every later change of one resource; returns what ends it."""
        self._listeners.setdefault(resource, []).append(listener)

        def stop() -> None:
            self._listeners[resource].remove(listener)

        return stop

    def watch(self, watcher: ChangeListener) -> Callable[[], None]:
        """Tells ``watcher`` every later change of everything, encoded; returns what ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def on_withdrawn(self, hear: Callable[[str], None]) -> None:
        """Tells ``hear`` the key of a resource that is served no longer."""
        self._withdrawn.append(hear)

    def _commit(
        self, kind: str, definition: Resource, record: Record, previous: Record | None, obj: Json
    ) -> None:
        change = self.history.append(kind, definition.key, record, previous)
        self._collector.index(change)
        for watcher in self._watchers:
            watcher(change)
        self._pending.append((change, obj))
        if self._telling:
            return
        self._telling = True
        try:
            while self._pending:
                self._tell(*self._pending.popleft())
        finally:
            self._telling = False

    def _tell(self, change: Change, obj: Json) -> None:
        """A listener that fails is logged: the commit stands, and the others must hear of it."""
        if change.resource == _CRDS:
            self._serve(change.type, obj)
        self._collector.after(change)
        for listener in tuple(self._listeners.get(change.resource, ())):
            try:
                listener(change.type, obj)
            except Exception:
                _log.exception("a listener of %s failed", change.resource)

    def _serve(self, kind: str, crd: Json) -> None:
        """A CRD appeared, changed or went: so does what it defines, with all its objects."""
        served = resource_from_crd(crd)
        if kind != "DELETED":
            if served is not None:
                self.registry.add(served)
            return
        key = crd["metadata"]["name"]
        definition = self.registry.get(key)
        if definition is None:
            return
        for record in list(self._tables.get(key, {}).values()):
            self._rv += 1
            obj = self._decode(definition, record)
            obj["metadata"]["resourceVersion"] = str(self._rv)
            self._remove(definition, record, make_record(definition, obj, self._rv, record), obj)
        self.registry.remove(key)
        self._rv += 1
        self.history.forget(key, self._rv)
        for hear in self._withdrawn:
            hear(key)


def new_namespace(name: str) -> Json:
    """An active namespace."""
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def established(crd: Json, at: str) -> Json:
    """The status that the real server's controllers give a CRD a moment after its creation."""
    spec = crd.get("spec") or {}
    conditions = [
        {
            "type": "NamesAccepted",
            "status": "True",
            "reason": "NoConflicts",
            "message": "no conflicts found",
            "lastTransitionTime": at,
        },
        {
            "type": "Established",
            "status": "True",
            "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted",
            "lastTransitionTime": at,
        },
    ]
    stored = [v.get("name") for v in spec.get("versions") or [] if v.get("storage")]
    return {"conditions": conditions, "acceptedNames": spec.get("names") or {}, "storedVersions": stored}


def _grace(definition: Resource, obj: Json, asked: float | None) -> float:
    """Seconds a deletion leaves: only pods that run on a node get any."""
    if definition.key != "pods":
        return 0.0
    spec = obj.get("spec") or {}
    if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0.0
    left = asked if asked is not None else spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE)
    current = obj["metadata"].get("deletionGracePeriodSeconds")
    if current is not None:
        left = min(left, current)
    return max(0.0, float(left))
