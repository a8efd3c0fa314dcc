"""create, update, patch and delete as the API does them: checked, admitted, then stored.

Everything from reading the current object to storing the new one happens without a pause, so no other
writer can come between.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.apply import apply
from clients.embedded.apiserver.bodies import (
    check_name,
    check_type,
    checked_options,
    propagation,
    refuse_new_finalizers,
    undecodable_patch,
)
from clients.embedded.apiserver.errors import (
    ApiError,
    Cause,
    bad_request,
    conflict,
    invalid,
    not_found,
    unsupported_media_type,
)
from clients.embedded.apiserver.eventview import from_new_shape
from clients.embedded.apiserver.kinds import fill_kind_defaults, kind_causes, kind_prepare_create
from clients.embedded.apiserver.naming import metadata_causes
from clients.embedded.apiserver.objects import Json, at_path, timestamp
from clients.embedded.apiserver.patches import json_patch, merge_patch, strategic_merge
from clients.embedded.apiserver.records import Record
from clients.embedded.apiserver.registry import Resource
from clients.embedded.apiserver.requests import Target
from clients.embedded.apiserver.scaling import check_scale, scale_managers, scale_of, write_scale
from clients.embedded.apiserver.schema import check, fill_defaults, prune
from clients.embedded.apiserver.shapes import settled
from clients.embedded.apiserver.views import View
from clients.embedded.store import Store

__all__ = ["PATCH_TYPES", "Outcome", "WriteOptions", "Writer"]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)

_ANSWERED_WHOLE = ("pods", "services", "serviceaccounts", "namespaces")
"""Kinds whose deletion answers the object instead of a Status."""
_SYSTEM = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


class WriteOptions(Struct, frozen=True):
    """How a write is meant."""

    manager: str
    manager_given: bool = False
    dry_run: bool = False
    force: bool = False
    validation: str = "Warn"
    """Ignore, Warn or Strict, for unknown fields."""


class Outcome(Struct):
    """What a write answers."""

    status: int
    body: Json
    warnings: list[str] = []


class Writer:
    """Writes to the store on behalf of HTTP clients."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- create ----------------------------------------------------------------------------------------

    def create(self, target: Target, obj: Json, options: WriteOptions) -> Outcome:
        """A new object. Raises ApiError 400, 404, 409, 422, 500."""
        definition = target.resource
        check_type(target, obj)
        obj = self._incoming(target, obj)
        metadata = obj["metadata"]
        if definition.namespaced:
            if metadata.setdefault("namespace", target.namespace) != target.namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            self._check_namespace(definition, target.namespace or "", metadata)
        if metadata.get("resourceVersion"):
            raise ApiError(500, "InternalError", "resourceVersion should not be set on objects to be created")
        for key in (*_SYSTEM, "managedFields", "selfLink"):
            metadata.pop(key, None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = self._store.generate_name(metadata["generateName"])
        return self._add(target, obj, options)

    def _add(self, target: Target, obj: Json, options: WriteOptions) -> Outcome:
        """The end that POST and an apply of something new share."""
        definition = target.resource
        warnings = self._check_fields(target, obj, options)
        if definition.status:
            obj.pop("status", None)
        self._fill(target, obj)
        if not definition.custom:
            kind_prepare_create(definition, obj)
        self._validate(target, obj, None)
        self._admit(target, "CREATE", None, obj)
        stored = self._store.create(
            self._key(target), obj, manager=options.manager, track=True, dry_run=options.dry_run
        )
        return Outcome(201, self._shown(target, stored), warnings)

    def _incoming(self, target: Target, obj: Json) -> Json:
        obj = dict(obj) if target.resource.view_of is None else from_new_shape(obj)
        return settled(self._store.resource(self._key(target)), obj)

    def _check_namespace(self, definition: Resource, namespace: str, metadata: Json) -> None:
        record = self._store.record("namespaces", None, namespace)
        if record is None:
            raise not_found("", "namespaces", namespace)
        if record.deleting:
            name = metadata.get("name", "")
            message = (
                f'{definition.key} "{name}" is forbidden: unable to create new content in namespace '
                f"{namespace} because it is being terminated"
            )
            cause = {
                "reason": "NamespaceTerminating",
                "message": "namespace is being terminated",
                "field": "metadata.namespace",
            }
            raise ApiError(403, "Forbidden", message, details={"name": name, "causes": [cause]})

    # -- update and patch ------------------------------------------------------------------------------

    def replace(self, target: Target, obj: Json, options: WriteOptions) -> Outcome:
        """PUT. Raises ApiError 400, 404, 409, 422."""
        if target.subresource == "scale":
            check_scale(obj)
            check_name(target, obj.get("metadata") or {})
            return self._write_scale(target, self._current(target), obj, options)
        check_type(target, obj)
        obj = self._incoming(target, obj)
        metadata, definition = obj["metadata"], target.resource
        check_name(target, metadata)
        if metadata.get("namespace", target.namespace) != target.namespace:
            raise bad_request("the namespace of the object does not match the namespace on the URL")
        if definition.custom and not metadata.get("resourceVersion"):
            why = "Invalid value: 0: must be specified for an update"
            cause = Cause("FieldValueInvalid", why, "metadata.resourceVersion")
            raise invalid(definition.group, definition.plural, target.name or "", [cause])
        return self._update(target, self._current(target), obj, options)

    def patch(self, target: Target, media: str, patch: Any, options: WriteOptions) -> Outcome:
        """PATCH of any type. Raises ApiError 400, 404, 409, 415, 422."""
        definition = target.resource
        if media not in PATCH_TYPES or (media == STRATEGIC_PATCH and definition.custom):
            taken = ", ".join(t for t in PATCH_TYPES if t != STRATEGIC_PATCH or not definition.custom)
            raise unsupported_media_type(
                f"the body of the request was in an unknown format - accepted media types include: {taken}"
            )
        if media == APPLY_PATCH:
            return self._apply(target, patch, options)
        record = self._current(target)
        current = self._shown(target, self._stored(target, record))
        if target.subresource == "scale":
            scale = self._patched(media, scale_of(definition, current), patch)
            try:
                check_scale(scale)
            except ApiError as error:
                raise undecodable_patch(error) from None
            return self._write_scale(target, record, scale, options)
        patched = self._patched(media, current, patch)
        check_type(target, patched)
        try:
            patched = self._incoming(target, patched)
        except ApiError as error:
            raise undecodable_patch(error) from None
        check_name(target, patched["metadata"])
        if target.subresource == "status":
            told = {k: v for k, v in patched["metadata"].items() if k in ("resourceVersion", "uid")}
            patched["metadata"] = {**current["metadata"], **told}
        return self._update(target, record, patched, options)

    def _patched(self, media: str, current: Json, patch: Any) -> Json:
        if media == JSON_PATCH:
            return json_patch(current, patch)
        if not isinstance(patch, dict):
            raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
        if media == STRATEGIC_PATCH:
            return strategic_merge(copy.deepcopy(current), patch)
        merged = merge_patch(copy.deepcopy(current), patch)
        assert isinstance(merged, dict)
        return merged

    def _apply(self, target: Target, config: Any, options: WriteOptions) -> Outcome:
        definition = target.resource
        if not options.manager_given:
            why = "Required value: is required for apply patch"
            cause = Cause("FieldValueRequired", why, "fieldManager")
            raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
        if not isinstance(config, dict):
            raise bad_request("error decoding YAML: an object is wanted")
        if not config.get("kind") or not config.get("apiVersion"):
            raise bad_request("Object 'Kind' or 'apiVersion' is missing in the applied configuration")
        if target.subresource != "scale":
            check_type(target, config)
        config = self._incoming(target, config)
        metadata = config["metadata"]
        if metadata.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        check_name(target, metadata)
        metadata["name"] = target.name
        record = self._store.record(self._key(target), target.namespace, target.name or "")
        if record is None:
            if target.subresource is not None:
                raise not_found(definition.group, definition.plural, target.name or "")
            return self._apply_new(target, config, options)
        live = self._stored(target, record)
        self._check_version(definition, record, metadata)
        metadata.pop("resourceVersion", None)
        if target.subresource == "scale":
            check_scale(config)
            wanted = {"spec": config.get("spec")}
            config = {"metadata": {"name": target.name}}
            write_scale(definition, config, wanted)
        elif target.subresource == "status":
            config = {"metadata": {"name": target.name}, "status": config.get("status") or {}}
        elif definition.status:
            config.pop("status", None)
        warnings = self._check_fields(target, config, options)
        applied = apply(
            definition,
            live,
            config,
            manager=options.manager,
            subresource=target.subresource,
            force=options.force,
            at=timestamp(self._store.clock.now()),
        )
        outcome = self._update(target, record, applied.obj, options, applied.managers)
        outcome.warnings = warnings
        return outcome

    def _apply_new(self, target: Target, config: Json, options: WriteOptions) -> Outcome:
        definition, metadata = target.resource, config["metadata"]
        if definition.namespaced:
            metadata.setdefault("namespace", target.namespace)
            self._check_namespace(definition, target.namespace or "", metadata)
        if metadata.get("resourceVersion") or metadata.get("uid"):
            raise conflict(definition.group, definition.plural, target.name or "")
        if definition.status:
            config.pop("status", None)
        applied = apply(
            definition,
            None,
            config,
            manager=options.manager,
            subresource=None,
            force=options.force,
            at=timestamp(self._store.clock.now()),
        )
        applied.obj["metadata"]["managedFields"] = applied.managers
        return self._add(target, applied.obj, options)

    def _write_scale(self, target: Target, record: Record, scale: Json, options: WriteOptions) -> Outcome:
        definition = target.resource
        self._check_version(definition, record, scale.get("metadata") or {})
        obj = self._stored(target, record)
        if uid := (scale.get("metadata") or {}).get("uid"):
            obj["metadata"]["uid"] = uid
        managers = scale_managers(
            definition,
            obj,
            at_path(scale, ("spec", "replicas")) or 0,
            manager=options.manager,
            at=timestamp(self._store.clock.now()),
        )
        write_scale(definition, obj, scale)
        return self._update(target, record, obj, options, managers)

    def _update(
        self,
        target: Target,
        record: Record,
        obj: Json,
        options: WriteOptions,
        managers: list[Json] | None = None,
    ) -> Outcome:
        """The end that PUT, PATCH and apply share."""
        definition = target.resource
        old = self._stored(target, record)
        metadata = obj["metadata"]
        self._check_version(definition, record, metadata)
        if metadata.get("uid", record.uid) != record.uid:
            why = (
                f"Precondition failed: UID in precondition: {metadata['uid']}, "
                f"UID in object meta: {record.uid}"
            )
            raise conflict(definition.group, definition.plural, record.name, why)
        if target.subresource == "status":
            obj = {**old, "status": obj.get("status")}
            if obj["status"] is None:
                del obj["status"]
            metadata = obj["metadata"] = dict(old["metadata"])
        elif definition.status:
            obj.pop("status", None)
            if "status" in old:
                obj["status"] = old["status"]
        for key in (*_SYSTEM, "name", "namespace", "resourceVersion"):
            metadata.pop(key, None)
            if key in old["metadata"]:
                metadata[key] = old["metadata"][key]
        if managers is None:
            metadata["managedFields"] = old["metadata"].get("managedFields") or []
        warnings = self._check_fields(target, obj, options)
        self._fill(target, obj)
        self._validate(target, obj, old)
        self._admit(target, "UPDATE", old, obj)
        if record.deleting:
            refuse_new_finalizers(definition, old, obj)
        stored = self._store.update(
            self._store.resource(self._key(target)),
            record,
            obj,
            manager=options.manager,
            subresource=target.subresource,
            managers=managers,
            track=True,
            dry_run=options.dry_run,
        )
        shown = self._shown(target, stored)
        if target.subresource == "scale":
            shown = scale_of(definition, shown)
        return Outcome(200, shown, warnings)

    def scale(self, target: Target) -> Json:
        """The Scale of an object. Raises ApiError 404."""
        return scale_of(target.resource, self._stored(target, self._current(target)))

    # -- delete ----------------------------------------------------------------------------------------

    def delete(self, target: Target, told: Json, dry_run: bool) -> Outcome:
        """One object, by ``told`` DeleteOptions. Raises ApiError 404, 409."""
        definition = target.resource
        record = self._current(target)
        wanted = checked_options(told)
        version = wanted.get("resourceVersion")
        if version and version != str(record.rv):
            why = (
                f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in "
                f"record ({record.rv}). The object might have been modified"
            )
            raise conflict(definition.group, definition.kind, record.name, why)
        self._admit(target, "DELETE", self._stored(target, record), None)
        key = self._key(target)
        if dry_run:
            left = self._stored(target, record)
        else:
            done = self._store.delete(
                key,
                target.namespace,
                record.name,
                grace=told.get("gracePeriodSeconds"),
                uid=wanted.get("uid"),
                propagation=propagation(told),
            )
            assert done is not None
            left = done
        pending = not dry_run and "deletionTimestamp" in left["metadata"]
        if not pending and definition.key not in _ANSWERED_WHOLE:
            details = {"name": record.name, "kind": definition.plural, "uid": record.uid}
            if definition.group:
                details["group"] = definition.group
            body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            return Outcome(200, {**body, "details": details})
        return Outcome(200, self._shown(target, left))

    def delete_collection(
        self, target: Target, chosen: Callable[[Record], bool], told: Json, dry_run: bool
    ) -> Outcome:
        """Everything chosen; answers the list of what was."""
        checked_options(told)
        view = View(target.resource, target.version)
        records = [r for r in self._store.records(view.key, target.namespace) if chosen(r)]
        items = [view.obj(r) for r in records]
        if not dry_run:
            for record in records:
                self._store.delete(
                    view.key,
                    record.namespace,
                    record.name,
                    grace=told.get("gracePeriodSeconds"),
                    propagation=propagation(told),
                )
        metadata = {"resourceVersion": str(self._store.version)}
        head = {"kind": view.resource.list_kind, "apiVersion": view.api_version, "metadata": metadata}
        return Outcome(200, {**head, "items": items})

    # -- shared ----------------------------------------------------------------------------------------

    def _key(self, target: Target) -> str:
        return target.resource.view_of or target.resource.key

    def _current(self, target: Target) -> Record:
        record = self._store.record(self._key(target), target.namespace, target.name or "")
        if record is None:
            raise not_found(target.resource.group, target.resource.plural, target.name or "")
        return record

    def _stored(self, target: Target, record: Record) -> Json:
        """The object in the shape in which it is kept."""
        definition = self._store.resource(self._key(target))
        return record.decode(definition.kind, definition.api_version())

    def _shown(self, target: Target, obj: Json) -> Json:
        view = View(target.resource, target.version)
        return view.from_stored(obj)

    def _check_version(self, definition: Resource, record: Record, metadata: Json) -> None:
        version = metadata.get("resourceVersion")
        if version and version != str(record.rv):
            raise conflict(definition.group, definition.plural, record.name)

    def _check_fields(self, target: Target, obj: Json, options: WriteOptions) -> list[str]:
        """Drops unknown fields and says so as the client wishes. Raises ApiError 400 if it is strict."""
        if not target.resource.custom:
            return []
        unknown = prune(target.resource, obj, target.version)
        if not unknown or options.validation == "Ignore":
            return []
        told = [f'unknown field "{path}"' for path in unknown]
        if options.validation == "Strict":
            kind = target.resource.kind
            raise bad_request(
                f'{kind} in version "{target.version}" cannot be handled as a {kind}: '
                f"strict decoding error: {', '.join(told)}"
            )
        return told

    def _fill(self, target: Target, obj: Json) -> None:
        if target.resource.custom:
            fill_defaults(target.resource, obj, target.version)
        else:
            fill_kind_defaults(target.resource, obj)

    def _validate(self, target: Target, obj: Json, old: Json | None) -> None:
        definition = target.resource
        causes = metadata_causes(definition, obj["metadata"])
        if not definition.custom:
            causes += kind_causes(self._store.resource(self._key(target)), obj, old)
        if causes:
            raise invalid(definition.group, definition.kind, obj["metadata"].get("name") or "", causes)
        if definition.custom:
            check(definition, obj, old, target.version)

    def _admit(self, target: Target, operation: str, old: Json | None, new: Json | None) -> None:
        """Asks the admission webhook of this resource. Raises ApiError 400 with what it says."""
        webhook = self._store.admission.get(target.resource.key)
        if webhook is None:
            return
        denied = webhook(operation, old, new, target.subresource)
        if denied:
            name = f"{target.resource.plural}.{target.resource.group}"
            reasons = "".join(f"\n  - {reason}" for reason in denied)
            raise ApiError(
                400,
                "BadRequest",
                f'admission webhook "{name}" denied the request: validation failed:{reasons}',
            )
