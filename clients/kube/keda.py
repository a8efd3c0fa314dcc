"""KEDA ScaledObjects as drivers: what they scale and within which bounds (keda.sh/v1alpha1)."""

from __future__ import annotations

import msgspec

from clients.kube.keda_object import GROUP, KIND, decode_object
from clients.kube.resources import ResourceSpec
from clients.kube.rows import ScalerRow
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["GROUP", "KIND", "WATCHES", "decode", "drivers", "links"]

WATCHES = (ResourceSpec("keda", GROUP, "scaledobjects", KIND, ("v1alpha1",)),)


def decode(raw: bytes | msgspec.Raw) -> ScalerRow:
    """A row from an object's JSON, with KEDA's defaults: 0 to 100 replicas, looked at every 30 s."""
    scaled = decode_object(raw)
    target = scaled.target
    held = scaled.paused_at
    return ScalerRow(
        scaled.uid,
        scaled.namespace,
        scaled.name,
        GROUP,
        KIND,
        ((target.group, target.kind, scaled.namespace, target.name, None, scaled.minimum, scaled.maximum),)
        if target is not None
        else (),
        signal=scaled.triggers[0].kind or None if scaled.triggers else None,
        paused=scaled.paused,
        note=None if held is None else f"paused at {held}",
        interval=scaled.polling,
    )


def drivers(row: ScalerRow) -> tuple[tuple[ObjectRef, Driver], ...]:
    """(target, driver) for the target. A paused one leaves a count set by hand alone, unless it is pinned."""
    me = ObjectRef(row.group, row.kind, row.namespace, row.name)
    return tuple(
        (
            ObjectRef(group, kind, namespace, name),
            Driver(
                kind="KEDA",
                ref=me,
                role=role,
                minimum=minimum,
                maximum=maximum,
                signal=row.signal,
                interval=row.interval,
                reverts=not row.paused or row.note is not None,
                note=row.note or ("paused" if row.paused else None),
            ),
        )
        for group, kind, namespace, name, role, minimum, maximum in row.targets
    )


def links(row: ScalerRow) -> tuple[Link, ...]:
    """What it scales, directly between 0 and 1, else through its HPA."""
    me = ObjectRef(row.group, row.kind, row.namespace, row.name)
    return tuple(
        Link(me, ObjectRef(group, kind, namespace, name), LinkKind.SCALES)
        for group, kind, namespace, name, *_ in row.targets
    )
